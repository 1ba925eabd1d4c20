//! Which rules of the house can a machine check, and do they hold?
//!
//! | folder | question it answers |
//! | --- | --- |
//! | `tidy` | does the source tree obey the house rules |

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "this crate reads the tree and stands on nothing")]

pub mod tidy;
