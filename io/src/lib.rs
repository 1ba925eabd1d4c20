//! The only crate of Pieskieo that meets the kernel.
//!
//! | module | question |
//! | --- | --- |
//! | [`arena`] | Where do large arrays of numbers live, on how big pages? |
//! | [`codec`] | How do values become bytes and come back, without trusting the bytes? |
//! | [`format`] | Which numbers are frozen on disk? |
//! | [`wal`] | How does a record survive a crash? |

pub mod arena;
pub mod codec;
pub mod format;
pub mod wal;
