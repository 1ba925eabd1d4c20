//! How does PostgreSQL print a value?
//!
//! The text forms of PostgreSQL 17 with `extra_float_digits = 1`, ISO dates, UTC; booleans as
//! the cast to text writes them (`true`); vectors as pgvector writes them.

use std::fmt::Write;

use super::kind::{ColumnType, Value};
use super::{array, calendar, decimal};
use crate::document;

impl Value {
    /// Returns the text PostgreSQL would print; `ty` says how many digits a NUMERIC has.
    pub fn render(&self, ty: &ColumnType) -> String {
        let mut out = String::new();
        self.render_to(&mut out, ty);
        out
    }

    /// Appends the text PostgreSQL would print; null appends nothing.
    pub fn render_to(&self, out: &mut String, ty: &ColumnType) {
        match self {
            Self::Null => {}
            Self::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
            Self::SmallInt(v) => push(out, v),
            Self::Int(v) => push(out, v),
            Self::BigInt(v) => push(out, v),
            Self::Float(v) => write_float(out, f64::from(*v), &format!("{v:e}"), 6),
            Self::Double(v) => write_float(out, *v, &format!("{v:e}"), 15),
            Self::Numeric(v) => {
                let scale = if let ColumnType::Numeric { scale, .. } = ty { *scale } else { 0 };
                decimal::write(out, *v, scale);
            }
            Self::Text(v) => out.push_str(v),
            Self::Bytea(v) => {
                out.push_str("\\x");
                v.iter().for_each(|byte| push_hex(out, *byte));
            }
            Self::Date(v) => calendar::write_date(out, i64::from(*v)),
            Self::Timestamp(v) => calendar::write_timestamp(out, *v),
            Self::TimestampTz(v) => {
                calendar::write_timestamp(out, *v);
                out.push_str("+00");
            }
            Self::Time(v) => calendar::write_clock(out, v.unsigned_abs()),
            Self::Interval(v) => v.write(out),
            Self::Uuid(v) => write_uuid(out, v),
            Self::Json(v) => out.push_str(&document::to_json_text(v)),
            Self::Vector(v) => write_vector(out, v),
            Self::Array(v) => {
                let element = if let ColumnType::Array(element) = ty { element } else { ty };
                array::write(out, v, element);
            }
        }
    }
}

/// Appends a number in the shortest form that reads back the same; `plain_max` is the first
/// power of ten that is written with an exponent.
fn write_float(out: &mut String, value: f64, scientific: &str, plain_max: i32) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= plain_max {
        out.push_str(mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
        return;
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest.replace('.', "")),
        None => ("", mantissa.replace('.', "")),
    };
    out.push_str(sign);
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
        return out.push_str(&digits);
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', whole - digits.len()));
    } else {
        out.push_str(&digits[..whole]);
        out.push('.');
        out.push_str(&digits[whole..]);
    }
}

fn write_uuid(out: &mut String, bytes: &[u8; 16]) {
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        push_hex(out, *byte);
    }
}

fn write_vector(out: &mut String, elements: &[f32]) {
    out.push('[');
    for (position, element) in elements.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_float(out, f64::from(*element), &format!("{element:e}"), 6);
    }
    out.push(']');
}

fn push_hex(out: &mut String, byte: u8) {
    let _ = write!(out, "{byte:02x}");
}

fn push(out: &mut String, number: &impl std::fmt::Display) {
    let _ = write!(out, "{number}");
}
