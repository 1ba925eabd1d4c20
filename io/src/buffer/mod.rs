//! Which memory may the disk read and write directly?
//!
//! | file | question |
//! | --- | --- |
//! | `aligned.rs` | How are bytes held at addresses direct I/O accepts? |

mod aligned;

pub use aligned::AlignedBuffer;
pub(crate) use aligned::Storage;
