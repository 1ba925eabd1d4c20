//! How does a bound statement become something that runs?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `engine` | how is DataFusion set up, and how does it plan |
//! | `names` | what do the names in a statement mean to the planner |
//! | `casts` | which casts does Arrow not know |
//! | `unnest` | which queries depend on the row around them in a way DataFusion's rules do not know |
//! | `dependent` | how does such a query become one that is run once for all rows |
//! | `params` | how do parameters get into a plan |
//! | `constant` | which value does an expression without columns have |
//! | `relation` | how do patterns and traversals in a FROM list become plans |
//! | `graph` | how does a pattern become a plan |
//! | `expand` | what is following edges, before it is known how |
//! | `lookup` | what is fetching a record by key, before it is known how |
//! | `extension` | how do our logical nodes become operators |

mod casts;
pub mod constant;
mod dependent;
mod engine;
mod expand;
mod extension;
pub mod graph;
mod lookup;
mod names;
pub mod params;
mod relation;
mod unnest;

pub use engine::{Engine, Means};
