//! How long is a span of time, and how is it read and written?
//!
//! Months, days and microseconds, as PostgreSQL keeps them: a month has no fixed number of days,
//! a day none of hours. Where spans are compared, a month is 30 days and a day 24 hours.
//!
//! Deliberately absent: PostgreSQL's output styles other than `postgres`.

use std::cmp::Ordering;
use std::fmt::Write;
use std::hash::{Hash, Hasher};

use super::calendar::DAY_MICROS;

/// Days of a month where spans are compared.
const MONTH_DAYS: i64 = 30;
const HOUR_MICROS: i64 = 3_600_000_000;
/// A fraction of a unit is kept in billionths.
const FRACTION_ONE: i128 = 1_000_000_000;
const FRACTION_DIGITS: usize = 9;

/// Most microseconds of a span, either way: Arrow counts nanoseconds in 64 bits. About 292 years.
pub const INTERVAL_MICROS_MAX: i64 = i64::MAX / 1000;

/// A span of time. Equality and order are those of PostgreSQL: a month is 30 days, a day 24 hours.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// Months, 12 of them a year.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds, at most [`INTERVAL_MICROS_MAX`] either way.
    pub micros: i64,
}

/// Why a text is no span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntervalError {
    /// It has another form.
    Syntax,
    /// One of its parts is too large.
    Overflow,
}

impl Interval {
    /// Returns the span of these parts; `None` when one is too large.
    pub fn of(months: i64, days: i64, micros: i64) -> Option<Self> {
        Some(Self {
            months: i32::try_from(months).ok()?,
            days: i32::try_from(days).ok()?,
            micros: (micros.unsigned_abs() <= INTERVAL_MICROS_MAX as u64).then_some(micros)?,
        })
    }

    /// Returns the microseconds that spans are compared by.
    pub fn total(&self) -> i128 {
        let days = i64::from(self.months) * MONTH_DAYS + i64::from(self.days);
        i128::from(days) * i128::from(DAY_MICROS) + i128::from(self.micros)
    }

    /// Returns the one span of so many microseconds whose parts have one sign, fewer than 30 days
    /// and less than 24 hours, unless that is more months than there can be; `None` when no span
    /// is so long.
    pub fn of_total(total: i128) -> Option<Self> {
        let within = |count: i128| count.clamp(i128::from(i32::MIN), i128::from(i32::MAX));
        let day = i128::from(DAY_MICROS);
        let month = day * i128::from(MONTH_DAYS);
        let months = within(total / month);
        let days = within((total - months * month) / day);
        Some(Self {
            months: i32::try_from(months).ok()?,
            days: i32::try_from(days).ok()?,
            micros: i64::try_from(total - months * month - days * day).ok()?,
        })
    }

    /// Returns the span with each part negated; `None` for the smallest numbers.
    pub fn negated(self) -> Option<Self> {
        Self::of(-i64::from(self.months), -i64::from(self.days), self.micros.checked_neg()?)
    }

    /// Returns the sum, part by part.
    pub fn plus(self, other: Self) -> Option<Self> {
        Self::of(
            i64::from(self.months) + i64::from(other.months),
            i64::from(self.days) + i64::from(other.days),
            self.micros.checked_add(other.micros)?,
        )
    }

    /// Returns the span times a number: fractions of months go on as days, of days as time.
    pub fn times(self, factor: f64) -> Option<Self> {
        let months = f64::from(self.months) * factor;
        let days = f64::from(self.days) * factor;
        let whole_months = months.trunc();
        let month_days = round_micro((months - whole_months) * MONTH_DAYS as f64);
        let whole_days = days.trunc();
        let (more_days, rest) = (month_days.trunc(), month_days.fract());
        let mut seconds = (days - whole_days + rest) * 86_400.0;
        seconds = round_micro(seconds);
        let carried = (seconds / 86_400.0).trunc();
        let micros = self.micros as f64 * factor + (seconds - carried * 86_400.0) * 1e6;
        let all = [whole_months, whole_days + more_days + carried, micros.round_ties_even()];
        // Larger doubles would be cut off by the conversion; the checks of `of` come after it.
        if all.iter().any(|part| part.is_nan() || part.abs() >= 9.2e18) {
            return None;
        }
        Self::of(all[0] as i64, all[1] as i64, all[2] as i64)
    }

