//! Which texts are made of others, where DataFusion has no function or another one?

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::error::DataFusionError;
use pieskieo_shards::value::{ColumnType, Value};

use super::function::{Arity, Call, Function, Kind};
use super::keyword::is_keyword;
use crate::error::{Code, Error, code};
use crate::exec::here::external;
use crate::result::column_type;

/// Largest text a call makes, and the largest width of `format`.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The function that does [`like_escaped`] for a pattern that is computed.
pub const LIKE_ESCAPED: &str = "__like_escaped";

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    use Kind::{Any, Text, Whole};
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    vec![
        Function::new("format", Arity::Some, text, format),
        Function::taking(LIKE_ESCAPED, &[&[Text, Text]], text, |call| {
            call.each(|args| {
                let sign = as_text(&args[1])?.chars().next();
                Ok(Value::Text(like_escaped(as_text(&args[0])?, sign).as_str().into()))
            })
        }),
        Function::taking("quote_ident", &[&[Text]], text, |call| {
            call.each(|args| Ok(Value::Text(quoted_name(as_text(&args[0])?).into())))
        }),
        Function::taking("quote_literal", &[&[Any]], text, |call| {
            let ty = column_type(call.args[0].data_type());
            call.each(|args| Ok(Value::Text(quoted(&shown(&args[0], ty.as_ref())).into())))
        }),
        Function::taking("quote_nullable", &[&[Any]], text, |call| {
            let ty = column_type(call.args[0].data_type());
            call.each_row(|args| match &args[0] {
                Value::Null => Ok(Value::Text("NULL".into())),
                value => Ok(Value::Text(quoted(&shown(value, ty.as_ref())).into())),
            })
        }),
        Function::taking("unistr", &[&[Text]], text, |call| {
            call.each(|args| unistr(as_text(&args[0])?).map(|text| Value::Text(text.into())))
        }),
        Function::taking("parse_ident", &[&[Text]], texts_type, |call| {
            call.each(|args| parse_ident(as_text(&args[0])?))
        }),
        Function::taking("chr", &[&[Whole]], text, |call| call.each(|args| chr(&args[0]))),
        Function::taking("to_hex", &[&[Whole]], text, |call| {
            let narrow = matches!(call.args[0].data_type(), DataType::Int32 | DataType::Int16);
            call.each(|args| match &args[0] {
                Value::BigInt(number) if narrow => hex(u64::from(*number as u32)),
                Value::BigInt(number) => hex(*number as u64),
                _ => plan_err!("no function matches: to_hex() wants a whole number"),
            })
        }),
        Function::taking("split_part", &[&[Text, Text, Whole]], text, |call| {
            call.each(|args| split_part(as_text(&args[0])?, as_text(&args[1])?, &args[2]))
        }),
        Function::taking(
            "string_to_array",
            &[&[Text, Text], &[Text, Text, Text]],
            texts_type,
            |call| call.each_row(string_to_array),
        ),
        Function::new("num_nulls", Arity::Some, |_| Ok(DataType::Int32), |call| nulls(call, true)),
        Function::new(
            "num_nonnulls",
            Arity::Some,
            |_| Ok(DataType::Int32),
            |call| nulls(call, false),
        ),
    ]
}

fn texts_type(_types: &[DataType]) -> Result<DataType> {
    Ok(ColumnType::Array(Arc::new(ColumnType::Text)).arrow())
}

/// Returns the error of a function's argument.
pub fn refused(code: &'static Code, message: impl Into<String>) -> DataFusionError {
    external(Error::new(code, message.into()))
}

/// Returns the text of a value that is one.
///
/// **Errors**: 42883 for other values.
pub fn as_text(value: &Value) -> Result<&str> {
    match value {
        Value::Text(text) => Ok(text),
        _ => plan_err!("no function matches: a text is wanted"),
    }
}

