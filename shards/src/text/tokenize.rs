//! Where does a word begin and end, and what is its term?
//!
//! Words are those of Unicode Standard Annex #29 that hold a letter or digit, in lower case (full
//! Unicode mapping), and reduced to their English stem (Snowball) when the index asks for it.

use std::borrow::Cow;
use std::ops::Range;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

use super::options::{OFFSET_BITS, WORD_BYTES_MAX};

/// Turns lower-case words into terms.
pub struct Analyzer {
    stemmer: Option<Stemmer>,
}

impl Analyzer {
    /// Returns an analyzer that stems or not.
    pub fn new(stem: bool) -> Self {
        Self { stemmer: stem.then(|| Stemmer::create(Algorithm::English)) }
    }

    /// Returns whether terms differ from words.
    pub fn stems(&self) -> bool {
        self.stemmer.is_some()
    }

    /// Returns the term of a lower-case word.
    pub fn term<'a>(&self, word: &'a str) -> Cow<'a, str> {
        match &self.stemmer {
            Some(stemmer) => stemmer.stem(word),
            None => Cow::Borrowed(word),
        }
    }
}

/// Returns the terms of a text in order, as an index with this setting stores them.
///
/// **Cost**: allocates each term; the index itself does not come this way.
pub fn terms(text: &str, stem: bool) -> Vec<String> {
    let analyzer = Analyzer::new(stem);
    let mut found = Vec::new();
    words(text, |_, word| found.push(analyzer.term(word).into_owned()));
    found
}

/// Calls `take` with the offset and the lower-case form of each word. Words that are too long
/// are left out but still counted in the offsets. Returns how many words were passed on.
pub fn words(text: &str, mut take: impl FnMut(u32, &str)) -> u32 {
    words_at(text, |offset, _, word| take(offset, word))
}

/// Does what [`words`] does, and passes on where in the text a word begins and ends, in bytes.
pub fn words_at(text: &str, mut take: impl FnMut(u32, Range<usize>, &str)) -> u32 {
    let mut lower = String::new();
    let mut taken = 0;
    for (offset, (at, word)) in (0..1u32 << OFFSET_BITS).zip(text.unicode_word_indices()) {
        if word.len() <= WORD_BYTES_MAX {
            take(offset, at..at + word.len(), lowered(word, &mut lower));
            taken += 1;
        }
    }
    taken
}

fn lowered<'a>(word: &'a str, buffer: &'a mut String) -> &'a str {
    if word.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return word;
    }
    buffer.clear();
    if word.is_ascii() {
        buffer.push_str(word);
        buffer.make_ascii_lowercase();
    } else {
        buffer.push_str(&word.to_lowercase());
    }
    buffer
}
