//! Which words of a text made it match?
//!
//! A word is marked when a leaf of the query that can add to the score matches it: terms,
//! prefixes and fuzzy words wherever they occur, words of a phrase only where the whole phrase
//! stands. Exclusions mark nothing.

use std::ops::Range;

use super::dictionary::is_near;
use super::query::{TextNode, TextQuery};
use super::tokenize::{Analyzer, words_at};

/// How a snippet is cut and marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnippetOptions {
    /// Most words of the snippet. Default 30.
    pub words: usize,
    /// Text put before a run of marked words. Default `<b>`.
    pub before: String,
    /// Text put after it. Default `</b>`.
    pub after: String,
    /// Text that stands for what was left out. Default `…`.
    pub gap: String,
}

impl Default for SnippetOptions {
    fn default() -> Self {
        Self { words: 30, before: "<b>".into(), after: "</b>".into(), gap: "…".into() }
    }
}

/// One word of the text.
struct Word {
    offset: u32,
    range: Range<usize>,
    term: String,
    /// The leaves that match it, by number, ascending.
    leaves: Vec<usize>,
}

/// Returns where the words stand that match, in bytes of `text`, ascending and apart from each
/// other; words of a phrase are ranges of their own.
pub fn highlights(query: &TextQuery, stem: bool, text: &str) -> Vec<Range<usize>> {
    let words = marked(query, stem, text);
    words.into_iter().filter(|word| !word.leaves.is_empty()).map(|word| word.range).collect()
}

/// Returns the part of a text that shows best why it matches, with the words that do marked: the
/// first place where as many different leaves as possible stand close together, and some words
/// before it. The text is not escaped.
pub fn snippet(query: &TextQuery, stem: bool, text: &str, options: &SnippetOptions) -> String {
    let words = marked(query, stem, text);
    let size = options.words.max(1);
    let best = best_window(&words, size);
    // A quarter of the words leads up to the first match, more where the text ends.
    let start = best.saturating_sub(size / 4).min(words.len().saturating_sub(size));
    let chosen = &words[start..(start + size).min(words.len())];
    let (from, to) = match (chosen.first(), chosen.last()) {
        (Some(first), Some(last)) => (
            if start == 0 { 0 } else { first.range.start },
            if start + size >= words.len() { text.len() } else { last.range.end },
        ),
        _ => (0, text.len()),
    };
    let mut shown = String::with_capacity(to - from + 64);
    if from > 0 {
        shown.push_str(&options.gap);
    }
    let mut at = from;
    for run in chosen
        .chunk_by(|a, b| !a.leaves.is_empty() && !b.leaves.is_empty() && a.offset + 1 == b.offset)
    {
        if let [first, .., last] | [first @ last] = run
            && !first.leaves.is_empty()
        {
            shown.push_str(&text[at..first.range.start]);
            shown.push_str(&options.before);
            shown.push_str(&text[first.range.start..last.range.end]);
            shown.push_str(&options.after);
            at = last.range.end;
        }
    }
    shown.push_str(&text[at..to]);
    if to < text.len() {
        shown.push_str(&options.gap);
    }
    shown
}

/// Returns the place of the first marked word from which `size` words hold the most leaves.
fn best_window(words: &[Word], size: usize) -> usize {
    let mut best = (0, 0);
    for (start, _) in words.iter().enumerate().filter(|(_, word)| !word.leaves.is_empty()) {
        let window = &words[start..(start + size).min(words.len())];
        let mut leaves: Vec<usize> = window.iter().flat_map(|word| word.leaves.clone()).collect();
        leaves.sort_unstable();
        leaves.dedup();
        if leaves.len() > best.0 {
            best = (leaves.len(), start);
        }
    }
    best.1
}

/// Returns the words of a text with the leaves that match them.
fn marked(query: &TextQuery, stem: bool, text: &str) -> Vec<Word> {
    let analyzer = Analyzer::new(stem);
    let mut words = Vec::new();
    words_at(text, |offset, range, word| {
        let term = analyzer.term(word).into_owned();
        words.push(Word { offset, range, term, leaves: Vec::new() });
    });
    let mut number = 0;
    query.node.scoring_leaves(&mut |leaf| {
        mark(&mut words, leaf, number);
        number += 1;
    });
    words
}

fn mark(words: &mut [Word], leaf: &TextNode, number: usize) {
    let length = if let TextNode::Phrase(terms) = leaf { terms.len() } else { 1 };
    for start in 0..(words.len() + 1).saturating_sub(length) {
        let place = &words[start..start + length];
        let matched = match leaf {
            TextNode::Term(term) => place[0].term == *term,
            TextNode::Prefix(prefix) => place[0].term.starts_with(prefix),
            TextNode::Fuzzy { term, distance } => is_near(term, &place[0].term, *distance),
            TextNode::Phrase(terms) => {
                place.iter().map(|word| &word.term).eq(terms)
                    && place.windows(2).all(|pair| pair[0].offset + 1 == pair[1].offset)
            }
            TextNode::Any(_) | TextNode::All(_) | TextNode::Prefer(..) | TextNode::Without(..) => {
                false
            }
        };
        if matched {
            for word in &mut words[start..start + length] {
                if word.leaves.last() != Some(&number) {
                    word.leaves.push(number);
                }
            }
        }
    }
}
