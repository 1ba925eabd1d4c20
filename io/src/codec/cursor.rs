//! How are bytes read and written in order?
//!
//! A [`Reader`] never panics and never reads past its slice: bytes may come from a damaged disk
//! or a hostile peer. A [`Writer`] appends to a vector and cannot fail.

use super::varint;

/// The bytes ended, or held an impossible length, before the value did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes end at {position} inside a value")]
pub struct Truncated {
    /// Position of the value that could not be read.
    pub position: usize,
}

/// Reads values from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Returns a reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Returns how many bytes were read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or(&[])
    }

    /// Returns whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Reads the next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let position = self.position;
        let taken = self.rest().get(..count).ok_or(Truncated { position })?;
        self.position += count;
        Ok(taken)
    }

    /// Reads `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let position = self.position;
        let taken = self.rest().first_chunk::<N>().ok_or(Truncated { position })?;
        self.position += N;
        Ok(*taken)
    }

    /// Reads one byte.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Reads a little-endian `u16`.
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_le_bytes)
    }

    /// Reads a little-endian `u32`.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a little-endian `u64`.
    pub fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads a variable-length `u64`.
    pub fn varint(&mut self) -> Result<u64, Truncated> {
        let position = self.position;
        let (value, taken) = varint::read(self.rest()).ok_or(Truncated { position })?;
        self.position += taken;
        Ok(value)
    }

    /// Reads a variable-length count, then that many bytes.
    pub fn counted(&mut self) -> Result<&'a [u8], Truncated> {
        let position = self.position;
        let count = usize::try_from(self.varint()?).map_err(|_| Truncated { position })?;
        self.bytes(count)
    }
}

/// Appends values to a vector.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Returns an empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a writer that appends to `bytes`.
    pub fn over(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Returns how many bytes the vector holds.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether the vector is empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends a little-endian `u16`.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a little-endian `u32`.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a little-endian `u64`.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Appends a variable-length `u64`.
    pub fn varint(&mut self, value: u64) {
        varint::write(value, &mut self.bytes);
    }

    /// Appends the variable-length count of `bytes`, then the bytes.
    pub fn counted(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_order() {
        let mut writer = Writer::new();
        writer.u8(1);
        writer.u16(2);
        writer.u32(3);
        writer.u64(4);
        writer.varint(300);
        writer.counted(b"five");
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u64(), Ok(4));
        assert_eq!(reader.varint(), Ok(300));
        assert_eq!(reader.counted(), Ok(&b"five"[..]));
        assert!(reader.is_empty());
        assert_eq!(reader.u8(), Err(Truncated { position: bytes.len() }));
    }

    #[test]
    fn a_count_beyond_the_end_is_refused() {
        let mut writer = Writer::new();
        writer.varint(u64::MAX);
        let bytes = writer.into_bytes();
        assert!(Reader::new(&bytes).counted().is_err());
    }

    #[test]
    fn a_failed_read_does_not_move() {
        let mut reader = Reader::new(&[1, 2]);
        assert!(reader.u32().is_err());
        assert_eq!(reader.u16(), Ok(0x0201));
    }
}
