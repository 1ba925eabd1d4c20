//! Which value does a text stand for?
//!
//! The input forms of PostgreSQL for each type, ISO order for dates, UTC where no zone is given;
//! vectors as pgvector reads them; arrays of one dimension.

use std::sync::Arc;

use super::decimal::{self, DecimalError};
use super::interval::{Interval, IntervalError};
use super::kind::{ColumnType, Value};
use super::{array, calendar};
use crate::document;
use crate::error::Error;

impl Value {
    /// Reads a text as PostgreSQL reads a literal of this type.
    ///
    /// **Errors**: `InvalidValue` when the text is not of this type's form or out of its range.
    pub fn parse(text: &str, ty: &ColumnType) -> Result<Self, Error> {
        let trimmed = text.trim();
        match ty {
            ColumnType::Bool => parse_bool(trimmed).map(Self::Bool).ok_or_else(|| syntax(ty, text)),
            ColumnType::SmallInt => parse_integer(text, ty).and_then(|number| {
                i16::try_from(number).map(Self::SmallInt).map_err(|_| out_of_range(&text, ty))
            }),
            ColumnType::Int => parse_integer(text, ty).and_then(|number| {
                i32::try_from(number).map(Self::Int).map_err(|_| out_of_range(&text, ty))
            }),
            ColumnType::BigInt => parse_integer(text, ty).map(Self::BigInt),
            ColumnType::Float => parse_float(text, ty).and_then(|number| {
                let narrowed = number as f32;
                let overflows = narrowed.is_infinite() && !number.is_infinite();
                if overflows { Err(out_of_range(&text, ty)) } else { Ok(Self::Float(narrowed)) }
            }),
            ColumnType::Double => parse_float(text, ty).map(Self::Double),
            ColumnType::Numeric { precision, scale } => {
                parse_numeric(text, *precision, *scale).map(Self::Numeric)
            }
            ColumnType::Text => Ok(Self::Text(text.into())),
            ColumnType::Varchar(length) => {
                within(text, *length).map(|text| Self::Text(text.into()))
            }
            ColumnType::Bytea => parse_bytea(text).map(|bytes| Self::Bytea(bytes.into())),
            ColumnType::Date => {
                calendar::parse_date(text).map(Self::Date).ok_or_else(|| syntax(ty, text))
            }
            ColumnType::Timestamp => calendar::parse_timestamp(text)
                .map(|(micros, _)| Self::Timestamp(micros))
                .ok_or_else(|| syntax(ty, text)),
            ColumnType::TimestampTz => calendar::parse_timestamp(text)
                .map(|(micros, zone)| Self::TimestampTz(micros - zone.unwrap_or(0) * 1_000_000))
                .ok_or_else(|| syntax(ty, text)),
            ColumnType::Time => {
                calendar::parse_time(text).map(Self::Time).ok_or_else(|| syntax(ty, text))
            }
            ColumnType::Interval => {
                Interval::parse(text).map(Self::Interval).map_err(|error| match error {
                    IntervalError::Syntax => syntax(ty, text),
                    IntervalError::Overflow => out_of_range(&text, ty),
                })
            }
            ColumnType::Array(element) => array::parse(text, element),
            ColumnType::Uuid => parse_uuid(trimmed).map(Self::Uuid).ok_or_else(|| syntax(ty, text)),
            ColumnType::Json => document::encode(text).map(Self::Json),
            ColumnType::Vector(dim) => {
                parse_vector(trimmed).and_then(|elements| vector(elements, *dim))
            }
        }
    }
}

/// Returns a text that is to be stored with a limit of characters: blanks at its end beyond the
/// limit are dropped, as PostgreSQL drops them.
///
/// **Errors**: `InvalidValue` when something else is beyond the limit.
pub(super) fn within(text: &str, length: u32) -> Result<&str, Error> {
    match text.char_indices().nth(length as usize) {
        None => Ok(text),
        Some((end, _)) if text[end..].bytes().all(|byte| byte == b' ') => Ok(&text[..end]),
        Some(_) => Err(Error::InvalidValue(format!("value too long for type VARCHAR({length})"))),
    }
}

