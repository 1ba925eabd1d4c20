//! How are `.npy` and `.fvecs` files read?
//!
//! NumPy's format 1.0 to 3.0 (`numpy.lib.format`): magic, version, header length, a header that
//! is a Python dictionary, then the array. Only 2-dimensional arrays in C order are vectors.

use std::io::{BufReader, Read};
use std::path::Path;

use super::run::Failure;

/// Dimensions a vector may have.
const DIMENSION_MAX: usize = 16_384;
/// Bytes a NumPy header may have.
const HEADER_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    F16,
    F32,
    F64,
    U8,
    I32,
}

/// Reads vectors one after the other.
pub struct Vectors {
    source: Box<dyn Read>,
    element: Element,
    /// Dimension; `None` = before each vector (`.fvecs`).
    dimension: Option<usize>,
    /// Vectors left; `None` = until the file ends.
    left: Option<usize>,
    name: String,
}

impl Vectors {
    /// Opens a `.npy` or `.fvecs` file.
    ///
    /// **Errors**: unreadable, another format, an array that is not one of vectors.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = pieskieo_io::file::host::open_reader(path)
            .map_err(|error| format!("cannot read \"{name}\": {error}"))?;
        let mut source: Box<dyn Read> = Box::new(BufReader::with_capacity(1 << 20, file));
        if path.extension().is_some_and(|ending| ending == "fvecs") {
            let element = Element::F32;
            return Ok(Self { source, element, dimension: None, left: None, name });
        }
        let (element, count, dimension) =
            npy_header(&mut source).map_err(|what| format!("\"{name}\": {what}"))?;
        let dimension = Some(dimension);
        Ok(Self { source, element, dimension, left: Some(count), name })
    }

    fn read(&mut self) -> Result<Option<Vec<f32>>, String> {
        let dimension = match self.dimension {
            Some(dimension) => {
                if self.left == Some(0) {
                    return Ok(None);
                }
                self.left = self.left.map(|left| left - 1);
                dimension
            }
            None => {
                let mut bytes = [0; 4];
                if self.source.read(&mut bytes[..1]).map_err(|error| error.to_string())? == 0 {
                    return Ok(None);
                }
                self.source.read_exact(&mut bytes[1..]).map_err(|error| error.to_string())?;
                u32::from_le_bytes(bytes) as usize
            }
        };
        if dimension == 0 || dimension > DIMENSION_MAX {
            return Err(format!("{dimension} dimensions; 1 to {DIMENSION_MAX} are possible"));
        }
        let mut bytes = vec![0; dimension * self.element.bytes()];
        self.source.read_exact(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Some(bytes.chunks_exact(self.element.bytes()).map(|b| self.element.value(b)).collect()))
    }
}

impl Iterator for Vectors {
    type Item = Result<Vec<f32>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(vector) => vector.map(Ok),
            Err(what) => Some(Err(format!("\"{}\": {what}", self.name))),
        }
    }
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 => 8,
        }
    }

    fn value(self, bytes: &[u8]) -> f32 {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let low = u32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]);
        match self {
            Self::U8 => f32::from(wide[0]),
            Self::F16 => half(u16::from_le_bytes([wide[0], wide[1]])),
            Self::F32 => f32::from_bits(low),
            Self::I32 => low.cast_signed() as f32,
            Self::F64 => f64::from_le_bytes(wide) as f32,
        }
    }
}

/// Returns the value of an IEEE 754 binary16 number, exactly.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}

fn npy_header(source: &mut dyn Read) -> Result<(Element, usize, usize), String> {
    let mut start = [0; 8];
    source.read_exact(&mut start).map_err(|error| error.to_string())?;
    if &start[..6] != b"\x93NUMPY" {
        return Err("not a NumPy file".to_owned());
    }
    let width = if start[6] == 1 { 2 } else { 4 };
    let mut length = [0; 4];
    source.read_exact(&mut length[..width]).map_err(|error| error.to_string())?;
    let length = u32::from_le_bytes(length) as usize;
    if length > HEADER_BYTES_MAX {
        return Err(format!("a header of {length} bytes"));
    }
    let mut header = vec![0; length];
    source.read_exact(&mut header).map_err(|error| error.to_string())?;
    let header = String::from_utf8_lossy(&header).into_owned();
    if member(&header, "fortran_order").is_some_and(|value| value.starts_with("True")) {
        return Err("the array is in Fortran order; save it in C order".to_owned());
    }
    let descr = member(&header, "descr").unwrap_or_default();
    let element = match descr.trim_matches(['\'', '"']) {
        "<f2" => Element::F16,
        "<f4" => Element::F32,
        "<f8" => Element::F64,
        "|u1" | "<u1" => Element::U8,
        "<i4" => Element::I32,
        other => return Err(format!("elements of type {other} are not read")),
    };
    let shape = member(&header, "shape").unwrap_or_default();
    let sizes: Vec<usize> = shape
        .trim_matches(['(', ')'])
        .split(',')
        .filter_map(|size| size.trim().parse().ok())
        .collect();
    match sizes[..] {
        [count, dimension] => Ok((element, count, dimension)),
        _ => Err(format!("an array of shape {shape}; vectors are [count, dimension]")),
    }
}

/// Returns the text of one member of the header's dictionary.
fn member(header: &str, name: &str) -> Option<String> {
    let start = header.find(&format!("'{name}':"))? + name.len() + 3;
    let rest = header[start..].trim_start();
    let end = if rest.starts_with('(') { rest.find(')')? + 1 } else { rest.find([',', '}'])? };
    Some(rest[..end].trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, expected) in cases {
            assert_eq!(half(bits), expected, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn a_numpy_header_is_understood() {
        let text = "{'descr': '<f2', 'fortran_order': False, 'shape': (1400, 384), }\n";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        assert_eq!(npy_header(&mut &bytes[..]), Ok((Element::F16, 1400, 384)));
        assert!(npy_header(&mut &b"hello, world"[..]).is_err());
    }
}
