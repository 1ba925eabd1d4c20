//! Where is a transaction between two requests of its client?
//!
//! It waits on the core that began it, under a token its client sends with every later request. A
//! request that arrives on another core is carried to it and its answer back: a transaction never
//! moves. It holds no lock while it waits, only its snapshot, its writes and the memory of what it
//! has read; whoever leaves it alone for too long loses it.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `token` | how does a client name its transaction |
//! | `transaction` | what waits |
//! | `registry` | which transactions wait on this core, and for how long |
//! | `carry` | how does a request reach the core of its transaction |
//! | `visit` | how does one core look at what another keeps in its registry |

mod carry;
mod registry;
mod token;
mod transaction;
mod visit;

pub use token::Token;

pub(crate) use carry::carry;
pub(crate) use registry::{Asked, Registry};
pub(crate) use transaction::{OpenListing, OpenTransaction};
pub(crate) use visit::visit;
