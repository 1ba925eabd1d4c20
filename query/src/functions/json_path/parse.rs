//! What does a path say?

use regex::{Regex, RegexBuilder};

use super::item::Number;
use super::tokens::{Placed, Token, tokens};
use super::tree::{Comparison, JsonPath, Method, Node, Operator, Step};
use crate::error::{Error, code};
use crate::limits::{JSON_PATH_BYTES_MAX, JSON_PATH_DEPTH_MAX, JSON_PATH_REGEX_BYTES_MAX};
use crate::suggest;

/// Methods of PostgreSQL that are not offered.
const OTHER_METHODS: &[&str] = &[
    "bigint",
    "boolean",
    "date",
    "datetime",
    "decimal",
    "integer",
    "number",
    "string",
    "time",
    "time_tz",
    "timestamp",
    "timestamp_tz",
];

/// An error and where in the path it is, in characters from 1.
pub(crate) type Refusal = Box<(Error, usize)>;

/// Returns the error for a path that cannot be read.
pub(super) fn refuse(detail: &str, place: usize) -> Refusal {
    let error = Error::new(code::SYNTAX_ERROR, format!("syntax error in a JSON path: {detail}"))
        .with_detail(format!("It is at character {place} of the path."));
    Box::new((error, place))
}

/// Checks a path.
///
/// **Errors**: 42601, 0A000, 2201B, 54000 and 54001, and the place.
pub(crate) fn check(text: &str) -> Result<(), Refusal> {
    parse(text).map(|_| ())
}

/// Reads a path.
///
/// **Errors**: as [`check`].
pub(super) fn parse(text: &str) -> Result<JsonPath, Refusal> {
    if text.len() > JSON_PATH_BYTES_MAX {
        let error = Error::new(code::PROGRAM_LIMIT, "a JSON path is too long")
            .with_detail(format!("The limit json_path_bytes_max is {JSON_PATH_BYTES_MAX}."));
        return Err(Box::new((error, 1)));
    }
    let tokens = tokens(text)?;
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens, next: 0, end, depth: 0, indexes: 0, filters: 0 };
    let strict = parser.take_word("strict");
    if !strict {
        parser.take_word("lax");
    }
    let root = parser.any()?;
    match parser.peek() {
        None => Ok(JsonPath { strict, root }),
        Some(_) => Err(parser.wrong("the end of the path")),
    }
}

struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    /// The place behind the last character.
    end: usize,
    /// Brackets, signs and operators inside each other.
    depth: usize,
    /// Indexes around the current place: there `last` means something.
    indexes: usize,
    /// Filters around the current place: there `@` means something.
    filters: usize,
}

type Parsed<T> = Result<T, Refusal>;

impl Parser {
    /// A value or a predicate.
    fn any(&mut self) -> Parsed<Node> {
        self.deeper(|parser| {
            let first = parser.conjunction()?;
            if !parser.at_sign("||") {
                return Ok(first);
            }
            let mut all = vec![parser.predicate(first)?];
            while parser.take_sign("||") {
                let next = parser.conjunction()?;
                all.push(parser.predicate(next)?);
            }
            Ok(Node::Or(all))
        })
    }

    fn conjunction(&mut self) -> Parsed<Node> {
        let first = self.condition()?;
        if !self.at_sign("&&") {
            return Ok(first);
        }
        let mut all = vec![self.predicate(first)?];
        while self.take_sign("&&") {
            let next = self.condition()?;
            all.push(self.predicate(next)?);
        }
        Ok(Node::And(all))
    }

