//! How do bytes reach the disk and come back?
//!
//! Files are read and written directly, past the kernel's cache, in blocks of 4 KiB at positions
//! that are multiples of 4 KiB; where a file system refuses that (tmpfs), the cache is used and
//! nothing else changes. What was written is durable after `sync_data`, or at once in a file
//! opened with `dsync`; a name is durable after its directory was synced.
//!
//! | file | question |
//! | --- | --- |
//! | `dir.rs` | Which files are there, and how do names change safely? |
//! | `block_file.rs` | How are blocks of a file read, written and made durable? |
//! | `lock.rs` | How is one directory kept to one process? |
//! | `host.rs` | How do command-line tools read and write ordinary files? |
//! | `space.rs` | How much room has the disk? |
//! | `scratch.rs` | Where do bytes wait for which memory has no room? |

mod block_file;
mod dir;
pub mod host;
mod lock;
mod scratch;
mod space;

pub use crate::buffer::AlignedBuffer;
pub use block_file::{File, OpenOptions};
pub use dir::Dir;
pub use lock::DirLock;
pub use scratch::ScratchFile;
pub use space::{Space, space};
