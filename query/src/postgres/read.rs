//! How is a parameter read?
//!
//! In the forms that `write` sends. A NUMERIC keeps the digits it comes with: what it is compared
//! with or stored in says later how many are wanted.

use std::str;
use std::sync::Arc;

use pieskieo_shards::document;
use pieskieo_shards::value::{ARRAY_ELEMENTS_MAX, ColumnType, Interval, Value};

use super::numeric;
use super::oid;
use super::write::{EPOCH_DAYS, EPOCH_MICROS, Form, JSONB_VERSION};
use crate::error::{Error, Result, code};
use crate::limits::VECTOR_DIMENSION_MAX;
use crate::outcome::Param;

/// Digits of a NUMERIC in all.
const DIGITS_MAX: u8 = 38;

/// Reads a parameter of this type; `None` is null.
///
/// **Errors**: `22P02`, `22P03`, `22003` and `22021` for bytes that are not of its form.
pub fn read(bytes: Option<&[u8]>, ty: &ColumnType, form: Form) -> Result<Param> {
    let Some(bytes) = bytes else {
        return Ok(Param::Typed { value: Value::Null, ty: ty.clone() });
    };
    let (value, ty) = match form {
        Form::Text => from_text(utf8(bytes)?, ty)?,
        Form::Binary => from_binary(bytes, ty)?,
    };
    Ok(Param::Typed { value, ty })
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let message = "invalid byte sequence for encoding \"UTF8\"";
        Error::new(code::INVALID_CHARACTER, format!("{message}: 0x{:02x}", bytes[at]))
    })?;
    if text.contains('\0') {
        let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(Error::new(code::INVALID_CHARACTER, message));
    }
    Ok(text)
}

fn from_text(text: &str, ty: &ColumnType) -> Result<(Value, ColumnType)> {
    match ty {
        ColumnType::Numeric { .. } => {
            let ty = with_scale(digits_behind(text));
            Ok((Value::parse(text, &ty)?, ty))
        }
        // Its limit is looked at where it is stored: a comparison cuts nothing off.
        ColumnType::Varchar(_) => Ok((Value::Text(text.into()), ColumnType::Text)),
        ColumnType::Vector(_) => {
            let ty = ColumnType::Vector(components(text));
            Ok((Value::parse(text, &ty)?, ty))
        }
        ty => Ok((Value::parse(text, ty)?, ty.clone())),
    }
}

fn with_scale(scale: u8) -> ColumnType {
    let scale = i8::try_from(scale.min(DIGITS_MAX)).unwrap_or(0);
    ColumnType::Numeric { precision: DIGITS_MAX, scale }
}

/// How many digits behind the point a number has, as it is written.
fn digits_behind(text: &str) -> u8 {
    let (digits, exponent) = text.trim().split_once(['e', 'E']).unwrap_or((text.trim(), "0"));
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len() as i64);
    let scale = behind - exponent.parse::<i64>().unwrap_or(0);
    u8::try_from(scale.clamp(0, i64::from(DIGITS_MAX))).unwrap_or(0)
}

/// How many components a vector has, as it is written.
fn components(text: &str) -> u32 {
    let commas = text.bytes().filter(|byte| *byte == b',').count();
    u32::try_from(commas + 1).unwrap_or(u32::MAX).min(VECTOR_DIMENSION_MAX)
}

