//! Which moment does a text give by a template?
//!
//! Fields are read from left to right. A number takes as many digits as its field has, or all there
//! are where no digit can follow it. Blanks and separators match each other, more of them or less,
//! unless the template begins with `FX`. What no field says is the first of its kind: the first of
//! January, midnight.

use pieskieo_shards::value::{date_of, days_of};

use super::moment::{DAYS, Field, MONTHS, Ordinal, Piece, ROMAN, is_separator, pieces};
use super::refusal;
use crate::error::{Error, Result, code};

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Days since 1970.
    pub days: i32,
    /// Microseconds of the day.
    pub micros: i64,
    /// East of UTC.
    pub offset_seconds: i64,
}

/// Reads a text.
///
/// **Errors**: 22007 for a text that does not fit, 22008 for a day or time there is not.
pub fn read(text: &str, template: &str) -> Result<Read> {
    let pieces = pieces(template);
    let mut reader =
        Reader { text, rest: text, skipped: 0, fixed: false, fields: Fields::default() };
    for (at, piece) in pieces.iter().enumerate() {
        if reader.rest.is_empty() {
            break;
        }
        reader.piece(piece, at == 0, next_is_no_digit(&pieces, at))?;
    }
    reader.fields.resolve().map_err(|wrong| match wrong {
        Wrong::Error(error) => *error,
        Wrong::Range => refusal(
            code::DATETIME_OVERFLOW,
            format!("date/time field value out of range: \"{text}\""),
        ),
    })
}

/// Returns whether what follows a piece cannot be a digit.
fn next_is_no_digit(pieces: &[Piece], at: usize) -> bool {
    if let Some(Piece::Field { ordinal: Ordinal::Lower | Ordinal::Upper, .. }) = pieces.get(at) {
        return true;
    }
    match pieces.get(at + 1) {
        None => true,
        Some(Piece::Field { field, .. }) => !field.is_digits(),
        Some(Piece::Text(char)) => !char.is_ascii_digit(),
        Some(_) => true,
    }
}

/// The values of the fields; 0 is what was not said.
#[derive(Debug, Default)]
struct Fields {
    hour: i64,
    pm: bool,
    am: bool,
    twelve: bool,
    minute: i64,
    second: i64,
    second_of_day: i64,
    millis: i64,
    micros: i64,
    zone_sign: i64,
    zone_hour: i64,
    zone_minute: i64,
    bc: bool,
    century: i64,
    year: i64,
    year_digits: u8,
    month: i64,
    day: i64,
    day_of_year: i64,
    /// Sunday is 1.
    day_of_week: i64,
    week: i64,
    week_of_month: i64,
    julian: i64,
    iso: bool,
    plain: bool,
}

/// Why fields are no moment.
enum Wrong {
    Error(Box<Error>),
    Range,
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Error(Box::new(error))
    }
}

struct Reader<'t> {
    text: &'t str,
    rest: &'t str,
    /// Characters skipped beyond those of the template.
    skipped: i64,
    fixed: bool,
    fields: Fields,
}

