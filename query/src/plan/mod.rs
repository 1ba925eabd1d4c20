//! How does a bound statement become something that runs?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `engine` | how is DataFusion set up, and how does it plan |
//! | `names` | what do the names in a statement mean to the planner |
//! | `casts` | which casts does Arrow not know |
//! | `spans` | where must a plan compare spans of time as PostgreSQL does |
//! | `arrays` | which types do the operands of an array's operators have |
//! | `unnest` | how are arrays of one item of a FROM list taken apart by the next |
//! | `params` | how do parameters get into a plan |
//! | `constant` | which value does an expression without columns have |
//! | `relation` | how do patterns and traversals in a FROM list become plans |
//! | `graph` | how does a pattern become a plan |
//! | `expand` | what is following edges, before it is known how |
//! | `lookup` | what is fetching a record by key, before it is known how |
//! | `extension` | how do our logical nodes become operators |

mod arrays;
mod casts;
pub mod constant;
mod engine;
mod expand;
mod extension;
pub mod graph;
mod lookup;
mod names;
pub mod params;
mod relation;
mod spans;
mod unnest;

pub use arrays::{aligned, item_of};
pub use engine::{Engine, Means};
