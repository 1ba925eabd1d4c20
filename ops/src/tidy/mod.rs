//! Does the source tree obey the house rules?
//!
//! Reads files as text and imports none of our crates, so that it builds in a second. Every rule
//! names its replacement. Exemptions stand in `rules` with a reason, and may only shrink.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `rules` | which limits, layers, bans and exemptions are in force |
//! | `tree` | which files are there, and what is in them |
//! | `source` | does one Rust file obey |
//! | `manifest` | does one crate depend only on what its layer allows |
//! | `pages` | do the documents obey |

mod manifest;
mod pages;
mod rules;
mod source;
mod tree;

pub use tree::{Finding, check, workspace_root};

#[cfg(test)]
mod tests;
