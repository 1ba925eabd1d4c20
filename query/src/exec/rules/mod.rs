//! Which physical optimizer rules are ours?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `nearest` | when is a sort by distance a nearest-neighbour search |
//! | `exchange` | where do rows move between cores |

mod exchange;
mod nearest;

pub use exchange::PlaceExchanges;
pub use nearest::{K_MAX, UseNearest, index_for};
