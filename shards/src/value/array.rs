//! How is an array read and written as text?
//!
//! PostgreSQL's form `{1,NULL,"two words"}`. Arrays have one dimension and begin with index 1.

use super::kind::{ColumnType, Value};
use crate::error::Error;

/// Most elements of an array that is stored or read from a text: what is compared element by
/// element must not hold a core for long.
pub const ARRAY_ELEMENTS_MAX: usize = 1 << 20;

/// Reads an array of elements of one type.
///
/// **Errors**: `InvalidValue` for another form, for an element that does not fit, above the limit.
pub(super) fn parse(text: &str, element: &ColumnType) -> Result<Value, Error> {
    let bad = |what: &str| {
        Error::InvalidValue(format!("invalid input syntax for an array of {element}: {what}"))
    };
    let inner = text.trim();
    if inner.starts_with('[') {
        return Err(bad("bounds before the array are not supported"));
    }
    let mut rest = inner.strip_prefix('{').ok_or_else(|| bad("it must begin with \"{\""))?;
    rest = rest.trim_start();
    let mut items = Vec::new();
    if let Some(after) = rest.strip_prefix('}') {
        rest = after;
    } else {
        loop {
            let (item, after) = parse_item(rest, &bad)?;
            items.push(match item {
                Some(text) => Value::parse(&text, element)?,
                None => Value::Null,
            });
            check_count(items.len())?;
            let mut chars = after.trim_start().chars();
            let end = chars.next();
            rest = chars.as_str();
            match end {
                Some(',') => rest = rest.trim_start(),
                Some('}') => break,
                _ => return Err(bad("it must end with \"}\"")),
            }
        }
    }
    if rest.is_empty() { Ok(Value::Array(items.into())) } else { Err(bad("more after its end")) }
}

/// Refuses arrays that are too long.
pub(super) fn check_count(count: usize) -> Result<(), Error> {
    if count > ARRAY_ELEMENTS_MAX {
        return Err(Error::InvalidValue(format!(
            "an array of more than {ARRAY_ELEMENTS_MAX} elements (array_elements_max)"
        )));
    }
    Ok(())
}

/// Reads one element, `None` for NULL, and returns what follows it.
fn parse_item<'a>(
    text: &'a str,
    bad: &impl Fn(&str) -> Error,
) -> Result<(Option<String>, &'a str), Error> {
    let mut item = String::new();
    let mut chars = text.char_indices();
    if let Some(quoted) = text.strip_prefix('"') {
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return Ok((Some(item), &quoted[at + 1..])),
                '\\' => item.push(chars.next().ok_or_else(|| bad("it ends with \"\\\""))?.1),
                c => item.push(c),
            }
        }
        return Err(bad("a quoted element has no end"));
    }
    let mut end = text.len();
    let mut escaped = false;
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | '}' => {
                end = at;
                break;
            }
            '{' => return Err(bad("arrays of arrays are not supported")),
            '"' => return Err(bad("a quote within an element")),
            '\\' => {
                escaped = true;
                item.push(chars.next().ok_or_else(|| bad("it ends with \"\\\""))?.1);
            }
            c => item.push(c),
        }
    }
    let kept = item.trim_end().len();
    item.truncate(kept);
    match item.as_str() {
        "" => Err(bad("an element is missing")),
        word if word.eq_ignore_ascii_case("null") && !escaped => Ok((None, &text[end..])),
        _ => Ok((Some(item), &text[end..])),
    }
}

/// Appends `{1,NULL,"two words"}`.
pub(super) fn write(out: &mut String, items: &[Value], element: &ColumnType) {
    out.push('{');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        if item.is_null() {
            out.push_str("NULL");
            continue;
        }
        let text = match item {
            // As PostgreSQL's own output of a boolean, which the cast to text spells out.
            Value::Bool(v) => if *v { "t" } else { "f" }.to_owned(),
            item => item.render(element),
        };
        let plain = !text.is_empty()
            && !text.eq_ignore_ascii_case("null")
            && !text.contains(|c: char| "{},\"\\".contains(c) || c.is_whitespace());
        if plain {
            out.push_str(&text);
            continue;
        }
        out.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    }
    out.push('}');
}
