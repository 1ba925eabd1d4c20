//! What is in a NumPy array file?
//!
//! ```text
//! 93 "NUMPY" | major | minor | header bytes: u16 (version 1) or u32 LE | header | rows
//! header: {'descr': '<f2', 'fortran_order': False, 'shape': (11076, 384), }
//! ```
//!
//! Format versions 1 to 3 (`numpy.lib.format`): little-endian arrays of two dimensions, row after
//! row, of the element types below. A file is read as it comes and may be larger than memory.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use pieskieo_io::file::host;

/// Longest header that is believed.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Largest row that is believed, in elements.
const COLUMNS_MAX: usize = 1 << 20;
/// Bytes read from the file at once.
const READ_BYTES: usize = 1 << 20;

/// An element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    U8,
    I8,
    F16,
    F32,
    F64,
    I32,
    I64,
}

/// A file being read row by row.
pub struct Npy {
    path: PathBuf,
    input: Box<dyn Read>,
    element: Element,
    rows: usize,
    columns: usize,
    next: usize,
    /// The current row as it is in the file.
    bytes: Vec<u8>,
}

impl Npy {
    /// Opens a file and reads its header.
    ///
    /// **Errors**: those of reading; `InvalidData` for anything but the form above. They name the
    /// file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = host::open_reader(&path).map_err(|error| at(&path, &error.to_string()))?;
        Self::read(Box::new(BufReader::with_capacity(READ_BYTES, file)), path)
    }

    fn read(mut input: Box<dyn Read>, path: PathBuf) -> io::Result<Self> {
        let header = read_header(&mut input).map_err(|error| at(&path, &error.to_string()))?;
        let refuse = |what: String| Err(at(&path, &what));
        let kind = value_of(&header, "descr").unwrap_or("unknown");
        let Some(element) = element_of(kind) else {
            return refuse(format!("elements of type {kind} are not read"));
        };
        if value_of(&header, "fortran_order") != Some("False") {
            return refuse("the array is in Fortran order; save it in C order".to_owned());
        }
        let Some((rows, columns)) = shape_of(&header) else {
            let shape = value_of(&header, "shape").unwrap_or("unknown");
            return refuse(format!("an array of shape {shape}; vectors are [count, dimension]"));
        };
        if !(1..=COLUMNS_MAX).contains(&columns) {
            return refuse(format!("rows of {columns} elements; 1 to {COLUMNS_MAX} are read"));
        }
        let bytes = vec![0; columns * element.bytes()];
        Ok(Self { path, input, element, rows, columns, next: 0, bytes })
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of elements per row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Reads the next row into `row`, replacing what was there. Returns `false` at the end.
    ///
    /// **Errors**: those of reading, also when the file ends early.
    pub fn next_f32(&mut self, row: &mut Vec<f32>) -> io::Result<bool> {
        row.clear();
        if !self.fill()? {
            return Ok(false);
        }
        let chunks = self.bytes.chunks_exact(self.element.bytes());
        row.extend(chunks.map(|bytes| self.element.number(bytes) as f32));
        Ok(true)
    }

    fn fill(&mut self) -> io::Result<bool> {
        if self.next == self.rows {
            return Ok(false);
        }
        let row = self.next;
        self.input
            .read_exact(&mut self.bytes)
            .map_err(|error| at(&self.path, &format!("row {row}: {error}")))?;
        self.next += 1;
        Ok(true)
    }
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Reads one element as a whole number; fractions are bits here.
    fn whole(self, bytes: &[u8]) -> i64 {
        let unsigned = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        match self {
            Self::I8 => i64::from(unsigned as u8 as i8),
            Self::I32 => i64::from(unsigned as u32 as i32),
            Self::U8 | Self::F16 | Self::F32 | Self::F64 | Self::I64 => unsigned as i64,
        }
    }

    fn number(self, bytes: &[u8]) -> f64 {
        let whole = self.whole(bytes);
        match self {
            Self::F16 => half(whole as u16),
            Self::F32 => f64::from(f32::from_bits(whole as u32)),
            Self::F64 => f64::from_bits(whole as u64),
            Self::U8 | Self::I8 | Self::I32 | Self::I64 => whole as f64,
        }
    }
}

/// Returns the value of an IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

