//! How is a JSON document laid out, read and changed?
//!
//! ```text
//! offset   bytes   content
//! 0        4       length m of the metadata, u32 little-endian
//! 4        m       Variant metadata: the field names, sorted by bytes, each once
//! 4 + m    ..      Variant value
//! ```
//!
//! Metadata and value are those of the Apache Parquet Variant specification, version 1. Documents
//! are built in one way only: names sorted in the metadata, fields sorted in every object, the
//! last of two equal names kept, integers in the narrowest form that holds them. So equal
//! documents have equal bytes. Integers stay integers: up to 64 bits signed as such, unsigned
//! ones above that as a decimal of scale 0; every other number is a double.
//!
//! Readers check what a shallow look shows and trust the rest: bytes reach them only from
//! `encode`, or from a log whose checksums hold. [`validate`] checks everything.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `tree` | what is a document between two forms |
//! | `parse` | how does JSON text become a tree |
//! | `encode` | how does a tree become bytes |
//! | `view` | how is a part of a document found and read |
//! | `text` | how is a document written as JSON |
//! | `change` | how are parts of a document changed in place |
//! | `amend` | what do PostgreSQL's functions make of documents |
//! | `order` | which of two documents comes first, and is one part of the other |
//! | `lift` | which declared columns does a document of a collection fill |

mod amend;
mod change;
mod encode;
mod lift;
mod order;
mod parse;
mod text;
mod tree;
mod view;

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod tests;

pub use amend::{
    Amend, amend, concat, delete_keys, delete_path, list_of, object_of, pretty, strip_nulls,
};
pub use change::{Change, Edit, change};
pub(crate) use encode::encode_tree as from_tree;
pub use encode::{DOCUMENT_BYTES_MAX, encode, from_json, from_value};
pub use lift::{join, lift, lift_json};
pub use order::{contains, sort_key};
pub use parse::DOCUMENT_DEPTH_MAX;
pub use text::{to_json_text, to_json_value, write_json};
pub(crate) use tree::Tree;
pub use view::{DocumentKind, PathStep, VariantRef, get, text_at, to_vector, validate};
