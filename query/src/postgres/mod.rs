//! How do PostgreSQL's clients speak to the engine?
//!
//! They stay connected: a transaction belongs to its connection and not to a token. They ask for
//! the types of parameters and columns before anything runs, and send and read values in
//! PostgreSQL's text and binary forms under PostgreSQL's numbers. Messages are the front door's.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `link` | which transaction do the statements of a connection belong to |
//! | `statement` | what does a connection know of a statement before it runs |
//! | `infer` | which types do a query's parameters have |
//! | `describe` | which parameters does a statement take, and which columns does it answer |
//! | `tag` | with which words does a statement end |
//! | `own_type` | which columns and parameters are of types that we have not |
//! | `oid` | which number names which type |
//! | `write` | how is a value sent |
//! | `read` | how is a parameter read |
//! | `numeric` | how are the digits of a NUMERIC sent |

mod describe;
mod infer;
mod link;
mod numeric;
mod oid;
mod own_type;
mod read;
mod statement;
mod tag;
mod write;

pub use link::{Company, Link, Ran, Standing};
pub use oid::{BuiltIn, NUMBER_KEY, WireColumn, by_oid, known, modifier, oid};
pub use own_type::parameter_numbers;
pub use pieskieo_shards::value::ColumnType;
pub use read::read;
pub(crate) use statement::Told;
pub use statement::{Control, Forgets, Prepared};
pub use tag::Tag;
pub use write::{Form, RowWriter};
