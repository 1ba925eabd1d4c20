//! What may a user choose, and what bounds are fixed?

/// How one text index reads and ranks.
#[derive(Clone, Debug, PartialEq)]
pub struct TextOptions {
    /// Number of fields of a document, `1..=FIELDS_MAX`. Default 1.
    pub fields: usize,
    /// Whether words are reduced to their English stems (Snowball). Finds more, distinguishes
    /// less. Default true.
    pub stem: bool,
    /// How much repeated words add, `0..`; at 0 only presence counts. Default 1.2.
    pub k1: f64,
    /// How much long documents are held back, `0..=1`. Default 0.75.
    pub b: f64,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { fields: 1, stem: true, k1: 1.2, b: 0.75 }
    }
}

/// Most fields of one index: the field number shares a 32-bit position with the offset.
pub const FIELDS_MAX: usize = 1 << (32 - OFFSET_BITS);

/// Bits of a position that hold the offset within the field; words after the first
/// 16,777,216 of a field are not indexed.
pub const OFFSET_BITS: u32 = 24;

/// Longest word that is indexed, in bytes; longer ones (encoded data, mostly) only take up a
/// position.
pub const WORD_BYTES_MAX: usize = 128;

/// Words in the mutable run before `insert` seals it: sealing is one step, about 5 ns a word
/// plus a sort of the terms, so a few milliseconds at most (estimate).
pub const BUILD_WORDS_MAX: u64 = 1 << 17;

/// Documents in the mutable run before `fold` seals it; fewer are as fast to search there.
pub const FOLD_DOCUMENTS_MIN: usize = 512;

/// Sealed runs of one size class before they are merged: each word is rewritten about
/// log4(documents / 512) times, and about 3 runs per class are searched.
pub const MERGE_WIDTH: usize = 4;

/// Longest text query, in bytes.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;

/// Most words of a text query: each costs a pass over its postings.
pub const QUERY_LEAVES_MAX: usize = 1024;

/// Deepest nesting of parentheses in a text query: the parser and the search recurse.
pub const QUERY_DEPTH_MAX: usize = 32;
