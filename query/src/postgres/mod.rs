//! How do PostgreSQL's clients speak to the engine?
//!
//! They stay connected: a transaction belongs to its connection and not to a token. They ask for
//! the types of parameters and columns before anything runs, and send and read values in
//! PostgreSQL's text and binary forms under PostgreSQL's numbers. Messages are the front door's.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `link` | which transaction do the statements of a connection belong to |
//! | `link_cursor` | how does a connection declare, read and close cursors |
//! | `link_channel` | how does a connection listen, and what does it say |
//! | `cursor` | where is a cursor between two FETCHes |
//! | `statement` | what does a connection know of a statement before it runs |
//! | `infer` | which types do a query's parameters have |
//! | `describe` | which parameters does a statement take, and which columns does it answer |
//! | `tag` | with which words does a statement end |
//! | `own_type` | which columns and parameters are of types that we have not |
//! | `oid` | which number names which type |
//! | `write` | how is a value sent |
//! | `read` | how is a parameter read |
//! | `numeric` | how are the digits of a NUMERIC sent |

mod cursor;
mod describe;
mod infer;
mod link;
mod link_channel;
mod link_cursor;
mod numeric;
mod oid;
mod own_type;
mod read;
mod statement;
mod tag;
mod write;

pub(crate) use cursor::Cursors;
pub use link::{Company, Link, Ran, Standing};
pub use oid::{BuiltIn, NUMBER_KEY, WireColumn, by_oid, known, modifier, oid};
pub use own_type::parameter_numbers;
pub use pieskieo_shards::value::ColumnType;
pub use read::read;
pub(crate) use statement::Told;
pub use statement::{Control, Forgets, Prepared};
pub use tag::Tag;
pub use write::{Form, RowWriter};
