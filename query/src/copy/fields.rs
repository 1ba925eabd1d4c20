//! Which values does a row have, and how are values written?

use crate::error::{Error, Result, code};
use crate::syntax::{CopyFormat, CopyOptions};

/// Reads the values of a row; `None` is null. `names` are those of the columns.
///
/// **Errors**: 22P04 for quotes that are not closed, and for too many or too few values.
pub fn read(text: &str, options: &CopyOptions, names: &[String]) -> Result<Vec<Option<String>>> {
    let fields = split(text, options)?;
    if let Some(missing) = names.get(fields.len()) {
        let message = format!("missing data for column \"{missing}\"");
        return Err(Error::new(code::BAD_COPY, message));
    }
    if fields.len() > names.len() {
        return Err(Error::new(code::BAD_COPY, "extra data after last expected column"));
    }
    let null = |(field, name): (Field, &String)| {
        let forced = field.quoted && options.force_null.has(name);
        let kept = !field.quoted && options.force_not_null.has(name);
        match (field.raw == options.null && (!field.quoted || forced)) && !kept {
            true => None,
            false => Some(field.value),
        }
    };
    Ok(fields.into_iter().zip(names).map(null).collect())
}

/// Reads the names of the columns in the first row.
///
/// **Errors**: as [`read`].
pub fn read_names(text: &str, options: &CopyOptions) -> Result<Vec<String>> {
    Ok(split(text, options)?.into_iter().map(|field| field.value).collect())
}

/// One value as it is written, and what it means.
struct Field {
    raw: String,
    value: String,
    quoted: bool,
}

fn split(text: &str, options: &CopyOptions) -> Result<Vec<Field>> {
    match options.format {
        CopyFormat::Csv => csv(text, options),
        _ => Ok(plain(text, options)),
    }
}

fn plain(text: &str, options: &CopyOptions) -> Vec<Field> {
    let delimiter = char::from(options.delimiter);
    let mut fields = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, char) in text.char_indices() {
        match char {
            '\\' => escaped = !escaped,
            char if char == delimiter && !escaped => {
                fields.push(unescaped(&text[start..at]));
                start = at + 1;
            }
            _ => escaped = false,
        }
    }
    fields.push(unescaped(&text[start..]));
    fields
}

/// Reads what a backslash stands before.
fn unescaped(raw: &str) -> Field {
    let field = |value| Field { raw: raw.to_owned(), value, quoted: false };
    if !raw.contains('\\') {
        return field(raw.to_owned());
    }
    // `\303\251` are the bytes of one letter.
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    let bytes = raw.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(&letter) = bytes.get(at) else {
            out.push(b'\\');
            break;
        };
        at += 1;
        let digits = |from: usize, most: usize, radix: u32| {
            let of = bytes[from..].iter().take(most);
            of.take_while(|byte| char::from(**byte).is_digit(radix)).count()
        };
        let number = |from: usize, count: usize, radix: u32| {
            let digits = bytes[from..from + count].iter();
            digits.fold(0, |number, digit| {
                number * radix + char::from(*digit).to_digit(radix).unwrap_or(0)
            }) as u8
        };
        match letter {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'0'..=b'7' => {
                let count = digits(at - 1, 3, 8);
                out.push(number(at - 1, count, 8));
                at += count - 1;
            }
            b'x' if digits(at, 2, 16) > 0 => {
                let count = digits(at, 2, 16);
                out.push(number(at, count, 16));
                at += count;
            }
            letter => out.push(letter),
        }
    }
    field(String::from_utf8_lossy(&out).into_owned())
}

fn csv(text: &str, options: &CopyOptions) -> Result<Vec<Field>> {
    let (delimiter, quote) = (char::from(options.delimiter), char::from(options.quote));
    let escape = char::from(options.escape);
    let mut fields = Vec::new();
    let mut field = Field { raw: String::new(), value: String::new(), quoted: false };
    let mut within = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if within {
            let escapes = char == escape
                && chars.peek().is_some_and(|next| *next == quote || *next == escape);
            if escapes {
                field.value.extend(chars.next());
            } else if char == quote {
                within = false;
            } else {
                field.value.push(char);
            }
        } else if char == delimiter {
            let next = Field { raw: String::new(), value: String::new(), quoted: false };
            fields.push(std::mem::replace(&mut field, next));
        } else if char == quote {
            (within, field.quoted) = (true, true);
        } else {
            field.value.push(char);
        }
    }
    if within {
        return Err(Error::new(code::BAD_COPY, "unterminated CSV quoted field"));
    }
    fields.push(field);
    for field in &mut fields {
        field.raw.clone_from(&field.value);
    }
    Ok(fields)
}

/// Appends a value of a column; `None` is null.
pub fn write(out: &mut String, value: Option<&str>, name: &str, options: &CopyOptions) {
    let Some(value) = value else {
        out.push_str(&options.null);
        return;
    };
    if options.format != CopyFormat::Csv {
        return escape(out, value, options.delimiter);
    }
    let (delimiter, quote) = (char::from(options.delimiter), char::from(options.quote));
    let escape = char::from(options.escape);
    let needs = options.force_quote.has(name)
        || value == options.null
        || value == "\\."
        || value.contains([delimiter, quote, '\n', '\r']);
    if !needs {
        return out.push_str(value);
    }
    out.push(quote);
    for char in value.chars() {
        if char == quote || char == escape {
            out.push(escape);
        }
        out.push(char);
    }
    out.push(quote);
}

fn escape(out: &mut String, value: &str, delimiter: u8) {
    for char in value.chars() {
        let letter = match char {
            '\\' => '\\',
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{b}' => 'v',
            char if char == char::from(delimiter) => char,
            char => {
                out.push(char);
                continue;
            }
        };
        out.push('\\');
        out.push(letter);
    }
}
