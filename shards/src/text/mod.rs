//! Which records contain these words, and how well do they match?

use std::collections::BTreeMap;

/// A parsed text query.
#[derive(Clone, Debug, PartialEq)]
pub struct TextQuery {
    /// Words as written, for messages.
    pub source: String,
    /// What must match.
    pub node: TextNode,
}

/// The shape of a text query.
#[derive(Clone, Debug, PartialEq)]
pub enum TextNode {
    /// One analysed term.
    Term(String),
    /// Analysed terms at consecutive positions: `"information retrieval"`.
    Phrase(Vec<String>),
    /// Any of these; scores add up. Plain words are this.
    Any(Vec<TextNode>),
    /// All of these: `+a +b`.
    All(Vec<TextNode>),
    /// The first without the second: `a -b`.
    Without(Box<TextNode>, Box<TextNode>),
}

/// Statistics for BM25 that add up over shards.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextStats {
    /// Visible documents.
    pub documents: u64,
    /// Sum of their lengths in terms.
    pub terms: u64,
    /// Visible documents containing each query term.
    pub frequency: BTreeMap<String, u64>,
}
