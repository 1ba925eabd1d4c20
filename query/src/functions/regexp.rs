//! What do PostgreSQL's functions of regular expressions find?
//!
//! The expressions are those of the `regex` crate, after what PostgreSQL writes otherwise has been
//! translated: `\y`, `\m`, `\M`, `\A`, `\Z`, and `.`, which finds line ends too. References back and
//! looking around are refused: they cannot be found in time linear in the text. Of alternatives the
//! first that fits is taken, not the longest.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use pieskieo_shards::value::{ColumnType, Value};
use regex::{Regex, RegexBuilder};

use super::function::{Call, Function, Kind};
use super::string::{as_text, as_whole, refused};
use crate::error::code;

/// Name of the function that gives the list of all matches.
pub const MATCHES_LIST: &str = "regexp_matches_list";

/// Bytes that a compiled expression may have.
const SIZE_MAX: usize = 4 * 1024 * 1024;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    use Kind::{Text, Whole};
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    let int = |_: &[DataType]| Ok(DataType::Int32);
    vec![
        Function::taking(
            "regexp_like",
            &[&[Text, Text], &[Text, Text, Text]],
            |_| Ok(DataType::Boolean),
            |call| {
                each(
                    call,
                    1,
                    |args| flags(args, 2),
                    |regex, _, args| Ok(Value::Bool(regex.is_match(as_text(&args[0])?))),
                )
            },
        ),
        Function::taking(
            "regexp_count",
            &[&[Text, Text], &[Text, Text, Whole], &[Text, Text, Whole, Text]],
            int,
            |call| each(call, 1, |args| flags(args, 3), |regex, _, args| count(regex, args)),
        ),
        Function::taking(
            "regexp_instr",
            &[
                &[Text, Text],
                &[Text, Text, Whole],
                &[Text, Text, Whole, Whole],
                &[Text, Text, Whole, Whole, Whole],
                &[Text, Text, Whole, Whole, Whole, Text],
                &[Text, Text, Whole, Whole, Whole, Text, Whole],
            ],
            int,
            |call| each(call, 1, |args| flags(args, 5), |regex, _, args| instr(regex, args)),
        ),
        Function::taking(
            "regexp_substr",
            &[
                &[Text, Text],
                &[Text, Text, Whole],
                &[Text, Text, Whole, Whole],
                &[Text, Text, Whole, Whole, Text],
                &[Text, Text, Whole, Whole, Text, Whole],
            ],
            text,
            |call| each(call, 1, |args| flags(args, 4), |regex, _, args| substr(regex, args)),
        ),
    ]
    .into_iter()
    .chain(that_make())
    .collect()
}

/// The functions that make texts and arrays.
fn that_make() -> Vec<Function> {
    use Kind::{Text, Whole};
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    vec![
        Function::taking(
            "regexp_replace",
            &[
                &[Text, Text, Text],
                &[Text, Text, Text, Text],
                &[Text, Text, Text, Whole],
                &[Text, Text, Text, Whole, Whole],
                &[Text, Text, Text, Whole, Whole, Text],
            ],
            text,
            |call| each(call, 1, |args| flags(args, if args.len() == 4 { 3 } else { 5 }), replace),
        ),
        Function::taking(
            "regexp_match",
            &[&[Text, Text], &[Text, Text, Text]],
            texts_type,
            |call| each(call, 1, |args| flags(args, 2), first_match),
        ),
        Function::taking(
            "regexp_split_to_array",
            &[&[Text, Text], &[Text, Text, Text]],
            texts_type,
            |call| each(call, 1, |args| flags(args, 2), split),
        ),
        Function::taking(
            MATCHES_LIST,
            &[&[Text, Text], &[Text, Text, Text]],
            |_| Ok(list_of(list_of(DataType::Utf8))),
            all_matches,
        ),
        // `substring(text FROM pattern)`.
        Function::taking("regexp_part", &[&[Text, Text]], text, |call| {
            each(
                call,
                1,
                |_| Ok(Flags::default()),
                |regex, _, args| {
                    let found = regex.captures(as_text(&args[0])?);
                    let part =
                        found.and_then(
                            |found| if found.len() > 1 { found.get(1) } else { found.get(0) },
                        );
                    Ok(part.map_or(Value::Null, |part| Value::Text(part.as_str().into())))
                },
            )
        }),
    ]
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

fn texts_type(_types: &[DataType]) -> Result<DataType> {
    Ok(ColumnType::Array(Arc::new(ColumnType::Text)).arrow())
}

/// What the letters of an option text ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Flags {
    all: bool,
    ignore_case: bool,
    /// `.` and `[^…]` do not find line ends.
    dot_stops: bool,
    /// `^` and `$` find them.
    lines: bool,
    expanded: bool,
    literal: bool,
}

