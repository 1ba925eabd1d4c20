//! Where does a row end in PostgreSQL's binary form?
//!
//! ```text
//! header   "PGCOPY\n\377\r\n\0"   i32 flags   i32 length of an extension   extension
//! row      i16 fields   for each: i32 length, -1 = null   bytes
//! trailer  i16 -1
//! ```
//!
//! Numbers are big-endian. As PostgreSQL does, data that end after a row are taken without a
//! trailer. Nothing is kept for bytes that were announced and have not come.

use super::lines::ROW_BYTES_MAX;
use crate::error::{Error, Result, code};

/// What data begin with.
pub const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// The count of fields that ends the data.
pub const TRAILER: i16 = -1;

/// The flag of rows with numbers of their own, which nobody writes any more.
const NUMBERED: u32 = 1 << 16;
/// Flags that must be understood.
const CRITICAL: u32 = 0xffff_0000;

/// One row as it arrived.
#[derive(Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Its number, from 1.
    pub number: u64,
    /// The bytes of its values; `None` is null.
    pub fields: Vec<Option<Vec<u8>>>,
    /// Bytes of all of it.
    pub bytes: usize,
}

/// Cuts bytes into rows.
#[derive(Debug, Default)]
pub struct Tuples {
    buffer: Vec<u8>,
    /// How far the buffer has been read.
    at: usize,
    has_header: bool,
    /// Rows before.
    before: u64,
    ended: bool,
}

/// Returns what stands before the first row.
pub fn header() -> Vec<u8> {
    [&SIGNATURE[..], &[0; 8]].concat()
}

fn damaged(message: impl Into<String>) -> Error {
    Error::new(code::BAD_COPY, message.into())
}

fn too_long() -> Error {
    Error::new(code::PROGRAM_LIMIT, format!("a row of more than {ROW_BYTES_MAX} bytes"))
}

/// A place in bytes of which more may come.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    /// Returns the next bytes, if they have come.
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }
}

impl Tuples {
    /// Adds bytes.
    ///
    /// **Errors**: 22P04 after the trailer.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.ended && !bytes.is_empty() {
            return Err(damaged("received copy data after EOF marker"));
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Returns the number of the row that comes next, for errors.
    pub fn number(&self) -> u64 {
        self.before + 1
    }

    /// Returns the next row that is whole.
    ///
    /// **Errors**: 22P04 for bytes that are no rows of so many columns, and for data that end within
    /// one; 54000 for a row too long.
    pub fn next(&mut self, columns: usize, at_end: bool) -> Result<Option<Tuple>> {
        if !self.has_header && !self.take_header(at_end)? {
            return Ok(None);
        }
        let mut reader = Reader { bytes: &self.buffer, at: self.at };
        let tuple = match self.ended {
            true => None,
            false => tuple(&mut reader, columns)?,
        };
        match tuple {
            Some(Some(fields)) => {
                let bytes = reader.at - self.at;
                (self.at, self.before) = (reader.at, self.before + 1);
                Ok(Some(Tuple { number: self.before, fields, bytes }))
            }
            Some(None) => {
                (self.at, self.ended) = (reader.at, true);
                match self.buffer.len() > self.at {
                    true => Err(damaged("received copy data after EOF marker")),
                    false => Ok(None),
                }
            }
            None if self.ended => Ok(None),
            None if self.buffer.len() - self.at > ROW_BYTES_MAX => Err(too_long()),
            None if at_end && self.buffer.len() > self.at => {
                Err(damaged("unexpected EOF in COPY data"))
            }
            None => Ok(None),
        }
    }

    /// Reads the header; returns whether it has come.
    fn take_header(&mut self, at_end: bool) -> Result<bool> {
        let seen = self.buffer.len().min(SIGNATURE.len());
        if self.buffer[..seen] != SIGNATURE[..seen] || (at_end && seen < SIGNATURE.len()) {
            return Err(damaged("COPY file signature not recognized"));
        }
        let mut reader = Reader { bytes: &self.buffer, at: SIGNATURE.len() };
        let (Some(flags), Some(length)) = (reader.i32(), reader.i32()) else {
            return match at_end {
                true => Err(damaged("invalid COPY file header (missing flags or length)")),
                false => Ok(false),
            };
        };
        let flags = flags.cast_unsigned();
        if flags & NUMBERED != 0 {
            return Err(damaged("invalid COPY file header (WITH OIDS)"));
        }
        if flags & CRITICAL != 0 {
            return Err(damaged("unrecognized critical flags in COPY file header"));
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= ROW_BYTES_MAX);
        let length = length.ok_or_else(|| damaged("invalid COPY file header (wrong length)"))?;
        match reader.take(length) {
            Some(_) => {
                (self.at, self.has_header) = (reader.at, true);
                Ok(true)
            }
            None if at_end => Err(damaged("invalid COPY file header (wrong length)")),
            None => Ok(false),
        }
    }
}

