//! How are the arguments of JSON functions read?

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_err};
use pieskieo_shards::document::{self, VariantRef};

use super::function::Call;
use crate::error::{Error, code};
use crate::exec::here::external;

/// An argument of JSON values; texts are read as JSON.
pub(super) struct Documents {
    array: ArrayRef,
}

impl Documents {
    /// Reads an argument.
    ///
    /// **Errors**: `22P02` for a text that is no JSON.
    pub(super) fn open(call: &Call, arg: usize) -> Result<Self> {
        Ok(Self { array: as_documents(&call.args[arg])? })
    }

    /// Returns the bytes of a row's document; `None` for null.
    pub(super) fn bytes(&self, row: usize) -> Option<&[u8]> {
        let array = self.array.as_binary_view_opt()?;
        let at = if array.len() == 1 { 0 } else { row };
        array.is_valid(at).then(|| array.value(at))
    }

    /// Returns a row's document; `None` for null.
    pub(super) fn at(&self, row: usize) -> Option<VariantRef<'_>> {
        VariantRef::open(self.bytes(row)?)
    }
}

/// Reads JSON texts as documents; documents stay.
///
/// **Errors**: `22P02` for a text that is no JSON.
pub(super) fn as_documents(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::BinaryView | DataType::Null => Ok(array.clone()),
        _ => {
            let texts = cast(array, &DataType::Utf8)?;
            let texts = texts.as_string::<i32>();
            let mut out = BinaryViewBuilder::with_capacity(texts.len());
            for text in texts {
                match text {
                    Some(text) => out.append_value(document::encode(text).map_err(external)?),
                    None => out.append_null(),
                }
            }
            Ok(std::sync::Arc::new(out.finish()))
        }
    }
}

/// An argument of lists of texts: PostgreSQL's `text[]`, or a text such as `'{a,b}'`.
pub(super) struct TextLists {
    lists: Vec<Option<Vec<String>>>,
}

impl TextLists {
    /// Reads an argument.
    ///
    /// **Errors**: `22P02` for a text that is no list, `22023` for a list that holds null.
    pub(super) fn open(call: &Call, arg: usize) -> Result<Self> {
        let array = &call.args[arg];
        let mut lists = Vec::with_capacity(array.len());
        match array.data_type() {
            DataType::Null => lists.resize(array.len(), None),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
                let item = Field::new("item", DataType::Utf8, true);
                let array = cast(array, &DataType::List(item.into()))?;
                for list in array.as_list::<i32>().iter() {
                    lists.push(list.map(|list| texts_of(&list)).transpose()?);
                }
            }
            _ => {
                let array = cast(array, &DataType::Utf8)?;
                for text in array.as_string::<i32>() {
                    lists.push(text.map(list_of_text).transpose()?);
                }
            }
        }
        Ok(Self { lists })
    }

    /// Returns a row's list; `None` for null.
    pub(super) fn at(&self, row: usize) -> Option<Vec<&str>> {
        let at = if self.lists.len() == 1 { 0 } else { row };
        let list = self.lists.get(at)?.as_ref()?;
        Some(list.iter().map(String::as_str).collect())
    }
}

/// Refuses argument types that are no list of texts.
///
/// **Errors**: `42883`.
pub(super) fn check_text_list(function: &str, ty: &DataType) -> Result<()> {
    match ty {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(()),
        DataType::List(_) | DataType::LargeList(_) => Ok(()),
        other => {
            let name = crate::outcome::type_name(other);
            plan_err!(
                "no function matches: {function} wants TEXT[] or a text '{{a,b}}', not {name}"
            )
        }
    }
}

fn texts_of(list: &ArrayRef) -> Result<Vec<String>> {
    let texts = list.as_string::<i32>().iter();
    let texts = texts.map(|text| text.map(str::to_owned).ok_or_else(holds_null));
    texts.collect()
}

fn holds_null() -> datafusion::error::DataFusionError {
    external(Error::new(code::INVALID_PARAMETER_VALUE, "a list of names or indexes holds null"))
}

/// Reads `{a,"b c",0}`.
fn list_of_text(text: &str) -> Result<Vec<String>> {
    let malformed = |detail: &str| {
        let message = format!("malformed array literal: \"{text}\"");
        external(Error::new(code::INVALID_TEXT, message).with_detail(detail))
    };
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let inner = inner.ok_or_else(|| malformed("A list is written {a,b}."))?;
    let mut list = Vec::new();
    let mut rest = inner.trim_start();
    if rest.is_empty() {
        return Ok(list);
    }
    loop {
        let (element, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                quoted_element(quoted).ok_or_else(|| malformed("A quote is not closed."))?
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let element = rest[..end].trim_end();
                if element.is_empty() || element.contains(['{', '}', '"']) {
                    return Err(malformed("Elements with {, } or \" stand in quotes."));
                }
                if element.eq_ignore_ascii_case("null") {
                    return Err(holds_null());
                }
                (element.to_owned(), &rest[end..])
            }
        };
        list.push(element);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() => return Ok(list),
            None => return Err(malformed("A comma is missing.")),
        }
    }
}

/// Reads to the closing quote. Returns the element and what follows.
fn quoted_element(text: &str) -> Option<(String, &str)> {
    let mut element = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((element, &text[at + 1..])),
            '\\' => element.push(chars.next()?.1),
            other => element.push(other),
        }
    }
    None
}

/// Follows a path of texts: a name at an object, an index at an array.
pub(super) fn follow<'a>(document: VariantRef<'a>, path: &[&str]) -> Option<VariantRef<'a>> {
    path.iter().try_fold(document, |at, step| {
        at.field(step).or_else(|| {
            let index = step.trim().parse().ok()?;
            at.step(&document::PathStep::Index(index))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_postgresql_reads_them() {
        let read = |text: &str| list_of_text(text).map_err(|_| ());
        let list = |items: &[&str]| Ok(items.iter().map(|item| (*item).to_owned()).collect());
        assert_eq!(read("{}"), list(&[]));
        assert_eq!(read(" { a , b c,0 } "), list(&["a", "b c", "0"]));
        assert_eq!(
            read(r#"{"a,b","\"","nu\\ll", "NULL",""}"#),
            list(&["a,b", "\"", "nu\\ll", "NULL", ""])
        );
        for text in
            ["", "a", "{a", "{a,}", "{,a}", "{{a}}", "{\"a}", "{\"a\"b}", "{null}", "{a b\"}"]
        {
            assert_eq!(read(text), Err(()), "{text}");
        }
    }
}
