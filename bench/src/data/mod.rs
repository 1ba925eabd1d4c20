//! How are data sets on disk read?
//!
//! Row by row, so that a file larger than memory can be loaded. Errors name the file and the line
//! or row.
//!
//! | file | question |
//! | --- | --- |
//! | `jsonl.rs` | What is in a file with a JSON document per line? |
//! | `cranfield.rs` | What are Cranfield's documents, queries and judgements? |

pub mod cranfield;
mod jsonl;

pub use jsonl::Jsonl;
