//! What do the sessions of one database have to do with each other, beside its records?
//!
//! Clients that stay connected hold advisory locks against each other and send each other
//! notifications. Both are touched by statements that ask for them, and by the end of a connection,
//! so one table for all cores is enough, behind one lock that is held for a look at a map. No data
//! path leads here.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `desk` | what do all members share |
//! | `locks` | who holds which advisory lock, and who waits for it |
//! | `channels` | who listens to what, and what has not been read yet |
//! | `member` | what does one connection hold, and what does its transaction have to say |

mod channels;
mod desk;
mod locks;
mod member;

pub use channels::Notice;
pub use desk::Exchange;
pub(crate) use desk::MemberId;
pub(crate) use locks::{Asked, Key, LockListing, Mode, Scope};
pub(crate) use member::Member;
