//! How does JSON text become a tree?
//!
//! RFC 8259, nothing more: no comments, no trailing commas, no NaN. Strings without escapes are
//! borrowed. Numbers are read with correct rounding, so that a document read from text equals the
//! same document built from values; that, and a depth limit of our own, is why this is not
//! `serde_json`.

use std::borrow::Cow;

use super::tree::Tree;
use crate::error::Error;

/// Most levels of arrays and objects inside each other: readers recurse.
pub const DOCUMENT_DEPTH_MAX: usize = 128;

/// Reads one JSON value.
///
/// **Errors**: `InvalidValue` with the place of the mistake, or naming the depth limit.
pub(super) fn parse(text: &str) -> Result<Tree<'_>, Error> {
    let mut parser = Parser { text, at: 0 };
    let tree = parser.value(0)?;
    parser.skip_blanks();
    if parser.at < text.len() {
        return Err(parser.wrong("nothing more"));
    }
    Ok(tree)
}

/// Makes the error for a document with too many levels.
pub(super) fn too_deep() -> Error {
    Error::InvalidValue(format!(
        "the document is nested deeper than the limit of {DOCUMENT_DEPTH_MAX} levels"
    ))
}

/// A place in a text. `at` is always between two characters.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Result<Tree<'a>, Error> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Tree::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Tree::Bool(true)),
            Some(b'f') => self.word("false", Tree::Bool(false)),
            Some(b'n') => self.word("null", Tree::Null),
            _ => Err(self.wrong("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Tree<'a>, Error> {
        if depth >= DOCUMENT_DEPTH_MAX {
            return Err(too_deep());
        }
        self.at += 1;
        let mut fields = Vec::new();
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Tree::Object(fields));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a field name in double quotes"));
            }
            let name = self.string()?;
            self.skip_blanks();
            if !self.take(b':') {
                return Err(self.wrong("\":\""));
            }
            fields.push((name, self.value(depth + 1)?));
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Tree::Object(fields));
            }
            if !self.take(b',') {
                return Err(self.wrong("\",\" or \"}\""));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Tree<'a>, Error> {
        if depth >= DOCUMENT_DEPTH_MAX {
            return Err(too_deep());
        }
        self.at += 1;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Tree::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Tree::List(items));
            }
            if !self.take(b',') {
                return Err(self.wrong("\",\" or \"]\""));
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        self.at += 1;
        let mut owned = String::new();
        let mut plain_from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let plain = &self.text[plain_from..self.at];
                    self.at += 1;
                    if owned.is_empty() {
                        return Ok(Cow::Borrowed(plain));
                    }
                    owned.push_str(plain);
                    return Ok(Cow::Owned(owned));
                }
                Some(b'\\') => {
                    owned.push_str(&self.text[plain_from..self.at]);
                    self.at += 1;
                    owned.push(self.escape()?);
                    plain_from = self.at;
                }
                Some(0..0x20) => return Err(self.wrong("an escape for a control character")),
                // Bytes inside a character are above 0x7f, so the walk ends between characters.
                Some(_) => self.at += 1,
                None => return Err(self.wrong("\" at the end of the string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let escaped = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.wrong("one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// Reads the digits of `\u`, and the second half of a pair.
    fn unicode(&mut self) -> Result<char, Error> {
        let high = self.unit()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            let has_second = self.text.as_bytes()[self.at..].starts_with(b"\\u");
            if !has_second {
                return Err(self.wrong("the second half of a character"));
            }
            self.at += 2;
            let low = self.unit()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.wrong("the second half of a character"));
            }
            0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| self.wrong("a character"))
    }

    fn unit(&mut self) -> Result<u32, Error> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => Err(self.wrong("four hexadecimal digits")),
        }
    }

    fn number(&mut self) -> Result<Tree<'a>, Error> {
        let start = self.at;
        let is_negative = self.take(b'-');
        let has_leading_zero = self.peek() == Some(b'0');
        let whole_digits = self.digits();
        if whole_digits == 0 || (has_leading_zero && whole_digits > 1) {
            return Err(self.wrong("a number without leading zeros"));
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            if self.digits() == 0 {
                return Err(self.wrong("a digit after the point"));
            }
        }
        if self.take(b'e') || self.take(b'E') {
            is_integer = false;
            if !self.take(b'+') {
                self.take(b'-');
            }
            if self.digits() == 0 {
                return Err(self.wrong("a digit in the exponent"));
            }
        }
        let text = &self.text[start..self.at];
        // -0 has no integer form: it stays a double.
        if is_integer && text != "-0" {
            if let Ok(integer) = text.parse() {
                return Ok(Tree::Integer(integer));
            }
            if let (false, Ok(integer)) = (is_negative, text.parse()) {
                return Ok(Tree::Unsigned(integer));
            }
        }
        match text.parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(Tree::Double(double)),
            _ => Err(self.wrong("a number within the range of a double")),
        }
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn word(&mut self, word: &str, tree: Tree<'a>) -> Result<Tree<'a>, Error> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong("a value"));
        }
        self.at += word.len();
        Ok(tree)
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, expected: &str) -> Error {
        let before = &self.text.as_bytes()[..self.at];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = self.at - line_start + 1;
        Error::InvalidValue(format!(
            "invalid JSON: expected {expected} at line {line} column {column}"
        ))
    }
}
