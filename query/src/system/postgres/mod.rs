//! What is in `pg_catalog`, and which numbers do its programs know our objects by?
//!
//! PostgreSQL's programs find out what is there by joining these relations over numbers. Types and
//! relations of PostgreSQL's have its numbers; ours are made of identities that stay. What this
//! server has no kind of (triggers, policies, publications) has a relation without rows.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `number` | which number does an object have |
//! | `objects` | which objects are there, by number and by name |
//! | `definition` | how would an object be written |
//! | `columns` | which columns do the relations have |
//! | `class` | what is said of tables, views, indexes and their columns |
//! | `constraint` | what is said of constraints, comments and who depends on whom |
//! | `kind` | what is said of types, and of what orders and compares their values |
//! | `server` | what is said of databases, users and what else is there once |
//! | `moment` | what changes by the moment |
//! | `schema` | which relations are there, and how is one declared |
//! | `view` | what do the views say that join the others for people |
//! | `empty` | which relations have no rows, because there is nothing of their kind |

mod class;
#[rustfmt::skip]
mod columns;
mod constraint;
mod definition;
mod empty;
mod kind;
pub(super) mod moment;
mod number;
mod objects;
mod schema;
mod server;
mod view;

pub use constraint::serial_sequence;
pub use definition::quoted;
pub use objects::{Class, Objects, schema_name, schema_number, type_named};
pub(super) use schema::relations;
