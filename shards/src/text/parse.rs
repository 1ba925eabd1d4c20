//! How does what a person types become a query?
//!
//! ```text
//! either  := also (OR also)*
//! also    := run ((AND)? run)*           a run ends at AND, OR or a closing parenthesis
//! run     := clause+                     plain words: any of them
//! clause  := [+ | - | NOT] atom          + must match, - and NOT must not
//! atom    := ( either ) | "phrase" | word | word* | word~ | word~1 | word~2
//! ```
//!
//! AND, OR and NOT are operators only in capitals. Words next to each other belong closer
//! together than AND, AND closer than OR: `a b AND c OR d` is `((a b) AND c) OR d`. In a run with
//! `+`, the words without it only add to the score. A word that holds several terms (`e-mail`)
//! stands for each of them when plain and for the phrase of them under an operator; punctuation
//! that holds none is passed over. `word*` compares with terms as stored, stems included.

use super::options::{QUERY_BYTES_MAX, QUERY_DEPTH_MAX, QUERY_LEAVES_MAX};
use super::query::{TextNode, TextQuery};
use super::tokenize::{Analyzer, words};
use crate::error::Error;

impl TextQuery {
    /// Reads a query for an index that stems or does not. See `text/parse.rs` for the grammar.
    ///
    /// **Errors**: `InvalidValue` with the position (in characters, from 1) of what is wrong: an
    /// open quote or parenthesis, an operator without operand, exclusions alone, a fuzzy distance
    /// above 2, a query beyond its limits.
    pub fn parse(source: &str, stem: bool) -> Result<Self, Error> {
        if source.len() > QUERY_BYTES_MAX {
            return Err(Error::InvalidValue(format!(
                "the text query has {} bytes; the limit is {QUERY_BYTES_MAX}",
                source.len()
            )));
        }
        let tokens = scan(source)?;
        let analyzer = Analyzer::new(stem);
        let mut parser = Parser { source, tokens: &tokens, next: 0, analyzer, leaves: 0, depth: 0 };
        let node = parser.either()?;
        if let Some(token) = parser.peek() {
            return Err(parser.wrong(token.at, "unexpected \")\""));
        }
        let node = node.unwrap_or(TextNode::Any(Vec::new()));
        Ok(Self { source: source.to_owned(), node, fields: None })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind<'a> {
    Open,
    Close,
    Must,
    Not,
    And,
    Or,
    Quoted(&'a str),
    Word(&'a str),
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: Kind<'a>,
    /// Byte offset in the source.
    at: usize,
}

/// Cuts the source into tokens.
fn scan(source: &str) -> Result<Vec<Token<'_>>, Error> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = source[at..].chars().next() {
        let rest = &source[at + letter.len_utf8()..];
        let sticks = rest.chars().next().is_some_and(|next| !next.is_whitespace());
        let (kind, bytes) = match letter {
            _ if letter.is_whitespace() => {
                at += letter.len_utf8();
                continue;
            }
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '+' if sticks => (Kind::Must, 1),
            '-' if sticks => (Kind::Not, 1),
            '"' => match rest.find('"') {
                Some(end) => (Kind::Quoted(&rest[..end]), end + 2),
                None => return Err(wrong(source, at, "this quote is not closed")),
            },
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"');
                let word = &source[at..at + source[at..].find(ends).unwrap_or(source.len() - at)];
                let kind = match word {
                    "AND" => Kind::And,
                    "OR" => Kind::Or,
                    "NOT" => Kind::Not,
                    _ => Kind::Word(word),
                };
                (kind, word.len())
            }
        };
        tokens.push(Token { kind, at });
        at += bytes;
    }
    Ok(tokens)
}

struct Parser<'a> {
    source: &'a str,
    tokens: &'a [Token<'a>],
    next: usize,
    analyzer: Analyzer,
    leaves: usize,
    depth: usize,
}

/// The clauses of one or more runs.
#[derive(Default)]
struct Clauses {
    /// Where the first exclusion stands.
    excluded_at: usize,
    must: Vec<TextNode>,
    may: Vec<TextNode>,
    not: Vec<TextNode>,
    /// Whether there was anything at all, even punctuation.
    any: bool,
}

impl<'a> Parser<'a> {
    /// `None` = nothing but punctuation.
    fn either(&mut self) -> Result<Option<TextNode>, Error> {
        let mut branches = Vec::new();
        loop {
            branches.extend(self.also()?);
            if !self.take(Kind::Or) {
                break;
            }
        }
        Ok(one_or(branches, TextNode::Any))
    }

    fn also(&mut self) -> Result<Option<TextNode>, Error> {
        let mut positive = Vec::new();
        let mut excluded = Vec::new();
        let mut excluded_at = 0;
        loop {
            let before = self.next;
            let mut run = self.run()?;
            if !run.any && (before > 0 || self.peek().is_some()) {
                let operator = before.checked_sub(1).and_then(|index| self.tokens.get(index));
                let at = match (self.peek(), operator) {
                    (Some(token), _) if matches!(token.kind, Kind::And | Kind::Or) => token.at,
                    (_, Some(operator)) => operator.at,
                    (Some(token), None) => token.at,
                    (None, None) => 0,
                };
                return Err(self.wrong(at, "a word is missing here"));
            }
            if excluded.is_empty() {
                excluded_at = run.excluded_at;
            }
            excluded.append(&mut run.not);
            positive.extend(run.positive());
            if !self.take(Kind::And) {
                break;
            }
        }
        match (one_or(positive, TextNode::All), one_or(excluded, TextNode::Any)) {
            (positive, None) => Ok(positive),
            (Some(positive), Some(excluded)) => {
                Ok(Some(TextNode::Without(Box::new(positive), Box::new(excluded))))
            }
            (None, Some(_)) => {
                Err(self.wrong(excluded_at, "an exclusion needs something to exclude from"))
            }
        }
    }

