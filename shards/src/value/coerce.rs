//! Which value is stored when a value of another type is assigned?
//!
//! PostgreSQL's assignment casts: numbers into any number type with a range check, anything into
//! text, text into anything through its input form, dates and timestamps into each other, times and
//! spans into each other, arrays element by element, a JSON array of numbers into a vector.

use std::sync::Arc;

use super::array::check_count;
use super::calendar::DAY_MICROS;
use super::decimal;
use super::interval::Interval;
use super::kind::{ColumnType, Value};
use super::parse::{numeric_overflow, out_of_range, vector};
use crate::document;
use crate::error::Error;

impl Value {
    /// Returns the type whose values look like this one; `None` for null. A NUMERIC does not
    /// know its scale: it is given the widest with `scale` digits.
    pub fn natural_type(&self, scale: i8) -> Option<ColumnType> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(_) => ColumnType::Bool,
            Self::SmallInt(_) => ColumnType::SmallInt,
            Self::Int(_) => ColumnType::Int,
            Self::BigInt(_) => ColumnType::BigInt,
            Self::Float(_) => ColumnType::Float,
            Self::Double(_) => ColumnType::Double,
            Self::Numeric(_) => ColumnType::Numeric { precision: decimal::DIGITS_MAX, scale },
            Self::Text(_) => ColumnType::Text,
            Self::Bytea(_) => ColumnType::Bytea,
            Self::Date(_) => ColumnType::Date,
            Self::Timestamp(_) => ColumnType::Timestamp,
            Self::TimestampTz(_) => ColumnType::TimestampTz,
            Self::Time(_) => ColumnType::Time,
            Self::Interval(_) => ColumnType::Interval,
            Self::Uuid(_) => ColumnType::Uuid,
            Self::Json(_) => ColumnType::Json,
            Self::Vector(v) => ColumnType::Vector(v.len() as u32),
            Self::Array(items) => {
                let element = items.iter().find_map(|item| item.natural_type(scale));
                ColumnType::Array(Arc::new(element.unwrap_or(ColumnType::Text)))
            }
        })
    }

    /// Casts the value for assignment to a column of type `to`. A `Numeric` value is taken to
    /// have the scale of `to`, or none when `to` is another type: use [`Value::coerce_from`]
    /// when its scale is known.
    ///
    /// **Errors**: `InvalidValue` when there is no such cast or the value does not fit.
    pub fn coerce(self, to: &ColumnType) -> Result<Self, Error> {
        let of = if let ColumnType::Array(element) = to { element } else { to };
        let scale = if let ColumnType::Numeric { scale, .. } = of { *scale } else { 0 };
        match self.natural_type(scale) {
            None => Ok(Self::Null),
            Some(from) => self.coerce_from(&from, to),
        }
    }

    /// Casts a value of type `from` for assignment to a column of type `to`.
    ///
    /// **Errors**: `InvalidValue` when there is no such cast or the value does not fit.
    pub fn coerce_from(self, from: &ColumnType, to: &ColumnType) -> Result<Self, Error> {
        match (&self, to) {
            (Self::Null, _) => return Ok(Self::Null),
            (Self::Text(text), _) if *to != ColumnType::Text => return Self::parse(text, to),
            (Self::Vector(elements), ColumnType::Vector(dim)) => {
                return vector(elements.to_vec(), *dim);
            }
            (Self::Json(document), ColumnType::Vector(dim)) => {
                return vector(document::to_vector(document)?, *dim);
            }
            (Self::Json(document), ColumnType::Array(_)) => {
                return Self::from_json(&document::to_json_value(document), to);
            }
            (Self::Array(items), _) => return from_array(items, from, to),
            (Self::Numeric(scaled), _) => return from_numeric(*scaled, from, to),
            _ if from == to && !matches!(to, ColumnType::Varchar(_)) => return Ok(self),
            _ => {}
        }
        match to {
            ColumnType::Text => Ok(Self::Text(self.render(from).into())),
            ColumnType::Varchar(_) => Self::parse(&self.render(from), to),
            ColumnType::SmallInt => self.to_integer(from, to).and_then(|number| {
                i16::try_from(number).map(Self::SmallInt).map_err(|_| out_of_range(&number, to))
            }),
            ColumnType::Int => self.to_integer(from, to).and_then(|number| {
                i32::try_from(number).map(Self::Int).map_err(|_| out_of_range(&number, to))
            }),
            ColumnType::BigInt => self.to_integer(from, to).map(Self::BigInt),
            ColumnType::Float => self.to_double(from, to).and_then(|number| {
                let narrowed = number as f32;
                let overflows = narrowed.is_infinite() && number.is_finite();
                if overflows { Err(out_of_range(&number, to)) } else { Ok(Self::Float(narrowed)) }
            }),
            ColumnType::Double => self.to_double(from, to).map(Self::Double),
            ColumnType::Numeric { precision, scale } => self.to_numeric(from, *precision, *scale),
            ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz => {
                self.to_moment(from, to)
            }
            ColumnType::Json => document::from_value(&self, from).map(Self::Json),
            ColumnType::Time | ColumnType::Interval => self.to_clock(from, to),
            ColumnType::Array(element) => match &self {
                Self::Vector(elements) => elements
                    .iter()
                    .map(|item| Self::Float(*item).coerce_from(&ColumnType::Float, element))
                    .collect::<Result<Vec<_>, _>>()
                    .map(|items| Self::Array(items.into())),
                _ => Err(no_cast(from, to)),
            },
            ColumnType::Bool | ColumnType::Bytea | ColumnType::Uuid | ColumnType::Vector(_) => {
                Err(no_cast(from, to))
            }
        }
    }

    fn to_integer(&self, from: &ColumnType, to: &ColumnType) -> Result<i64, Error> {
        let double = match self {
            Self::SmallInt(v) => return Ok(i64::from(*v)),
            Self::Int(v) => return Ok(i64::from(*v)),
            Self::BigInt(v) => return Ok(*v),
            Self::Float(v) => f64::from(*v),
            Self::Double(v) => *v,
            _ => return Err(no_cast(from, to)),
        };
        let rounded = double.round_ties_even();
        // -2^63 and 2^63 are exact doubles; the largest i64 is not.
        if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
            Ok(rounded as i64)
        } else {
            Err(out_of_range(&double, to))
        }
    }

    fn to_double(&self, from: &ColumnType, to: &ColumnType) -> Result<f64, Error> {
        match self {
            Self::SmallInt(v) => Ok(f64::from(*v)),
            Self::Int(v) => Ok(f64::from(*v)),
            Self::BigInt(v) => Ok(*v as f64),
            Self::Float(v) => Ok(f64::from(*v)),
            Self::Double(v) => Ok(*v),
            _ => Err(no_cast(from, to)),
        }
    }

    fn to_numeric(&self, from: &ColumnType, precision: u8, scale: i8) -> Result<Self, Error> {
        let overflow = || numeric_overflow(precision, scale);
        let to = ColumnType::Numeric { precision, scale };
        let whole = match self {
            Self::SmallInt(v) => i128::from(*v),
            Self::Int(v) => i128::from(*v),
            Self::BigInt(v) => i128::from(*v),
            Self::Float(_) | Self::Double(_) => return Self::parse(&self.render(from), &to),
            _ => return Err(no_cast(from, &to)),
        };
        let scaled = decimal::rescale(whole, 0, scale).ok_or_else(overflow)?;
        if decimal::fits(scaled, precision) { Ok(Self::Numeric(scaled)) } else { Err(overflow()) }
    }

    fn to_moment(&self, from: &ColumnType, to: &ColumnType) -> Result<Self, Error> {
        let micros = match self {
            Self::Date(v) => i64::from(*v).checked_mul(DAY_MICROS),
            Self::Timestamp(v) | Self::TimestampTz(v) => Some(*v),
            _ => return Err(no_cast(from, to)),
        };
        let micros = micros.ok_or_else(|| out_of_range(&self.render(from), to))?;
        match to {
            ColumnType::Date => i32::try_from(micros.div_euclid(DAY_MICROS))
                .map(Self::Date)
                .map_err(|_| out_of_range(&self.render(from), to)),
            ColumnType::Timestamp => Ok(Self::Timestamp(micros)),
            _ => Ok(Self::TimestampTz(micros)),
        }
    }

    /// A time of day of a moment or a span, a span of a time.
    fn to_clock(&self, from: &ColumnType, to: &ColumnType) -> Result<Self, Error> {
        let micros = match (self, to) {
            (Self::Time(v), _) => *v,
            (Self::Timestamp(v) | Self::TimestampTz(v), ColumnType::Time) => {
                v.rem_euclid(DAY_MICROS)
            }
            (Self::Interval(v), ColumnType::Time) => v.micros.rem_euclid(DAY_MICROS),
            (Self::Interval(v), _) => return Ok(Self::Interval(*v)),
            _ => return Err(no_cast(from, to)),
        };
        match to {
            ColumnType::Time => Ok(Self::Time(micros)),
            _ => Ok(Self::Interval(Interval { months: 0, days: 0, micros })),
        }
    }
}

