//! How far apart are two arrays of numbers, as fast as this processor can say?
//!
//! Every kernel computes the squared Euclidean distance or the dot product of `f32` arrays, or the
//! dot product of bytes. A kernel of `f32` adds in a fixed order that does not depend on how many rows it is given at once, so
//! the delta, the graph and the exact scan report the same bits for the same vector.
//!
//! | file | question |
//! | --- | --- |
//! | `dispatch` | Which kernels does this processor run, and over which rows? |
//! | `scalar` | What is the distance, on any processor? |
//! | `avx2` | The same with 256-bit registers |
//! | `avx512` | The same with 512-bit registers |
//! | `bytes` | How is a query of small integers compared with rows of bytes? |
//! | `bytes_avx2` | The same with 256-bit registers |
//! | `bytes_avx512` | The same with 512-bit registers and VNNI |
//! | `prefetch` | How is a row asked for before it is needed? |

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
#[cfg(target_arch = "x86_64")]
mod bytes_avx2;
#[cfg(target_arch = "x86_64")]
mod bytes_avx512;
mod dispatch;
mod prefetch;
mod scalar;
#[cfg(test)]
mod tests;

pub use bytes::{ByteKernel, ByteRows, LINE_BYTES};
pub use dispatch::{Kernels, Rows};
pub use prefetch::prefetch;