impl Reader<'_> {
    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn skip_blanks(&mut self) {
        while self.rest.starts_with(|char: char| char.is_ascii_whitespace()) {
            self.skip();
            self.skipped += 1;
        }
    }

    fn piece(&mut self, piece: &Piece, first: bool, ends: bool) -> Result<()> {
        let is_field = matches!(piece, Piece::Field { .. });
        let is_fixed = matches!(piece, Piece::Field { field: Field::Fixed, .. });
        if !self.fixed && !is_fixed && (is_field || first) {
            self.skip_blanks();
        }
        match piece {
            Piece::Blank(_) | Piece::Separator(_) if self.fixed => self.skip(),
            Piece::Blank(_) | Piece::Separator(_) => {
                self.skipped -= 1;
                let matches = |char: char| char.is_ascii_whitespace() || is_separator(char);
                if self.rest.starts_with(matches) {
                    self.skip();
                    self.skipped += 1;
                }
            }
            Piece::Text(_) if !self.fixed && self.skipped > 0 => self.skipped -= 1,
            Piece::Text(_) => self.skip(),
            Piece::Field { field, name, fill, ordinal, .. } => {
                self.field(*field, name, *fill || ends)?;
                if *ordinal != Ordinal::None {
                    self.skip();
                    self.skip();
                }
                if !self.fixed {
                    self.skipped = 0;
                    self.skip_blanks();
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: Field, name: &'static str, open: bool) -> Result<()> {
        self.note_calendar(field)?;
        match field {
            Field::Fixed => self.fixed = true,
            Field::Half { .. } => {
                let at = self.word(&["AM", "PM", "A.M.", "P.M."], name)?;
                (self.fields.pm, self.fields.am) = (at % 2 == 1, at % 2 == 0);
                self.fields.twelve = true;
            }
            Field::Era { .. } => {
                self.fields.bc = self.word(&["AD", "BC", "A.D.", "B.C."], name)? % 2 == 1
            }
            Field::MonthName => {
                let month = self.word(&MONTHS, name)? as i64 + 1;
                set(&mut self.fields.month, month, name)?;
            }
            Field::MonthShort => {
                let month = self.word(&MONTHS.map(|month| &month[..3]), name)? as i64 + 1;
                set(&mut self.fields.month, month, name)?;
            }
            Field::RomanMonth => {
                let longest: Vec<&str> = ROMAN.iter().rev().copied().collect();
                let mut found = None;
                for (at, roman) in longest.iter().enumerate() {
                    let longer =
                        found.is_none_or(|other: usize| longest[other].len() < roman.len());
                    if starts_with(self.rest, roman) && longer {
                        found = Some(at);
                    }
                }
                let at = found.ok_or_else(|| self.no_word(name))?;
                self.rest = &self.rest[longest[at].len()..];
                set(&mut self.fields.month, 12 - at as i64, name)?;
            }
            Field::DayName => {
                let day = self.word(&DAYS, name)? as i64 + 1;
                set(&mut self.fields.day_of_week, day, name)?;
            }
            Field::DayShort => {
                let day = self.word(&DAYS.map(|day| &day[..3]), name)? as i64 + 1;
                set(&mut self.fields.day_of_week, day, name)?;
            }
            Field::Zone | Field::Offset => {
                let message = format!("formatting field \"{name}\" is only supported in to_char");
                return Err(refusal(code::FEATURE_NOT_SUPPORTED, message));
            }
            field => self.numbers(field, name, open)?,
        }
        Ok(())
    }

    /// Years of weeks and years of months do not go together.
    fn note_calendar(&mut self, field: Field) -> Result<()> {
        let fields = &mut self.fields;
        match field {
            Field::IsoYear(_) | Field::IsoWeek | Field::DayOfIsoWeek | Field::DayOfIsoYear => {
                fields.iso = true;
            }
            Field::Year(_)
            | Field::YearWithComma
            | Field::Week
            | Field::WeekOfMonth
            | Field::Month
            | Field::MonthName
            | Field::MonthShort
            | Field::RomanMonth
            | Field::DayOfMonth
            | Field::DayOfYear
            | Field::DayOfWeek
            | Field::Century
            | Field::Era { .. }
            | Field::Quarter => fields.plain = true,
            _ => {}
        }
        if fields.iso && fields.plain {
            let message = "invalid combination of date conventions";
            return Err(refusal(code::INVALID_DATETIME, message).with_hint(
                "Do not mix Gregorian and ISO week date conventions in a formatting template.",
            ));
        }
        Ok(())
    }

    /// Fields that are numbers.
    fn numbers(&mut self, field: Field, name: &'static str, open: bool) -> Result<()> {
        if matches!(field, Field::ZoneHour) {
            let sign = self.rest.chars().next().filter(|char| "+- ".contains(*char));
            let skipped_minus = self.skipped > 0 && self.before() == Some('-');
            self.fields.zone_sign = if sign == Some('-') || skipped_minus { -1 } else { 1 };
            if sign.is_some() {
                self.skip();
            }
        }
        if field == Field::YearWithComma {
            return self.year_with_comma(name);
        }
        let width = match field {
            Field::Millisecond | Field::DayOfYear | Field::DayOfIsoYear => 3,
            Field::Microsecond => 6,
            Field::Fraction(count) | Field::Year(count) | Field::IsoYear(count) => count.into(),
            Field::SecondOfDay => name.len(),
            Field::Quarter
            | Field::JulianDay
            | Field::WeekOfMonth
            | Field::DayOfWeek
            | Field::DayOfIsoWeek => 1,
            _ => 2,
        };
        let (value, digits) = self.number(name, width, open)?;
        let fields = &mut self.fields;
        let slot = match field {
            Field::Hour12 | Field::Hour24 => {
                fields.twelve |= field == Field::Hour12;
                &mut fields.hour
            }
            Field::Minute => &mut fields.minute,
            Field::Second => &mut fields.second,
            Field::SecondOfDay => &mut fields.second_of_day,
            Field::Millisecond => {
                fields.millis = value * [100, 10, 1][digits.clamp(1, 3) - 1];
                return Ok(());
            }
            Field::Microsecond | Field::Fraction(_) => {
                fields.micros = value * 10_i64.pow(6 - digits.clamp(1, 6) as u32);
                return Ok(());
            }
            Field::ZoneHour => &mut fields.zone_hour,
            Field::ZoneMinute => {
                fields.zone_sign = if fields.zone_sign == 0 { 1 } else { fields.zone_sign };
                &mut fields.zone_minute
            }
            Field::Century => &mut fields.century,
            Field::Year(count) | Field::IsoYear(count) => {
                let year = if count < 4 && digits < 4 { near_2020(value) } else { value };
                fields.year_digits = count;
                return set(&mut fields.year, year, name);
            }
            Field::Month => &mut fields.month,
            Field::DayOfMonth => &mut fields.day,
            Field::DayOfYear | Field::DayOfIsoYear => &mut fields.day_of_year,
            Field::DayOfWeek => &mut fields.day_of_week,
            Field::DayOfIsoWeek => {
                let day = if value == 7 { 1 } else { value + 1 };
                return set(&mut fields.day_of_week, day, name);
            }
            Field::Week | Field::IsoWeek => &mut fields.week,
            Field::WeekOfMonth => &mut fields.week_of_month,
            Field::JulianDay => &mut fields.julian,
            // Which day of the quarter is meant is not said.
            _ => return Ok(()),
        };
        set(slot, value, name)
    }

    /// The character before the rest.
    fn before(&self) -> Option<char> {
        self.text[..self.text.len() - self.rest.len()].chars().next_back()
    }

    fn year_with_comma(&mut self, name: &'static str) -> Result<()> {
        let bad = || {
            let message = format!("invalid input string for \"{name}\"");
            refusal(code::INVALID_DATETIME, message)
        };
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let thousands = digits(self.rest);
        let behind = self.rest[thousands..].strip_prefix(',').ok_or_else(bad)?;
        let ones = digits(behind).min(3);
        let number = |text: &str| text.parse::<i64>().map_err(|_| bad());
        let year = number(&self.rest[..thousands])?
            .checked_mul(1000)
            .ok_or_else(bad)?
            .saturating_add(number(&behind[..ones])?);
        self.rest = &behind[ones..];
        self.fields.year_digits = 4;
        set(&mut self.fields.year, year, name)
    }

    /// Reads a whole number: of `width` digits, or of as many as there are. Returns it and the
    /// number of its characters.
    fn number(&mut self, name: &'static str, width: usize, open: bool) -> Result<(i64, usize)> {
        let text = self.rest.trim_start_matches(|char: char| char.is_ascii_whitespace());
        let limit = text.char_indices().nth(width).map_or(text.len(), |(at, _)| at);
        let within = if open { text } else { &text[..limit] };
        let sign = usize::from(within.starts_with(['+', '-']));
        let digits = within[sign..].bytes().take_while(u8::is_ascii_digit).count();
        let used = if digits == 0 { 0 } else { sign + digits };
        let shown = &text[..limit];
        if !open {
            let count = shown.chars().count();
            let fixed = "If your source string is not fixed-width, try using the \"FM\" modifier.";
            if count < width {
                let message = format!("source string too short for \"{name}\" formatting field");
                let detail = format!("Field requires {width} characters, but only {count} remain.");
                let error = refusal(code::INVALID_DATETIME, message);
                return Err(error.with_detail(detail).with_hint(fixed));
            }
            if used > 0 && used < width {
                let detail =
                    format!("Field requires {width} characters, but only {used} could be parsed.");
                return Err(bad_value(shown, name).with_detail(detail).with_hint(fixed));
            }
        }
        if used == 0 {
            return Err(bad_value(shown, name).with_detail("Value must be an integer."));
        }
        let value = within[..used].trim_start_matches('+').parse::<i32>().map_err(|_| {
            let message = format!("value for \"{name}\" in source string is out of range");
            let detail = format!("Value must be in the range {} to {}.", i32::MIN, i32::MAX);
            refusal(code::DATETIME_OVERFLOW, message).with_detail(detail)
        })?;
        self.rest = &text[used..];
        Ok((value.into(), used))
    }

    /// Reads one of some words, in whatever case.
    fn word(&mut self, words: &[&str], name: &'static str) -> Result<usize> {
        let found = words.iter().position(|word| starts_with(self.rest, word));
        let at = found.ok_or_else(|| self.no_word(name))?;
        self.rest = &self.rest[words[at].len()..];
        Ok(at)
    }

    fn no_word(&self, name: &'static str) -> Error {
        let shown = self.rest.split(|char: char| char.is_ascii_whitespace()).next();
        let detail = "The given value did not match any of the allowed values for this field.";
        bad_value(shown.unwrap_or_default(), name).with_detail(detail)
    }
}

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(word))
}

