//! What are the tokens of a path?

use super::parse::{Refusal, refuse};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `$name` without the sign, or `$"name"`.
    Variable(String),
    /// A text in double quotes.
    Text(String),
    /// A name or a keyword.
    Word(String),
    /// A number as it was written.
    Number(String),
    /// Anything else.
    Sign(&'static str),
}

/// A token and where it begins, in characters from 1.
pub(super) type Placed = (Token, usize);

/// Signs, longer ones first.
const SIGNS: &[&str] = &[
    "**", "==", "!=", "<>", "<=", ">=", "&&", "||", "$", "@", ".", "[", "]", "(", ")", "{", "}",
    ",", "*", "?", "<", ">", "=", "!", "+", "-", "/", "%",
];

/// Splits a path into tokens.
///
/// **Errors**: 42601 for an open quote, an escape or a character that means nothing.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Refusal> {
    let mut reader = Reader { rest: text, place: 1 };
    let mut found = Vec::new();
    while let Some(token) = reader.next()? {
        found.push(token);
    }
    Ok(found)
}

struct Reader<'a> {
    rest: &'a str,
    /// The character that `rest` begins with, from 1.
    place: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Option<Placed>, Refusal> {
        self.take_while(|char| matches!(char, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
        let place = self.place;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let token = match first {
            '"' => Token::Text(self.text()?),
            '$' if self.rest[1..].starts_with('"') => {
                self.advance(1);
                Token::Variable(self.text()?)
            }
            '$' if self.rest[1..].starts_with(begins_word) => {
                self.advance(1);
                Token::Variable(self.take_while(is_word))
            }
            '0'..='9' => Token::Number(self.number()),
            '.' if self.rest[1..].starts_with(|char: char| char.is_ascii_digit()) => {
                Token::Number(self.number())
            }
            char if begins_word(char) => Token::Word(self.take_while(is_word)),
            _ => match SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
                Some(sign) => {
                    self.advance(sign.len());
                    Token::Sign(sign)
                }
                None => return Err(refuse(&format!("\"{first}\" means nothing here"), place)),
            },
        };
        Ok(Some((token, place)))
    }

    /// Drops so many bytes, all of them ASCII.
    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
        self.place += bytes;
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|char| !wanted(char)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.place += taken.chars().count();
        taken.to_owned()
    }

    /// Digits, a fraction, an exponent.
    fn number(&mut self) -> String {
        let is_digit = |char: char| char.is_ascii_digit();
        let mut number = self.take_while(is_digit);
        let mut after = self.rest.chars();
        if after.next() == Some('.') && after.next().is_some_and(is_digit) {
            self.advance(1);
            number.push('.');
            number += &self.take_while(is_digit);
        }
        let exponent = self.rest.strip_prefix(['e', 'E']);
        if let Some(exponent) = exponent {
            let signed = exponent.strip_prefix(['+', '-']);
            if signed.unwrap_or(exponent).starts_with(is_digit) {
                number.push('e');
                self.advance(1);
                if signed.is_some() {
                    number.push_str(&self.rest[..1]);
                    self.advance(1);
                }
                number += &self.take_while(is_digit);
            }
        }
        number
    }

    fn text(&mut self) -> Result<String, Refusal> {
        let start = self.place;
        self.advance(1);
        let mut text = String::new();
        loop {
            text += &self.take_while(|char| char != '"' && char != '\\');
            if self.rest.starts_with('"') {
                self.advance(1);
                return Ok(text);
            }
            if self.rest.is_empty() {
                return Err(refuse("a text is not closed", start));
            }
            let place = self.place;
            self.advance(1);
            let escaped = self.escaped().ok_or_else(|| refuse("an escape means nothing", place))?;
            text.push(escaped);
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Option<char> {
        let char = self.rest.chars().next()?;
        self.rest = &self.rest[char.len_utf8()..];
        self.place += 1;
        Some(match char {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => char::from_u32(self.hexadecimal(2)?)?,
            'u' => {
                let high = self.hexadecimal(4)?;
                if !(0xd800..0xdc00).contains(&high) {
                    return char::from_u32(high);
                }
                self.rest.starts_with("\\u").then(|| self.advance(2))?;
                let low = self.hexadecimal(4)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)?
            }
            other => other,
        })
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let text = self.rest.get(..digits)?;
        let number = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = number.then(|| u32::from_str_radix(text, 16).ok())??;
        self.advance(digits);
        Some(number)
    }
}

fn begins_word(char: char) -> bool {
    char.is_alphabetic() || char == '_' || !char.is_ascii()
}

fn is_word(char: char) -> bool {
    begins_word(char) || char.is_ascii_digit() || char == '$'
}