    /// Makes days of 24 hours, with all parts of one sign.
    pub fn justify_hours(self) -> Option<Self> {
        let mut days = i64::from(self.days) + self.micros / DAY_MICROS;
        let mut micros = self.micros % DAY_MICROS;
        if days > 0 && micros < 0 {
            (days, micros) = (days - 1, micros + DAY_MICROS);
        } else if days < 0 && micros > 0 {
            (days, micros) = (days + 1, micros - DAY_MICROS);
        }
        Self::of(self.months.into(), days, micros)
    }

    /// Makes months of 30 days, with both parts of one sign.
    pub fn justify_days(self) -> Option<Self> {
        let mut months = i64::from(self.months) + i64::from(self.days) / MONTH_DAYS;
        let mut days = i64::from(self.days) % MONTH_DAYS;
        if months > 0 && days < 0 {
            (months, days) = (months - 1, days + MONTH_DAYS);
        } else if months < 0 && days > 0 {
            (months, days) = (months + 1, days - MONTH_DAYS);
        }
        Self::of(months, days, self.micros)
    }

    /// Makes days of 24 hours and months of 30 days, with all parts of one sign.
    pub fn justified(self) -> Option<Self> {
        Self::of_total(self.total())
    }

    /// Reads `1 year 2 mons 3 days 04:05:06.789`, `@ 1 minute ago`, `1-2`, `P1Y2M3DT4H5M6S`.
    pub(super) fn parse(text: &str) -> Result<Self, IntervalError> {
        let text = text.trim();
        let mut sum = Sum::default();
        match text.strip_prefix(['P', 'p']) {
            Some(rest) => read_iso(rest, &mut sum)?,
            None => read_words(text, &mut sum)?,
        }
        Self::of(sum.months, sum.days, sum.micros).ok_or(IntervalError::Overflow)
    }

    /// Appends the text PostgreSQL prints: `1 year 2 mons 3 days 04:05:06.789`.
    pub(super) fn write(&self, out: &mut String) {
        let mut first = true;
        let mut negative = false;
        for (count, unit) in
            [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")]
        {
            if count == 0 {
                continue;
            }
            let space = if first { "" } else { " " };
            let sign = if negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{sign}{count} {unit}{plural}");
            (first, negative) = (false, count < 0);
        }
        if self.micros != 0 || first {
            let space = if first { "" } else { " " };
            let sign = match (self.micros < 0, negative) {
                (true, _) => "-",
                (false, true) => "+",
                (false, false) => "",
            };
            let _ = write!(out, "{space}{sign}");
            super::calendar::write_clock(out, self.micros.unsigned_abs());
        }
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        self.total() == other.total()
    }
}

impl Eq for Interval {}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Self) -> Ordering {
        self.total().cmp(&other.total())
    }
}

impl Hash for Interval {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.total().hash(state);
    }
}