fn from_array(items: &[Value], from: &ColumnType, to: &ColumnType) -> Result<Value, Error> {
    let ColumnType::Array(element) = from else {
        return Err(Error::Internal(format!("an array of type {from}")));
    };
    let each = |to: &ColumnType| -> Result<Vec<Value>, Error> {
        items.iter().map(|item| item.clone().coerce_from(element, to)).collect()
    };
    match to {
        ColumnType::Array(to) => {
            check_count(items.len())?;
            each(to).map(|items| Value::Array(items.into()))
        }
        ColumnType::Vector(dim) => {
            let floats = each(&ColumnType::Float)?;
            let float = |item: &Value| match item {
                Value::Float(item) => Ok(*item),
                _ => Err(Error::InvalidValue("a vector must not contain nulls".into())),
            };
            vector(floats.iter().map(float).collect::<Result<_, _>>()?, *dim)
        }
        ColumnType::Text | ColumnType::Varchar(_) => {
            Value::parse(&Value::Array(items.into()).render(from), to)
        }
        ColumnType::Json => {
            document::from_value(&Value::Array(items.into()), from).map(Value::Json)
        }
        _ => Err(no_cast(from, to)),
    }
}

fn from_numeric(scaled: i128, from: &ColumnType, to: &ColumnType) -> Result<Value, Error> {
    let ColumnType::Numeric { scale: from_scale, .. } = from else {
        return Err(Error::Internal(format!("a NUMERIC value of type {from}")));
    };
    let value = Value::Numeric(scaled);
    let whole = || {
        decimal::rescale(scaled, *from_scale, 0)
            .and_then(|whole| i64::try_from(whole).ok())
            .ok_or_else(|| out_of_range(&value.render(from), to))
    };
    match to {
        ColumnType::Numeric { precision, scale } => {
            match decimal::rescale(scaled, *from_scale, *scale) {
                Some(moved) if decimal::fits(moved, *precision) => Ok(Value::Numeric(moved)),
                _ => Err(numeric_overflow(*precision, *scale)),
            }
        }
        ColumnType::SmallInt => i16::try_from(whole()?)
            .map(Value::SmallInt)
            .map_err(|_| out_of_range(&value.render(from), to)),
        ColumnType::Int => i32::try_from(whole()?)
            .map(Value::Int)
            .map_err(|_| out_of_range(&value.render(from), to)),
        ColumnType::BigInt => whole().map(Value::BigInt),
        ColumnType::Float => Ok(Value::Float(decimal::to_double(scaled, *from_scale) as f32)),
        ColumnType::Double => Ok(Value::Double(decimal::to_double(scaled, *from_scale))),
        ColumnType::Text | ColumnType::Varchar(_) => Value::parse(&value.render(from), to),
        ColumnType::Json => document::from_value(&value, from).map(Value::Json),
        _ => Err(no_cast(from, to)),
    }
}

fn no_cast(from: &ColumnType, to: &ColumnType) -> Error {
    Error::InvalidValue(format!("a value of type {from} does not fit type {to}"))
}
