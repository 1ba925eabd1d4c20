//! What tables, columns and indexes are there, and how does that change?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `schema` | what tables, columns and indexes are there |
//! | `constraint` | which rules a table holds its records to, and what keeps them |
//! | `encode` | how a catalog is written to shard 0's log |
//! | `encode_constraint` | how constraints and sequences are written in it |
//! | `encode_view` | how the queries of views are written in it |
//! | `rewrite` | which catalog has rewritten records |
//! | `truncate` | which catalog empties tables |
//! | `view` | what a view is, and what it depends on |

mod constraint;
mod encode;
mod encode_constraint;
mod encode_view;
mod rewrite;
mod schema;
mod truncate;
mod view;

pub use constraint::{Action, Constraint, ConstraintKind, Foreign, SequenceShape, Unique};
pub use schema::{
    Altered, Catalog, Column, Index, IndexKind, Rewrite, Table, TableKind, TextField,
};
pub use truncate::Truncation;
pub use view::{Content, ViewQuery, ViewRead};

pub(crate) use encode::{decode as decode_catalog, encode as encode_catalog};
