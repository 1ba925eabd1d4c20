//! What is a text query?

use std::collections::BTreeMap;

/// A parsed text query.
#[derive(Clone, Debug, PartialEq)]
pub struct TextQuery {
    /// Words as written, for messages.
    pub source: String,
    /// What must match.
    pub node: TextNode,
    /// Positions of the index's fields that are searched; `None` = all of them, as if they were
    /// one text. A restricted query counts words and lengths in these fields only.
    pub fields: Option<Vec<usize>>,
}

/// The shape of a text query.
#[derive(Clone, Debug, PartialEq)]
pub enum TextNode {
    /// One analysed term.
    Term(String),
    /// Analysed terms at consecutive positions of one field: `"information retrieval"`.
    Phrase(Vec<String>),
    /// Any term that begins with this: `retriev*`.
    Prefix(String),
    /// Any term within this many insertions, deletions or substitutions of characters: `word~1`.
    Fuzzy {
        /// The analysed term.
        term: String,
        /// Edits allowed, 1 or 2.
        distance: usize,
    },
    /// Any of these; scores add up. Plain words are this. Empty matches nothing.
    Any(Vec<TextNode>),
    /// All of these; scores add up: `+a +b`. Empty matches nothing.
    All(Vec<TextNode>),
    /// The first; the second only adds to the score where it matches too: `+a b`.
    Prefer(Box<TextNode>, Box<TextNode>),
    /// The first without the second: `a -b`.
    Without(Box<TextNode>, Box<TextNode>),
}

/// Statistics for BM25 that add up over shards.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextStats {
    /// Visible documents.
    pub documents: u64,
    /// Sum of their lengths in words, over the fields searched.
    pub terms: u64,
    /// Visible documents matching each leaf of the query, by [`TextNode::leaf_name`].
    pub frequency: BTreeMap<String, u64>,
}

impl TextQuery {
    /// Restricts the query to some of the index's fields.
    #[must_use]
    pub fn in_fields(mut self, fields: Vec<usize>) -> Self {
        self.fields = Some(fields);
        self
    }
}

impl TextNode {
    /// Returns the name under which statistics count a leaf, `None` for inner nodes. Leaves of
    /// different kinds never share a name: `*`, `~` and `"` are not part of any term.
    pub fn leaf_name(&self) -> Option<String> {
        match self {
            Self::Term(term) => Some(term.clone()),
            Self::Phrase(terms) => Some(format!("\"{}\"", terms.join(" "))),
            Self::Prefix(prefix) => Some(format!("{prefix}*")),
            Self::Fuzzy { term, distance } => Some(format!("{term}~{distance}")),
            Self::Any(_) | Self::All(_) | Self::Prefer(..) | Self::Without(..) => None,
        }
    }

    /// Calls `take` with every leaf that can add to a score, in the order written.
    pub fn scoring_leaves<'a>(&'a self, take: &mut dyn FnMut(&'a TextNode)) {
        match self {
            Self::Any(nodes) | Self::All(nodes) => {
                nodes.iter().for_each(|node| node.scoring_leaves(take));
            }
            Self::Prefer(first, second) => {
                first.scoring_leaves(take);
                second.scoring_leaves(take);
            }
            Self::Without(first, _) => first.scoring_leaves(take),
            Self::Term(_) | Self::Phrase(_) | Self::Prefix(_) | Self::Fuzzy { .. } => take(self),
        }
    }
}

impl TextStats {
    /// Adds another shard's share.
    pub fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        self.terms += other.terms;
        for (leaf, count) in &other.frequency {
            *self.frequency.entry(leaf.clone()).or_default() += count;
        }
    }
}
