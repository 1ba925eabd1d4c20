//! Which fields does a template of dates and times have?

/// A field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `AM`, `a.m.`: the half of the day, with dots or without.
    Half {
        /// `a.m.` rather than `am`.
        dots: bool,
    },
    /// `BC`, `a.d.`: the era.
    Era {
        /// `a.d.` rather than `ad`.
        dots: bool,
    },
    /// `CC`.
    Century,
    /// `DAY`, `Day`.
    DayName,
    /// `DY`, `Dy`.
    DayShort,
    /// `DDD`.
    DayOfYear,
    /// `IDDD`.
    DayOfIsoYear,
    /// `DD`.
    DayOfMonth,
    /// `D`: Sunday is 1.
    DayOfWeek,
    /// `ID`: Monday is 1.
    DayOfIsoWeek,
    /// `FF1` to `FF6`: so many digits of the fraction of a second.
    Fraction(u8),
    /// `FX`: blanks count.
    Fixed,
    /// `HH24`.
    Hour24,
    /// `HH`, `HH12`.
    Hour12,
    /// `IW`.
    IsoWeek,
    /// `IYYY`, `IYY`, `IY`, `I`: so many digits.
    IsoYear(u8),
    /// `J`.
    JulianDay,
    /// `MI`.
    Minute,
    /// `MM`.
    Month,
    /// `MONTH`.
    MonthName,
    /// `MON`.
    MonthShort,
    /// `MS`.
    Millisecond,
    /// `OF`.
    Offset,
    /// `Q`.
    Quarter,
    /// `RM`.
    RomanMonth,
    /// `SSSS`, `SSSSS`.
    SecondOfDay,
    /// `SS`.
    Second,
    /// `TZ`.
    Zone,
    /// `TZH`.
    ZoneHour,
    /// `TZM`.
    ZoneMinute,
    /// `US`.
    Microsecond,
    /// `WW`.
    Week,
    /// `W`.
    WeekOfMonth,
    /// `Y,YYY`.
    YearWithComma,
    /// `YYYY`, `YYY`, `YY`, `Y`: so many digits.
    Year(u8),
}

/// How the letters of a field are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `MONTH`.
    Upper,
    /// `Month`.
    Title,
    /// `month`.
    Lower,
}

/// The ending of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordinal {
    None,
    /// `th`.
    Lower,
    /// `TH`.
    Upper,
}

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A field, as it is written, without prefix and suffix.
    Field { field: Field, name: &'static str, case: Case, fill: bool, ordinal: Ordinal },
    /// A blank.
    Blank(char),
    /// Another sign between fields.
    Separator(char),
    /// A letter or digit, or whatever was in quotes.
    Text(char),
}

/// Fields by name, longer names before those they begin with. Names in lower case are the same
/// fields; of `Day`, `Dy`, `Month` and `Mon` there are three forms.
const FIELDS: &[(&str, Field)] = &[
    ("A.D.", Field::Era { dots: true }),
    ("A.M.", Field::Half { dots: true }),
    ("AD", Field::Era { dots: false }),
    ("AM", Field::Half { dots: false }),
    ("B.C.", Field::Era { dots: true }),
    ("BC", Field::Era { dots: false }),
    ("CC", Field::Century),
    ("DAY", Field::DayName),
    ("DDD", Field::DayOfYear),
    ("DD", Field::DayOfMonth),
    ("DY", Field::DayShort),
    ("D", Field::DayOfWeek),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("FX", Field::Fixed),
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("HH", Field::Hour12),
    ("IDDD", Field::DayOfIsoYear),
    ("ID", Field::DayOfIsoWeek),
    ("IW", Field::IsoWeek),
    ("IYYY", Field::IsoYear(4)),
    ("IYY", Field::IsoYear(3)),
    ("IY", Field::IsoYear(2)),
    ("I", Field::IsoYear(1)),
    ("J", Field::JulianDay),
    ("MI", Field::Minute),
    ("MM", Field::Month),
    ("MONTH", Field::MonthName),
    ("MON", Field::MonthShort),
    ("MS", Field::Millisecond),
    ("OF", Field::Offset),
    ("P.M.", Field::Half { dots: true }),
    ("PM", Field::Half { dots: false }),
    ("Q", Field::Quarter),
    ("RM", Field::RomanMonth),
    ("SSSSS", Field::SecondOfDay),
    ("SSSS", Field::SecondOfDay),
    ("SS", Field::Second),
    ("TZH", Field::ZoneHour),
    ("TZM", Field::ZoneMinute),
    ("TZ", Field::Zone),
    ("US", Field::Microsecond),
    ("WW", Field::Week),
    ("W", Field::WeekOfMonth),
    ("Y,YYY", Field::YearWithComma),
    ("YYYY", Field::Year(4)),
    ("YYY", Field::Year(3)),
    ("YY", Field::Year(2)),
    ("Y", Field::Year(1)),
];

