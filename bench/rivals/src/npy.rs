//! How are NumPy's `.npy` matrices read?

use std::path::Path;

/// A matrix, row-major. A one-dimensional array is one column.
pub struct Matrix<T> {
    /// The elements.
    pub data: Vec<T>,
    /// Elements per row.
    pub columns: usize,
}

impl<T> Matrix<T> {
    /// Returns the rows.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, T> {
        self.data.chunks_exact(self.columns)
    }

    /// Returns row `index`.
    pub fn row(&self, index: usize) -> &[T] {
        &self.data[index * self.columns..][..self.columns]
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.data.len() / self.columns
    }
}

/// Reads a file of unsigned bytes, half or single floats, or 32-bit integers as `f32`.
///
/// **Errors**: a sentence naming the file.
pub fn read(path: &Path) -> Result<Matrix<f32>, String> {
    parse(path).map_err(|reason| format!("read {}: {reason}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "a measuring tool reads plain files")]
fn parse(path: &Path) -> Result<Matrix<f32>, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if bytes.len() < 12 || bytes[..6] != *b"\x93NUMPY" {
        return Err("not a .npy file".to_owned());
    }
    let (start, length) = if bytes[6] == 1 {
        (10, usize::from(u16::from_le_bytes([bytes[8], bytes[9]])))
    } else {
        (12, u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize)
    };
    let (header, body) = bytes[start..].split_at_checked(length).ok_or("the header is cut off")?;
    let header = String::from_utf8_lossy(header);
    if header.contains("'fortran_order': True") {
        return Err("columns first is not supported".to_owned());
    }
    let shape: Vec<usize> = between(&header, "'shape': (", ")")?
        .split(',')
        .filter_map(|size| size.trim().parse().ok())
        .collect();
    let data = match between(&header, "'descr': '", "'")? {
        "|u1" => body.iter().map(|byte| f32::from(*byte)).collect(),
        "<f4" => elements(body, f32::from_le_bytes),
        "<i4" => elements(body, |bytes| i32::from_le_bytes(bytes) as f32),
        "<f2" => elements(body, |bytes| half(u16::from_le_bytes(bytes))),
        other => return Err(format!("elements of kind {other} are not supported")),
    };
    let columns = shape.get(1).copied().unwrap_or(1);
    if columns == 0 || data.len() != shape.iter().product::<usize>() {
        return Err(format!("{} elements do not fill shape {shape:?}", data.len()));
    }
    Ok(Matrix { data, columns })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str, String> {
    let rest = text.split_once(before).map(|(_, rest)| rest);
    let found = rest.and_then(|rest| rest.split_once(after));
    found.map(|(found, _)| found).ok_or_else(|| format!("the header has no {before}"))
}

fn elements<const N: usize>(body: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    body.as_chunks::<N>().0.iter().map(|bytes| read(*bytes)).collect()
}

/// Widens an IEEE half float.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}