fn from_binary(bytes: &[u8], ty: &ColumnType) -> Result<(Value, ColumnType)> {
    let value = match ty {
        ColumnType::Bool => Value::Bool(u8::from_be_bytes(exactly(bytes, ty)?) != 0),
        ColumnType::SmallInt => Value::SmallInt(i16::from_be_bytes(exactly(bytes, ty)?)),
        ColumnType::Int => Value::Int(i32::from_be_bytes(exactly(bytes, ty)?)),
        ColumnType::BigInt => Value::BigInt(match bytes.len() {
            // Numbers of objects, which are unsigned.
            4 => u32::from_be_bytes(exactly(bytes, ty)?).into(),
            _ => i64::from_be_bytes(exactly(bytes, ty)?),
        }),
        ColumnType::Float => Value::Float(f32::from_be_bytes(exactly(bytes, ty)?)),
        ColumnType::Double => Value::Double(f64::from_be_bytes(exactly(bytes, ty)?)),
        ColumnType::Numeric { .. } => {
            let (scaled, scale) = numeric::read(bytes)?;
            return Ok((Value::Numeric(scaled), with_scale(scale)));
        }
        ColumnType::Text | ColumnType::Varchar(_) => {
            return Ok((Value::Text(utf8(bytes)?.into()), ColumnType::Text));
        }
        ColumnType::Bytea => Value::Bytea(bytes.into()),
        ColumnType::Date => {
            let days = i32::from_be_bytes(exactly(bytes, ty)?);
            Value::Date(days.checked_add(EPOCH_DAYS).ok_or_else(|| out_of_range(ty))?)
        }
        ColumnType::Timestamp => Value::Timestamp(moment(bytes, ty)?),
        ColumnType::TimestampTz => Value::TimestampTz(moment(bytes, ty)?),
        ColumnType::Time => {
            let micros = i64::from_be_bytes(exactly(bytes, ty)?);
            if !(0..=86_400_000_000).contains(&micros) {
                return Err(out_of_range(ty));
            }
            Value::Time(micros)
        }
        ColumnType::Interval => span(bytes, ty)?,
        ColumnType::Uuid => Value::Uuid(exactly(bytes, ty)?),
        ColumnType::Json => {
            // JSON is sent without the version that JSONB has; no JSON begins with such a byte.
            let text = bytes.strip_prefix(&[JSONB_VERSION]).unwrap_or(bytes);
            Value::Json(document::encode(utf8(text)?)?)
        }
        ColumnType::Vector(_) => return vector(bytes, ty),
        ColumnType::Array(element) => Value::Array(items(bytes, ty, element)?.into()),
    };
    Ok((value, ty.clone()))
}

fn moment(bytes: &[u8], ty: &ColumnType) -> Result<i64> {
    let micros = i64::from_be_bytes(exactly(bytes, ty)?);
    micros.checked_add(EPOCH_MICROS).ok_or_else(|| out_of_range(ty))
}

fn span(bytes: &[u8], ty: &ColumnType) -> Result<Value> {
    let bytes: [u8; 16] = exactly(bytes, ty)?;
    let (micros, rest) = bytes.split_at(8);
    let (days, months) = rest.split_at(4);
    let micros = i64::from_be_bytes(exactly(micros, ty)?);
    let days = i32::from_be_bytes(exactly(days, ty)?);
    let months = i32::from_be_bytes(exactly(months, ty)?);
    let span = Interval::of(months.into(), days.into(), micros);
    span.map(Value::Interval).ok_or_else(|| out_of_range(ty))
}

fn vector(bytes: &[u8], ty: &ColumnType) -> Result<(Value, ColumnType)> {
    let (head, rest) = bytes.split_at_checked(4).ok_or_else(|| invalid(ty))?;
    let dimension = u32::from(u16::from_be_bytes([head[0], head[1]]));
    if dimension == 0 || dimension > VECTOR_DIMENSION_MAX || rest.len() != dimension as usize * 4 {
        return Err(invalid(ty));
    }
    let (chunks, _) = rest.as_chunks::<4>();
    let elements: Vec<f32> = chunks.iter().map(|chunk| f32::from_be_bytes(*chunk)).collect();
    if elements.iter().any(|element| !element.is_finite()) {
        let message = "NaN and infinite values are not allowed in a vector";
        return Err(Error::new(code::DATA_EXCEPTION, message));
    }
    Ok((Value::Vector(Arc::from(elements)), ColumnType::Vector(dimension)))
}

