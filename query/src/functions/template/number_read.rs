//! Which number does a text give by a template?

use pieskieo_shards::value::{ColumnType, Value};

use super::number::{Pattern, Piece, SignPlace, Template, template};
use super::refusal;
use crate::error::{Error, Result, code};

/// Reads a text.
///
/// **Errors**: 22P02 for a text without a number, 42601 for a template with patterns that do not go
/// together, 0A000 for one of Roman digits.
pub fn read(text: &str, pattern: &str, ty: &ColumnType) -> Result<Value> {
    let template = template(pattern)?;
    if template.exponent {
        let message = "\"EEEE\" not supported for input";
        return Err(refusal(code::FEATURE_NOT_SUPPORTED, message));
    }
    if template.roman {
        let message = "\"RN\" not supported for input";
        return Err(refusal(code::FEATURE_NOT_SUPPORTED, message));
    }
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Reader {
        template: &template,
        chars: &chars,
        at: 0,
        sign: None,
        digits: String::new(),
        before: 0,
        behind: 0,
        point: false,
    };
    for piece in &template.pieces {
        if reader.at >= chars.len() {
            break;
        }
        reader.piece(*piece);
    }
    let Reader { sign, digits, .. } = reader;
    let minus = if sign == Some('-') { "-" } else { "" };
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let written = match template.shift {
        0 => format!("{minus}{whole}.{fraction}"),
        // The digits behind `V` are those of a fraction.
        shift => {
            let padded = format!("{whole:0>width$}", width = shift + 1);
            let (whole, fraction) = padded.split_at(padded.len() - shift);
            format!("{minus}{whole}.{fraction}")
        }
    };
    if digits.bytes().all(|byte| !byte.is_ascii_digit()) {
        let message = format!("invalid input syntax for type numeric: \"{minus}{digits} \"");
        return Err(refusal(code::INVALID_TEXT, message));
    }
    if whole.trim_start_matches('0').len() > template.before + template.shift {
        return Err(refusal(code::NUMERIC_OUT_OF_RANGE, "numeric field overflow"));
    }
    Value::parse(written.trim_end_matches('.'), ty).map_err(Error::from)
}

struct Reader<'t> {
    template: &'t Template,
    chars: &'t [char],
    at: usize,
    sign: Option<char>,
    digits: String,
    before: usize,
    behind: usize,
    point: bool,
}

impl Reader<'_> {
    fn next(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Skips up to `count` characters that belong to no number.
    fn skip_others(&mut self, count: usize) {
        for _ in 0..count {
            match self.next() {
                Some(char) if !"0123456789.,+-".contains(char) => self.at += 1,
                _ => break,
            }
        }
    }

    fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Pattern(Pattern::Nine | Pattern::Zero) => {
                self.digit(true);
                self.at += 1;
            }
            Piece::Pattern(Pattern::Point) => {
                self.digit(false);
                self.at += 1;
            }
            Piece::Pattern(Pattern::Comma | Pattern::Group) => {
                if self.next() == Some(',') {
                    self.at += 1;
                }
            }
            Piece::Pattern(Pattern::Currency) => self.skip_others(1),
            Piece::Pattern(Pattern::Ordinal { .. }) => self.skip_others(2),
            Piece::Pattern(Pattern::Minus | Pattern::Plus | Pattern::SignHere) => {
                match self.next() {
                    Some(sign @ ('-' | '+')) if self.sign.is_none() => {
                        self.sign = Some(sign);
                        self.at += 1;
                    }
                    _ => self.skip_others(1),
                }
            }
            Piece::Pattern(_) => {}
            Piece::Text(_) => self.skip_others(1),
        }
    }

    /// Reads a digit or the point, and a sign beside it; the last character read is left to skip.
    fn digit(&mut self, is_digit: bool) {
        if self.next() == Some(' ') {
            self.at += 1;
        }
        if self.sign.is_none() && is_digit && self.before + self.behind == 0 {
            self.sign_before();
        }
        let mut read = false;
        match self.next() {
            Some(char) if char.is_ascii_digit() => {
                if self.point && self.behind == self.template.behind {
                    return;
                }
                self.digits.push(char);
                *(if self.point { &mut self.behind } else { &mut self.before }) += 1;
                read = true;
            }
            Some('.') if self.template.point && !self.point => {
                self.digits.push('.');
                (self.point, read) = (true, true);
            }
            _ => {}
        }
        if self.sign.is_none() && self.before + self.behind > 0 {
            self.sign_behind(read);
        }
    }

    fn sign_before(&mut self) {
        let found = match (self.next(), self.template.sign) {
            (Some(sign @ ('-' | '+')), None | Some(SignPlace::Before)) => sign,
            (Some('<'), None) if self.template.angle => '-',
            _ => return,
        };
        self.sign = Some(found);
        self.at += 1;
    }

    fn sign_behind(&mut self, read: bool) {
        let signed = self.template.sign.is_some();
        if signed && read {
            if let Some(sign @ ('-' | '+')) = self.chars.get(self.at + 1).copied() {
                self.sign = Some(sign);
                self.at += 1;
            }
        } else if !read
            && !signed
            && !self.template.plus
            && !self.template.minus
            && let Some(sign @ ('-' | '+')) = self.next()
        {
            self.sign = Some(sign);
        }
    }
}
