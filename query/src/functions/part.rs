//! Which part of a moment, a time or a span is asked for, and which moment is made of parts?

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, plan_err};
use pieskieo_io::time;
use pieskieo_shards::value::{ColumnType, Interval, Value, date_of, days_of};

use super::function::{Arity, Call, Function, Kind};
use super::string::{as_text, as_whole, refused};
use crate::error::code;
use crate::exec::here::external;
use crate::result::column_type;

/// Name of the function that gives a part as a number with its fraction.
pub const PART_OF: &str = "part_of";
/// Name of the planner's function that cuts off what is smaller than a unit.
pub const PLAIN_TRUNCATE: &str = "plain_date_trunc";
/// Name of the function behind `OVERLAPS`.
pub const OVERLAPS: &str = "moments_overlap";
/// Name of the function that rounds a moment to digits of a second.
pub const ROUND_MOMENT: &str = "round_moment";

const DAY_MICROS: i64 = 86_400_000_000;
const HOUR_MICROS: i64 = 3_600_000_000;
/// The day that the Julian calendar calls 1970-01-01.
const JULIAN_1970: f64 = 2_440_588.0;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    use Kind::{Moment, Span, Text, Time};
    vec![
        Function::taking(
            PART_OF,
            &[&[Text, Moment], &[Text, Time], &[Text, Span]],
            |_| Ok(DataType::Float64),
            |call| call.each(|args| part(as_text(&args[0])?, &args[1]).map(Value::Double)),
        ),
        Function::taking(
            "date_trunc",
            &[&[Text, Moment], &[Text, Span], &[Text, Time]],
            |types| match types.get(1) {
                Some(DataType::Interval(_) | DataType::Time64(_)) => {
                    Ok(ColumnType::Interval.arrow())
                }
                _ => second_type(types),
            },
            |call| call.each(|args| truncated(as_text(&args[0])?, &args[1])),
        ),
        Function::taking(
            "date_bin",
            &[&[Span, Moment, Moment], &[Text, Moment, Moment]],
            second_type,
            date_bin,
        ),
    ]
    .into_iter()
    .chain(that_make())
    .collect()
}

/// The functions that make moments, and others of them.
fn that_make() -> Vec<Function> {
    use Kind::{Double, Moment, Span, Whole};
    let timestamp = |_: &[DataType]| Ok(ColumnType::Timestamp.arrow());
    vec![
        Function::taking(
            "make_date",
            &[&[Whole, Whole, Whole]],
            |_| Ok(DataType::Date32),
            |call| call.each(|args| made_date(args).map(Value::Date)),
        ),
        Function::taking(
            "make_timestamp",
            &[&[Whole, Whole, Whole, Whole, Whole, Double]],
            timestamp,
            |call| call.each(|args| made_moment(args).map(Value::Timestamp)),
        ),
        Function::taking(
            "make_timestamptz",
            &[&[Whole, Whole, Whole, Whole, Whole, Double]],
            |_| Ok(ColumnType::TimestampTz.arrow()),
            |call| call.each(|args| made_moment(args).map(Value::TimestampTz)),
        ),
        Function::taking(
            "isfinite",
            &[&[Moment], &[Span]],
            |_| Ok(DataType::Boolean),
            |call| call.each(|_| Ok(Value::Bool(true))),
        ),
        Function::new(
            OVERLAPS,
            Arity::Exactly(4),
            |_| Ok(DataType::Boolean),
            |call| call.each_row(overlap),
        ),
        Function::taking(
            ROUND_MOMENT,
            &[&[Moment, Whole]],
            |types| Ok(types[0].clone()),
            |call| call.each(rounded),
        ),
        Function::new(
            "clock_timestamp",
            Arity::Exactly(0),
            |_| Ok(ColumnType::TimestampTz.arrow()),
            |call| call.each_row(|_| Ok(Value::TimestampTz(time::wall().0 as i64))),
        )
        .volatile(),
    ]
}