/// Reads the options in this argument, if it is there.
fn flags(args: &[Value], at: usize) -> Result<Flags> {
    let mut flags = Flags::default();
    let Some(value) = args.get(at) else { return Ok(flags) };
    for letter in as_text(value)?.chars() {
        match letter {
            'g' => flags.all = true,
            'i' => flags.ignore_case = true,
            'c' => flags.ignore_case = false,
            'n' | 'm' => (flags.dot_stops, flags.lines) = (true, true),
            's' => (flags.dot_stops, flags.lines) = (false, false),
            'p' => (flags.dot_stops, flags.lines) = (true, false),
            'w' => (flags.dot_stops, flags.lines) = (false, true),
            'x' => flags.expanded = true,
            't' => flags.expanded = false,
            'q' => flags.literal = true,
            'e' => {}
            letter => {
                let message = format!("invalid regular expression option: \"{letter}\"");
                return Err(refused(code::INVALID_PARAMETER_VALUE, message));
            }
        }
    }
    Ok(flags)
}

/// Compiles an expression as PostgreSQL would read it.
fn compile(pattern: &str, flags: Flags) -> Result<Regex> {
    let translated = match (flags.literal, pattern.strip_prefix("***=")) {
        (true, _) => regex::escape(pattern),
        (_, Some(literal)) => regex::escape(literal),
        _ => translate(pattern.strip_prefix("***:").unwrap_or(pattern)),
    };
    RegexBuilder::new(&translated)
        .case_insensitive(flags.ignore_case)
        .dot_matches_new_line(!flags.dot_stops)
        .multi_line(flags.lines)
        .ignore_whitespace(flags.expanded && !flags.literal)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            // The last line says what is wrong; those before draw where.
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("invalid regular expression: {why}");
            refused(code::REGULAR_EXPRESSION, message)
        })
}

/// Checks that an expression can be read.
///
/// **Errors**: 2201B.
pub fn check(pattern: &str) -> crate::error::Result<()> {
    compile(pattern, Flags::default()).map(|_| ()).map_err(crate::error::Error::from)
}

/// Writes an expression of PostgreSQL as the crate reads it.
pub fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    let mut in_set = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('y') if !in_set => out.push_str("\\b"),
                Some('Y') if !in_set => out.push_str("\\B"),
                Some('m') if !in_set => out.push_str("\\b{start}"),
                Some('M') if !in_set => out.push_str("\\b{end}"),
                Some('Z') if !in_set => out.push_str("\\z"),
                Some('e') => out.push_str("\\x1B"),
                Some('B') if in_set => out.push_str("\\\\"),
                Some(char) if char.is_ascii_punctuation() => {
                    out.push('\\');
                    out.push(char);
                }
                Some(char) if !char.is_ascii_alphanumeric() => out.push(char),
                Some(char) => {
                    out.push('\\');
                    out.push(char);
                }
                None => out.push('\\'),
            },
            '[' if !in_set => {
                out.push('[');
                in_set = true;
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
                // A closing bracket in front is a member.
                if chars.peek() == Some(&']') {
                    chars.next();
                    out.push_str("\\]");
                }
            }
            '[' if matches!(chars.peek(), Some(':')) => {
                out.push('[');
                for char in chars.by_ref() {
                    out.push(char);
                    if char == ']' {
                        break;
                    }
                }
            }
            '[' => out.push_str("\\["),
            ']' if in_set => {
                in_set = false;
                out.push(']');
            }
            // Signs of the crate's set operations.
            '&' | '~' | '-' if in_set && chars.peek() == Some(&char) => {
                out.push('\\');
                out.push(char);
            }
            char => out.push(char),
        }
    }
    out.replace("[[:<:]]", "\\b{start}").replace("[[:>:]]", "\\b{end}")
}

