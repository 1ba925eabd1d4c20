//! How do values become bytes and come back, without trusting the bytes?
//!
//! Everything here is pure: no file, no clock, no allocation proportional to a length read from
//! disk before that length was checked. All integers are little-endian.
//!
//! | file | question |
//! | --- | --- |
//! | `cursor.rs` | How are bytes read and written in order? |
//! | `varint.rs` | How does a small number take few bytes? |
//! | `checksum.rs` | Are these the bytes that were written? |
//! | `frame.rs` | What does a log frame say about itself? |
//! | `sealed.rs` | How does a block of 4 KiB prove that it is the one that was written? |

pub mod checksum;
pub mod cursor;
pub mod frame;
pub(crate) mod sealed;
pub mod varint;

pub use cursor::{Reader, Truncated, Writer};
