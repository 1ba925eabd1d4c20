//! How is a moment or a span written by a template?

use std::fmt::Write;

use pieskieo_shards::value::{Interval, Value, date_of, days_of};

use super::moment::{Case, DAYS, Field, MONTHS, Ordinal, Piece, ROMAN, pieces};
use super::refusal;
use crate::error::{Result, code};

const DAY_MICROS: i64 = 86_400_000_000;
/// The day that the Julian calendar calls 1970-01-01.
const JULIAN_1970: i64 = 2_440_588;

/// The parts of a moment, or of a span.
struct Parts {
    year: i64,
    /// 1 to 12; of a span 0 to 11.
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// Days since 1970.
    days: i64,
    is_span: bool,
    /// Whether the zone is known: it is UTC.
    zone: bool,
}

/// Writes a date or timestamp.
///
/// **Errors**: none.
pub fn moment(value: &Value, template: &str) -> Result<String> {
    let (micros, zone) = match value {
        Value::Date(days) => (i64::from(*days) * DAY_MICROS, true),
        Value::TimestampTz(micros) => (*micros, true),
        Value::Timestamp(micros) => (*micros, false),
        _ => (0, false),
    };
    let (days, of_day) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    let (year, month, day) = date_of(days);
    let (month, day) = (month.into(), day.into());
    written(Parts { year, month, day, days, zone, ..clock(of_day) }, template)
}

/// Writes a span.
///
/// **Errors**: 22007 for fields that only a date has.
pub fn span(span: Interval, template: &str) -> Result<String> {
    let (year, month) = (i64::from(span.months / 12), i64::from(span.months % 12));
    let day = i64::from(span.days);
    written(Parts { year, month, day, is_span: true, ..clock(span.micros) }, template)
}

fn clock(micros: i64) -> Parts {
    let seconds = micros / 1_000_000;
    Parts {
        year: 0,
        month: 0,
        day: 0,
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        micros: micros % 1_000_000,
        days: 0,
        is_span: false,
        zone: false,
    }
}

fn written(parts: Parts, template: &str) -> Result<String> {
    let mut out = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Blank(char) | Piece::Separator(char) | Piece::Text(char) => out.push(char),
            Piece::Field { field, case, fill, ordinal, .. } => {
                let start = out.len();
                if parts.is_span && of_dates_only(field) {
                    return Err(refusal(
                        code::INVALID_DATETIME,
                        "invalid format specification for an interval value",
                    )
                    .with_hint("Intervals are not tied to specific calendar dates."));
                }
                let numbered = match name_of(&parts, field, case, fill) {
                    Some(name) => {
                        out.push_str(&name);
                        false
                    }
                    None => parts.number(field, fill, &mut out),
                };
                if numbered && ordinal != Ordinal::None {
                    let ending = ending(&out[start..]);
                    match ordinal {
                        Ordinal::Upper => out.push_str(&ending.to_uppercase()),
                        _ => out.push_str(ending),
                    }
                }
            }
        }
    }
    Ok(out)
}

fn of_dates_only(field: Field) -> bool {
    matches!(
        field,
        Field::Era { .. }
            | Field::DayName
            | Field::DayShort
            | Field::DayOfWeek
            | Field::DayOfIsoWeek
            | Field::Offset
            | Field::Zone
            | Field::ZoneHour
            | Field::ZoneMinute
    )
}

/// Fields that are words.
fn name_of(parts: &Parts, field: Field, case: Case, fill: bool) -> Option<String> {
    let cased = |text: &str| match case {
        Case::Upper => text.to_uppercase(),
        Case::Title => text.to_owned(),
        Case::Lower => text.to_lowercase(),
    };
    let padded = |text: String, width: usize| match fill {
        true => text,
        false => format!("{text:<width$}"),
    };
    let month = usize::try_from(parts.month - 1).ok().filter(|month| *month < 12);
    let day = (parts.days + 4).rem_euclid(7) as usize;
    Some(match field {
        Field::Half { dots } => {
            let late = parts.hour.rem_euclid(24) >= 12;
            cased(match (late, dots) {
                (true, true) => "p.m.",
                (true, false) => "pm",
                (false, true) => "a.m.",
                (false, false) => "am",
            })
        }
        Field::Era { dots } => cased(match (parts.year > 0, dots) {
            (true, true) => "a.d.",
            (true, false) => "ad",
            (false, true) => "b.c.",
            (false, false) => "bc",
        }),
        Field::DayName => padded(cased(DAYS[day]), 9),
        Field::DayShort => cased(&DAYS[day][..3]),
        Field::MonthName => month.map_or_else(String::new, |m| padded(cased(MONTHS[m]), 9)),
        Field::MonthShort => month.map_or_else(String::new, |m| cased(&MONTHS[m][..3])),
        Field::RomanMonth => {
            // A span of no months counts as twelve where it has years.
            let month = match (parts.month, parts.year) {
                (0, 0) => return Some(String::new()),
                (0, years) => {
                    if years >= 0 {
                        12
                    } else {
                        1
                    }
                }
                (month, _) if month < 0 => -month,
                (month, _) => month,
            };
            padded(cased(ROMAN[(month - 1).clamp(0, 11) as usize]), 4)
        }
        Field::Zone if parts.zone => match case {
            Case::Lower => "utc".to_owned(),
            _ => "UTC".to_owned(),
        },
        Field::Zone | Field::Fixed => String::new(),
        _ => return None,
    })
}

