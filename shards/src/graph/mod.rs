//! Which nodes are next to a node, and which can be reached from it?
//!
//! One [`Adjacency`] per edge table and shard. An edge is kept twice: *out* on the shard of its
//! source, *in* on the shard of its target, so that a step in either direction is local to the
//! node it starts from.
//!
//! ```text
//! nodes     key <-> number, 0.. in order of appearance
//! sides     out, in: one page per 64 node numbers
//! page      starts [65] | others [edges] | names [edges] | begins? | ends? | fresh edges
//! ```
//!
//! In a page, the edges of a node stand together in the order of their keys: 12 bytes an edge (the
//! number of the other node and the 8 bytes of the edge key that follow the source's) plus 8 each
//! for begins and ends where some reader still needs them. Fresh edges (40 bytes each) wait
//! unsorted and are folded in when there are too many to look through.
//!
//! Invariants: an edge's key is its source's key and 8 more bytes; a snapshot sees an edge when
//! `begin <= snapshot < end`; lists come in edge-key order whatever has been folded.
//!
//! [`Bfs`] and [`Paths`] drive a traversal level by level without knowing where nodes live: the
//! coordinator asks the owners of the frontier's nodes and hands back what they answer.
//!
//! Deliberately absent: giving node numbers back when a node loses its last edge, while the process
//! runs; an image that has more numbers than nodes with edges is numbered anew when it is read.
//!
//! | file | question |
//! | --- | --- |
//! | `options.rs` | What bounds are fixed? |
//! | `encode.rs` | How is an edge key cut into its source's key and a name? |
//! | `nodes.rs` | Which number has a node? |
//! | `build.rs` | How does a page take edges in and pack them? |
//! | `adjacency.rs` | How do the pages act as one structure? |
//! | `expand.rs` | What is next to these nodes? |
//! | `traverse.rs` | Which nodes are reached, each once, at its smallest depth? |
//! | `path.rs` | Which paths are there? |
//! | `image.rs` | Which bytes hold the adjacency while the process is away? |
//! | `verify.rs` | Does the adjacency say what the records say? |

mod adjacency;
mod build;
mod encode;
mod expand;
mod image;
mod nodes;
mod options;
mod path;
mod traverse;
mod verify;

#[cfg(test)]
mod tests;

pub use adjacency::Adjacency;
pub(crate) use encode::Changed;
pub(crate) use image::{Portrayal, Revival};
pub use options::{STEPS_MAX, TraverseOptions};
pub use path::{Path, Paths};
pub use traverse::{Bfs, Reached};
