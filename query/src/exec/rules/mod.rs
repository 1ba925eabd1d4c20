//! Which physical optimizer rules are ours?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `top` | when does an index know the first rows of a sort |
//! | `merge_join` | how does a join run whose tables do not fit in memory |
//! | `exchange` | where do rows move between cores |

mod exchange;
mod merge_join;
mod top;

pub use exchange::PlaceExchanges;
pub use merge_join::JoinBySorting;
pub use top::{K_MAX, UseTop, index_for};
