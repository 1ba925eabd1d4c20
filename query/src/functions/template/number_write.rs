//! How is a number written by a template?
//!
//! PostgreSQL's way: the number is rounded to the digits behind the point and written out, then its
//! characters are put into the places of the template from left to right, blanks or zeros where it
//! has fewer. One with too many digits is a row of `#`.

use datafusion::arrow::datatypes::DataType;
use pieskieo_shards::value::{ColumnType, Value};

use super::moment_write::ending;
use super::number::{Pattern, Piece, SignPlace, Template, template};
use crate::error::Result;

/// Digits that a double holds for certain.
const DOUBLE_DIGITS: usize = 15;
/// And a float.
const FLOAT_DIGITS: usize = 6;
/// The width of Roman digits.
const ROMAN_WIDTH: usize = 15;

/// Writes a number of this type.
///
/// **Errors**: 42601 for patterns that do not go together.
pub fn write(value: &Value, ty: &DataType, pattern: &str) -> Result<String> {
    let mut template = template(pattern)?;
    let number = Number::of(value, ty);
    if template.exponent {
        return Ok(number.with_exponent(&template));
    }
    if template.roman {
        return Ok(roman(&number, &template));
    }
    let (negative, text) = number.written(&mut template);
    Ok(Writer::new(&template, negative, &text).run())
}

/// A number to write.
enum Number {
    Exact { value: i128, scale: usize },
    Double { value: f64, digits: usize },
}

impl Number {
    fn of(value: &Value, ty: &DataType) -> Self {
        let exact = |value: i128| Self::Exact { value, scale: 0 };
        match value {
            Value::SmallInt(number) => exact((*number).into()),
            Value::Int(number) => exact((*number).into()),
            Value::BigInt(number) => exact((*number).into()),
            Value::Numeric(number) => {
                let scale = match ColumnType::of_arrow(ty) {
                    Some(ColumnType::Numeric { scale, .. }) => scale.max(0) as usize,
                    _ => 0,
                };
                Self::Exact { value: *number, scale }
            }
            Value::Float(number) => Self::Double { value: (*number).into(), digits: FLOAT_DIGITS },
            Value::Double(number) => Self::Double { value: *number, digits: DOUBLE_DIGITS },
            _ => exact(0),
        }
    }

    /// Writes the number with the template's digits. Returns whether it is negative, and the text
    /// without a sign.
    fn written(&self, template: &mut Template) -> (bool, String) {
        let shift = template.shift;
        if template.shifts {
            template.before += shift;
        }
        match *self {
            Self::Exact { value, scale } => {
                let text = rounded(value.unsigned_abs(), scale, template.behind, shift);
                let zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
                (value < 0 && (scale == 0 || !zero), text)
            }
            Self::Double { value, digits } => {
                let value = value * 10_f64.powi(shift as i32);
                let whole = format!("{:.0}", value.abs()).len();
                if whole >= digits {
                    template.behind = 0;
                } else {
                    template.behind = template.behind.min(digits - whole);
                }
                let text = format!("{value:.*}", template.behind);
                let text = match () {
                    () if value.is_nan() => "NaN".to_owned(),
                    () if value.is_infinite() => "Infinity".to_owned(),
                    () => text,
                };
                match text.strip_prefix('-') {
                    Some(text) => (true, text.to_owned()),
                    None => (value.is_infinite() && value < 0.0, text),
                }
            }
        }
    }

    fn as_double(&self) -> f64 {
        match *self {
            Self::Exact { value, scale } => value as f64 / 10_f64.powi(scale as i32),
            Self::Double { value, .. } => value,
        }
    }

    fn with_exponent(&self, template: &Template) -> String {
        let value = self.as_double();
        if !value.is_finite() {
            let behind = "#".repeat(template.behind + 4);
            return format!(" {}.{behind}", "#".repeat(template.before));
        }
        let text = match *self {
            Self::Exact { value, scale } => exact_with_exponent(value, scale, template.behind),
            Self::Double { value, .. } => format!("{value:.*e}", template.behind),
        };
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        let blank = if digits.starts_with('-') { "" } else { " " };
        format!("{blank}{digits}e{sign}{:02}", exponent.abs())
    }
}