fn second_type(types: &[DataType]) -> Result<DataType> {
    match types.get(1) {
        Some(DataType::Timestamp(_, zone)) => {
            Ok(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        _ => Ok(ColumnType::Timestamp.arrow()),
    }
}

/// Microseconds since 1970 of a moment.
fn micros_of(value: &Value) -> Option<i64> {
    match value {
        Value::Date(days) => i64::from(*days).checked_mul(DAY_MICROS),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => Some(*micros),
        _ => None,
    }
}

/// The name of a part without its plural and other names.
fn unit(name: &str) -> String {
    let name = name.trim().to_lowercase();
    match name.as_str() {
        "c" | "cent" | "centuries" => "century",
        "d" | "days" => "day",
        "dec" | "decs" | "decades" => "decade",
        "h" | "hr" | "hrs" | "hours" => "hour",
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" => "microseconds",
        "mil" | "mils" | "millennia" => "millennium",
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => "milliseconds",
        "m" | "min" | "mins" | "minutes" => "minute",
        "mon" | "mons" | "months" => "month",
        "qtr" | "quarters" => "quarter",
        "s" | "sec" | "secs" | "seconds" => "second",
        "w" | "weeks" => "week",
        "y" | "yr" | "yrs" | "years" => "year",
        other => other,
    }
    .to_owned()
}

fn part(name: &str, value: &Value) -> Result<f64> {
    let unit = unit(name);
    let (found, ty) = match value {
        Value::Interval(span) => (of_span(&unit, *span), "interval"),
        Value::Time(micros) => (of_clock(&unit, *micros), "time"),
        // A date has no time of day.
        Value::Date(_) if of_clock(&unit, 0).is_some() && unit != "epoch" => (None, "date"),
        Value::Date(days) => (of_moment(&unit, i64::from(*days) * DAY_MICROS), "date"),
        Value::Timestamp(micros) => (of_moment(&unit, *micros), "timestamp without time zone"),
        Value::TimestampTz(micros) => match unit.as_str() {
            // The zone is UTC.
            "timezone" | "timezone_hour" | "timezone_minute" => (Some(0.0), ""),
            unit => (of_moment(unit, *micros), "timestamp with time zone"),
        },
        _ => return plan_err!("no function matches: a date, time or interval is wanted"),
    };
    let known = [
        "century",
        "day",
        "decade",
        "dow",
        "doy",
        "epoch",
        "hour",
        "isodow",
        "isoyear",
        "julian",
        "microseconds",
        "millennium",
        "milliseconds",
        "minute",
        "month",
        "quarter",
        "second",
        "timezone",
        "timezone_hour",
        "timezone_minute",
        "week",
        "year",
    ];
    match found {
        Some(found) => Ok(found),
        None if known.contains(&unit.as_str()) => {
            let message = format!("unit \"{name}\" not supported for type {ty}");
            Err(refused(code::FEATURE_NOT_SUPPORTED, message))
        }
        None => {
            let message = format!("unit \"{name}\" not recognized for type {ty}");
            Err(refused(code::INVALID_PARAMETER_VALUE, message))
        }
    }
}

/// Parts of a time of day.
fn of_clock(unit: &str, micros: i64) -> Option<f64> {
    let of_minute = micros % 60_000_000;
    Some(match unit {
        "hour" => (micros / HOUR_MICROS) as f64,
        "minute" => (micros / 60_000_000 % 60) as f64,
        "second" => of_minute as f64 / 1e6,
        "milliseconds" => of_minute as f64 / 1e3,
        "microseconds" => of_minute as f64,
        "epoch" => micros as f64 / 1e6,
        _ => return None,
    })
}

fn of_span(unit: &str, span: Interval) -> Option<f64> {
    let (years, months) = (span.months / 12, span.months % 12);
    Some(match unit {
        "millennium" => f64::from(years / 1000),
        "century" => f64::from(years / 100),
        "decade" => f64::from(years / 10),
        "year" => f64::from(years),
        "quarter" => f64::from(months / 3 + 1),
        "month" => f64::from(months),
        "day" => f64::from(span.days),
        // A year has 365.25 days, a month 30.
        "epoch" => {
            let days = f64::from(years) * 365.25 + f64::from(months) * 30.0 + f64::from(span.days);
            days * 86_400.0 + span.micros as f64 / 1e6
        }
        unit => return of_clock(unit, span.micros),
    })
}

fn of_moment(unit: &str, micros: i64) -> Option<f64> {
    let (days, of_day) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    let (year, month, day) = date_of(days);
    let number = match unit {
        // Years before 1 are counted backwards, without a year 0.
        "year" => {
            if year > 0 {
                year
            } else {
                year - 1
            }
        }
        "millennium" => {
            if year > 0 {
                (year + 999) / 1000
            } else {
                -((999 - (year - 1)) / 1000)
            }
        }
        "century" => {
            if year > 0 {
                (year + 99) / 100
            } else {
                -((99 - (year - 1)) / 100)
            }
        }
        "decade" => year.div_euclid(10),
        "quarter" => i64::from((month - 1) / 3 + 1),
        "month" => month.into(),
        "day" => day.into(),
        "dow" => (days + 4).rem_euclid(7),
        "isodow" => (days + 3).rem_euclid(7) + 1,
        "doy" => days - i64::from(days_of(year, 1, 1)?) + 1,
        "isoyear" | "week" => {
            // The year and the week of the Thursday.
            let thursday = days - (days + 3).rem_euclid(7) + 3;
            let (year, _, _) = date_of(thursday);
            match unit {
                "week" => (thursday - i64::from(days_of(year, 1, 1)?)) / 7 + 1,
                _ => {
                    if year > 0 {
                        year
                    } else {
                        year - 1
                    }
                }
            }
        }
        "julian" => return Some(days as f64 + JULIAN_1970 + of_day as f64 / DAY_MICROS as f64),
        "epoch" => return Some(micros as f64 / 1e6),
        unit => return of_clock(unit, of_day),
    };
    Some(number as f64)
}

/// Cuts off what is smaller than a unit.
fn truncated(name: &str, value: &Value) -> Result<Value> {
    let (months, days, micros) = match value {
        Value::Interval(span) => (span.months, span.days, span.micros),
        Value::Time(micros) => (0, 0, *micros),
        moment => return truncated_moment(name, moment),
    };
    let whole_months = |count: i32| Interval { months: months / count * count, days: 0, micros: 0 };
    let clock = |count: i64| Interval { months, days, micros: micros / count * count };
    let span = match unit(name).as_str() {
        "millennium" => whole_months(12_000),
        "century" => whole_months(1_200),
        "decade" => whole_months(120),
        "year" => whole_months(12),
        "quarter" => whole_months(3),
        "month" => whole_months(1),
        "day" => Interval { months, days, micros: 0 },
        "hour" => clock(HOUR_MICROS),
        "minute" => clock(60_000_000),
        "second" => clock(1_000_000),
        "milliseconds" => clock(1_000),
        "microseconds" => clock(1),
        "week" => {
            let message = format!("unit \"{name}\" not supported for type interval");
            let hint = "Months usually have fractional weeks.";
            return Err(super::function::hinted(
                refused(code::FEATURE_NOT_SUPPORTED, message),
                hint,
            ));
        }
        _ => {
            let message = format!("unit \"{name}\" not recognized for type interval");
            return Err(refused(code::INVALID_PARAMETER_VALUE, message));
        }
    };
    Ok(Value::Interval(span))
}

/// The first moment of the unit that a moment is in.
fn truncated_moment(name: &str, value: &Value) -> Result<Value> {
    let Some(micros) = micros_of(value) else {
        return plan_err!("no function matches: a date, timestamp or interval is wanted");
    };
    let (days, of_day) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    let (year, month, _) = date_of(days);
    let first = |year: i64, month: u32| {
        days_of(year.max(1), month, 1).map(|days| i64::from(days) * DAY_MICROS)
    };
    let clock = |count: i64| Some(days * DAY_MICROS + of_day / count * count);
    // Centuries and millennia begin with years that end in 1, decades with those that end in 0.
    let found = match unit(name).as_str() {
        "millennium" => first((year - 1).div_euclid(1000) * 1000 + 1, 1),
        "century" => first((year - 1).div_euclid(100) * 100 + 1, 1),
        "decade" => first(year.div_euclid(10) * 10, 1),
        "year" => first(year, 1),
        "quarter" => first(year, (month - 1) / 3 * 3 + 1),
        "month" => first(year, month),
        "week" => Some((days - (days + 3).rem_euclid(7)) * DAY_MICROS),
        "day" => clock(DAY_MICROS),
        "hour" => clock(HOUR_MICROS),
        "minute" => clock(60_000_000),
        "second" => clock(1_000_000),
        "milliseconds" => clock(1_000),
        "microseconds" => clock(1),
        _ => {
            let message = format!("unit \"{name}\" not recognized for type timestamp");
            return Err(refused(code::INVALID_PARAMETER_VALUE, message));
        }
    };
    match (found, value) {
        (Some(micros), Value::TimestampTz(_)) => Ok(Value::TimestampTz(micros)),
        (Some(micros), _) => Ok(Value::Timestamp(micros)),
        (None, _) => Err(refused(code::DATETIME_OVERFLOW, "timestamp out of range")),
    }
}

fn date_bin(call: &Call) -> Result<datafusion::arrow::array::ArrayRef> {
    let is_zoned = matches!(column_type(&call.returns), Some(ColumnType::TimestampTz));
    call.each(|args| {
        let span = match &args[0] {
            Value::Text(text) => Value::parse(text, &ColumnType::Interval).map_err(external)?,
            value => value.clone(),
        };
        let Value::Interval(span) = span else {
            return plan_err!("no function matches: an interval is wanted");
        };
        if span.months != 0 {
            let message = "timestamps cannot be binned into intervals containing months or years";
            return Err(refused(code::FEATURE_NOT_SUPPORTED, message));
        }
        let stride = i64::from(span.days).checked_mul(DAY_MICROS);
        let stride = stride.and_then(|days| days.checked_add(span.micros)).unwrap_or(0);
        if stride <= 0 {
            let message = "stride must be greater than zero";
            return Err(refused(code::DATETIME_OVERFLOW, message));
        }
        let binned = || {
            let (moment, origin) = (micros_of(&args[1])?, micros_of(&args[2])?);
            let since = moment.checked_sub(origin)?;
            origin.checked_add(since.div_euclid(stride) * stride)
        };
        let Some(micros) = binned() else {
            return Err(refused(code::DATETIME_OVERFLOW, "timestamp out of range"));
        };
        Ok(if is_zoned { Value::TimestampTz(micros) } else { Value::Timestamp(micros) })
    })
}

fn made_date(args: &[Value]) -> Result<i32> {
    let (year, month, day) = (as_whole(&args[0])?, as_whole(&args[1])?, as_whole(&args[2])?);
    let small = |number: i64| u32::try_from(number).ok();
    let days = || days_of(year, small(month)?, small(day)?);
    days().ok_or_else(|| {
        let message = format!("date field value out of range: {year}-{month:02}-{day:02}");
        refused(code::DATETIME_OVERFLOW, message)
    })
}

fn made_moment(args: &[Value]) -> Result<i64> {
    let days = made_date(args)?;
    let (hour, minute) = (as_whole(&args[3])?, as_whole(&args[4])?);
    let Value::Double(seconds) = args[5] else {
        return plan_err!("no function matches: seconds are a number");
    };
    let valid = (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..=60.0).contains(&seconds)
        && (hour < 24 || (minute == 0 && seconds == 0.0));
    let of_day = (hour * 60 + minute) * 60_000_000 + (seconds * 1e6).round() as i64;
    let micros = i64::from(days).checked_mul(DAY_MICROS).and_then(|days| days.checked_add(of_day));
    match micros.filter(|_| valid) {
        Some(micros) => Ok(micros),
        None => {
            let message = format!("time field value out of range: {hour}:{minute:02}:{seconds:02}");
            Err(refused(code::DATETIME_OVERFLOW, message))
        }
    }
}

/// `(a, b) OVERLAPS (c, d)`, where the second of a pair is an end or a length.
fn overlap(args: &[Value]) -> Result<Value> {
    let bounds = |start: &Value, end: &Value| -> Result<(Option<i64>, Option<i64>)> {
        let (first, end) = match end {
            Value::Interval(span) if !start.is_null() => {
                (start.clone(), start.plus_span(*span).map_err(external)?)
            }
            Value::Interval(_) => (Value::Null, Value::Null),
            end => (start.clone(), end.clone()),
        };
        let place = |value: &Value| match value {
            Value::Time(micros) => Some(*micros),
            value => micros_of(value),
        };
        let (first, end) = (place(&first), place(&end));
        // Whichever is known, and earlier, is the start.
        Ok(match (first, end) {
            (Some(first), Some(end)) => (Some(first.min(end)), Some(first.max(end))),
            (None, end) => (end, None),
            (first, None) => (first, None),
        })
    };
    let (one, other) = (bounds(&args[0], &args[1])?, bounds(&args[2], &args[3])?);
    let ((Some(first), first_end), (Some(second), second_end)) = (one, other) else {
        return Ok(Value::Null);
    };
    let truth = |known: bool| if known { Value::Bool(true) } else { Value::Null };
    Ok(match first.cmp(&second) {
        std::cmp::Ordering::Equal => Value::Bool(true),
        order => {
            let (later, earlier_end, later_end) = match order {
                std::cmp::Ordering::Greater => (first, second_end, first_end),
                _ => (second, first_end, second_end),
            };
            match earlier_end {
                None => Value::Null,
                Some(end) if later < end => truth(later_end.is_some()),
                Some(_) => match later_end {
                    None => Value::Null,
                    Some(_) => Value::Bool(false),
                },
            }
        }
    })
}

fn rounded(args: &[Value]) -> Result<Value> {
    let digits = as_whole(&args[1])?.clamp(0, 6);
    let unit = 10_i64.pow(6 - digits as u32);
    let round = |micros: i64| (micros + unit / 2).div_euclid(unit) * unit;
    Ok(match args[0] {
        Value::Timestamp(micros) => Value::Timestamp(round(micros)),
        Value::TimestampTz(micros) => Value::TimestampTz(round(micros)),
        ref other => other.clone(),
    })
}