/// Reads an array of one dimension.
fn items(bytes: &[u8], ty: &ColumnType, element: &ColumnType) -> Result<Vec<Value>> {
    let mut rest = bytes;
    let mut number = || -> Result<i32> {
        let (first, after) = rest.split_at_checked(4).ok_or_else(|| invalid(ty))?;
        rest = after;
        Ok(i32::from_be_bytes([first[0], first[1], first[2], first[3]]))
    };
    let dimensions = number()?;
    let _has_nulls = number()?;
    let given = number()?.cast_unsigned();
    // A client may have sent elements of a type that it finds fitting: their bytes are others.
    let given = oid::parameter_type(given).unwrap_or_else(|| element.clone());
    match dimensions {
        0 => return Ok(Vec::new()),
        1 => {}
        _ => {
            return Err(Error::unsupported("an array of arrays")
                .with_hint("Use JSON for arrays of arrays."));
        }
    }
    let count = usize::try_from(number()?).map_err(|_| invalid(ty))?;
    let _lower = number()?;
    if count > ARRAY_ELEMENTS_MAX || count > rest.len() / 4 {
        return Err(invalid(ty));
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let (head, after) = rest.split_at_checked(4).ok_or_else(|| invalid(ty))?;
        let length = i32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        rest = after;
        if length == -1 {
            items.push(Value::Null);
            continue;
        }
        let length = usize::try_from(length).map_err(|_| invalid(ty))?;
        let (item, after) = rest.split_at_checked(length).ok_or_else(|| invalid(ty))?;
        rest = after;
        let (value, of) = from_binary(item, &given)?;
        items.push(value.coerce_from(&of, element)?);
    }
    if rest.is_empty() { Ok(items) } else { Err(invalid(ty)) }
}

/// Returns the bytes as an array of the length that a type has.
fn exactly<const N: usize>(bytes: &[u8], ty: &ColumnType) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| {
        let message = format!("incorrect binary data format for type {ty}");
        Error::new(code::INVALID_BINARY, message)
            .with_detail(format!("It has {} bytes, not {N}.", bytes.len()))
    })
}

fn invalid(ty: &ColumnType) -> Error {
    Error::new(code::INVALID_BINARY, format!("incorrect binary data format for type {ty}"))
}

fn out_of_range(ty: &ColumnType) -> Error {
    Error::new(code::NUMERIC_OUT_OF_RANGE, format!("a value is out of range for type {ty}"))
}

#[cfg(test)]
mod tests {
    use arrow_array::RecordBatch;
    use arrow_schema::{Field, Schema};
    use pieskieo_shards::value::ColumnBuilder;

    use super::super::oid::WireColumn;
    use super::super::write::RowWriter;
    use super::*;

    fn sent(value: &Value, ty: &ColumnType, form: Form) -> Vec<u8> {
        let mut builder = ColumnBuilder::new(ty, 1);
        builder.append(value).unwrap();
        let schema = Schema::new(vec![Field::new("a", ty.arrow(), true)]);
        let batch =
            RecordBatch::try_new(Arc::new(schema), vec![builder.finish().unwrap()]).unwrap();
        let told = WireColumn::of_arrow("a", &ty.arrow());
        let mut out = Vec::new();
        let writer = RowWriter::new(&batch, &[told], &[form]).unwrap();
        writer.write(0, &mut out).unwrap();
        assert_eq!(out[..2], [0, 1]);
        out.split_off(6)
    }

