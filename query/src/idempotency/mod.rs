//! How does a request that is sent twice have its effect once?
//!
//! A request may carry a key its client has made up. What it answers is stored under that key in
//! the transaction of its writes, so no crash can come between the two. Whoever sends the key
//! again gets the stored answer.
//!
//! The answers are the records of a hidden table, made when the first key is seen. Its primary key
//! is the key: the owner of the key's slot has the record, and of two transactions that store one,
//! one loses like any that insert the same record. That alone makes effects happen once; that a
//! second request is refused while the first still runs is a courtesy, told by [`Claim`]s in memory.
//!
//! What is remembered: the answer of a request that says INSERT, UPDATE or DELETE, or commits
//! writes of earlier requests. What failed has written nothing and is not remembered: sent again,
//! it runs again. Numbers that sequences gave are not given back.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `key` | what does a client send |
//! | `table` | where are answers, and how are they read and written |
//! | `stored` | how is an answer stored |
//! | `claim` | which keys are being worked with |
//! | `sweep` | when are answers forgotten |

mod claim;
mod key;
mod stored;
mod sweep;
mod table;

pub use key::{Fingerprint, IdempotencyKey};

pub(crate) use claim::{Claim, Claims};
pub(crate) use stored::Stored;
pub(crate) use sweep::sweep;
pub(crate) use table::{Found, count, ensure, is_taken, look_up, remember};
