//! Which records contain these words, and how well do they match?
//!
//! One [`TextIndex`] per text index and shard. Documents enter a small mutable run; full runs are
//! sealed into sorted, packed ones, and sealed runs of similar size are merged in the background:
//!
//! ```text
//! insert -> build (hash dictionary) --seal--> sealed (sorted dictionary) --merge--> sealed
//!                    searched together, all at the reader's snapshot
//! ```
//!
//! Every document carries its own `[begin, end)` validity, so a hit is visible or not without a
//! look at its row, and an answer is exact the moment `insert` returns.
//!
//! Ranking is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, (3.15)):
//!
//! ```text
//! score(d) = sum over matching leaves of idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * |d| / avg))
//! idf      = ln(1 + (N - df + 0.5) / (df + 0.5))       always positive
//! ```
//!
//! A *leaf* is a term, a phrase, a prefix or a fuzzy word; the last three count as one made-up
//! term whose `tf` is the number of their occurrences and whose `df` is the number of documents
//! with at least one. `N`, `avg` and `df` count the documents visible at the snapshot on all
//! shards ([`TextStats`] adds up), so scores do not depend on the number of shards.
//!
//! Deliberately absent: reading from disk (an image is read whole at start), stop words,
//! languages other than English for stemming.
//!
//! | file | question |
//! | --- | --- |
//! | `options.rs` | What may a user choose, and what bounds are fixed? |
//! | `encode.rs` | How are positions written as bytes? |
//! | `tokenize.rs` | Where does a word begin and end, and what is its term? |
//! | `query.rs` | What is a text query? |
//! | `parse.rs` | How does what a person types become a query? |
//! | `documents.rs` | Which documents does a run hold, and who may see them? |
//! | `dictionary.rs` | Which terms exist, begin like this, or are nearly this? |
//! | `postings.rs` | Which documents hold a term, and where? |
//! | `build.rs` | How do documents enter the mutable run? |
//! | `seal.rs` | How does a run become sorted and packed? |
//! | `merge.rs` | How do runs become fewer and lose their dead? |
//! | `index.rs` | How do the runs act as one index? |
//! | `phrase.rs` | Where do terms stand next to each other? |
//! | `rank.rs` | How good is a match? |
//! | `search.rs` | Which documents match, best first? |
//! | `highlight.rs` | Which words of a text made it match? |
//! | `image.rs` | Which bytes hold an index while the process is away, and how do they become one again? |
//! | `verify.rs` | Does the index say what the records say? |

mod build;
mod dictionary;
mod documents;
mod encode;
mod highlight;
mod image;
mod index;
mod merge;
mod options;
mod parse;
mod phrase;
mod postings;
mod query;
mod rank;
mod seal;
mod search;
mod tokenize;
mod verify;

#[cfg(test)]
mod tests;

pub use highlight::{SnippetOptions, highlights, snippet};
pub(crate) use image::{Portrayal, Revival};
pub use index::TextIndex;
pub use options::TextOptions;
pub use query::{TextNode, TextQuery, TextStats};
pub use search::{TextFilter, matches};
pub use tokenize::terms;