    /// Values, their texts and their bytes, as PostgreSQL 15 sends them.
    fn sent_by_postgres() -> Vec<(Value, ColumnType, &'static str, Vec<u8>)> {
        let span = Interval { months: 14, days: 3, micros: 14_706_000_000 };
        let ints = ColumnType::Array(Arc::new(ColumnType::Int));
        vec![
            (Value::Bool(true), ColumnType::Bool, "t", vec![1]),
            (Value::SmallInt(-2), ColumnType::SmallInt, "-2", vec![255, 254]),
            (Value::Int(258), ColumnType::Int, "258", vec![0, 0, 1, 2]),
            (Value::BigInt(1), ColumnType::BigInt, "1", vec![0, 0, 0, 0, 0, 0, 0, 1]),
            (Value::Float(1.5), ColumnType::Float, "1.5", vec![63, 192, 0, 0]),
            (Value::Double(1.5), ColumnType::Double, "1.5", vec![63, 248, 0, 0, 0, 0, 0, 0]),
            (
                Value::Numeric(150),
                ColumnType::Numeric { precision: 38, scale: 2 },
                "1.50",
                vec![0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 19, 136],
            ),
            (Value::Text("é".into()), ColumnType::Text, "é", vec![195, 169]),
            (Value::Bytea([1, 255][..].into()), ColumnType::Bytea, "\\x01ff", vec![1, 255]),
            (Value::Date(10_958), ColumnType::Date, "2000-01-02", vec![0, 0, 0, 1]),
            (
                Value::Timestamp(EPOCH_MICROS + 1),
                ColumnType::Timestamp,
                "2000-01-01 00:00:00.000001",
                vec![0, 0, 0, 0, 0, 0, 0, 1],
            ),
            (
                Value::TimestampTz(EPOCH_MICROS - 1_000_000),
                ColumnType::TimestampTz,
                "1999-12-31 23:59:59+00",
                (-1_000_000_i64).to_be_bytes().to_vec(),
            ),
            (
                Value::Time(1_000_000),
                ColumnType::Time,
                "00:00:01",
                1_000_000_i64.to_be_bytes().to_vec(),
            ),
            (
                Value::Interval(span),
                ColumnType::Interval,
                "1 year 2 mons 3 days 04:05:06",
                [&14_706_000_000_i64.to_be_bytes()[..], &[0, 0, 0, 3], &[0, 0, 0, 14]].concat(),
            ),
            (
                Value::Vector([1.0, -2.5][..].into()),
                ColumnType::Vector(2),
                "[1,-2.5]",
                vec![0, 2, 0, 0, 63, 128, 0, 0, 192, 32, 0, 0],
            ),
            (
                Value::Array([Value::Int(7), Value::Null][..].into()),
                ints.clone(),
                "{7,NULL}",
                vec![
                    0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0,
                    0, 7, 255, 255, 255, 255,
                ],
            ),
            (Value::Array([][..].into()), ints, "{}", vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23]),
        ]
    }

    #[test]
    fn values_are_sent_as_postgres_sends_them_and_read_back() {
        for (value, ty, text, binary) in sent_by_postgres() {
            assert_eq!(sent(&value, &ty, Form::Text), text.as_bytes(), "{ty}");
            assert_eq!(sent(&value, &ty, Form::Binary), binary, "{ty}");
            let expected = Ok(Param::Typed { value, ty: ty.clone() });
            assert_eq!(read(Some(text.as_bytes()), &ty, Form::Text), expected, "{ty}");
            assert_eq!(read(Some(&binary), &ty, Form::Binary), expected, "{ty}");
            for end in 0..binary.len() {
                if !matches!(ty, ColumnType::Text | ColumnType::Bytea | ColumnType::BigInt) {
                    assert!(read(Some(&binary[..end]), &ty, Form::Binary).is_err(), "{ty} {end}");
                }
            }
        }
    }

    #[test]
    fn texts_that_are_none_are_refused() {
        for bytes in [&b"a\0b"[..], b"\xff"] {
            let refused = read(Some(bytes), &ColumnType::Text, Form::Text).unwrap_err();
            assert_eq!(refused.code, "22021");
        }
        let refused = read(Some(b"x"), &ColumnType::Int, Form::Text).unwrap_err();
        assert_eq!(refused.code, "22P02");
    }
}
