//! How is the neighbourhood graph built, walked and repaired?
//!
//! A hierarchical navigable small world graph. Every node has links on level 0, a random few on
//! the levels above, which serve to find a good place to start.
//!
//! * Links are directed; a new node is linked both ways, then full lists are thinned.
//! * A node whose entry is forgotten stays until [`Graph::heal`] has led every link around it.
//!
//! **Source**: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search
//! using Hierarchical Navigable Small World graphs", 2018, algorithms 1 to 5. We differ in
//! batching the distances of a node's neighbours, and in deletion, which the paper lacks; see
//! `heal`.
//!
//! | file | question |
//! | --- | --- |
//! | `links` | Who are a node's neighbours? |
//! | `build` | How does a node find its neighbours? |
//! | `search` | How does a walk approach a query? |
//! | `heal` | How are links led around forgotten nodes? |
//! | `visited` | Which nodes has this walk seen? |

mod build;
mod heal;
mod links;
mod search;
mod visited;

pub use build::Graph;
pub use heal::Heal;
pub use search::{Descent, Terrain, Walk, descend};
