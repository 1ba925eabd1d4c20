//! How does the database look to PostgreSQL's clients?
//!
//! Version 3 of PostgreSQL's protocol, on the same executors as HTTP: one task for each
//! connection, in queue Net. What statements mean and how values are written is the engine's
//! (`pieskieo_query::postgres`); here are messages and their order.
//!
//! ```text
//! startup: SSLRequest, GSSENCRequest | CancelRequest | StartupMessage
//! login:   password, if there is one         -> parameters, key, ReadyForQuery
//! talk:    Query | Parse Bind Describe Execute Close Flush ... Sync        -> ReadyForQuery
//! ```
//!
//! | file | question it answers |
//! | --- | --- |
//! | `wire` | where does a message end, and how do bytes come and go |
//! | `frontend` | what does a client say |
//! | `backend` | how is each answer written |
//! | `startup` | how does a connection begin |
//! | `login` | who may come in |
//! | `scram` | does a client know the password |
//! | `cancel` | which statement may whom stop |
//! | `conversation` | which message is answered how |
//! | `simple` | how is a text of statements run |
//! | `extended` | how are statements prepared, bound and run |
//! | `copy` | how do the rows of a COPY come and go |
//! | `kept` | which statements and portals does a connection have |
//! | `rows` | how are rows sent |
//! | `refusal` | how does an error look |

mod backend;
mod cancel;
mod conversation;
mod copy;
mod extended;
mod frontend;
mod kept;
mod login;
mod refusal;
mod rows;
mod scram;
mod simple;
mod startup;
mod wire;

pub use scram::Verifier;
pub(crate) use startup::serve;
