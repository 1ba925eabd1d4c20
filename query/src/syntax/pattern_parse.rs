//! Where in the tokens is a MATCH pattern, and what does it say?
//!
//! ```text
//! pattern    = "MATCH" node { edge node }
//! node       = "(" [name] [":" table] [properties] ")"
//! edge       = "-" body "->" [quantifier] | "<-" body "-" [quantifier] | "-" body "-" [quantifier]
//! body       = "[" [name] ":" table ["*" hops] [properties] "]"
//! hops       = n | n ".." m | ".." m
//! quantifier = "{" n "," m "}" | "{" n "}"
//! properties = "{" name ":" expression { "," name ":" expression } "}"
//! ```

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};
use pieskieo_shards::request::Direction;

use super::parse::{parser_error, parser_over, syntax_error};
use super::pattern::MATCH_FUNCTION;
use super::tokens::{position, word};
use super::{Pattern, PatternEdge, PatternNode};
use crate::error::{Error, Result, code};
use crate::limits::{HOPS_MAX, PATTERN_NODES_MAX};

/// Replaces each MATCH pattern of a FROM list by a call of [`MATCH_FUNCTION`].
pub(super) fn replace_patterns(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    if !tokens.iter().any(|token| word(Some(token)).as_deref() == Some("MATCH")) {
        return Ok(tokens);
    }
    let mut replaced = Vec::with_capacity(tokens.len());
    // For each open bracket: whether the tokens belong to a FROM list.
    let mut in_from = vec![false];
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        if starts_pattern(&tokens, index, &in_from) {
            let (pattern, next) = Reader { tokens: &tokens, next: index + 1 }.pattern(index)?;
            call(&pattern, token.span, &mut replaced);
            index = next;
            continue;
        }
        track(&mut in_from, token);
        replaced.push(token.clone());
        index += 1;
    }
    Ok(replaced)
}

fn track(in_from: &mut Vec<bool>, token: &TokenWithSpan) {
    match &token.token {
        Token::LParen | Token::LBracket | Token::LBrace => in_from.push(false),
        Token::RParen | Token::RBracket | Token::RBrace if in_from.len() > 1 => {
            in_from.pop();
        }
        Token::Word(word) => {
            let tables = match word.keyword {
                Keyword::FROM | Keyword::USING => true,
                Keyword::SELECT
                | Keyword::WHERE
                | Keyword::GROUP
                | Keyword::ORDER
                | Keyword::HAVING
                | Keyword::LIMIT
                | Keyword::SET
                | Keyword::RETURNING => false,
                _ => return,
            };
            if let Some(last) = in_from.last_mut() {
                *last = tables;
            }
        }
        _ => {}
    }
}

fn starts_pattern(tokens: &[TokenWithSpan], index: usize, in_from: &[bool]) -> bool {
    if word(tokens.get(index)).as_deref() != Some("MATCH")
        || tokens.get(index + 1).is_none_or(|token| token.token != Token::LParen)
    {
        return false;
    }
    let before = index.checked_sub(1).and_then(|before| tokens.get(before));
    match before.map(|token| &token.token) {
        Some(Token::Comma) => in_from.last() == Some(&true),
        Some(Token::Word(word)) => {
            matches!(word.keyword, Keyword::FROM | Keyword::JOIN | Keyword::USING)
        }
        _ => false,
    }
}

/// The tokens of `__match('<pattern>')`, all at the place of MATCH.
fn call(pattern: &Pattern, span: Span, out: &mut Vec<TokenWithSpan>) {
    let name =
        Word { value: MATCH_FUNCTION.to_owned(), quote_style: None, keyword: Keyword::NoKeyword };
    let tokens = [
        Token::Word(name),
        Token::LParen,
        Token::SingleQuotedString(pattern.encode()),
        Token::RParen,
    ];
    out.extend(tokens.map(|token| TokenWithSpan::new(token, span)));
}

/// Reads one pattern.
struct Reader<'a> {
    tokens: &'a [TokenWithSpan],
    next: usize,
}

