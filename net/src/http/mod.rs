//! How does the database look over HTTP?
//!
//! | file | question it answers |
//! | --- | --- |
//! | `copy` | how do rows come in and go out as text |
//! | `connection` | how does one connection answer one request |
//! | `route` | which handler answers which address |
//! | `body` | what do requests carry in and answers carry out |
//! | `compress` | which answers travel compressed, and how |
//! | `problem` | how does an error look to a client |
//! | `answer` | how does a statement's answer become bytes |
//! | `statement` | `/v1/query`: how are statements run |
//! | `records` | `/v1/tables/{table}/records`: how are records stored, read and removed |
//! | `idempotency` | which idempotency key does a request carry |
//! | `search` | `/v1/search` and `/v1/graph/traverse` |
//! | `tables` | `/v1/tables`: which tables are there |
//! | `service` | health, readiness, metrics |
//! | `memory` | `/v1/admin/memory`: where is the memory |
//! | `openapi` | how does the interface describe itself |

mod answer;
mod body;
mod compress;
pub(crate) mod connection;
mod copy;
mod idempotency;
mod memory;
mod openapi;
mod problem;
mod records;
mod route;
mod search;
mod service;
mod statement;
mod tables;