/// The values of a row; `Some(None)` for the trailer, `None` while it has not come whole.
type Fields = Option<Option<Vec<Option<Vec<u8>>>>>;

fn tuple(reader: &mut Reader<'_>, columns: usize) -> Result<Fields> {
    let Some(count) = reader.i16() else { return Ok(None) };
    if count == TRAILER {
        return Ok(Some(None));
    }
    if usize::try_from(count) != Ok(columns) {
        return Err(damaged(format!("row field count is {count}, expected {columns}")));
    }
    let start = reader.at;
    let mut fields = Vec::with_capacity(columns);
    for _ in 0..columns {
        let Some(length) = reader.i32() else { return Ok(None) };
        if length == -1 {
            fields.push(None);
            continue;
        }
        let length = usize::try_from(length).map_err(|_| damaged("invalid field size"))?;
        if length > ROW_BYTES_MAX - (reader.at - start).min(ROW_BYTES_MAX) {
            return Err(too_long());
        }
        let Some(bytes) = reader.take(length) else { return Ok(None) };
        fields.push(Some(bytes.to_vec()));
    }
    Ok(Some(Some(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL 15 writes `COPY (VALUES (1, 'ab'), (2, NULL)) TO STDOUT (FORMAT binary)`.
    fn whole() -> Vec<u8> {
        let rows =
            b"\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x02ab\0\x02\0\0\0\x04\0\0\0\x02\xff\xff\xff\xff";
        [&SIGNATURE[..], &[0; 8], rows, b"\xff\xff"].concat()
    }

    /// Reads data that arrive in pieces of `step` bytes.
    fn read(data: &[u8], step: usize) -> Result<Vec<Tuple>> {
        let mut tuples = Tuples::default();
        let mut out = Vec::new();
        for piece in data.chunks(step) {
            tuples.push(piece)?;
            while let Some(tuple) = tuples.next(2, false)? {
                out.push(tuple);
            }
        }
        while let Some(tuple) = tuples.next(2, true)? {
            out.push(tuple);
        }
        Ok(out)
    }

    #[test]
    fn rows_are_read_wherever_they_are_cut() {
        let whole = whole();
        for step in 1..=whole.len() {
            let tuples = read(&whole, step).unwrap();
            let fields: Vec<_> = tuples.iter().map(|tuple| &tuple.fields[1]).collect();
            assert_eq!(fields, [&Some(b"ab".to_vec()), &None], "{step}");
            assert_eq!(tuples[1].number, 2);
        }
        // As PostgreSQL does: a trailer that is missing is not missed.
        assert_eq!(read(&whole[..whole.len() - 2], 7).unwrap().len(), 2);
    }

    #[test]
    fn data_that_end_early_are_refused() {
        let whole = whole();
        let ends = [19, 35, 49, 51];
        for end in (0..whole.len()).filter(|end| !ends.contains(end)) {
            let refused = read(&whole[..end], 5).unwrap_err();
            assert_eq!(refused.code, "22P04", "{end}");
        }
    }

    #[test]
    fn bytes_that_are_no_rows_are_refused() {
        let changed = |at: usize, bytes: &[u8]| {
            let mut data = whole();
            data.splice(at..at + bytes.len(), bytes.iter().copied());
            data
        };
        for (data, message) in [
            (b"1\tab\n".to_vec(), "signature not recognized"),
            (changed(11, &[0, 1]), "WITH OIDS"),
            (changed(11, &[1]), "critical flags"),
            (changed(15, &[255]), "wrong length"),
            (changed(19, &[0, 3]), "row field count is 3, expected 2"),
            (changed(19, &[255, 254]), "row field count is -2"),
            (changed(21, &[255, 255, 255, 254]), "invalid field size"),
            (changed(21, &[127, 255, 255, 255]), "a row of more than"),
            ([whole(), vec![0]].concat(), "after EOF marker"),
        ] {
            for step in [3, 1_000] {
                let refused = read(&data, step).unwrap_err();
                assert!(refused.message.contains(message), "{} {message}", refused.message);
            }
        }
    }
}