/// Returns the number of a value that is a whole one.
///
/// **Errors**: 42883 for other values.
pub fn as_whole(value: &Value) -> Result<i64> {
    match value {
        Value::SmallInt(number) => Ok((*number).into()),
        Value::Int(number) => Ok((*number).into()),
        Value::BigInt(number) => Ok(*number),
        _ => plan_err!("no function matches: a whole number is wanted"),
    }
}

fn shown(value: &Value, ty: Option<&ColumnType>) -> String {
    match (value, ty) {
        (Value::Text(text), _) => text.to_string(),
        (value, Some(ty)) => value.render(ty),
        _ => String::new(),
    }
}

fn hex(number: u64) -> Result<Value> {
    Ok(Value::Text(format!("{number:x}").into()))
}

/// A name as a statement would have to write it.
fn quoted_name(name: &str) -> String {
    let plain = name.starts_with(|char: char| char.is_ascii_lowercase() || char == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match plain && !is_keyword(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A text as a statement would have to write it.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!("E'{}'", escaped.replace('\\', "\\\\")),
        false => format!("'{escaped}'"),
    }
}

fn nulls(call: &Call, wanted: bool) -> Result<datafusion::arrow::array::ArrayRef> {
    let count = |row: usize| {
        (0..call.args.len()).filter(|arg| call.is_null(*arg, row) == wanted).count() as i32
    };
    let counts: datafusion::arrow::array::Int32Array =
        (0..call.rows).map(|row| Some(count(row))).collect();
    Ok(Arc::new(counts))
}

fn chr(value: &Value) -> Result<Value> {
    let number = as_whole(value)?;
    if number == 0 {
        return Err(refused(code::PROGRAM_LIMIT, "null character not permitted"));
    }
    if number < 0 {
        return Err(refused(code::PROGRAM_LIMIT, "character number must be positive"));
    }
    let char = u32::try_from(number).ok().and_then(char::from_u32);
    let char = char.ok_or_else(|| {
        let message = format!("requested character not valid for encoding: {number}");
        refused(code::PROGRAM_LIMIT, message)
    })?;
    Ok(Value::Text(char.to_string().into()))
}

fn split_part(text: &str, delimiter: &str, place: &Value) -> Result<Value> {
    let place = as_whole(place)?;
    if place == 0 {
        let message = "field position must not be zero";
        return Err(refused(code::INVALID_PARAMETER_VALUE, message));
    }
    let at = usize::try_from(place.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let part = match (delimiter.is_empty(), place > 0) {
        (true, _) => (at == 0).then_some(text),
        (false, true) => text.split(delimiter).nth(at),
        (false, false) => text.rsplit(delimiter).nth(at),
    };
    Ok(Value::Text(part.unwrap_or_default().into()))
}

fn string_to_array(args: &[Value]) -> Result<Value> {
    let [Value::Text(text), delimiter, rest @ ..] = args else { return Ok(Value::Null) };
    let none = match rest {
        [Value::Text(none)] => Some(none),
        _ => None,
    };
    let item = |part: &str| match none {
        Some(none) if part == &**none => Value::Null,
        _ => Value::Text(part.into()),
    };
    let items: Vec<Value> = match delimiter {
        _ if text.is_empty() => Vec::new(),
        Value::Text(delimiter) if delimiter.is_empty() => vec![item(text)],
        Value::Text(delimiter) => text.split(&**delimiter).map(item).collect(),
        _ => text.chars().map(|char| item(char.encode_utf8(&mut [0; 4]))).collect(),
    };
    Ok(Value::Array(items.into()))
}

/// Reads `\0061`, `\+000061`, `\u0061`, `\U00000061` and `\\`.
fn unistr(text: &str) -> Result<String> {
    let wrong = || {
        external(
            Error::new(code::SYNTAX_ERROR, "invalid Unicode escape")
                .with_hint("Unicode escapes must be \\0061, \\+000061, \\u0061, or \\U00000061."),
        )
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut high: Option<u32> = None;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('\\') {
            out.push('\\');
            rest = behind;
            continue;
        }
        let (prefix, digits) = match rest.chars().next() {
            Some('u') => (1, 4),
            Some('U') => (1, 8),
            Some('+') => (1, 6),
            _ => (0, 4),
        };
        let written = rest.get(prefix..prefix + digits).ok_or_else(wrong)?;
        if !written.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let number = u32::from_str_radix(written, 16).map_err(|_| wrong())?;
        rest = &rest[prefix + digits..];
        match (high.take(), number) {
            (Some(high), 0xDC00..=0xDFFF) => {
                let joined = 0x10000 + ((high - 0xD800) << 10) + (number - 0xDC00);
                out.push(char::from_u32(joined).ok_or_else(wrong)?);
            }
            (None, 0xD800..=0xDBFF) if rest.starts_with('\\') => high = Some(number),
            (None, number) => out.push(char::from_u32(number).ok_or_else(wrong)?),
            (Some(_), _) => return Err(wrong()),
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Takes `a."B c".d` apart.
/// Writes a pattern of LIKE in which `sign` escapes with the backslash, the planner's own sign.
pub fn like_escaped(pattern: &str, sign: Option<char>) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if Some(letter) == sign => {
                out.push('\\');
                out.extend(letters.next());
            }
            '\\' => out.push_str("\\\\"),
            letter => out.push(letter),
        }
    }
    out
}

fn parse_ident(text: &str) -> Result<Value> {
    let wrong = |why: &str| {
        let message = format!("string is not a valid identifier: \"{text}\"");
        external(Error::new(code::INVALID_PARAMETER_VALUE, message).with_detail(why))
    };
    let mut names = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let name = if let Some(inside) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut chars = inside.char_indices().peekable();
            let end = loop {
                match chars.next() {
                    Some((at, '"')) => match chars.peek() {
                        Some((_, '"')) => {
                            chars.next();
                            name.push('"');
                        }
                        _ => break at,
                    },
                    Some((_, char)) => name.push(char),
                    None => return Err(wrong("String has unclosed double quotes.")),
                }
            };
            if name.is_empty() {
                return Err(wrong("Quoted identifier must not be empty."));
            }
            rest = &inside[end + 1..];
            name
        } else {
            let is_part = |char: char| char.is_alphanumeric() || char == '_' || char == '$';
            let end = rest.find(|char: char| !is_part(char)).unwrap_or(rest.len());
            let name = &rest[..end];
            if name.is_empty()
                || name.starts_with(|char: char| char.is_ascii_digit() || char == '$')
            {
                return Err(wrong("No valid identifier."));
            }
            rest = &rest[end..];
            name.to_lowercase()
        };
        names.push(Value::Text(name.into()));
        rest = rest.trim_start();
        match rest.strip_prefix('.') {
            Some(behind) => rest = behind.trim_start(),
            None if rest.is_empty() => return Ok(Value::Array(names.into())),
            None => return Err(wrong("There is something behind the last name.")),
        }
    }
}