fn round_micro(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

/// The parts read so far.
#[derive(Default)]
struct Sum {
    months: i64,
    days: i64,
    micros: i64,
}

/// A number before its unit.
#[derive(Clone, Copy)]
struct Number {
    negative: bool,
    whole: i64,
    /// In billionths.
    fraction: i128,
}

impl Sum {
    /// Adds so many of a unit: its months, or its days, or its microseconds.
    fn add(&mut self, number: Number, unit: Unit) -> Result<(), IntervalError> {
        let scaled = i128::from(number.whole) * FRACTION_ONE + number.fraction;
        let scaled = if number.negative { -scaled } else { scaled };
        let (mut days, mut micros) = (0, 0);
        match unit {
            // PostgreSQL rounds the fraction of a year to months, and spreads that of a month.
            Unit::Months(count) if count > 1 => {
                let months = scaled * i128::from(count);
                let half = if months < 0 { -FRACTION_ONE / 2 } else { FRACTION_ONE / 2 };
                self.months = sum(self.months, (months + half) / FRACTION_ONE)?;
            }
            Unit::Months(_) => {
                self.months = sum(self.months, scaled / FRACTION_ONE)?;
                days = scaled % FRACTION_ONE * i128::from(MONTH_DAYS);
            }
            Unit::Days(count) => days = scaled * i128::from(count),
            Unit::Micros(count) => micros = scaled * i128::from(count),
        }
        self.days = sum(self.days, days / FRACTION_ONE)?;
        micros += days % FRACTION_ONE * i128::from(DAY_MICROS);
        let half = if micros < 0 { -FRACTION_ONE / 2 } else { FRACTION_ONE / 2 };
        self.micros = sum(self.micros, (micros + half) / FRACTION_ONE)?;
        Ok(())
    }

    fn negate(&mut self) {
        // Each part came from `sum`, which keeps well below the smallest i64.
        (self.months, self.days, self.micros) = (-self.months, -self.days, -self.micros);
    }
}

fn sum(part: i64, more: i128) -> Result<i64, IntervalError> {
    let sum = i128::from(part) + more;
    let limit = i128::from(i64::MAX / 2);
    if (-limit..=limit).contains(&sum) { Ok(sum as i64) } else { Err(IntervalError::Overflow) }
}

#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

fn unit_named(name: &str) -> Option<Unit> {
    let name = name.to_ascii_lowercase();
    let singular = match name.strip_suffix('s') {
        Some(rest) if rest.len() > 1 => rest,
        _ => name.as_str(),
    };
    Some(match singular {
        "us" | "usec" | "microsecond" | "microsec" | "u" => Unit::Micros(1),
        "ms" | "msec" | "millisecond" | "millisec" => Unit::Micros(1_000),
        "s" | "sec" | "second" => Unit::Micros(1_000_000),
        "m" | "min" | "minute" => Unit::Micros(60_000_000),
        "h" | "hr" | "hour" => Unit::Micros(HOUR_MICROS),
        "d" | "day" => Unit::Days(1),
        "w" | "week" => Unit::Days(7),
        "mon" | "month" => Unit::Months(1),
        "y" | "yr" | "year" => Unit::Months(12),
        "dec" | "decade" => Unit::Months(120),
        "c" | "cent" | "century" | "centurie" => Unit::Months(1_200),
        "mil" | "millennium" | "millennia" => Unit::Months(12_000),
        _ => return None,
    })
}

fn read_words(text: &str, sum: &mut Sum) -> Result<(), IntervalError> {
    let text = text.strip_prefix('@').unwrap_or(text).trim();
    let (text, ago) = match text.len().checked_sub(3).map(|at| (text.get(..at), text.get(at..))) {
        Some((Some(rest), Some(word))) if word.eq_ignore_ascii_case("ago") => (rest, true),
        _ => (text, false),
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(IntervalError::Syntax);
    }
    while !rest.is_empty() {
        rest = read_part(rest, sum)?.trim_start();
    }
    if ago {
        sum.negate();
    }
    Ok(())
}

/// Reads one number with its unit, or a time of day.
fn read_part<'a>(text: &'a str, sum: &mut Sum) -> Result<&'a str, IntervalError> {
    let (number, after) = read_number(text)?;
    if after.starts_with(':') {
        return read_clock(number, after, sum);
    }
    if let Some(months) = after.strip_prefix('-')
        && number.fraction == 0
    {
        let (months, after) = read_digits(months).ok_or(IntervalError::Syntax)?;
        sum.add(number, Unit::Months(12))?;
        sum.add(Number { whole: months, ..number }, Unit::Months(1))?;
        return Ok(after);
    }
    let after = after.trim_start();
    let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, rest) = after.split_at(letters);
    let unit = match word {
        "" if rest.is_empty() => Unit::Micros(1_000_000),
        // `3 04:05:06` is three days and some hours.
        "" => Unit::Days(1),
        word => unit_named(word).ok_or(IntervalError::Syntax)?,
    };
    sum.add(number, unit)?;
    Ok(rest)
}

