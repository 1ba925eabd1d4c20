//! How do rows come in and go out in bulk?
//!
//! `COPY t FROM STDIN` and `COPY t TO STDOUT` are no statements of a request: their data travel
//! beside them, through whichever door the client has. A door asks [`crate::syntax::parse_copy`]
//! whether a text is a COPY, and drives the one half or the other:
//!
//! ```text
//! CopyIn::begin ── push(bytes)… ── finish      rows inserted
//!       │                 └─ abort             nothing stays
//! CopyOut::begin ── next() … None              bytes of some rows each time
//! ```
//!
//! Memory: what comes in is a part of a row and a few hundred rows; what goes out is one batch.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `lines` | where does a row end in bytes that arrive in pieces |
//! | `binary` | where does a row end in PostgreSQL's binary form |
//! | `fields` | which values does a row have, and how are values written |
//! | `input` | how are rows that arrive inserted |
//! | `output` | how do rows become bytes |

mod binary;
mod fields;
mod input;
mod lines;
mod output;
#[cfg(test)]
mod tests;

pub use input::CopyIn;
pub use output::{CopyOut, Piece};