/// One `%…` of a format.
#[derive(Default)]
struct Specifier {
    /// The number of the argument, from 1.
    place: Option<usize>,
    left: bool,
    width: Option<Width>,
    kind: char,
}

enum Width {
    Of(usize),
    /// That of an argument: the one with this number, or the next.
    Argument(Option<usize>),
}

fn format(call: &Call) -> Result<datafusion::arrow::array::ArrayRef> {
    let types: Vec<Option<ColumnType>> =
        call.args.iter().map(|array| column_type(array.data_type())).collect();
    call.each_row(|args| match &args[0] {
        Value::Null => Ok(Value::Null),
        template => {
            formatted(as_text(template)?, args, &types).map(|text| Value::Text(text.into()))
        }
    })
}

fn formatted(template: &str, args: &[Value], types: &[Option<ColumnType>]) -> Result<String> {
    let mut out = String::new();
    let mut rest = template;
    // The argument that is next; the template is argument 0.
    let mut next = 1;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let specifier;
        (specifier, rest) = read_specifier(rest)?;
        let mut left = specifier.left;
        let width = match specifier.width {
            None => 0,
            Some(Width::Of(width)) => width,
            Some(Width::Argument(place)) => {
                let place = place.unwrap_or(next);
                next = place + 1;
                let width = match argument(args, place)? {
                    Value::Null => 0,
                    value => as_whole(value)?,
                };
                left |= width < 0;
                usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX)
            }
        };
        let place = specifier.place.unwrap_or(next);
        next = place + 1;
        let value = argument(args, place)?;
        let text = match (specifier.kind, value) {
            ('s', Value::Null) => String::new(),
            ('L', Value::Null) => "NULL".to_owned(),
            ('I', Value::Null) => {
                let message = "null values cannot be formatted as an SQL identifier";
                return Err(refused(code::NULL_NOT_ALLOWED, message));
            }
            (kind, value) => {
                let text = match value {
                    Value::Bool(true) => "t".to_owned(),
                    Value::Bool(false) => "f".to_owned(),
                    value => shown(value, types[place].as_ref()),
                };
                match kind {
                    'I' => quoted_name(&text),
                    'L' => quoted(&text),
                    _ => text,
                }
            }
        };
        let missing = width.saturating_sub(text.chars().count());
        if missing > TEXT_BYTES_MAX || out.len() + text.len() + missing > TEXT_BYTES_MAX {
            return Err(refused(code::PROGRAM_LIMIT, "a text of more than 64 MiB"));
        }
        let blanks = " ".repeat(missing);
        let parts = if left { [text, blanks] } else { [blanks, text] };
        parts.iter().for_each(|part| out.push_str(part));
    }
    out.push_str(rest);
    Ok(out)
}

