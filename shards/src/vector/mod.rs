//! Which vectors are nearest?
//!
//! One [`VectorIndex`] per indexed column and shard, owned by the shard, in memory:
//!
//! ```text
//! insert ──▶ delta ────────── fold ─────────▶ graph          every entry: record, [begin, end)
//!            scanned exactly                  walked (HNSW)
//!            └──────────── search: union ─────┘
//! ```
//!
//! * An entry is visible at `S` when `begin <= S < end`; a search sees exactly those, so a new
//!   vector is found at once and an ended one is found by older snapshots only.
//! * A search returns `k` records whenever `k` visible records pass the filter: when the walk
//!   cannot promise that, every visible entry is scanned.
//! * Vectors whose distances may overflow or be NaN never enter the graph; they are compared
//!   exactly.
//! * The same operations in the same order give the same graph: levels come from a seed, and
//!   ties are broken by number.
//!
//! | file | question |
//! | --- | --- |
//! | `options` | What may be chosen about an index? |
//! | `encode` | In which form is a vector compared? |
//! | `candidate` | How are entries ordered by distance? |
//! | `entries` | Which record does each slot hold, and when is it visible? |
//! | `vectors` | Where do vectors lie, and how far are they from a query? |
//! | `codes/` | How are vectors compared by a few bytes each, and how wrong can that be? |
//! | `coding` | When do nodes get codes, and who may be compared by them? |
//! | `space` | How far apart are nodes while the graph is built and walked? |
//! | `build` | How do vectors come in, move into the graph and leave? |
//! | `search` | Which visible records are nearest? |
//! | `sieve` | Which vectors need not be compared, as their codes show? |
//! | `filtered` | And which of those that pass a filter? |
//! | `image` | Which bytes hold an index while the process is away, and how do they become one again? |
//! | `verify` | Does the index hold exactly the given records? |
//! | `distance/` | How far apart are two arrays of numbers? |
//! | `graph_index/` | How is the neighbourhood graph built, walked and repaired? |

mod build;
mod candidate;
#[cfg(test)]
mod coded_tests;
mod codes;
mod coding;
pub mod distance;
mod encode;
mod entries;
mod filtered;
mod graph_index;
mod image;
mod options;
mod search;
mod sieve;
mod space;
#[cfg(test)]
mod tests;
mod vectors;
mod verify;

pub use build::VectorIndex;
pub(crate) use image::{Portrayal, Revival};
pub use options::{Metric, VectorOptions};
pub use search::Filter;
