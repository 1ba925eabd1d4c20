//! How are integers and byte strings laid out in log records and catalog snapshots?
//!
//! Little-endian, no padding. A byte string is its length as `u32`, then its bytes; text is a byte
//! string of UTF-8. Every read is checked against the bytes that are there, so that damaged input
//! is an error value and never an allocation of the size it claims.

use crate::error::Error;

/// Appends fields to a growing byte string.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// What was written so far.
    bytes: Vec<u8>,
}

/// Takes fields off the front of a byte string.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    /// What was not taken yet.
    rest: &'a [u8],
    /// What is being read, for messages: `"log record"`.
    what: &'static str,
}

impl Writer {
    /// Returns a writer with room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// Returns the bytes written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns how many bytes were written.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends one byte.
    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends two bytes.
    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends four bytes.
    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends eight bytes.
    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends a count or a position, which our limits keep below 2^32.
    pub(crate) fn count(&mut self, value: usize) {
        assert!(value <= u32::MAX as usize, "a count of {value} does not fit its field");
        self.u32(value as u32);
    }

    /// Appends a byte string.
    pub(crate) fn blob(&mut self, value: &[u8]) {
        self.count(value.len());
        self.bytes.extend_from_slice(value);
    }

    /// Appends text.
    pub(crate) fn text(&mut self, value: &str) {
        self.blob(value.as_bytes());
    }

    /// Appends bytes as they are.
    pub(crate) fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }
}

impl<'a> Reader<'a> {
    /// Starts reading `bytes`, called `what` in messages.
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// Returns an error that says which field is wrong.
    pub(crate) fn corrupt(&self, field: &str) -> Error {
        Error::Corrupt(format!(
            "the {} is damaged: bad {field}, {} bytes before its end",
            self.what,
            self.rest.len()
        ))
    }

    fn take(&mut self, count: usize, field: &str) -> Result<&'a [u8], Error> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.corrupt(field)),
        }
    }

    fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N], Error> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.corrupt(field)),
        }
    }

    /// Takes one byte.
    pub(crate) fn u8(&mut self, field: &str) -> Result<u8, Error> {
        Ok(self.array::<1>(field)?[0])
    }

    /// Takes two bytes.
    pub(crate) fn u16(&mut self, field: &str) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    /// Takes four bytes.
    pub(crate) fn u32(&mut self, field: &str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    /// Takes eight bytes.
    pub(crate) fn u64(&mut self, field: &str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    /// Takes a count or a position.
    pub(crate) fn count(&mut self, field: &str) -> Result<usize, Error> {
        Ok(self.u32(field)? as usize)
    }

    /// Takes a byte string.
    pub(crate) fn blob(&mut self, field: &str) -> Result<&'a [u8], Error> {
        let count = self.count(field)?;
        self.take(count, field)
    }

    /// Takes text.
    pub(crate) fn text(&mut self, field: &str) -> Result<&'a str, Error> {
        let bytes = self.blob(field)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt(field))
    }

    /// Takes everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.corrupt("length")) }
    }
}