/// An exact number as `d.dde0`, rounded half away from zero.
fn exact_with_exponent(value: i128, scale: usize, behind: usize) -> String {
    let digits = value.unsigned_abs().to_string();
    if value == 0 {
        let point = if behind > 0 { "." } else { "" };
        return format!("0{point}{}e0", "0".repeat(behind));
    }
    let mut exponent = digits.len() as i64 - 1 - scale as i64;
    let mut kept = rounded(value.unsigned_abs(), digits.len() - 1, behind, 0);
    if kept.starts_with("10") && digits.len() > 1 + behind {
        // 9.99 became 10.0.
        kept = format!("1{}{}", if behind > 0 { "." } else { "" }, "0".repeat(behind));
        exponent += 1;
    }
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{kept}e{exponent}")
}

/// `value / 10^scale * 10^shift` with so many digits behind the point.
fn rounded(value: u128, scale: usize, behind: usize, shift: usize) -> String {
    let mut digits = value.to_string();
    let scale = scale as i64 - shift as i64;
    if scale < 0 {
        digits.push_str(&"0".repeat(scale.unsigned_abs() as usize));
    }
    let scale = scale.max(0) as usize;
    digits = format!("{digits:0>width$}", width = scale + 1);
    if scale > behind {
        let cut = digits.len() - (scale - behind);
        let up = digits.as_bytes()[cut] >= b'5';
        digits.truncate(cut);
        if up {
            digits = increased(&digits);
        }
        digits = format!("{digits:0>width$}", width = behind + 1);
    } else {
        digits.push_str(&"0".repeat(behind - scale));
    }
    if behind == 0 {
        return digits;
    }
    digits.insert(digits.len() - behind, '.');
    digits
}

/// The decimal digits of a number one larger.
fn increased(digits: &str) -> String {
    let mut bytes = digits.as_bytes().to_vec();
    for byte in bytes.iter_mut().rev() {
        if *byte < b'9' {
            *byte += 1;
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        *byte = b'0';
    }
    format!("1{}", String::from_utf8_lossy(&bytes))
}

fn roman(number: &Number, template: &Template) -> String {
    let upper = !template.pieces.contains(&Piece::Pattern(Pattern::Roman { upper: false }));
    let value = match number {
        Number::Exact { value, scale } => {
            rounded(value.unsigned_abs(), *scale, 0, 0).parse().unwrap_or(0) * value.signum() as i64
        }
        Number::Double { value, .. } => value.round_ties_even() as i64,
    };
    if !(1..4000).contains(&value) {
        return "#".repeat(ROMAN_WIDTH);
    }
    const DIGITS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let (mut left, mut out) = (value, String::new());
    for (worth, digit) in DIGITS {
        while left >= worth {
            out.push_str(digit);
            left -= worth;
        }
    }
    let out = if upper { out } else { out.to_lowercase() };
    if template.fill { out } else { format!("{out:>ROMAN_WIDTH$}") }
}

/// Puts the characters of a number into the places of a template.
struct Writer<'t> {
    template: &'t Template,
    negative: bool,
    number: Vec<char>,
    /// The next character of the number.
    next: usize,
    /// Places before the number's first digit.
    blanks: usize,
    /// Places so far.
    place: usize,
    sign: Option<SignPlace>,
    sign_written: bool,
    angle: bool,
    /// The last character that `FM` leaves: the last digit that is no zero, or the point.
    last: Option<usize>,
    /// Places in all.
    count: i64,
    /// Whether a digit has been written.
    within: bool,
    out: String,
}

impl<'t> Writer<'t> {
    fn new(template: &'t Template, negative: bool, text: &str) -> Self {
        let whole = text.find('.').unwrap_or(text.len());
        let mut number: Vec<char> = text.chars().collect();
        let blanks = template.before.saturating_sub(whole);
        if whole > template.before {
            number = vec!['#'; template.before + template.behind + 1];
            number[template.before] = '.';
        }
        let fill = template.fill;
        let mut angle = template.angle;
        let sign_written = if template.plus || template.minus {
            !template.plus || template.minus
        } else {
            if !negative && fill {
                angle = false;
            }
            !negative && fill && template.sign.is_none()
        };
        let mut sign = template.sign;
        if sign == Some(SignPlace::Before) && template.before == template.before_sign {
            sign = Some(SignPlace::After);
        }
        let mut last = None;
        if fill && template.point {
            last = last_relevant(&number);
            if let Some(at) = last.filter(|_| template.zero_end > blanks) {
                let zero = (number.len() - 1).min(template.zero_end - blanks);
                last = Some(at.max(zero));
            }
        }
        let mut count = (template.before + template.behind) as i64 - 1;
        if !sign_written && blanks == 0 {
            count += 1;
        }
        Self {
            template,
            negative,
            number,
            next: 0,
            blanks,
            place: 0,
            sign,
            sign_written,
            angle,
            last,
            count,
            within: false,
            out: String::new(),
        }
    }

