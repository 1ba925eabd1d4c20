//! Which physical optimizer rules are ours?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `top` | when does an index know the first rows of a sort |
//! | `exchange` | where do rows move between cores |

mod exchange;
mod top;

pub use exchange::PlaceExchanges;
pub use top::{K_MAX, UseTop, index_for};