/// Computes one value per row with the compiled expression in argument `pattern`.
fn each(
    call: &Call,
    pattern: usize,
    flags: fn(&[Value]) -> Result<Flags>,
    compute: fn(&Regex, Flags, &[Value]) -> Result<Value>,
) -> Result<ArrayRef> {
    let compiled = std::cell::RefCell::new(HashMap::<(String, Flags), Regex>::new());
    call.each(|args| {
        let flags = flags(args)?;
        let text = as_text(&args[pattern])?;
        let mut compiled = compiled.borrow_mut();
        let key = (text.to_owned(), flags);
        if !compiled.contains_key(&key) {
            // As many as a batch of patterns from a column may have, at most.
            if compiled.len() == 64 {
                compiled.clear();
            }
            compiled.insert(key.clone(), compile(text, flags)?);
        }
        compute(&compiled[&key], flags, args)
    })
}

/// Where a search begins: the character with the number in this argument, from 1.
fn start(args: &[Value], at: usize) -> Result<usize> {
    let text = as_text(&args[0])?;
    let Some(value) = args.get(at) else { return Ok(0) };
    let number = as_whole(value)?;
    match usize::try_from(number) {
        Ok(number) if number > 0 => {
            let place = text.char_indices().nth(number - 1).map(|(at, _)| at);
            Ok(place.unwrap_or(text.len() + 1))
        }
        _ => {
            let message = format!("invalid value for parameter \"start\": {number}");
            Err(refused(code::INVALID_PARAMETER_VALUE, message))
        }
    }
}

/// A whole number of at least `least`, or `otherwise` where the argument is not there.
fn number(args: &[Value], at: usize, name: &str, least: i64, otherwise: usize) -> Result<usize> {
    let Some(value) = args.get(at) else { return Ok(otherwise) };
    let number = as_whole(value)?;
    match usize::try_from(number) {
        Ok(found) if number >= least => Ok(found),
        _ => {
            let message = format!("invalid value for parameter \"{name}\": {number}");
            Err(refused(code::INVALID_PARAMETER_VALUE, message))
        }
    }
}

fn characters(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX)
}

fn count(regex: &Regex, args: &[Value]) -> Result<Value> {
    let (text, start) = (as_text(&args[0])?, start(args, 2)?);
    let found = match start <= text.len() {
        true => regex.find_iter(&text[start..]).count(),
        false => 0,
    };
    Ok(Value::Int(i32::try_from(found).unwrap_or(i32::MAX)))
}

/// The part of the match asked for: which one from `start`, and which group.
fn nth<'t>(
    regex: &Regex,
    text: &'t str,
    start: usize,
    number: usize,
    group: usize,
) -> Option<regex::Match<'t>> {
    if start > text.len() {
        return None;
    }
    regex
        .captures_iter(text)
        .filter(|found| found.get(0).is_some_and(|whole| whole.start() >= start))
        .nth(number - 1)?
        .get(group)
}

fn instr(regex: &Regex, args: &[Value]) -> Result<Value> {
    let text = as_text(&args[0])?;
    let start = start(args, 2)?;
    let which = number(args, 3, "n", 1, 1)?;
    let behind = number(args, 4, "endoption", 0, 0)?;
    let group = number(args, 6, "subexpr", 0, 0)?;
    if behind > 1 {
        let message = format!("invalid value for parameter \"endoption\": {behind}");
        return Err(refused(code::INVALID_PARAMETER_VALUE, message));
    }
    let found = nth(regex, text, start, which, group);
    Ok(Value::Int(found.map_or(0, |found| {
        let end = if behind == 1 { found.end() } else { found.start() };
        characters(&text[..end]) + 1
    })))
}

fn substr(regex: &Regex, args: &[Value]) -> Result<Value> {
    let text = as_text(&args[0])?;
    let which = number(args, 3, "n", 1, 1)?;
    let group = number(args, 5, "subexpr", 0, 0)?;
    let found = nth(regex, text, start(args, 2)?, which, group);
    Ok(found.map_or(Value::Null, |found| Value::Text(found.as_str().into())))
}

