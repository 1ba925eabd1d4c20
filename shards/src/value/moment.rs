//! Which moment is a span away from another, and which span lies between two?
//!
//! As PostgreSQL counts: months first, where a day that a month does not have becomes its last one,
//! then days, then the time. Moments are in UTC, where every day has 24 hours.

use super::calendar::{DAY_MICROS, date_of, days_of, month_days};
use super::interval::Interval;
use super::kind::{ColumnType, Value};
use crate::error::Error;

impl Value {
    /// Returns a date, timestamp or time of day and a span after it. Of a date that is a timestamp;
    /// a time of day begins again after 24 hours, and months and days do not move it.
    ///
    /// **Errors**: `InvalidValue` for other values, and beyond the calendar.
    pub fn plus_span(&self, span: Interval) -> Result<Self, Error> {
        let moved = match self {
            Self::Date(days) => {
                let micros = i64::from(*days).checked_mul(DAY_MICROS);
                micros.and_then(|micros| moved(micros, span)).map(Self::Timestamp)
            }
            Self::Timestamp(micros) => moved(*micros, span).map(Self::Timestamp),
            Self::TimestampTz(micros) => moved(*micros, span).map(Self::TimestampTz),
            Self::Time(micros) => {
                let of_day = micros.rem_euclid(DAY_MICROS) + span.micros % DAY_MICROS;
                let sum = of_day.rem_euclid(DAY_MICROS);
                Some(Self::Time(sum))
            }
            _ => None,
        };
        moved.ok_or_else(too_far)
    }

    /// Returns the span from `earlier` to this moment: days and time of timestamps and dates, the
    /// time of two times of day.
    ///
    /// **Errors**: `InvalidValue` for other values, and when they are too far apart.
    pub fn span_since(&self, earlier: &Self) -> Result<Interval, Error> {
        let of_day = matches!((self, earlier), (Self::Time(_), Self::Time(_)));
        let apart = match (self.moment(), earlier.moment()) {
            (Some(later), Some(earlier)) => later.checked_sub(earlier),
            _ => None,
        };
        let span = apart.and_then(|micros| match of_day {
            true => Interval::of(0, 0, micros),
            false => Interval::of(0, micros / DAY_MICROS, micros % DAY_MICROS),
        });
        span.ok_or_else(too_far)
    }

    /// Returns the years, months, days and time from `earlier` to this moment, as `age` counts.
    ///
    /// **Errors**: `InvalidValue` for values that are no dates or timestamps.
    pub fn age_since(&self, earlier: &Self) -> Result<Interval, Error> {
        let (Some(a), Some(b)) = (self.moment(), earlier.moment()) else { return Err(too_far()) };
        let (late, early) = (a.max(b), a.min(b));
        let (late_day, early_day) = (late.div_euclid(DAY_MICROS), early.div_euclid(DAY_MICROS));
        let mut micros = late.rem_euclid(DAY_MICROS) - early.rem_euclid(DAY_MICROS);
        let (late_year, late_month, day) = date_of(late_day);
        let (early_year, early_month, early_of_month) = date_of(early_day);
        let mut days = i64::from(day) - i64::from(early_of_month);
        let mut months = (late_year - early_year) * 12 + i64::from(late_month);
        months -= i64::from(early_month);
        if micros < 0 {
            (days, micros) = (days - 1, micros + DAY_MICROS);
        }
        while days < 0 {
            // What is borrowed is a month as long as the earlier moment's.
            days += i64::from(month_days(early_year, early_month));
            months -= 1;
        }
        let span = Interval::of(months, days, micros);
        let span = if a < b { span.and_then(Interval::negated) } else { span };
        span.ok_or_else(too_far)
    }

    /// Returns a date so many days later.
    ///
    /// **Errors**: `InvalidValue` for a value that is no date, and beyond the calendar.
    pub fn plus_days(&self, days: i64) -> Result<Self, Error> {
        let Self::Date(from) = self else { return Err(too_far()) };
        let sum = i64::from(*from).checked_add(days).and_then(|sum| i32::try_from(sum).ok());
        sum.map(Self::Date).ok_or_else(too_far)
    }

    /// Microseconds since 1970, or since midnight.
    fn moment(&self) -> Option<i64> {
        match self {
            Self::Date(days) => i64::from(*days).checked_mul(DAY_MICROS),
            Self::Timestamp(micros) | Self::TimestampTz(micros) | Self::Time(micros) => {
                Some(*micros)
            }
            _ => None,
        }
    }
}

fn moved(micros: i64, span: Interval) -> Option<i64> {
    let mut days = micros.div_euclid(DAY_MICROS);
    if span.months != 0 {
        let (year, month, day) = date_of(days);
        let months = year * 12 + i64::from(month) - 1 + i64::from(span.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
        days = days_of(year, month, day.min(month_days(year, month)))?.into();
    }
    days.checked_add(span.days.into())?
        .checked_mul(DAY_MICROS)?
        .checked_add(micros.rem_euclid(DAY_MICROS))?
        .checked_add(span.micros)
}

fn too_far() -> Error {
    let ty = ColumnType::Timestamp;
    Error::InvalidValue(format!("a date or time out of range for type {ty}"))
}
