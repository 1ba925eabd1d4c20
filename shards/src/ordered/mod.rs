//! Which records have these values, in order?
//!
//! An ordered index maps encoded column values (`key::push_indexed`, nulls last) followed by the
//! record id to the spans of time in which the record had them. A hit is known to be visible
//! without a look at the record. An update that leaves the columns as they are leaves the index
//! as it is.
//!
//! ```text
//! entry:  column | column | .. | record id, u32 big-endian   ->   [begin, end) ..
//! ```
//!
//! | file | question it answers |
//! | --- | --- |
//! | `build` | how is the index kept in step with the records |
//! | `scan` | which entries are in a range at a snapshot |
//! | `verify` | does the index equal its records |

mod build;
mod scan;
mod verify;

pub use build::OrderedIndex;
pub use scan::OrderedHit;
pub(crate) use scan::bounds;
