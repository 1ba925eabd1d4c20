//! Which records have these values, in order?
//!
//! An ordered index is a tree from encoded column values (`key::push_indexed`, nulls last) and the
//! record's key to nothing, in versions: a hit is known to be visible without a look at the
//! record. An update that leaves the columns as they are leaves the index as it is.
//!
//! ```text
//! entry:  column | column | .. | key of the record | length of the key, u16 big-endian
//! ```
//!
//! | file | question it answers |
//! | --- | --- |
//! | `build` | how is the index kept in step with the records |
//! | `entry` | which bytes are an entry |
//! | `scan` | what is left of a range |
//! | `verify` | does the index equal its records |

mod build;
mod entry;
mod scan;
mod verify;

pub(crate) use build::OrderedIndex;
pub(crate) use entry::{entry_of, parts_of};
pub(crate) use scan::bounds;
pub(crate) use verify::differences;