    /// A comparison, or whatever one of its sides can be.
    fn condition(&mut self) -> Parsed<Node> {
        if self.take_sign("!") {
            return self.deeper(|parser| {
                let operand = parser.condition()?;
                Ok(Node::Not(Box::new(parser.predicate(operand)?)))
            });
        }
        if self.at_word("exists") && self.sign_follows("(") {
            self.next += 1;
            let inner = self.bracketed()?;
            return Ok(Node::Exists(Box::new(self.value(inner)?)));
        }
        let left = self.sum()?;
        if let Some(comparison) = self.comparison() {
            let left = Box::new(self.value(left)?);
            let right = self.sum()?;
            return Ok(Node::Compare(comparison, left, Box::new(self.value(right)?)));
        }
        if self.take_word("starts") {
            if !self.take_word("with") {
                return Err(self.wrong("with"));
            }
            let left = Box::new(self.value(left)?);
            let prefix = match self.peek().cloned() {
                Some(Token::Text(text)) => Node::Text(text),
                Some(Token::Variable(name)) => Node::Variable(name),
                _ => return Err(self.wrong("a text or a variable")),
            };
            self.next += 1;
            return Ok(Node::StartsWith(left, Box::new(prefix)));
        }
        if self.take_word("like_regex") {
            let left = Box::new(self.value(left)?);
            return Ok(Node::LikeRegex(left, self.regex()?));
        }
        if left.is_predicate() && self.take_word("is") {
            if !self.take_word("unknown") {
                return Err(self.wrong("unknown"));
            }
            return Ok(Node::IsUnknown(Box::new(left)));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.peek()? {
            Token::Sign("==" | "=") => Comparison::Equal,
            Token::Sign("!=" | "<>") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(comparison)
    }

    /// Linear in the text it looks at, whatever the pattern; the compiled form is bounded.
    fn regex(&mut self) -> Parsed<Regex> {
        let place = self.place();
        let Some(Token::Text(pattern)) = self.peek().cloned() else {
            return Err(self.wrong("a pattern in double quotes"));
        };
        self.next += 1;
        let mut flags = String::new();
        if self.take_word("flag") {
            match self.peek().cloned() {
                Some(Token::Text(text)) => flags = text,
                _ => return Err(self.wrong("flags in double quotes")),
            }
            self.next += 1;
        }
        if let Some(flag) = flags.chars().find(|flag| !"ismq".contains(*flag)) {
            let thing = format!("the flag \"{flag}\" of like_regex");
            let error = Error::unsupported(thing).with_hint("Flags are i, s, m and q.");
            return Err(Box::new((error, place)));
        }
        let pattern = if flags.contains('q') { regex::escape(&pattern) } else { pattern };
        RegexBuilder::new(&pattern)
            .case_insensitive(flags.contains('i'))
            .dot_matches_new_line(flags.contains('s'))
            .multi_line(flags.contains('m'))
            .size_limit(JSON_PATH_REGEX_BYTES_MAX)
            .dfa_size_limit(JSON_PATH_REGEX_BYTES_MAX)
            .build()
            .map_err(|error| {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default().trim();
                let reason = last.strip_prefix("error: ").unwrap_or(last).to_owned();
                let message = "invalid regular expression in a JSON path";
                let error = Error::new(code::REGULAR_EXPRESSION, message).with_detail(reason);
                Box::new((error, place))
            })
    }

    fn sum(&mut self) -> Parsed<Node> {
        let mut left = self.product()?;
        let depth = self.depth;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign("+")) => Operator::Add,
                Some(Token::Sign("-")) => Operator::Subtract,
                _ => break,
            };
            // Each operator is a level of the tree.
            self.go_deeper()?;
            let left_value = Box::new(self.value(left)?);
            self.next += 1;
            let right = self.product()?;
            left = Node::Arithmetic(operator, left_value, Box::new(self.value(right)?));
        }
        self.depth = depth;
        Ok(left)
    }

    fn product(&mut self) -> Parsed<Node> {
        let mut left = self.signed()?;
        let depth = self.depth;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign("*")) => Operator::Multiply,
                Some(Token::Sign("/")) => Operator::Divide,
                Some(Token::Sign("%")) => Operator::Remainder,
                _ => break,
            };
            self.go_deeper()?;
            let left_value = Box::new(self.value(left)?);
            self.next += 1;
            let right = self.signed()?;
            left = Node::Arithmetic(operator, left_value, Box::new(self.value(right)?));
        }
        self.depth = depth;
        Ok(left)
    }

    fn signed(&mut self) -> Parsed<Node> {
        let minus = match self.peek() {
            Some(Token::Sign("-")) => true,
            Some(Token::Sign("+")) => false,
            _ => return self.accessor(),
        };
        self.next += 1;
        self.deeper(|parser| {
            let operand = parser.signed()?;
            Ok(Node::Sign(minus, Box::new(parser.value(operand)?)))
        })
    }

    fn accessor(&mut self) -> Parsed<Node> {
        let primary = self.primary()?;
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        if steps.is_empty() {
            return Ok(primary);
        }
        Ok(Node::Steps(Box::new(self.value(primary)?), steps))
    }

    fn primary(&mut self) -> Parsed<Node> {
        let Some(token) = self.peek().cloned() else { return Err(self.wrong("a value")) };
        let node = match token {
            Token::Sign("(") => return self.bracketed(),
            Token::Sign("$") => Node::Root,
            Token::Sign("@") if self.filters > 0 => Node::Current,
            Token::Sign("@") => return Err(self.wrong("a value; @ stands inside a filter")),
            Token::Variable(name) => Node::Variable(name),
            Token::Text(text) => Node::Text(text),
            Token::Number(digits) => match Number::parse(&digits) {
                Some(number) => Node::Number(number),
                None => return Err(self.wrong("a number within the range of a double")),
            },
            Token::Word(word) => match word.as_str() {
                "true" => Node::Bool(true),
                "false" => Node::Bool(false),
                "null" => Node::Null,
                "last" if self.indexes > 0 => Node::Last,
                "last" => return Err(self.wrong("a value; last stands inside an index")),
                _ => return Err(self.wrong("a value")),
            },
            Token::Sign(_) => return Err(self.wrong("a value")),
        };
        self.next += 1;
        Ok(node)
    }

    /// `( … )`.
    fn bracketed(&mut self) -> Parsed<Node> {
        self.expect("(")?;
        let inner = self.any()?;
        self.expect(")")?;
        Ok(inner)
    }

    fn step(&mut self) -> Parsed<Option<Step>> {
        match self.peek() {
            Some(Token::Sign(".")) => {
                self.next += 1;
                self.member().map(Some)
            }
            Some(Token::Sign("[")) => {
                self.next += 1;
                if self.at_sign("*") && self.sign_follows("]") {
                    self.next += 2;
                    return Ok(Some(Step::AnyElement));
                }
                self.indexes += 1;
                let mut ranges = vec![self.range()?];
                while self.take_sign(",") {
                    ranges.push(self.range()?);
                }
                self.indexes -= 1;
                self.expect("]")?;
                Ok(Some(Step::Elements(ranges)))
            }
            Some(Token::Sign("?")) => {
                self.next += 1;
                self.filters += 1;
                self.expect("(")?;
                let condition = self.any()?;
                let condition = self.predicate(condition)?;
                self.expect(")")?;
                self.filters -= 1;
                Ok(Some(Step::Filter(condition)))
            }
            _ => Ok(None),
        }
    }

    fn range(&mut self) -> Parsed<(Node, Option<Node>)> {
        let from = self.any()?;
        let from = self.value(from)?;
        if !self.take_word("to") {
            return Ok((from, None));
        }
        let to = self.any()?;
        Ok((from, Some(self.value(to)?)))
    }

    /// What follows a point.
    fn member(&mut self) -> Parsed<Step> {
        let Some(token) = self.peek().cloned() else { return Err(self.wrong("a name")) };
        let place = self.place();
        self.next += 1;
        match token {
            Token::Sign("*") => Ok(Step::AnyField),
            Token::Sign("**") => self.levels(),
            Token::Text(name) => Ok(Step::Field(name)),
            Token::Word(name) if self.at_sign("(") => {
                let method = Method::ALL.iter().find(|(known, _)| *known == name);
                let Some((_, method)) = method else { return Err(no_method(&name, place)) };
                self.expect("(")?;
                self.expect(")")?;
                Ok(Step::Method(*method))
            }
            Token::Word(name) => Ok(Step::Field(name)),
            _ => {
                self.next -= 1;
                Err(self.wrong("a name"))
            }
        }
    }

    /// `{n}`, `{n to m}`, `{n to last}`, or nothing for all levels.
    fn levels(&mut self) -> Parsed<Step> {
        if !self.take_sign("{") {
            return Ok(Step::Deep(0, None));
        }
        let from = self.level()?;
        let to = if self.take_word("to") { self.level()? } else { from };
        self.expect("}")?;
        Ok(Step::Deep(from.unwrap_or(usize::MAX), to))
    }

    /// A number of levels; `None` for the last.
    fn level(&mut self) -> Parsed<Option<usize>> {
        if self.take_word("last") {
            return Ok(None);
        }
        let level = match self.peek() {
            Some(Token::Number(digits)) => digits.parse::<u32>().ok(),
            _ => None,
        };
        let Some(level) = level else { return Err(self.wrong("a number of levels")) };
        self.next += 1;
        Ok(usize::try_from(level).ok())
    }

    fn value(&self, node: Node) -> Parsed<Node> {
        match node.is_predicate() {
            false => Ok(node),
            true => Err(self.wrong("a value before this, not a condition")),
        }
    }

    fn predicate(&self, node: Node) -> Parsed<Node> {
        match node.is_predicate() {
            true => Ok(node),
            false => Err(self.wrong("a comparison before this, such as == 1")),
        }
    }

    /// Reads something one level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.go_deeper()?;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn go_deeper(&mut self) -> Parsed<()> {
        if self.depth == JSON_PATH_DEPTH_MAX {
            let error = Error::new(code::STATEMENT_TOO_COMPLEX, "a JSON path is nested too deeply")
                .with_detail(format!("The limit json_path_depth_max is {JSON_PATH_DEPTH_MAX}."));
            return Err(Box::new((error, self.place())));
        }
        self.depth += 1;
        Ok(())
    }

    fn expect(&mut self, sign: &'static str) -> Parsed<()> {
        match self.take_sign(sign) {
            true => Ok(()),
            false => Err(self.wrong(sign)),
        }
    }

    fn take_sign(&mut self, sign: &'static str) -> bool {
        let is_next = self.at_sign(sign);
        self.next += usize::from(is_next);
        is_next
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.at_word(word);
        self.next += usize::from(is_next);
        is_next
    }

    fn at_sign(&self, sign: &'static str) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    fn at_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word == wanted)
    }

    fn sign_follows(&self, sign: &'static str) -> bool {
        self.tokens.get(self.next + 1).is_some_and(|(token, _)| *token == Token::Sign(sign))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, place)| *place)
    }

    fn wrong(&self, expected: &str) -> Refusal {
        refuse(&format!("expected {expected}"), self.place())
    }
}

fn no_method(name: &str, place: usize) -> Refusal {
    if OTHER_METHODS.contains(&name) {
        let error = Error::unsupported(format!("the method {name}() of a JSON path"))
            .with_hint("Use double(), or a cast of the result.");
        return Box::new((error, place));
    }
    let names = Method::ALL.iter().map(|(name, _)| *name);
    let (error, place) = *refuse(&format!("there is no method {name}()"), place);
    Box::new((error.with_suggestion(suggest::nearest(name, names)), place))
}