/// The forms of names whose first letter alone is large.
const TITLES: &[(&str, &str)] = &[("Month", "MONTH"), ("Mon", "MON"), ("Day", "DAY"), ("Dy", "DY")];

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub const ROMAN: [&str; 12] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

impl Field {
    /// Returns whether a field is read as digits: the one before it then has a fixed width.
    pub fn is_digits(self) -> bool {
        !matches!(
            self,
            Self::Half { .. }
                | Self::Era { .. }
                | Self::DayName
                | Self::DayShort
                | Self::Fixed
                | Self::MonthName
                | Self::MonthShort
                | Self::Offset
                | Self::RomanMonth
                | Self::Zone
                | Self::ZoneHour
        )
    }
}

/// Takes a template apart. There is no template that cannot be read: what is no field is text.
pub fn pieces(template: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(char) = rest.chars().next() {
        if let Some((piece, behind)) = field(rest) {
            out.push(piece);
            rest = behind;
            continue;
        }
        rest = &rest[char.len_utf8()..];
        match char {
            '"' => rest = quoted(rest, &mut out),
            '\\' if rest.starts_with('"') => {
                out.push(Piece::Text('"'));
                rest = &rest[1..];
            }
            char if char.is_ascii_whitespace() => out.push(Piece::Blank(char)),
            char if is_separator(char) => out.push(Piece::Separator(char)),
            char => out.push(Piece::Text(char)),
        }
    }
    out
}

/// Returns whether a character separates fields.
pub fn is_separator(char: char) -> bool {
    char.is_ascii_graphic() && !char.is_ascii_alphanumeric()
}

/// Reads a field with its prefixes and suffixes; returns what follows it.
fn field(text: &str) -> Option<(Piece, &str)> {
    let mut rest = text;
    let mut fill = false;
    // `FM` and `TM` stand before a field. The names are English anyway.
    while let Some(behind) = ["FM", "fm", "TM", "tm"].iter().find_map(|p| rest.strip_prefix(p)) {
        fill = true;
        rest = behind;
    }
    let (name, field, case) = named(rest)?;
    rest = &rest[name.len()..];
    let (ordinal, behind) = match (rest.strip_prefix("TH"), rest.strip_prefix("th")) {
        (Some(behind), _) => (Ordinal::Upper, behind),
        (_, Some(behind)) => (Ordinal::Lower, behind),
        _ => (Ordinal::None, rest),
    };
    let behind = ["SP", "sp"].iter().find_map(|suffix| behind.strip_prefix(suffix));
    let behind = behind.unwrap_or_else(|| match ordinal {
        Ordinal::None => rest,
        _ => &rest[2..],
    });
    Some((Piece::Field { field, name, case, fill, ordinal }, behind))
}

fn named(text: &str) -> Option<(&'static str, Field, Case)> {
    let title = TITLES.iter().find(|(title, _)| text.starts_with(title));
    if let Some((_, name)) = title {
        let (name, field) = FIELDS.iter().find(|(field, _)| field == name)?;
        return Some((name, *field, Case::Title));
    }
    FIELDS.iter().find_map(|(name, field)| {
        let begins = text.get(..name.len())?;
        let lower = name.chars().zip(begins.chars()).all(|(a, b)| a.to_ascii_lowercase() == b);
        match (begins == *name, lower) {
            (true, _) => Some((*name, *field, Case::Upper)),
            (_, true) => Some((*name, *field, Case::Lower)),
            _ => None,
        }
    })
}

/// Reads text in quotes, in which a backslash stands before what is meant as it is.
fn quoted<'t>(text: &'t str, out: &mut Vec<Piece>) -> &'t str {
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return &text[at + 1..],
            '\\' => out.extend(chars.next().map(|(_, char)| Piece::Text(char))),
            char => out.push(Piece::Text(char)),
        }
    }
    ""
}