fn read_header(input: &mut impl Read) -> io::Result<String> {
    let mut start = [0; 8];
    input.read_exact(&mut start)?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a NumPy file"));
    }
    let mut count = [0; 4];
    let width = if start[6] == 1 { 2 } else { 4 };
    input.read_exact(&mut count[..width])?;
    let count = u32::from_le_bytes(count) as usize;
    if count > HEADER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the header is too long"));
    }
    let mut header = vec![0; count];
    input.read_exact(&mut header)?;
    String::from_utf8(header).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Returns the text after `'key':`, up to a comma outside parentheses.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = header.split_once(&format!("'{key}':"))?;
    let end = if after.trim_start().starts_with('(') {
        after.find(')')? + 1
    } else {
        after.find([',', '}'])?
    };
    Some(after[..end].trim())
}

fn element_of(descr: &str) -> Option<Element> {
    Some(match descr.trim_matches(['\'', '"']) {
        "|u1" | "<u1" => Element::U8,
        "|i1" | "<i1" => Element::I8,
        "<f2" => Element::F16,
        "<f4" => Element::F32,
        "<f8" => Element::F64,
        "<i4" => Element::I32,
        "<i8" => Element::I64,
        _ => return None,
    })
}

/// Returns the sizes of two dimensions.
fn shape_of(header: &str) -> Option<(usize, usize)> {
    let shape = value_of(header, "shape")?.strip_prefix('(')?.strip_suffix(')')?;
    let parts = shape.split(',').map(str::trim).filter(|part| !part.is_empty());
    let sizes: Vec<usize> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
    match sizes[..] {
        [rows, columns] => Some((rows, columns)),
        _ => None,
    }
}

fn at(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("\"{}\": {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Element, Npy, half, shape_of, value_of};

    fn opened(header: &str, body: &[u8]) -> std::io::Result<Npy> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(body);
        Npy::read(Box::new(std::io::Cursor::new(bytes)), PathBuf::from("a.npy"))
    }

    #[test]
    fn rows_are_read_until_the_last_and_a_short_file_is_an_error() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
        let mut row = Vec::new();
        let mut whole = opened(header, &[1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!((whole.rows(), whole.columns()), (2, 3));
        for expected in [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]] {
            assert!(whole.next_f32(&mut row).unwrap());
            assert_eq!(row, expected);
        }
        assert!(!whole.next_f32(&mut row).unwrap());
        let mut cut = opened(header, &[1, 2, 3, 4]).unwrap();
        assert!(cut.next_f32(&mut row).unwrap());
        let cut = cut.next_f32(&mut row).unwrap_err();
        assert!(cut.to_string().contains("\"a.npy\": row 1"), "{cut}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases = [
            ("'descr': '>f4', 'fortran_order': False, 'shape': (1, 1)", "type '>f4'"),
            ("'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)", "save it in C order"),
            ("'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1)", "shape (1, 1, 1)"),
            ("'descr': '<f4', 'fortran_order': False, 'shape': (9, 0)", "rows of 0 elements"),
        ];
        for (members, expected) in cases {
            let error = opened(&format!("{{{members}, }}\n"), &[]).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let text = Npy::read(Box::new(&b"hello, world"[..]), PathBuf::from("a.npy"));
        assert!(text.err().unwrap().to_string().contains("not a NumPy file"));
    }

    #[test]
    fn halves_have_their_ieee_values() {
        let cases: &[(u16, f64)] = &[
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_953_125),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
        ];
        for (bits, expected) in cases {
            assert_eq!(half(*bits), *expected, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn headers_are_read() {
        let header = "{'descr': '<f2', 'fortran_order': False, 'shape': (11076, 384), }   \n";
        assert_eq!(value_of(header, "descr"), Some("'<f2'"));
        assert_eq!(value_of(header, "fortran_order"), Some("False"));
        assert_eq!(shape_of(header), Some((11_076, 384)));
        assert_eq!(shape_of("{'shape': (7,), }"), None);
        assert_eq!(shape_of("{'shape': (7, 2, 2), }"), None);
        assert_eq!(shape_of("{'shape': (x,), }"), None);
    }

    #[test]
    fn whole_numbers_keep_their_sign() {
        assert_eq!(Element::I32.whole(&(-5i32).to_le_bytes()), -5);
        assert_eq!(Element::I8.whole(&[0xff]), -1);
        assert_eq!(Element::U8.whole(&[0xff]), 255);
        assert_eq!(Element::F32.number(&1.5f32.to_le_bytes()), 1.5);
    }
}
