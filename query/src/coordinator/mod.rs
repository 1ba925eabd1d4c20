//! How is each kind of statement carried out?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `request` | how are the statements of one request run, each in its transaction |
//! | `request/transact` | how does a transaction begin, start again, and end |
//! | `measured` | how is each statement of a request measured |
//! | `kind` | what kind of statement is it |
//! | `deadline` | how long may work take |
//! | `parts` | where in a request do transactions begin and end |
//! | `past` | which point in the past does an AS OF clause mean |
//! | `block` | what do the statements of one transaction share |
//! | `select` | how does a query give rows |
//! | `native` | which queries need no plan |
//! | `shape` | what does a query look like that needs no plan |
//! | `insert` | how do new rows become records |
//! | `defaults` | which values do columns have that were not given |
//! | `sequence` | how are numbers of sequences handed out |
//! | `member_call` | what do functions do that are about a connection and not about records |
//! | `conflict` | what happens when an inserted key exists |
//! | `change` | how are records updated and deleted |
//! | `merge` | how is a MERGE carried out |
//! | `erase` | which DELETE empties a whole range of keys at once |
//! | `write` | how does a row become writes |
//! | `returning` | what does a RETURNING list give |
//! | `schema` | how does the schema change |
//! | `schema_within` | how does the schema change within a transaction |
//! | `draft` | what has an open transaction changed of the schema |
//! | `create_as` | how is something made of a query |
//! | `fill` | how do the rows of a query become the records of a new table |
//! | `refresh` | how does a materialized view take in what has changed |
//! | `alter` | how does a table change its shape |
//! | `alter_type` | how do the records of a table get columns of other types |
//! | `setting` | what do SET and SHOW do |
//! | `setting_client` | what do PostgreSQL's programs set and ask |
//! | `explain` | how is a plan shown |
//! | `fuse` | how do two rankings become one |
//! | `listing` | what tables, columns and indexes are there |
//! | `bulk` | how are many records loaded |
//! | `bulk_checked` | how are many records loaded into a table with constraints |
//! | `bulk_whole` | how are records loaded in one transaction, all or none |
//! | `records` | how is one record read or changed by key |
//! | `syntax_tree` | how is a query made of pieces of a changing statement |
//! | `structured` | how do structured searches become statements |

mod alter;
mod alter_type;
mod block;
mod bulk;
mod bulk_checked;
mod bulk_whole;
mod change;
mod conflict;
mod create_as;
mod deadline;
pub(crate) mod defaults;
mod draft;
mod erase;
mod explain;
mod fill;
mod fuse;
mod insert;
mod kind;
mod listing;
mod measured;
mod member_call;
mod merge;
mod native;
mod parts;
mod past;
mod records;
mod refresh;
mod request;
pub(crate) mod returning;
mod schema;
mod schema_within;
mod select;
mod sequence;
mod setting;
mod setting_client;
mod shape;
mod structured;
mod syntax_tree;
pub(crate) mod write;

pub use bulk::{BulkConflict, BulkReport, RowError};
pub(crate) use listing::action_clause;
pub use listing::{ColumnListing, ConstraintListing, IndexListing, TableListing, listing};
pub use setting::{SettingListing, Settings};
pub use setting_client::CLIENT_SETTINGS;
pub use structured::{SearchRequest, TextSearch, TraverseRequest, VectorSearch};

pub(crate) use block::Block;
pub(crate) use bulk::load;
pub(crate) use bulk_whole::load_whole;
pub(crate) use change::{delete_query, record_items, update_query};
pub(crate) use deadline::within;
pub(crate) use explain::plan_lines;
pub(crate) use fuse::fuse;
pub(crate) use kind::kind_of;
pub(crate) use parts::outlives;
pub(crate) use records::{Address, delete, get, patch, put};
pub(crate) use request::{Client, Request};
pub(crate) use select::{Reads, collect};
pub(crate) use sequence::{Sequences, stand_in as sequences_stand_in};
pub(crate) use setting::{described as described_setting, set as set_setting};
pub(crate) use structured::{Lead, Written, by_text, by_vector, traversal};
