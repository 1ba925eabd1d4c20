//! Which model is an image of, and in which form?
//!
//! The head of every image begins with two bytes, the model and the form of what follows; the rest
//! of the head and the blocks are the model's (`vector/image.rs`, `text/image.rs`,
//! `graph/image.rs`).

use crate::codec::{Reader, Writer};
use crate::error::Error;

/// The one form there is of each.
const FORMAT: u8 = 1;
/// Bytes a head aims at.
const HEAD_BYTES: usize = 32;

/// What an image is of. The numbers are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// A vector index.
    Vectors = 1,
    /// A text index.
    Texts = 2,
    /// The adjacency of an edge table.
    Edges = 3,
}

impl Model {
    /// Begins the head of an image.
    pub fn begin_head(self) -> Writer {
        let mut out = Writer::with_capacity(HEAD_BYTES);
        out.u8(self as u8);
        out.u8(FORMAT);
        out
    }

    /// Opens the head of an image, behind the bytes all heads begin with.
    ///
    /// **Errors**: `Corrupt` when it is one of another model, or of a form that is not known.
    pub fn open_head(self, head: &[u8]) -> Result<Reader<'_>, Error> {
        let mut input = Reader::new(head, "head of an image");
        if input.u8("model")? != self as u8 {
            return Err(input.corrupt("model"));
        }
        if input.u8("format")? != FORMAT {
            return Err(input.corrupt("format"));
        }
        Ok(input)
    }
}

/// Returns the error of an image that was made with other options than its index has.
pub(crate) fn other_options() -> Error {
    Error::Corrupt("the image is of an index with other options".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_of_one_model_and_form() {
        let head = Model::Texts.begin_head().into_bytes();
        assert_eq!(head, [2, 1]);
        assert!(Model::Texts.open_head(&head).is_ok());
        assert!(Model::Vectors.open_head(&head).is_err());
        assert!(Model::Texts.open_head(&[2, 2]).is_err());
        assert!(Model::Texts.open_head(&[2]).is_err());
    }
}
