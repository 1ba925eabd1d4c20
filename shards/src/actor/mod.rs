//! How does one executor own its shards and talk to the others?
//!
//! Every executor has one [`Core`]: the shards homed there, lanes to the other cores, its part of
//! the commit clock. A shard is only ever touched on its own core; everything else is a
//! [`crate::request::Request`].
//!
//! | file | question it answers |
//! | --- | --- |
//! | `admit` | may a write come in, and what does it wait for |
//! | `boot` | what do the cores of a process share, and how do they start together |
//! | `commit` | how does a shard validate, log and apply what it is asked to commit |
//! | `checkpoint` | how does what is in memory become runs, and the log short |
//! | `core` | what can the code on one executor do |
//! | `fill` | how are indexes filled from records that are there already |
//! | `history` | from where on can the past be read, and how is that known after a restart |
//! | `image` | how do indexes that are no trees get to the disk, and back when the shard starts |
//! | `limits` | which bounds hold for requests and answers |
//! | `loading` | how does work that needs a group from the disk get it |
//! | `mailbox` | how does a request reach a shard on another core, and its answer come back |
//! | `maintain` | when are indexes folded, versions collected and leftovers forgotten |
//! | `meta` | which data directory is this, and how many shards has it |
//! | `open` | how does a core come into service, and how does it leave |
//! | `recover` | what does a shard know after its log was read |
//! | `rendezvous` | how do cores wait for each other |
//! | `schema` | how does a schema change reach every shard |
//! | `serve` | what does a core do with a request for one of its shards |
//! | `shard` | what belongs to one shard |
//! | `signal` | how does a task on this core wait for work |
//! | `verify` | does every index equal its records, while the shard goes on working |

mod admit;
mod boot;
mod checkpoint;
mod commit;
mod core;
mod fill;
pub(crate) mod history;
mod image;
mod limits;
mod loading;
mod locks;
mod mailbox;
mod maintain;
pub mod meta;
mod open;
mod recover;
mod rendezvous;
mod schema;
mod serve;
mod shard;
mod signal;
mod verify;

pub use boot::{Boot, BootOptions, CoreBoot, StorageOptions};
pub use core::Core;
pub use history::AsOf;
pub use schema::Numbered;
pub(crate) use schema::{OWNER, SchemaChange};