fn replace(regex: &Regex, flags: Flags, args: &[Value]) -> Result<Value> {
    let (text, with) = (as_text(&args[0])?, as_text(&args[2])?);
    let by_place = args.get(3).is_some_and(|value| !matches!(value, Value::Text(_)));
    let (start, which) = match by_place {
        true => (start(args, 3)?, number(args, 4, "n", 0, 1)?),
        false => (0, usize::from(!flags.all)),
    };
    if start > text.len() {
        return Ok(args[0].clone());
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let found = regex.captures_iter(text);
    let found = found.filter(|found| found.get(0).is_some_and(|whole| whole.start() >= start));
    for (number, found) in found.enumerate() {
        let Some(whole) = found.get(0) else { continue };
        if which != 0 && number + 1 != which {
            continue;
        }
        out.push_str(&text[done..whole.start()]);
        put(with, &found, &mut out);
        done = whole.end();
        if which != 0 {
            break;
        }
    }
    out.push_str(&text[done..]);
    Ok(Value::Text(out.into()))
}

/// Puts what `\1` and `\&` stand for.
fn put(with: &str, found: &regex::Captures<'_>, out: &mut String) {
    let mut chars = with.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        let group = match chars.next() {
            Some('&') => 0,
            Some(digit @ '1'..='9') => digit as usize - '0' as usize,
            Some('\\') => {
                out.push('\\');
                continue;
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
                continue;
            }
            None => {
                out.push('\\');
                continue;
            }
        };
        out.push_str(found.get(group).map_or("", |part| part.as_str()));
    }
}

/// The parts of a match: its groups, or all of it where there are none.
fn parts<'t>(found: &regex::Captures<'t>) -> Vec<Option<&'t str>> {
    let first = usize::from(found.len() > 1);
    (first..found.len()).map(|group| found.get(group).map(|part| part.as_str())).collect()
}

fn first_match(regex: &Regex, flags: Flags, args: &[Value]) -> Result<Value> {
    if flags.all {
        let message = "regexp_match() does not support the \"global\" option";
        return Err(super::function::hinted(
            refused(code::INVALID_PARAMETER_VALUE, message),
            "Use the regexp_matches function instead.",
        ));
    }
    let found = regex.captures(as_text(&args[0])?);
    Ok(found.map_or(Value::Null, |found| {
        let part = |part: Option<&str>| part.map_or(Value::Null, |part| Value::Text(part.into()));
        Value::Array(parts(&found).into_iter().map(part).collect::<Vec<_>>().into())
    }))
}

fn split(regex: &Regex, flags: Flags, args: &[Value]) -> Result<Value> {
    if flags.all {
        let message = "regexp_split_to_array() does not support the \"global\" option";
        return Err(refused(code::INVALID_PARAMETER_VALUE, message));
    }
    let text = as_text(&args[0])?;
    let mut out = Vec::new();
    let mut done = 0;
    for found in regex.find_iter(text) {
        // What is empty splits between characters only.
        if found.is_empty() && (found.start() == 0 || found.start() == text.len()) {
            continue;
        }
        if found.is_empty() && found.start() == done {
            continue;
        }
        out.push(Value::Text(text[done..found.start()].into()));
        done = found.end();
    }
    out.push(Value::Text(text[done..].into()));
    Ok(Value::Array(out.into()))
}

/// A list of the parts of each match.
fn all_matches(call: &Call) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(ListBuilder::new(StringBuilder::new()).with_field(Field::new(
        "item",
        DataType::Utf8,
        true,
    )))
    .with_field(Field::new("item", list_of(DataType::Utf8), true));
    let value = |arg: usize, row: usize| {
        Value::from_array(call.args[arg].as_ref(), call.at(arg, row), &ColumnType::Text)
            .map_err(crate::exec::here::external)
    };
    for row in 0..call.rows {
        if (0..call.args.len()).any(|arg| call.is_null(arg, row)) {
            out.append(false);
            continue;
        }
        let args = (0..call.args.len()).map(|arg| value(arg, row)).collect::<Result<Vec<_>>>()?;
        let flags = flags(&args, 2)?;
        let regex = compile(as_text(&args[1])?, flags)?;
        let count = if flags.all { usize::MAX } else { 1 };
        for found in regex.captures_iter(as_text(&args[0])?).take(count) {
            for part in parts(&found) {
                out.values().values().append_option(part);
            }
            out.values().append(true);
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}