impl Parts {
    /// Writes a field that is a number. Returns whether it takes an ending such as `th`.
    fn number(&self, field: Field, fill: bool, out: &mut String) -> bool {
        let year = match self.is_span || self.year > 0 {
            true => self.year,
            false => 1 - self.year,
        };
        let mut digits = |value: i64, width: usize| {
            let width = match (fill, value < 0) {
                (true, _) => 0,
                (false, negative) => width + usize::from(negative),
            };
            let _ = write!(out, "{value:0width$}");
        };
        match field {
            Field::Hour12 => {
                let hour = self.hour % 12;
                digits(if hour == 0 { 12 } else { hour }, 2);
            }
            Field::Hour24 => digits(self.hour, 2),
            Field::Minute => digits(self.minute, 2),
            Field::Second => digits(self.second, 2),
            Field::Month => digits(self.month, 2),
            Field::DayOfMonth => digits(self.day, 2),
            Field::DayOfYear => digits(self.day_of_year(), 3),
            Field::DayOfIsoYear => digits(self.day_of_iso_year(), 3),
            Field::Week => digits((self.day_of_year() - 1) / 7 + 1, 2),
            Field::IsoWeek => digits(self.iso_week(), 2),
            Field::Century => digits(self.century(), 2),
            Field::Year(4) => digits(year, 4),
            Field::Year(count) => digits(year % 10_i64.pow(count.into()), count.into()),
            Field::IsoYear(count) => {
                let year = self.iso_year();
                let year = if count == 4 { year } else { year % 10_i64.pow(count.into()) };
                digits(year, count.into());
            }
            Field::YearWithComma => {
                let _ = write!(out, "{},{:03}", year / 1000, year % 1000);
            }
            Field::DayOfWeek => digits((self.days + 4).rem_euclid(7) + 1, 1),
            Field::DayOfIsoWeek => digits((self.days + 3).rem_euclid(7) + 1, 1),
            Field::WeekOfMonth => digits((self.day - 1) / 7 + 1, 1),
            Field::Quarter if self.month == 0 => {}
            Field::Quarter => digits((self.month - 1) / 3 + 1, 1),
            Field::JulianDay => digits(self.julian_day(), 1),
            Field::SecondOfDay => digits(self.hour * 3600 + self.minute * 60 + self.second, 1),
            Field::Millisecond => return self.fraction(3, out),
            Field::Microsecond => return self.fraction(6, out),
            Field::Fraction(count) => return self.fraction(count, out),
            Field::ZoneHour | Field::Offset => {
                out.push_str("+00");
                return false;
            }
            Field::ZoneMinute => {
                out.push_str("00");
                return false;
            }
            _ => return false,
        }
        true
    }

    fn fraction(&self, count: u8, out: &mut String) -> bool {
        let value = self.micros / 10_i64.pow(6 - u32::from(count));
        let width = usize::from(count);
        let _ = write!(out, "{value:0width$}");
        true
    }

    fn day_of_year(&self) -> i64 {
        match self.is_span {
            true => (self.year * 12 + self.month) * 30 + self.day,
            false => self.days - new_year(self.year) + 1,
        }
    }

    /// The Monday of the week that has the 4th of January.
    fn iso_start(year: i64) -> i64 {
        let fourth = new_year(year) + 3;
        fourth - (fourth + 3).rem_euclid(7)
    }

    fn iso_year(&self) -> i64 {
        if self.is_span {
            return self.year;
        }
        let year = self.year;
        match () {
            () if self.days < Self::iso_start(year) => year - 1,
            () if self.days >= Self::iso_start(year + 1) => year + 1,
            () => year,
        }
    }

    fn iso_week(&self) -> i64 {
        (self.days - Self::iso_start(self.iso_year())) / 7 + 1
    }

    fn day_of_iso_year(&self) -> i64 {
        self.days - Self::iso_start(self.iso_year()) + 1
    }

    fn century(&self) -> i64 {
        match self.year {
            years if self.is_span => years / 100,
            year if year > 0 => (year - 1) / 100 + 1,
            year => year / 100 - 1,
        }
    }

    fn julian_day(&self) -> i64 {
        self.days + JULIAN_1970
    }
}

/// The first day of a year.
fn new_year(year: i64) -> i64 {
    // The calendar has years from 1 on; those before are as long as the ones 400 years later.
    let eras = if year < 1 { (1 - year).div_euclid(400) + 1 } else { 0 };
    let days = days_of(year + eras * 400, 1, 1).unwrap_or(i32::MAX);
    i64::from(days) - eras * 146_097
}

/// `st`, `nd`, `rd` or `th`, by the last digits of a number.
pub fn ending(number: &str) -> &'static str {
    let mut digits = number.bytes().rev().take_while(u8::is_ascii_digit);
    let (last, before) = (digits.next(), digits.next());
    match (before, last) {
        (Some(b'1'), _) => "th",
        (_, Some(b'1')) => "st",
        (_, Some(b'2')) => "nd",
        (_, Some(b'3')) => "rd",
        _ => "th",
    }
}
