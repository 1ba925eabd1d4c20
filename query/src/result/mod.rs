//! How do rows leave the engine?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `json` | how are rows written as JSON |
//! | `arrow` | how are rows written as an Arrow stream |
//! | `carried` | which PQL type does an Arrow type carry |

pub mod arrow;
mod carried;
pub mod json;

pub use carried::column_type;
