//! What time is it, and what is random?
//!
//! The only clock and the only randomness of the server. In the simulator both come from the
//! seed, so that a run can be repeated.
//!
//! | file | question |
//! | --- | --- |
//! | `clock.rs` | What time is it? |
//! | `random.rs` | What is random? |

mod clock;
mod random;

pub use clock::{Monotonic, WallTime, now, wall};
pub use random::{fill_random, random_u64};

pub(crate) use random::{seeded_by, seeded_by_system};
