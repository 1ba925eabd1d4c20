//! Which functions and operators does PQL have beyond those of DataFusion?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `function` | what is a function of ours, and how does the planner see it |
//! | `vector` | how far apart are two vectors |
//! | `json` | what can be asked of a JSON value |
//! | `json_arguments` | how are the arguments of JSON functions read |
//! | `json_build` | which JSON values are made of values of other types |
//! | `json_change` | which JSON values are made of others by changing them |
//! | `json_path` | what does a path of SQL/JSON find |
//! | `moment` | what can be computed with dates, times and spans of time |
//! | `array` | what can be asked of an array |
//! | `series` | which values lie between two, a step apart |
//! | `convert` | how do values of our own types become others |
//! | `registry` | which functions are there, by name |
//! | `arithmetic` | which calculations are not done as Arrow does them |
//! | `text` | does a text match a text query, without an index |
//! | `single` | what is the only value of a group |
//! | `catalog` | what do PostgreSQL's programs ask of the server beside its catalog |
//! | `system` | what can a statement ask of the server itself |
//! | `operators` | which function does an operator stand for |

mod arithmetic;
mod array;
mod catalog;
mod convert;
mod function;
mod json;
mod json_arguments;
mod json_build;
mod json_change;
pub(crate) mod json_path;
mod moment;
mod operators;
mod registry;
mod series;
mod single;
mod system;
mod text;
pub mod vector;

pub use arithmetic::{ADD, MULTIPLY, READ_TIMESTAMP, ROUND_EVEN, SUBTRACT, TEXT_OF_DOUBLE};
pub use array::{
    ARRAY_ALL, ARRAY_ANY, ARRAY_COMPARE, ARRAY_CONTAINS, ARRAY_GET, ARRAY_OVERLAPS, ARRAY_PART,
};
pub use convert::{CONVERT_TO, TO_TEXT, TO_UUID, TO_VECTOR};
pub use json::{ORDINALS, SORT_KEY};
pub use json_build::OBJECT_OF_PAIRS;
pub use moment::{JUSTIFY_INTERVAL, SECONDS_OF, order_of};
pub use operators::Operators;
pub use registry::registry;
pub use single::single_value;
pub use text::{MATCHES_UNSTEMMED, stems};
