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
//! | `bytes` | what can be asked of bytes, and how do they become texts |
//! | `convert` | how do values of our own types become others |
//! | `registry` | which functions are there, by name |
//! | `arithmetic` | which calculations are not done as Arrow does them |
//! | `text` | does a text match a text query, without an index |
//! | `number` | which functions of numbers are not DataFusion's |
//! | `string` | which texts are made of others |
//! | `keyword` | which words are no names without quotes |
//! | `regexp` | what do regular expressions find |
//! | `template` | how is a value written, or read, by a template |
//! | `ordered` | what is said of the sorted values of a group |
//! | `sum` | how are whole numbers summed, and intervals averaged |
//! | `part` | which part of a moment is asked for, and which moment is made of parts |
//! | `single` | what is the only value of a group |
//! | `catalog` | what do PostgreSQL's programs ask of the server beside its catalog |
//! | `described` | what do PostgreSQL's programs ask of the objects of the catalog |
//! | `system` | what can a statement ask of the server itself |
//! | `operators` | which function does an operator stand for |

mod arithmetic;
mod array;
mod bytes;
mod catalog;
mod convert;
mod described;
mod function;
mod json;
mod json_arguments;
mod json_build;
mod json_change;
pub(crate) mod json_path;
mod keyword;
mod moment;
mod number;
mod operators;
mod ordered;
mod part;
mod regexp;
mod registry;
mod series;
mod single;
mod string;
mod sum;
mod system;
mod template;
mod text;
pub mod vector;

pub use arithmetic::{
    ABSOLUTE, ADD, DIVIDE, MULTIPLY, READ_TIMESTAMP, REMAINDER, ROUND_EVEN, SUBTRACT,
    TEXT_OF_DOUBLE,
};
pub use array::{
    ARRAY_ALL, ARRAY_ANY, ARRAY_COMPARE, ARRAY_CONTAINS, ARRAY_GET, ARRAY_OR_EMPTY, ARRAY_OVERLAPS,
    ARRAY_PART,
};
pub use convert::{CONVERT_TO, TO_TEXT, TO_UUID, TO_VECTOR};
pub use described::{
    Known, OF_CLASS, OF_ROLE, OF_SCHEMA, OF_TYPE, TO_CLASS, TO_ROLE, TO_SCHEMA, TO_TYPE, described,
    names as described_names,
};
pub use json::{ORDINALS, SORT_KEY};
pub use json_build::OBJECT_OF_PAIRS;
pub use keyword::is_keyword;
pub use moment::{JUSTIFY_INTERVAL, order_of};
pub use operators::Operators;
pub use ordered::function_behind;
pub use part::{OVERLAPS, PART_OF, PLAIN_TRUNCATE, ROUND_MOMENT};
pub use regexp::{MATCHES_LIST, check as check_pattern, translate as translate_pattern};
pub use registry::registry;
pub use single::single_value;
pub use string::{LIKE_ESCAPED, like_escaped};
pub use text::{MATCHES_UNSTEMMED, stems};