impl Reader<'_> {
    fn pattern(mut self, start: usize) -> Result<(Pattern, usize)> {
        let position = self.tokens.get(start).map_or(0, position);
        let mut nodes = vec![self.node()?];
        let mut edges = Vec::new();
        while self.at_edge() {
            edges.push(self.edge()?);
            nodes.push(self.node()?);
            if nodes.len() > PATTERN_NODES_MAX {
                return Err(Error::new(code::PROGRAM_LIMIT, "the pattern has too many nodes")
                    .with_detail(format!("The limit pattern_nodes_max is {PATTERN_NODES_MAX}."))
                    .at(position));
            }
        }
        Ok((Pattern { nodes, edges, position }, self.next))
    }

    fn node(&mut self) -> Result<PatternNode> {
        let start = self.next;
        self.expect(&Token::LParen, "a node such as (a:person)")?;
        let variable = self.name();
        let table = if self.take(&Token::Colon) { Some(self.table_name()?) } else { None };
        let properties = self.properties()?;
        self.expect(&Token::RParen, ") after the node")?;
        let position = self.tokens.get(start).map_or(0, position);
        Ok(PatternNode { variable, table, properties, position })
    }

    fn at_edge(&self) -> bool {
        let bracket = self.peek(1) == Some(&Token::LBracket);
        match self.peek(0) {
            Some(Token::Minus) => bracket,
            Some(Token::CustomBinaryOperator(text)) if text == "<-" => bracket,
            Some(Token::Lt) => self.peek(1) == Some(&Token::Minus),
            _ => false,
        }
    }

    fn edge(&mut self) -> Result<PatternEdge> {
        let start = self.next;
        let back = !self.take(&Token::Minus);
        if back && self.take(&Token::Lt) {
            self.expect(&Token::Minus, "-[")?;
        } else if back {
            self.next += 1;
        }
        self.expect(&Token::LBracket, "an edge such as [k:knows]")?;
        let variable = self.name();
        self.expect(&Token::Colon, ": and the edge's table")?;
        let table = self.table_name()?;
        let mut hops = None;
        if self.take(&Token::Mul) {
            hops = Some(self.hops(&Token::RBracket, &Token::LBrace)?);
        }
        let properties = self.properties()?;
        self.expect(&Token::RBracket, "] after the edge")?;
        let forward = self.take(&Token::Arrow);
        if !forward {
            self.expect(&Token::Minus, "- or -> after the edge")?;
        }
        if self.peek(0) == Some(&Token::LBrace) {
            let start = self.next;
            self.next += 1;
            let range = self.hops(&Token::RBrace, &Token::RBrace)?;
            self.expect(&Token::RBrace, "} after the number of hops")?;
            if hops.replace(range).is_some() {
                return Err(syntax_error(self.tokens, start, "one number of hops"));
            }
        }
        let direction = match (back, forward) {
            (true, false) => Direction::In,
            (false, true) => Direction::Out,
            _ => Direction::Both,
        };
        let (min, max) = hops.unwrap_or((1, 1));
        let position = self.tokens.get(start).map_or(0, position);
        Ok(PatternEdge { variable, table, direction, min, max, properties, position })
    }

    /// `n`, `n..m`, `..m` or `n,m`, up to a closing token. The tokenizer splits `1..3` into
    /// numbers such as `1.` and `.3`, therefore the text is put together again.
    fn hops(&mut self, end: &Token, other_end: &Token) -> Result<(u32, u32)> {
        let start = self.next;
        let mut text = String::new();
        while let Some(token) = self.peek(0) {
            if token == end || token == other_end {
                break;
            }
            text.push_str(&token.to_string());
            self.next += 1;
        }
        hop_range(&text, self.tokens.get(start).map_or(0, position))
    }

    fn properties(&mut self) -> Result<Vec<(String, String)>> {
        let mut properties = Vec::new();
        if !self.take(&Token::LBrace) {
            return Ok(properties);
        }
        if self.take(&Token::RBrace) {
            return Ok(properties);
        }
        loop {
            let Some(name) = self.name() else {
                return Err(syntax_error(self.tokens, self.next, "a property's name"));
            };
            self.expect(&Token::Colon, ": and a value")?;
            properties.push((name, self.property_value()?));
            if self.take(&Token::RBrace) {
                return Ok(properties);
            }
            self.expect(&Token::Comma, ", or }")?;
        }
    }

    /// The expression up to the next comma or closing brace of the properties.
    fn property_value(&mut self) -> Result<String> {
        let start = self.next;
        let mut depth = 0_usize;
        while let Some(token) = self.peek(0) {
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RBrace | Token::Comma if depth == 0 => break,
                Token::RParen | Token::RBracket | Token::RBrace => {
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
            self.next += 1;
        }
        let tokens = self.tokens.get(start..self.next).unwrap_or_default().to_vec();
        let mut parser = parser_over(tokens);
        let value = parser.parse_expr().map_err(parser_error)?;
        super::parse::expect_end(&mut parser)?;
        Ok(super::names::kept_text(&value))
    }

    /// A name, if one stands here.
    fn name(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek(0) else { return None };
        let name = match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        };
        self.next += 1;
        Some(name)
    }

    fn table_name(&mut self) -> Result<String> {
        let index = self.next;
        self.name().ok_or_else(|| syntax_error(self.tokens, index, "a table's name"))
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.next + ahead).map(|token| &token.token)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.peek(0) == Some(wanted);
        if found {
            self.next += 1;
        }
        found
    }

    fn expect(&mut self, wanted: &Token, expected: &str) -> Result<()> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(syntax_error(self.tokens, self.next, expected))
    }
}

/// Reads `n`, `n..m`, `..m` or `n,m`.
///
/// **Errors**: 22023 for bounds that are missing, reversed or too large.
pub(super) fn hop_range(text: &str, position: usize) -> Result<(u32, u32)> {
    let (low, high) = match text.split_once("..").or_else(|| text.split_once(',')) {
        Some((low, high)) => (low, high),
        None => (text, text),
    };
    let min = if low.is_empty() && !high.is_empty() { Some(1) } else { low.parse::<u32>().ok() };
    let max = high.parse::<u32>().ok();
    match (min, max) {
        (Some(min), Some(max)) if min >= 1 && min <= max && max <= HOPS_MAX => Ok((min, max)),
        _ => Err(Error::new(
            code::INVALID_PARAMETER_VALUE,
            format!("\"{text}\" is not a number of hops"),
        )
        .with_detail(format!("The limit hops_max is {HOPS_MAX}."))
        .with_hint("Write both bounds, for example 1..3, or one number.")
        .at(position)),
    }
}
