//! How are `.npy` and `.fvecs` files read?
//!
//! `.fvecs` is, for each vector, its dimension as a little-endian `u32` and its `f32` values.

use std::io::{BufReader, Read};
use std::path::Path;

use super::run::Failure;
use crate::npy::Npy;

/// Dimensions a vector may have.
const DIMENSION_MAX: usize = 16_384;
/// Bytes read from a file at once.
const READ_BYTES: usize = 1 << 20;

/// Reads vectors one after the other.
pub struct Vectors {
    source: Source,
    name: String,
}

enum Source {
    Npy(Npy),
    Fvecs(Box<dyn Read>),
}

impl Vectors {
    /// Opens a `.npy` or `.fvecs` file.
    ///
    /// **Errors**: unreadable, another format, an array that is not one of vectors.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        if path.extension().is_some_and(|ending| ending == "fvecs") {
            let file = pieskieo_io::file::host::open_reader(path)
                .map_err(|error| format!("cannot read \"{name}\": {error}"))?;
            let source = Source::Fvecs(Box::new(BufReader::with_capacity(READ_BYTES, file)));
            return Ok(Self { source, name });
        }
        let array = Npy::open(path).map_err(|error| format!("cannot read {error}"))?;
        check(array.columns()).map_err(|what| format!("\"{name}\": {what}"))?;
        Ok(Self { source: Source::Npy(array), name })
    }

    fn read(&mut self) -> Result<Option<Vec<f32>>, Failure> {
        match &mut self.source {
            Source::Npy(array) => {
                let mut vector = Vec::with_capacity(array.columns());
                let there = array.next_f32(&mut vector).map_err(|error| error.to_string())?;
                Ok(there.then_some(vector))
            }
            Source::Fvecs(source) => {
                fvec(source).map_err(|what| format!("\"{}\": {what}", self.name))
            }
        }
    }
}

impl Iterator for Vectors {
    type Item = Result<Vec<f32>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn check(dimension: usize) -> Result<(), String> {
    if (1..=DIMENSION_MAX).contains(&dimension) {
        return Ok(());
    }
    Err(format!("{dimension} dimensions; 1 to {DIMENSION_MAX} are possible"))
}

/// Returns the next vector of a `.fvecs` file; `None` at its end.
fn fvec(source: &mut impl Read) -> Result<Option<Vec<f32>>, String> {
    let mut size = [0; 4];
    if source.read(&mut size[..1]).map_err(|error| error.to_string())? == 0 {
        return Ok(None);
    }
    source.read_exact(&mut size[1..]).map_err(|error| error.to_string())?;
    let dimension = u32::from_le_bytes(size) as usize;
    check(dimension)?;
    let mut bytes = vec![0; dimension * size_of::<f32>()];
    source.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    let (values, _) = bytes.as_chunks::<{ size_of::<f32>() }>();
    Ok(Some(values.iter().map(|value| f32::from_le_bytes(*value)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fvecs_are_read_until_the_file_ends() {
        let mut bytes = Vec::new();
        for vector in [[1.0_f32, -2.5], [0.0, 3.0]] {
            bytes.extend_from_slice(&2_u32.to_le_bytes());
            vector.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        }
        let mut source = &bytes[..];
        assert_eq!(fvec(&mut source), Ok(Some(vec![1.0, -2.5])));
        assert_eq!(fvec(&mut source), Ok(Some(vec![0.0, 3.0])));
        assert_eq!(fvec(&mut source), Ok(None));
        assert!(fvec(&mut &bytes[..7]).is_err(), "half a vector is no end");
        assert!(fvec(&mut &[0; 4][..]).unwrap_err().contains("0 dimensions"));
    }
}