fn bad_value(value: &str, name: &str) -> Error {
    refusal(code::INVALID_DATETIME, format!("invalid value \"{value}\" for \"{name}\""))
}

fn set(slot: &mut i64, value: i64, name: &str) -> Result<()> {
    if *slot != 0 && *slot != value {
        let message = format!("conflicting values for \"{name}\" field in formatting string");
        return Err(refusal(code::INVALID_DATETIME, message)
            .with_detail("This value contradicts a previous setting for the same field type."));
    }
    *slot = value;
    Ok(())
}

/// A year of less than four digits is the one nearest to 2020.
fn near_2020(year: i64) -> i64 {
    match year {
        ..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        year => year,
    }
}

impl Fields {
    fn resolve(&self) -> std::result::Result<Read, Wrong> {
        let (days, micros) = (self.date()?, self.time()?);
        let hours = self.zone_hour;
        if !(0..=15).contains(&hours) || !(0..60).contains(&self.zone_minute) {
            return Err(Wrong::Range);
        }
        let offset_seconds = self.zone_sign * (hours * 3600 + self.zone_minute * 60);
        Ok(Read { days, micros, offset_seconds })
    }

    fn time(&self) -> std::result::Result<i64, Wrong> {
        let (mut hour, mut minute, mut second) = (self.hour, self.minute, self.second);
        if self.second_of_day != 0 {
            let of_day = self.second_of_day;
            hour = of_day / 3600;
            minute = if minute == 0 { of_day / 60 % 60 } else { minute };
            second = if second == 0 { of_day % 60 } else { second };
        }
        if self.twelve && self.second_of_day == 0 {
            if !(1..=12).contains(&hour) {
                let message = format!("hour \"{hour}\" is invalid for the 12-hour clock");
                let hint = "Use the 24-hour clock, or give an hour between 1 and 12.";
                return Err(refusal(code::INVALID_DATETIME, message).with_hint(hint).into());
            }
            hour = hour % 12 + if self.pm { 12 } else { 0 };
        }
        let micros = self.millis * 1000 + self.micros;
        let whole = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..1_000_000).contains(&micros);
        if !whole {
            return Err(Wrong::Range);
        }
        Ok(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
    }