    fn run(&mut self) -> Result<Clauses, Error> {
        let mut clauses = Clauses::default();
        while let Some(token) = self.peek() {
            match token.kind {
                Kind::Close | Kind::And | Kind::Or => break,
                Kind::Must => {
                    self.next += 1;
                    clauses.must.extend(self.operand(token)?);
                }
                Kind::Not => {
                    self.next += 1;
                    if clauses.not.is_empty() {
                        clauses.excluded_at = token.at;
                    }
                    clauses.not.extend(self.operand(token)?);
                }
                Kind::Open | Kind::Quoted(_) | Kind::Word(_) => {
                    let plain = self.atom(token)?;
                    clauses.may.extend(plain);
                }
            }
            clauses.any = true;
        }
        Ok(clauses)
    }

    /// Reads what `+`, `-` or `NOT` applies to.
    fn operand(&mut self, operator: Token<'a>) -> Result<Option<TextNode>, Error> {
        match self.peek() {
            Some(token) if matches!(token.kind, Kind::Open | Kind::Quoted(_) | Kind::Word(_)) => {
                let nodes = self.atom(token)?;
                Ok(one_or(nodes, phrase_of))
            }
            _ => Err(self.wrong(operator.at, "a word is missing after this")),
        }
    }

    /// Reads one atom; a plain word may be several nodes.
    fn atom(&mut self, token: Token<'a>) -> Result<Vec<TextNode>, Error> {
        self.next += 1;
        let nodes = match token.kind {
            Kind::Open => return Ok(self.group(token)?.into_iter().collect()),
            Kind::Quoted(text) => {
                let terms = self.terms(text);
                one_or(terms.into_iter().map(TextNode::Term).collect(), phrase_of)
                    .into_iter()
                    .collect()
            }
            Kind::Word(word) => self.word(token.at, word)?,
            Kind::Close | Kind::Must | Kind::Not | Kind::And | Kind::Or => Vec::new(),
        };
        self.leaves += nodes.len();
        if self.leaves > QUERY_LEAVES_MAX {
            let message = format!("more than {QUERY_LEAVES_MAX} words in one text query");
            return Err(self.wrong(token.at, &message));
        }
        Ok(nodes)
    }

    fn group(&mut self, open: Token<'a>) -> Result<Option<TextNode>, Error> {
        self.depth += 1;
        if self.depth > QUERY_DEPTH_MAX {
            let message = format!("parentheses nested deeper than {QUERY_DEPTH_MAX}");
            return Err(self.wrong(open.at, &message));
        }
        let node = self.either()?;
        self.depth -= 1;
        if !self.take(Kind::Close) {
            return Err(self.wrong(open.at, "this parenthesis is not closed"));
        }
        Ok(node)
    }

    fn word(&mut self, at: usize, word: &str) -> Result<Vec<TextNode>, Error> {
        if let Some(start) = word.strip_suffix('*') {
            let mut lower = Vec::new();
            words(start, |_, word| lower.push(word.to_owned()));
            let last = lower.pop().map(TextNode::Prefix);
            let first = lower
                .into_iter()
                .map(|word| TextNode::Term(self.analyzer.term(&word).into_owned()));
            return Ok(first.chain(last).collect());
        }
        if let Some((start, digits)) = word.rsplit_once('~') {
            let distance = match digits {
                "" | "1" => Some(1),
                "2" => Some(2),
                _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let sign = at + start.len();
                    return Err(self.wrong(sign, "a fuzzy word allows 1 or 2 edits"));
                }
                _ => None,
            };
            if let Some(distance) = distance {
                let fuzzy = |term| TextNode::Fuzzy { term, distance };
                return Ok(self.terms(start).into_iter().map(fuzzy).collect());
            }
        }
        Ok(self.terms(word).into_iter().map(TextNode::Term).collect())
    }

    fn terms(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        words(text, |_, word| found.push(self.analyzer.term(word).into_owned()));
        found
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self, kind: Kind<'_>) -> bool {
        let taken = self.peek().is_some_and(|token| token.kind == kind);
        self.next += usize::from(taken);
        taken
    }

    fn wrong(&self, at: usize, what: &str) -> Error {
        wrong(self.source, at, what)
    }
}

impl Clauses {
    fn positive(self) -> Option<TextNode> {
        let may = one_or(self.may, TextNode::Any);
        match (one_or(self.must, TextNode::All), may) {
            (Some(must), Some(may)) => Some(TextNode::Prefer(Box::new(must), Box::new(may))),
            (must, may) => must.or(may),
        }
    }
}

/// Returns nothing, the only node, or all of them joined.
fn one_or(mut nodes: Vec<TextNode>, join: fn(Vec<TextNode>) -> TextNode) -> Option<TextNode> {
    match nodes.len() {
        0 => None,
        1 => nodes.pop(),
        _ => Some(join(nodes)),
    }
}

/// Joins the terms of one word or quotation into a phrase; prefixes and fuzzy words, which have
/// no phrase, must all match.
fn phrase_of(nodes: Vec<TextNode>) -> TextNode {
    let terms: Option<Vec<String>> = nodes
        .iter()
        .map(|node| match node {
            TextNode::Term(term) => Some(term.clone()),
            _ => None,
        })
        .collect();
    terms.map_or(TextNode::All(nodes), TextNode::Phrase)
}

fn wrong(source: &str, at: usize, what: &str) -> Error {
    let position = source[..at].chars().count() + 1;
    Error::InvalidValue(format!("{what}, at position {position} of the text query"))
}
