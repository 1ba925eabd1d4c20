//! How is a value written, or read, by a template such as `YYYY-MM-DD` or `9,999.99`?
//!
//! As PostgreSQL's `to_char`, `to_date`, `to_timestamp` and `to_number` do it; names of months and
//! days are English, signs and separators those of the C locale.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `moment` | which fields does a template of dates and times have |
//! | `moment_write` | how is a moment or a span written by one |
//! | `moment_read` | which moment does a text give by one |
//! | `number` | which digits and signs does a template of numbers have |
//! | `number_write` | how is a number written by one |
//! | `number_read` | which number does a text give by one |

mod moment;
mod moment_read;
mod moment_write;
mod number;
mod number_read;
mod number_write;
#[cfg(test)]
mod tests;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use pieskieo_shards::value::{ColumnType, Value};

use super::function::{Function, Kind};
use crate::error::{Code, Error, code};
use crate::exec::here::external;

/// What a number that was read is kept with, if its template has no more digits.
const NUMBER: ColumnType = ColumnType::Numeric { precision: 38, scale: 9 };

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    use Kind::{Double, Moment, Number, Span, Text, Time};
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    vec![
        Function::taking(
            "to_char",
            &[&[Moment, Text], &[Span, Text], &[Time, Text], &[Number, Text]],
            text,
            |call| call.each(|args| to_char(&args[0], &args[1], &call.args[0])),
        ),
        Function::taking(
            "to_date",
            &[&[Text, Text]],
            |_| Ok(DataType::Date32),
            |call| {
                call.each(|args| {
                    let (text, template) = texts(args)?;
                    let read = moment_read::read(text, template).map_err(external)?;
                    Ok(Value::Date(read.days))
                })
            },
        ),
        Function::taking(
            "to_timestamp",
            &[&[Text, Text], &[Double]],
            |_| Ok(ColumnType::TimestampTz.arrow()),
            |call| call.each(to_timestamp),
        ),
        Function::taking(
            "to_number",
            &[&[Text, Text]],
            |_| Ok(NUMBER.arrow()),
            |call| {
                call.each(|args| {
                    let (text, template) = texts(args)?;
                    number_read::read(text, template, &NUMBER).map_err(external)
                })
            },
        ),
    ]
}

/// The error for a text that does not fit its template.
fn refusal(code: &'static Code, message: impl Into<String>) -> Error {
    Error::new(code, message.into())
}

fn texts(args: &[Value]) -> Result<(&str, &str)> {
    match args {
        [Value::Text(text), Value::Text(template)] => Ok((text, template)),
        _ => plan_err!("no function matches: a text and a template are wanted"),
    }
}

fn to_char(
    value: &Value,
    template: &Value,
    array: &datafusion::arrow::array::ArrayRef,
) -> Result<Value> {
    let Value::Text(template) = template else {
        return plan_err!("no function matches: to_char() wants a template");
    };
    let written = match value {
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => {
            moment_write::moment(value, template)
        }
        Value::Time(micros) => {
            let span = pieskieo_shards::value::Interval { months: 0, days: 0, micros: *micros };
            moment_write::span(span, template)
        }
        Value::Interval(span) => moment_write::span(*span, template),
        number => number_write::write(number, array.data_type(), template),
    };
    written.map(|text| Value::Text(text.into())).map_err(external)
}

fn to_timestamp(args: &[Value]) -> Result<Value> {
    if let [Value::Double(seconds)] = args {
        let micros = (seconds * 1e6).round_ties_even();
        // Years 1 to 294,276, as the calendar of the engine.
        if !(-62_135_596_800_000_000.0..9_224_318_016_000_000_000.0).contains(&micros) {
            let message = format!("timestamp out of range: \"{seconds}\"");
            return Err(external(refusal(code::DATETIME_OVERFLOW, message)));
        }
        return Ok(Value::TimestampTz(micros as i64));
    }
    let (text, template) = texts(args)?;
    let read = moment_read::read(text, template).map_err(external)?;
    let out_of_range = || {
        let message = format!("timestamp out of range: \"{text}\"");
        external(refusal(code::DATETIME_OVERFLOW, message))
    };
    let micros = i64::from(read.days).checked_mul(86_400_000_000).ok_or_else(out_of_range)?;
    let micros = micros.checked_add(read.micros).ok_or_else(out_of_range)?;
    Ok(Value::TimestampTz(micros - read.offset_seconds * 1_000_000))
}
