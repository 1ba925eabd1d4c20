//! Which physical optimizer rules are ours?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `top` | when does an index know the first rows of a sort |
//! | `merge_join` | how does a join run whose tables do not fit in memory |
//! | `exchange` | where do rows move between cores |
//! | `pace` | which operators must leave time for others |

mod exchange;
mod merge_join;
mod pace;
mod top;

pub use exchange::PlaceExchanges;
pub use merge_join::JoinBySorting;
pub use pace::PaceOperators;
pub use top::{K_MAX, UseTop, index_for};