    fn run(mut self) -> String {
        let fill = self.template.fill;
        let (sign, blank) = (if self.negative { '-' } else { '+' }, ' ');
        for piece in &self.template.pieces {
            let pattern = match piece {
                Piece::Text(char) => {
                    self.out.push(*char);
                    continue;
                }
                Piece::Pattern(pattern) => *pattern,
            };
            match pattern {
                Pattern::Nine | Pattern::Zero | Pattern::Point => self.digit(pattern),
                Pattern::Comma | Pattern::Group if self.within => self.out.push(','),
                Pattern::Comma | Pattern::Group if !fill => self.out.push(blank),
                Pattern::Currency => self.out.push(blank),
                Pattern::Ordinal { upper } => {
                    let digits: String = self.number.iter().collect();
                    if !self.negative && !self.template.point && !digits.starts_with('#') {
                        let ending = ending(&digits);
                        let ending = if upper { ending.to_uppercase() } else { ending.to_owned() };
                        self.out.push_str(&ending);
                    }
                }
                Pattern::Minus if self.negative => self.out.push('-'),
                Pattern::Plus if !self.negative => self.out.push('+'),
                Pattern::Minus | Pattern::Plus if !fill => self.out.push(blank),
                Pattern::SignHere => self.out.push(sign),
                _ => {}
            }
        }
        self.out
    }

    /// The character of the number that is next, if there is one.
    fn current(&self) -> Option<char> {
        self.number.get(self.next).copied()
    }

    /// Whether a zero before the point is left out: `.1` in `9.9`.
    fn leads_with_zero(&self) -> bool {
        self.template.zero_start.is_none()
            && self.next == 0
            && self.number.first() == Some(&'0')
            && self.template.behind > 0
    }

    /// Whether nothing behind the point is left.
    fn ends_at_point(&self) -> bool {
        self.last.is_some_and(|last| self.number.get(last) == Some(&'.'))
    }

    fn write_sign(&mut self) {
        let fill = self.template.fill;
        match self.sign {
            Some(SignPlace::Before) => self.out.push(if self.negative { '-' } else { '+' }),
            Some(SignPlace::After) => return,
            None if self.angle => self.out.push(if self.negative { '<' } else { ' ' }),
            None if self.negative => self.out.push('-'),
            None if !fill => self.out.push(' '),
            None => {}
        }
        self.sign_written = true;
    }

    fn digit(&mut self, pattern: Pattern) {
        let fill = self.template.fill;
        let zero_start = self.template.zero_start.map(|start| start - 1);
        self.within = false;
        let begins = self.place >= self.blanks || zero_start == Some(self.place);
        if !self.sign_written && begins && (!self.leads_with_zero() || self.ends_at_point()) {
            self.write_sign();
        }
        if self.place < self.blanks && zero_start.is_none_or(|start| start > self.place) {
            if !fill {
                self.out.push(' ');
            }
        } else if self.place < self.blanks {
            self.out.push('0');
            self.within = true;
        } else {
            self.write_current(pattern);
            if self.current().is_some() {
                self.next += 1;
            }
        }
        let mut end = self.count + i64::from(self.blanks > 0) + i64::from(self.template.point);
        if self.last == Some(self.next) {
            end = self.place as i64;
        }
        if self.place as i64 + 1 == end {
            if self.sign_written && self.angle {
                self.out.push(if self.negative { '>' } else { ' ' });
            } else if self.sign == Some(SignPlace::After) {
                self.out.push(if self.negative { '-' } else { '+' });
            }
        }
        self.place += 1;
    }

    fn write_current(&mut self, pattern: Pattern) {
        let fill = self.template.fill;
        match self.current() {
            Some('.') if self.ends_at_point() && !fill => {}
            Some('.') => self.out.push('.'),
            _ if self.last.is_some_and(|last| self.next > last) && pattern != Pattern::Zero => {}
            _ if self.leads_with_zero() => {
                if !fill {
                    self.out.push(' ');
                } else if self.ends_at_point() {
                    self.out.push('0');
                }
            }
            Some(char) => {
                self.out.push(char);
                self.within = true;
            }
            None => {}
        }
    }
}

/// The last digit behind the point that is no zero, or the point itself.
fn last_relevant(number: &[char]) -> Option<usize> {
    let point = number.iter().position(|char| *char == '.')?;
    let behind = number[point + 1..].iter().rposition(|char| *char != '0');
    Some(behind.map_or(point, |at| point + 1 + at))
}
