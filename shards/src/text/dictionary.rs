//! Which terms exist, begin like this, or are nearly this?

use std::ops::Range;

/// Sorted terms of a sealed run; a term's *ordinal* is its rank.
#[derive(Default)]
pub struct Dictionary {
    text: String,
    /// Where each term ends in `text`.
    ends: Vec<usize>,
}

impl Dictionary {
    /// Appends a term that sorts after all before it.
    pub fn push(&mut self, term: &str) {
        debug_assert!(self.is_empty() || self.get(self.len() - 1) < term);
        self.text.push_str(term);
        self.ends.push(self.text.len());
    }

    /// Returns the number of terms.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no terms.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the term with this ordinal.
    pub fn get(&self, ordinal: usize) -> &str {
        let start = if ordinal == 0 { 0 } else { self.ends[ordinal - 1] };
        &self.text[start..self.ends[ordinal]]
    }

    /// Returns a term's ordinal.
    pub fn find(&self, term: &str) -> Option<usize> {
        let ordinal = self.after(0, |candidate| candidate < term);
        (ordinal < self.len() && self.get(ordinal) == term).then_some(ordinal)
    }

    /// Returns the ordinals of the terms that begin with `prefix`.
    pub fn prefixed(&self, prefix: &str) -> Range<usize> {
        let start = self.after(0, |term| term < prefix);
        start..self.after(start, |term| term.starts_with(prefix))
    }

    /// Returns the ordinals of the terms within `distance` edits of `word`, ascending.
    ///
    /// **Cost**: terms that share a prefix share its work, and prefixes that are already too far
    /// away are jumped over with a binary search.
    pub fn near(&self, word: &str, distance: usize) -> Vec<usize> {
        let mut walk = EditWalk::new(word, distance);
        let mut found = Vec::new();
        let mut ordinal = 0;
        while ordinal < self.len() {
            let term = self.get(ordinal);
            match walk.visit(term) {
                Visit::Within => {
                    found.push(ordinal);
                    ordinal += 1;
                }
                Visit::Beyond => ordinal += 1,
                Visit::Dead { prefix_bytes } => {
                    let prefix = &term[..prefix_bytes];
                    ordinal = self.after(ordinal, |later| later.starts_with(prefix));
                }
            }
        }
        found
    }

    /// Returns the first ordinal at or after `start` for which `before` no longer holds.
    fn after(&self, start: usize, before: impl Fn(&str) -> bool) -> usize {
        let mut low = start;
        let mut high = self.len();
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.get(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Returns the bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// Returns whether `term` is within `distance` edits of `word`.
pub fn is_near(word: &str, term: &str, distance: usize) -> bool {
    matches!(EditWalk::new(word, distance).visit(term), Visit::Within)
}

/// What a visit of a term found.
enum Visit {
    /// The term is near enough.
    Within,
    /// The term is too far, longer ones may not be.
    Beyond,
    /// Every term that begins with these bytes of the term is too far.
    Dead { prefix_bytes: usize },
}

/// Edit distances from one word to many, keeping the rows of the table that the next term's
/// common prefix can use again.
struct EditWalk {
    word: Vec<char>,
    distance: usize,
    /// Characters of the last term, as far as its rows were computed.
    path: Vec<char>,
    /// `[path + 1, word + 1]` row-major edit distances.
    rows: Vec<usize>,
}

impl EditWalk {
    fn new(word: &str, distance: usize) -> Self {
        let word: Vec<char> = word.chars().collect();
        let rows = (0..=word.len()).collect();
        Self { word, distance, path: Vec::new(), rows }
    }

    fn visit(&mut self, term: &str) -> Visit {
        let width = self.word.len() + 1;
        let shared = self.path.iter().zip(term.chars()).take_while(|(a, b)| **a == *b).count();
        self.path.truncate(shared);
        self.rows.truncate((shared + 1) * width);
        for (at, letter) in term.char_indices().skip(shared) {
            let nearest = self.push_row(letter);
            if nearest > self.distance {
                return Visit::Dead { prefix_bytes: at + letter.len_utf8() };
            }
        }
        let total = self.rows[self.rows.len() - 1];
        if total <= self.distance { Visit::Within } else { Visit::Beyond }
    }

    /// Adds the row of one more letter and returns its smallest distance.
    fn push_row(&mut self, letter: char) -> usize {
        let width = self.word.len() + 1;
        let above = self.rows.len() - width;
        self.path.push(letter);
        let mut left = self.rows[above] + 1;
        let mut nearest = left;
        self.rows.push(left);
        for (index, own) in self.word.iter().enumerate() {
            let diagonal = self.rows[above + index] + usize::from(*own != letter);
            left = diagonal.min(left + 1).min(self.rows[above + index + 1] + 1);
            nearest = nearest.min(left);
            self.rows.push(left);
        }
        nearest
    }
}
