//! What tables, columns and indexes are there, and how does that change?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `schema` | what tables, columns and indexes are there |
//! | `encode` | how a catalog is written to shard 0's log |

mod encode;
mod schema;

pub use schema::{Catalog, Column, Index, IndexKind, Table, TableKind, TextField};

pub(crate) use encode::{decode as decode_catalog, encode as encode_catalog};
