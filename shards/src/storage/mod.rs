//! Which files hold a shard's sealed runs and images, and from where on does its log count?
//!
//! One manifest per shard says which runs make up which tree, what the catalog was, and up to
//! which record the log is contained in them. An edit of it is the only commit point: files that no
//! manifest names are leftovers and are removed at start.
//!
//! ```text
//! data/segments/<shard>/manifest-G        the facts (`edit.rs`)
//! data/segments/<shard>/<id>.segment      one per run, image, or list of changed keys
//! ```
//!
//! | file | question it answers |
//! | --- | --- |
//! | `edit` | which bytes are in a manifest |
//! | `name` | which tree is meant, and which index |
//! | `open` | what does a shard have on disk when it starts |
//! | `handle` | how does what is on disk change |

mod edit;
mod handle;
mod name;
mod open;

pub(crate) use edit::{Checkpoint, Edit, ImageKind, Imaged, Placed};
pub(crate) use handle::Storage;
pub(crate) use name::{ImageName, Part, TreeName};
pub(crate) use open::open;