    fn year(&self) -> i64 {
        let century = if self.bc { -self.century } else { self.century };
        if self.year != 0 {
            if century != 0 && self.year_digits <= 2 {
                return match (self.year % 100, century < 0) {
                    (0, true) => century * 100 + 1,
                    (0, false) => century * 100,
                    (year, true) => (century + 1) * 100 - year + 1,
                    (year, false) => (century - 1) * 100 + year,
                };
            }
            return if self.bc { 1 - self.year } else { self.year };
        }
        match century {
            0 => 0,
            century if century > 0 => (century - 1) * 100 + 1,
            century => century * 100 + 1,
        }
    }

    fn date(&self) -> std::result::Result<i32, Wrong> {
        let day = |year: i64, month: i64, day: i64| {
            let (Ok(month), Ok(day)) = (u32::try_from(month), u32::try_from(day)) else {
                return Err(Wrong::Range);
            };
            days_of(year, month, day).ok_or(Wrong::Range)
        };
        let narrow = |days: i64| i32::try_from(days).map_err(|_| Wrong::Range);
        let year = self.year();
        let (mut year_of, mut month, mut of_month) = (year, 1, 1);
        if self.julian != 0 {
            let (year, julian_month, julian_day) = date_of(self.julian - 2_440_588);
            (year_of, month, of_month) = (year, julian_month.into(), julian_day.into());
        }
        let monday = |year: i64| -> std::result::Result<i64, Wrong> {
            let fourth = i64::from(day(year, 1, 4)?);
            Ok(fourth - (fourth + 3).rem_euclid(7))
        };
        let mut day_of_year = self.day_of_year;
        if self.week != 0 {
            if self.iso {
                let of_week = if self.day_of_week == 0 { 0 } else { (self.day_of_week + 5) % 7 };
                let first = monday(year)?;
                return narrow(first + (self.week - 1) * 7 + of_week);
            }
            day_of_year = (self.week - 1) * 7 + 1;
        }
        if self.week_of_month != 0 {
            of_month = (self.week_of_month - 1) * 7 + 1;
        }
        of_month = if self.day != 0 { self.day } else { of_month };
        month = if self.month != 0 { self.month } else { month };
        if day_of_year != 0 && (month <= 1 || of_month <= 1) {
            if year_of == 0 && !self.bc {
                let message = "cannot calculate day of year without year information";
                return Err(refusal(code::INVALID_DATETIME, message).into());
            }
            if self.iso {
                return narrow(monday(year)? + day_of_year - 1);
            }
            let first = i64::from(day(year_of, 1, 1)?);
            let last = i64::from(day(year_of, 12, 31)?);
            let found = first + day_of_year - 1;
            return if (first..=last).contains(&found) { narrow(found) } else { Err(Wrong::Range) };
        }
        // Nothing said which year: the first one before the era, as PostgreSQL counts it.
        day(year_of, month, of_month)
    }
}
