//! Which rules of the house can a machine check, and do they hold?
//!
//! | folder | question it answers |
//! | --- | --- |
//! | `tidy` | does the source tree obey the house rules |

#![forbid(unsafe_code)]

pub mod tidy;