/// Makes a vector value after checking its dimension and elements.
pub(super) fn vector(elements: Vec<f32>, dim: u32) -> Result<Value, Error> {
    if elements.len() != dim as usize {
        return Err(Error::InvalidValue(format!(
            "expected {dim} dimensions, not {}",
            elements.len()
        )));
    }
    if elements.iter().any(|element| element.is_nan()) {
        return Err(Error::InvalidValue("NaN not allowed in vector".into()));
    }
    if elements.iter().any(|element| element.is_infinite()) {
        return Err(Error::InvalidValue("infinite value not allowed in vector".into()));
    }
    Ok(Value::Vector(Arc::from(elements)))
}

/// Makes the error for a number that its type cannot hold.
pub(super) fn out_of_range(value: &dyn std::fmt::Display, ty: &ColumnType) -> Error {
    Error::InvalidValue(format!("value \"{value}\" is out of range for type {ty}"))
}

/// Makes the error for a number with too many digits before the point.
pub(super) fn numeric_overflow(precision: u8, scale: i8) -> Error {
    let whole = i32::from(precision) - i32::from(scale);
    Error::InvalidValue(format!(
        "numeric field overflow: a field with precision {precision}, scale {scale} must round \
         to an absolute value less than 10^{whole}"
    ))
}

fn syntax(ty: &ColumnType, text: &str) -> Error {
    const SHOWN_MAX: usize = 60;
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    Error::InvalidValue(format!("invalid input syntax for type {ty}: \"{shown}{more}\""))
}

fn parse_bool(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn parse_integer(text: &str, ty: &ColumnType) -> Result<i64, Error> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.trim().parse::<i64>().map_err(|error| match error.kind() {
        PosOverflow | NegOverflow => out_of_range(&text, ty),
        _ => syntax(ty, text),
    })
}

fn parse_float(text: &str, ty: &ColumnType) -> Result<f64, Error> {
    let trimmed = text.trim();
    let number: f64 = trimmed.parse().map_err(|_| syntax(ty, text))?;
    let has_digit = trimmed.bytes().any(|byte| byte.is_ascii_digit());
    if number.is_infinite() && has_digit {
        return Err(out_of_range(&text, ty));
    }
    Ok(number)
}

fn parse_numeric(text: &str, precision: u8, scale: i8) -> Result<i128, Error> {
    let ty = ColumnType::Numeric { precision, scale };
    match decimal::parse(text, scale) {
        Ok(scaled) if decimal::fits(scaled, precision) => Ok(scaled),
        Ok(_) | Err(DecimalError::Overflow) => Err(numeric_overflow(precision, scale)),
        Err(DecimalError::Syntax) => Err(syntax(&ty, text)),
    }
}

/// Reads `\x6869`, or plain text with `\\` and `\ooo` escapes.
fn parse_bytea(text: &str) -> Result<Vec<u8>, Error> {
    let bad = || syntax(&ColumnType::Bytea, text);
    if let Some(hex) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = hex
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .map(|c| c.to_digit(16).map(|digit| digit as u8).ok_or_else(bad))
            .collect::<Result<_, _>>()?;
        if !digits.len().is_multiple_of(2) {
            return Err(bad());
        }
        return Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        match after {
            [b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => return Err(bad()),
        }
    }
    Ok(out)
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let mut digits = 0_usize;
    let mut bytes = [0_u8; 16];
    for c in inner.chars() {
        if c == '-' && digits > 0 && digits.is_multiple_of(4) {
            continue;
        }
        let digit = c.to_digit(16)? as u8;
        *bytes.get_mut(digits / 2)? |= if digits.is_multiple_of(2) { digit << 4 } else { digit };
        digits += 1;
    }
    (digits == 32 && !inner.ends_with('-')).then_some(bytes)
}

fn parse_vector(text: &str) -> Result<Vec<f32>, Error> {
    let bad =
        || Error::InvalidValue("invalid input syntax for type vector: expected [1,2,3]".into());
    let inner =
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or_else(bad)?.trim();
    if inner.is_empty() {
        return Err(Error::InvalidValue("vector must have at least 1 dimension".into()));
    }
    inner.split(',').map(|part| part.trim().parse::<f32>().map_err(|_| bad())).collect()
}
