//! Which functions and operators does PQL have beyond those of DataFusion?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `function` | what is a function of ours, and how does the planner see it |
//! | `vector` | how far apart are two vectors |
//! | `json` | what can be asked of a JSON value |
//! | `convert` | how do values of our own types become others |
//! | `registry` | which functions are there, by name |
//! | `arithmetic` | which calculations are not done as Arrow does them |
//! | `text` | does a text match a text query, without an index |
//! | `single` | what is the only value of a group |
//! | `system` | what can a statement ask of the server itself |
//! | `operators` | which function does an operator stand for |

mod arithmetic;
mod convert;
mod function;
mod json;
mod operators;
mod registry;
mod single;
mod system;
mod text;
pub mod vector;

pub use arithmetic::{ADD, MULTIPLY, READ_TIMESTAMP, ROUND_EVEN, SUBTRACT, TEXT_OF_DOUBLE};
pub use convert::{TO_TEXT, TO_UUID, TO_VECTOR};
pub use operators::Operators;
pub use registry::registry;
pub use single::single_value;
pub use text::{MATCHES_UNSTEMMED, stems};
