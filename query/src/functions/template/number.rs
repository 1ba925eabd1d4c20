//! Which digits and signs does a template of numbers have?

use super::refusal;
use crate::error::{Result, code};

/// A pattern of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `9`: a digit, or a blank in front.
    Nine,
    /// `0`: a digit, also in front.
    Zero,
    /// `.`, `D`.
    Point,
    /// `,`, `G`.
    Comma,
    /// `G`: as `,`.
    Group,
    /// `B`: changes nothing.
    Blank,
    /// `EEEE`.
    Exponent,
    /// `FM`.
    Fill,
    /// `L`: there is no sign of a currency, it is a blank.
    Currency,
    /// `MI`.
    Minus,
    /// `PL`.
    Plus,
    /// `PR`.
    Angle,
    /// `RN`, `rn`.
    Roman { upper: bool },
    /// `SG`.
    SignHere,
    /// `S`.
    Sign,
    /// `TH`, `th`.
    Ordinal { upper: bool },
    /// `V`.
    Shift,
    /// `C`, `SP`: read and ignored.
    Nothing,
}

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    Pattern(Pattern),
    Text(char),
}

const PATTERNS: &[(&str, Pattern)] = &[
    (",", Pattern::Comma),
    (".", Pattern::Point),
    ("0", Pattern::Zero),
    ("9", Pattern::Nine),
    ("B", Pattern::Blank),
    ("C", Pattern::Nothing),
    ("D", Pattern::Point),
    ("EEEE", Pattern::Exponent),
    ("FM", Pattern::Fill),
    ("G", Pattern::Group),
    ("L", Pattern::Currency),
    ("MI", Pattern::Minus),
    ("PL", Pattern::Plus),
    ("PR", Pattern::Angle),
    ("RN", Pattern::Roman { upper: true }),
    ("SG", Pattern::SignHere),
    ("SP", Pattern::Nothing),
    ("S", Pattern::Sign),
    ("TH", Pattern::Ordinal { upper: true }),
    ("V", Pattern::Shift),
];

/// Where `S` puts the sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignPlace {
    Before,
    After,
}

/// A template taken apart.
#[derive(Debug, Default)]
pub struct Template {
    pub pieces: Vec<Piece>,
    /// Digits before the point, and behind it.
    pub before: usize,
    pub behind: usize,
    /// Where `S` puts the sign, and how many digits stood before it.
    pub sign: Option<SignPlace>,
    pub before_sign: usize,
    /// Digits behind `V`.
    pub shift: usize,
    /// The number of the first `0` among the digits before the point, from 1.
    pub zero_start: Option<usize>,
    /// The number of the last `0` among all digits.
    pub zero_end: usize,
    pub point: bool,
    pub fill: bool,
    pub minus: bool,
    pub plus: bool,
    pub angle: bool,
    pub roman: bool,
    pub shifts: bool,
    pub exponent: bool,
}

/// Takes a template apart.
///
/// **Errors**: 42601 for patterns that do not go together.
pub fn template(text: &str) -> Result<Template> {
    let mut out = Template::default();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        if let Some((name, pattern)) = named(rest) {
            rest = &rest[name.len()..];
            out.add(pattern)?;
            out.pieces.push(Piece::Pattern(pattern));
            continue;
        }
        rest = &rest[char.len_utf8()..];
        match char {
            '"' => {
                let mut chars = rest.chars();
                while let Some(char) = chars.next().filter(|char| *char != '"') {
                    let char = if char == '\\' { chars.next() } else { Some(char) };
                    out.pieces.extend(char.map(Piece::Text));
                }
                rest = chars.as_str();
            }
            '\\' if rest.starts_with('"') => {
                out.pieces.push(Piece::Text('"'));
                rest = &rest[1..];
            }
            char => out.pieces.push(Piece::Text(char)),
        }
    }
    Ok(out)
}

fn named(text: &str) -> Option<(&'static str, Pattern)> {
    PATTERNS.iter().find_map(|(name, pattern)| {
        let begins = text.get(..name.len())?;
        let lower = begins.bytes().all(|byte| !byte.is_ascii_uppercase());
        if begins != *name && !(lower && begins.eq_ignore_ascii_case(name)) {
            return None;
        }
        let upper = begins == *name;
        Some((
            *name,
            match pattern {
                Pattern::Roman { .. } => Pattern::Roman { upper },
                Pattern::Ordinal { .. } => Pattern::Ordinal { upper },
                pattern => *pattern,
            },
        ))
    })
}

fn wrong(message: &str) -> crate::error::Error {
    refusal(code::SYNTAX_ERROR, message)
}

impl Template {
    fn add(&mut self, pattern: Pattern) -> Result<()> {
        if self.exponent {
            return Err(wrong("\"EEEE\" must be the last pattern used"));
        }
        let signs = self.plus || self.minus || self.angle;
        match pattern {
            Pattern::Nine if self.angle => return Err(wrong("\"9\" must be ahead of \"PR\"")),
            Pattern::Nine if self.shifts => self.shift += 1,
            Pattern::Nine if self.point => self.behind += 1,
            Pattern::Nine => self.before += 1,
            Pattern::Zero if self.angle => return Err(wrong("\"0\" must be ahead of \"PR\"")),
            Pattern::Zero => {
                if self.point {
                    self.behind += 1;
                } else {
                    self.before += 1;
                    self.zero_start = self.zero_start.or(Some(self.before));
                }
                self.zero_end = self.before + self.behind;
            }
            Pattern::Point if self.point => return Err(wrong("multiple decimal points")),
            Pattern::Point | Pattern::Shift if self.shifts || self.point => {
                return Err(wrong("cannot use \"V\" and decimal point together"));
            }
            Pattern::Point => self.point = true,
            Pattern::Shift => self.shifts = true,
            Pattern::Fill => self.fill = true,
            Pattern::Sign if self.sign.is_some() => return Err(wrong("cannot use \"S\" twice")),
            Pattern::Sign if signs => {
                return Err(wrong("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together"));
            }
            Pattern::Sign if self.point => self.sign = Some(SignPlace::After),
            Pattern::Sign => {
                self.sign = Some(SignPlace::Before);
                self.before_sign = self.before;
            }
            Pattern::Minus | Pattern::Plus | Pattern::SignHere if self.sign.is_some() => {
                return Err(wrong("cannot use \"S\" and \"MI\", \"PL\" or \"SG\" together"));
            }
            Pattern::Minus => self.minus = true,
            Pattern::Plus => self.plus = true,
            Pattern::SignHere => (self.minus, self.plus) = (true, true),
            Pattern::Angle if self.sign.is_some() || self.plus || self.minus => {
                return Err(wrong("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together"));
            }
            Pattern::Angle => self.angle = true,
            Pattern::Roman { .. } => self.roman = true,
            Pattern::Exponent => {
                let others = self.fill || self.sign.is_some() || signs || self.roman || self.shifts;
                if others {
                    return Err(wrong("\"EEEE\" is incompatible with other formats").with_detail(
                        "\"EEEE\" may only be used together with digit and decimal point patterns.",
                    ));
                }
                self.exponent = true;
            }
            _ => {}
        }
        Ok(())
    }
}
