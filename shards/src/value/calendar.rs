//! Which day and time is a number, and how is it written?
//!
//! Proleptic Gregorian calendar, days and microseconds since 1970-01-01, years 1 to 294,276 as
//! far as they fit. The conversions are the era-based ones of H. Hinnant, "chrono-compatible
//! low-level date algorithms": 400-year eras of 146,097 days that start on 1 March.

use std::fmt::Write;

/// Microseconds of a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;
const YEAR_MAX: i64 = 294_276;

/// Returns the days since 1970-01-01 of a date, `None` when there is no such date.
pub fn days_of(year: i64, month: u32, day: u32) -> Option<i32> {
    if !(1..=YEAR_MAX).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    if day < 1 || day > month_days(year, month) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

/// Returns year, month and day.
pub fn date_of(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day)
}

/// Reads `2024-01-31`, and a timestamp whose time of day is dropped.
pub(super) fn parse_date(text: &str) -> Option<i32> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("epoch") {
        return Some(0);
    }
    let (days, rest) = scan_date(text)?;
    if !rest.is_empty() {
        scan_time(rest)?;
    }
    Some(days)
}

/// Reads `2024-01-31 12:34:56.789`, with `T` or spaces between, the time optional. Returns the
/// microseconds of the wall clock and the offset of the zone in seconds, if one is given.
pub(super) fn parse_timestamp(text: &str) -> Option<(i64, Option<i64>)> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("epoch") {
        return Some((0, Some(0)));
    }
    let (days, rest) = scan_date(text)?;
    let (micros, zone) = if rest.is_empty() { (0, None) } else { scan_time(rest)? };
    let at = i64::from(days).checked_mul(DAY_MICROS)?.checked_add(micros)?;
    Some((at, zone))
}

/// Appends `2024-01-31`.
pub(super) fn write_date(out: &mut String, days: i64) {
    let (year, month, day) = date_of(days);
    // Years before 1 are counted backwards: year 0 is 1 BC.
    let shown = if year > 0 { year } else { 1 - year };
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
    if year <= 0 {
        out.push_str(" BC");
    }
}

/// Reads a time of day such as `12:34`, `04:05:06.789`, up to `24:00`. Returns microseconds.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    match scan_time(text.trim())? {
        (micros, None) => (micros <= DAY_MICROS).then_some(micros),
        (_, Some(_)) => None,
    }
}

/// Appends `12:34:56.789` with as many hours as it takes, without trailing zeros in the fraction.
pub(super) fn write_clock(out: &mut String, micros: u64) {
    let seconds = micros / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
    let fraction = micros % 1_000_000;
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

/// Appends `2024-01-31 12:34:56.789`, without trailing zeros in the fraction.
pub(super) fn write_timestamp(out: &mut String, micros: i64) {
    write_date(out, micros.div_euclid(DAY_MICROS));
    out.push(' ');
    write_clock(out, micros.rem_euclid(DAY_MICROS).unsigned_abs());
}

/// Returns the days of a month.
pub(super) fn month_days(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads a date at the start; the rest begins after the blanks or the `T` that follow it.
fn scan_date(text: &str) -> Option<(i32, &str)> {
    let (year, rest) = scan_number(text, 4, 6)?;
    let (month, rest) = scan_number(rest.strip_prefix('-')?, 1, 2)?;
    let (day, rest) = scan_number(rest.strip_prefix('-')?, 1, 2)?;
    let days = days_of(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    let after = rest.trim_start_matches([' ', 'T', 't']);
    (rest.is_empty() || after.len() < rest.len()).then_some((days, after))
}

/// Reads a time of day with an optional zone, to the end of the text.
fn scan_time(text: &str) -> Option<(i64, Option<i64>)> {
    let (hour, rest) = scan_number(text, 1, 2)?;
    let (minute, mut rest) = scan_number(rest.strip_prefix(':')?, 2, 2)?;
    let (mut second, mut fraction) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        (second, rest) = scan_number(after, 2, 2)?;
        if let Some(after) = rest.strip_prefix('.') {
            (fraction, rest) = scan_fraction(after)?;
        }
    }
    let is_midnight_end = hour == 24 && minute == 0 && second == 0 && fraction == 0;
    if (hour > 23 && !is_midnight_end) || minute > 59 || second > 60 {
        return None;
    }
    let micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction;
    Some((micros, scan_zone(rest.trim())?))
}

/// Reads the digits after the point as microseconds, rounding further digits.
fn scan_fraction(text: &str) -> Option<(i64, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(count);
    let mut micros = 0;
    for place in 0..6 {
        let digit = digits.as_bytes().get(place).map_or(0, |&byte| i64::from(byte - b'0'));
        micros = micros * 10 + digit;
    }
    let rounds_up = digits.as_bytes().get(6).is_some_and(|&byte| byte >= b'5');
    (count > 0).then_some((micros + i64::from(rounds_up), rest))
}

/// Reads `Z`, `UTC`, `+02`, `+0230`, `+02:30`, `-02:30:15` or nothing.
fn scan_zone(text: &str) -> Option<Option<i64>> {
    if text.is_empty() {
        return Some(None);
    }
    if ["z", "utc", "gmt"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(Some(0));
    }
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hour, mut rest) = scan_number(&text[1..], 1, 2)?;
    let mut seconds = hour * 3600;
    for unit in [60, 1] {
        if rest.is_empty() {
            break;
        }
        let (part, after) = scan_number(rest.strip_prefix(':').unwrap_or(rest), 2, 2)?;
        if part > 59 {
            return None;
        }
        seconds += part * unit;
        rest = after;
    }
    (rest.is_empty() && seconds < 16 * 3600).then_some(Some(sign * seconds))
}

fn scan_number(text: &str, digits_min: usize, digits_max: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
    if count < digits_min {
        return None;
    }
    let (digits, rest) = text.split_at(count);
    Some((digits.parse().ok()?, rest))
}
