//! How does a statement become an answer? PQL: syntax, binding, planning and the coordinator.
//!
//! | folder or file | question it answers |
//! | --- | --- |
//! | `syntax` | what does a text say |
//! | `bind` | what does a statement mean for this catalog |
//! | `error` | what can go wrong, and which code names it |
//! | `limits` | how large may a statement be |
//! | `suggest` | which known name did the user probably mean |

#![forbid(unsafe_code)]

pub mod bind;
pub mod error;
pub mod limits;
pub mod suggest;
pub mod syntax;

pub use error::{Error, Kind, Result};