fn argument(args: &[Value], place: usize) -> Result<&Value> {
    match (place, args.get(place)) {
        (0, _) => {
            let message = "format specifies argument 0, but arguments are numbered from 1";
            Err(refused(code::INVALID_PARAMETER_VALUE, message))
        }
        (_, Some(value)) => Ok(value),
        _ => Err(refused(code::INVALID_PARAMETER_VALUE, "too few arguments for format()")),
    }
}

/// Reads what follows a `%`; returns also the rest.
fn read_specifier(text: &str) -> Result<(Specifier, &str)> {
    let mut out = Specifier::default();
    let mut rest = text;
    if let (Some(number), behind) = number(rest)? {
        match behind.strip_prefix('$') {
            Some(behind) => (out.place, rest) = (Some(number), behind),
            None => (out.width, rest) = (Some(Width::Of(number)), behind),
        }
    }
    while let Some(behind) = rest.strip_prefix('-').filter(|_| out.width.is_none()) {
        (out.left, rest) = (true, behind);
    }
    if let Some(behind) = rest.strip_prefix('*') {
        let (place, after) = number(behind)?;
        match place {
            None => (out.width, rest) = (Some(Width::Argument(None)), behind),
            Some(place) => match after.strip_prefix('$') {
                Some(after) => (out.width, rest) = (Some(Width::Argument(Some(place))), after),
                None => {
                    let message = "width argument position must be ended by \"$\"";
                    return Err(refused(code::INVALID_PARAMETER_VALUE, message));
                }
            },
        }
    } else if let (Some(number), behind) = number(rest)? {
        (out.width, rest) = (Some(Width::Of(number)), behind);
    }
    let hint = "For a single \"%\" use \"%%\".";
    let refused = |message: String| {
        external(Error::new(code::INVALID_PARAMETER_VALUE, message).with_hint(hint))
    };
    let Some(kind) = rest.chars().next() else {
        return Err(refused("unterminated format() type specifier".to_owned()));
    };
    if !matches!(kind, 's' | 'I' | 'L') {
        return Err(refused(format!("unrecognized format() type specifier \"{kind}\"")));
    }
    out.kind = kind;
    Ok((out, &rest[1..]))
}

fn number(text: &str) -> Result<(Option<usize>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((None, text));
    }
    match text[..digits].parse::<u32>() {
        Ok(number) => Ok((Some(number as usize), &text[digits..])),
        Err(_) => Err(refused(code::NUMERIC_OUT_OF_RANGE, "number is out of range")),
    }
}