/// Reads the rest of `4:05`, `4:05:06.789`.
fn read_clock<'a>(hours: Number, after: &'a str, sum: &mut Sum) -> Result<&'a str, IntervalError> {
    let bad = IntervalError::Syntax;
    let (minutes, rest) = read_digits(&after[1..]).ok_or(bad)?;
    let (seconds, rest) = match rest.strip_prefix(':') {
        None => (Number { whole: 0, ..hours }, rest),
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => read_number(rest)?,
        Some(_) => return Err(bad),
    };
    if hours.fraction != 0 || minutes > 59 || seconds.whole > 59 {
        return Err(bad);
    }
    let negative = hours.negative;
    sum.add(hours, Unit::Micros(HOUR_MICROS))?;
    sum.add(Number { whole: minutes, ..hours }, Unit::Micros(60_000_000))?;
    sum.add(Number { negative, ..seconds }, Unit::Micros(1_000_000))?;
    Ok(rest)
}

/// Reads what follows the `P` of ISO 8601, with designators.
fn read_iso(text: &str, sum: &mut Sum) -> Result<(), IntervalError> {
    let (mut rest, mut in_time) = (text, false);
    if rest.is_empty() {
        return Err(IntervalError::Syntax);
    }
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(['T', 't']) {
            if in_time || after.is_empty() {
                return Err(IntervalError::Syntax);
            }
            (rest, in_time) = (after, true);
        }
        let (number, after) = read_number(rest)?;
        let mut letters = after.chars();
        let unit = match (letters.next().map(|c| c.to_ascii_uppercase()), in_time) {
            (Some('Y'), false) => Unit::Months(12),
            (Some('M'), false) => Unit::Months(1),
            (Some('W'), false) => Unit::Days(7),
            (Some('D'), false) => Unit::Days(1),
            (Some('H'), true) => Unit::Micros(HOUR_MICROS),
            (Some('M'), true) => Unit::Micros(60_000_000),
            (Some('S'), true) => Unit::Micros(1_000_000),
            _ => return Err(IntervalError::Syntax),
        };
        sum.add(number, unit)?;
        rest = letters.as_str();
    }
    Ok(())
}

/// Reads `-12.5`, `+3`, `.5`.
fn read_number(text: &str) -> Result<(Number, &str), IntervalError> {
    let (negative, text) = match text.as_bytes().first() {
        Some(b'-') => (true, text[1..].trim_start()),
        Some(b'+') => (false, text[1..].trim_start()),
        _ => (false, text),
    };
    let (whole, rest) = match read_digits(text) {
        Some(read) => read,
        None if text.starts_with('.') => (0, text),
        None if text.starts_with(|c: char| c.is_ascii_digit()) => {
            return Err(IntervalError::Overflow);
        }
        None => return Err(IntervalError::Syntax),
    };
    let Some(after) = rest.strip_prefix('.') else {
        return Ok((Number { negative, whole, fraction: 0 }, rest));
    };
    let count = after.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 && text.starts_with('.') {
        return Err(IntervalError::Syntax);
    }
    let (digits, rest) = after.split_at(count);
    let mut fraction = 0;
    for place in 0..FRACTION_DIGITS {
        let digit = digits.as_bytes().get(place).map_or(0, |byte| i128::from(byte - b'0'));
        fraction = fraction * 10 + digit;
    }
    Ok((Number { negative, whole, fraction }, rest))
}

/// Reads digits; `None` without any, or when there are too many.
fn read_digits(text: &str) -> Option<(i64, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(count);
    Some((digits.parse().ok()?, rest))
}
