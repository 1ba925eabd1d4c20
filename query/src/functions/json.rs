//! What can be asked of a JSON value?
//!
//! A JSON value is a binary Variant in a BinaryView column. A path is given as further arguments:
//! a text names a field, a number an element (-1 is the last). What is not there is null.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, BooleanBuilder, Float64Builder, Int64Builder,
    ListBuilder, StringBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, plan_err};
use pieskieo_shards::document::{self, DocumentKind, PathStep, VariantRef};

use super::function::{Arity, Call, Function};
use super::json_arguments::{Documents, TextLists, as_documents, check_text_list, follow};
use super::json_change::check_document;
use crate::exec::here::external;

/// Name of the function whose results compare as JSON values do.
pub const SORT_KEY: &str = "json_sort_key";
/// Name of the function that counts the elements of lists from 1.
pub const ORDINALS: &str = "list_ordinals";

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let one = Arity::Exactly(1);
    let two = Arity::Exactly(2);
    let mut functions = list_functions();
    functions.extend([
        Function::new("json_get", Arity::Some, json_type, get)
            .aliases(&["json_extract_path", "jsonb_extract_path"]),
        Function::new("json_get_text", Arity::Some, text_type, get_text)
            .aliases(&["json_extract_path_text", "jsonb_extract_path_text"]),
        Function::new("json_get_path", two, path_type, get_path),
        Function::new("json_get_path_text", two, path_text_type, get_path_text),
        Function::new("json_as_text", Arity::Some, text_type, get_text),
        Function::new("json_as_bigint", Arity::Some, bigint_type, as_bigint),
        Function::new("json_as_double", Arity::Some, double_type, as_double),
        Function::new("json_as_bool", Arity::Some, bool_type, as_bool),
        Function::new("json_contains", two, contains_type, contains).aliases(&["jsonb_contains"]),
        Function::new("json_exists", Arity::Some, bool_type, exists),
        Function::new("json_has_key", two, bool_type, has_key).aliases(&["jsonb_exists"]),
        Function::new("json_has_any_key", two, keys_type, has_any_key)
            .aliases(&["json_exists_any", "jsonb_exists_any"]),
        Function::new("json_has_all_keys", two, keys_type, has_all_keys)
            .aliases(&["json_exists_all", "jsonb_exists_all"]),
        Function::new("json_typeof", one, text_type, type_of).aliases(&["jsonb_typeof"]),
        Function::new("json_array_length", one, bigint_type, array_length)
            .aliases(&["jsonb_array_length"]),
        Function::new("json_parse", one, |_| Ok(DataType::BinaryView), parse)
            .aliases(&["parse_json"]),
        Function::new(SORT_KEY, one, text_type, sort_keys),
    ]);
    functions
}

/// The functions that give lists, one element for each row that a FROM list makes of them.
fn list_functions() -> Vec<Function> {
    let one = Arity::Exactly(1);
    vec![
        Function::new("json_array_elements", one, json_list_type, elements)
            .aliases(&["jsonb_array_elements"]),
        Function::new("json_array_elements_text", one, text_list_type, elements_text)
            .aliases(&["jsonb_array_elements_text"]),
        Function::new("json_object_keys", one, text_list_type, keys)
            .aliases(&["jsonb_object_keys"]),
        Function::new("json_object_values", one, json_list_type, values),
        Function::new("json_object_values_text", one, text_list_type, values_text),
        Function::new(ORDINALS, Arity::Some, ordinals_type, ordinals),
    ]
}

fn json_first(types: &[DataType]) -> Result<()> {
    match types.first() {
        Some(ty) => check_document(ty),
        None => plan_err!("no function matches: a JSON value is wanted"),
    }
}

fn json_type(types: &[DataType]) -> Result<DataType> {
    json_first(types).map(|()| DataType::BinaryView)
}

fn text_type(types: &[DataType]) -> Result<DataType> {
    json_first(types).map(|()| DataType::Utf8)
}

fn bigint_type(types: &[DataType]) -> Result<DataType> {
    json_first(types).map(|()| DataType::Int64)
}

fn double_type(types: &[DataType]) -> Result<DataType> {
    json_first(types).map(|()| DataType::Float64)
}

fn bool_type(types: &[DataType]) -> Result<DataType> {
    json_first(types).map(|()| DataType::Boolean)
}

fn path_type(types: &[DataType]) -> Result<DataType> {
    check_text_list("a path", &types[1])?;
    json_type(types)
}

fn path_text_type(types: &[DataType]) -> Result<DataType> {
    check_text_list("a path", &types[1])?;
    text_type(types)
}

fn keys_type(types: &[DataType]) -> Result<DataType> {
    check_text_list("the operator", &types[1])?;
    bool_type(types)
}

fn contains_type(types: &[DataType]) -> Result<DataType> {
    check_document(&types[1])?;
    bool_type(types)
}

fn ordinals_type(types: &[DataType]) -> Result<DataType> {
    let is_list = |ty: &DataType| {
        matches!(ty, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
    };
    if !types.iter().all(is_list) {
        return plan_err!("no function matches: {ORDINALS}() takes lists");
    }
    let item = Field::new("item", DataType::Int64, true);
    Ok(DataType::List(Arc::new(item)))
}

fn json_list_type(types: &[DataType]) -> Result<DataType> {
    let item = Field::new("item", DataType::BinaryView, true);
    json_first(types).map(|()| DataType::List(Arc::new(item)))
}

fn text_list_type(types: &[DataType]) -> Result<DataType> {
    let item = Field::new("item", DataType::Utf8, true);
    json_first(types).map(|()| DataType::List(Arc::new(item)))
}

/// The path arguments of a call, read once when they are constant.
struct Paths {
    steps: Vec<ArrayRef>,
    constant: Option<Vec<PathStep>>,
}

impl Paths {
    fn open(call: &Call) -> Result<Self> {
        let mut steps = Vec::new();
        for arg in &call.args[1..] {
            let wanted =
                if arg.data_type().is_integer() { DataType::Int64 } else { DataType::Utf8 };
            steps.push(cast(arg, &wanted)?);
        }
        let mut paths = Self { constant: None, steps };
        if paths.steps.iter().all(|step| step.len() == 1 && step.is_valid(0)) {
            paths.constant = paths.read(0);
        }
        Ok(paths)
    }

    /// Returns the path of a row; `None` when a step is null.
    fn read(&self, row: usize) -> Option<Vec<PathStep>> {
        let mut path = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let at = if step.len() == 1 { 0 } else { row };
            if step.is_null(at) {
                return None;
            }
            path.push(match step.data_type() {
                DataType::Int64 => PathStep::Index(step.as_primitive::<Int64Type>().value(at)),
                _ => PathStep::Field(step.as_string::<i32>().value(at).into()),
            });
        }
        Some(path)
    }

    fn follow<'a>(&self, document: &VariantRef<'a>, row: usize) -> Option<VariantRef<'a>> {
        match &self.constant {
            Some(path) => document.get(path),
            None => document.get(&self.read(row)?),
        }
    }
}

/// Calls `each` with the part of every row's document that its path leads to.
fn each_part(
    call: &Call,
    mut each: impl FnMut(Option<VariantRef<'_>>) -> Result<()>,
) -> Result<()> {
    let (documents, paths) = (Documents::open(call, 0)?, Paths::open(call)?);
    for row in 0..call.rows {
        each(documents.at(row).and_then(|document| paths.follow(&document, row)))?;
    }
    Ok(())
}

fn get(call: &Call) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    each_part(call, |part| append_document(&mut out, part))?;
    Ok(Arc::new(out.finish()))
}

fn append_document(out: &mut BinaryViewBuilder, part: Option<VariantRef<'_>>) -> Result<()> {
    match part {
        Some(part) => out.append_value(part.to_document().map_err(external)?),
        None => out.append_null(),
    }
    Ok(())
}

fn get_text(call: &Call) -> Result<ArrayRef> {
    let mut out = StringBuilder::with_capacity(call.rows, call.rows * 16);
    each_part(call, |part| {
        out.append_option(part.and_then(|part| part.text()));
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

fn as_bigint(call: &Call) -> Result<ArrayRef> {
    let mut out = Int64Builder::with_capacity(call.rows);
    each_part(call, |part| {
        out.append_option(part.and_then(|part| match part.as_str() {
            Some(text) => text.trim().parse().ok(),
            None => part.as_i64(),
        }));
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

fn as_double(call: &Call) -> Result<ArrayRef> {
    let mut out = Float64Builder::with_capacity(call.rows);
    each_part(call, |part| {
        out.append_option(part.and_then(|part| match part.as_str() {
            Some(text) => text.trim().parse().ok(),
            None => part.as_f64(),
        }));
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

fn as_bool(call: &Call) -> Result<ArrayRef> {
    let mut out = BooleanBuilder::with_capacity(call.rows);
    each_part(call, |part| {
        out.append_option(part.and_then(|part| match part.as_str() {
            Some(text) => text.trim().parse().ok(),
            None => part.as_bool(),
        }));
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

fn exists(call: &Call) -> Result<ArrayRef> {
    let mut out = BooleanBuilder::with_capacity(call.rows);
    let (documents, paths) = (Documents::open(call, 0)?, Paths::open(call)?);
    for row in 0..call.rows {
        match documents.at(row) {
            None => out.append_null(),
            Some(document) => out.append_value(paths.follow(&document, row).is_some()),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Calls `each` with the part of every row's document that its list of names and indexes leads to.
fn each_at_path(
    call: &Call,
    mut each: impl FnMut(Option<VariantRef<'_>>) -> Result<()>,
) -> Result<()> {
    let (documents, paths) = (Documents::open(call, 0)?, TextLists::open(call, 1)?);
    for row in 0..call.rows {
        let part = match (documents.at(row), paths.at(row)) {
            (Some(document), Some(path)) => follow(document, &path),
            _ => None,
        };
        each(part)?;
    }
    Ok(())
}

fn get_path(call: &Call) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    each_at_path(call, |part| append_document(&mut out, part))?;
    Ok(Arc::new(out.finish()))
}

fn get_path_text(call: &Call) -> Result<ArrayRef> {
    let mut out = StringBuilder::with_capacity(call.rows, call.rows * 16);
    each_at_path(call, |part| {
        out.append_option(part.and_then(|part| part.text()));
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

fn contains(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (Documents::open(call, 0)?, Documents::open(call, 1)?);
    let mut out = BooleanBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        out.append_option(match (left.bytes(row), right.bytes(row)) {
            (Some(whole), Some(wanted)) => {
                Some(document::contains(whole, wanted).map_err(external)?)
            }
            _ => None,
        });
    }
    Ok(Arc::new(out.finish()))
}

/// The texts that `?` finds in a document.
enum Keys<'a> {
    /// The names of an object's fields.
    Fields(VariantRef<'a>),
    /// The strings of an array, or the document itself.
    Texts(BTreeSet<&'a str>),
}

impl<'a> Keys<'a> {
    fn of(document: VariantRef<'a>) -> Self {
        match document.kind() {
            DocumentKind::Object => Self::Fields(document),
            DocumentKind::List => {
                Self::Texts(document.elements().iter().filter_map(VariantRef::as_str).collect())
            }
            _ => Self::Texts(document.as_str().into_iter().collect()),
        }
    }

    fn has(&self, key: &str) -> bool {
        match self {
            Self::Fields(object) => object.field(key).is_some(),
            Self::Texts(texts) => texts.contains(key),
        }
    }
}

fn has_key(call: &Call) -> Result<ArrayRef> {
    let documents = Documents::open(call, 0)?;
    let keys = cast(&call.args[1], &DataType::Utf8)?;
    let keys = keys.as_string::<i32>();
    let mut out = BooleanBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let key = (!call.is_null(1, row)).then(|| keys.value(call.at(1, row)));
        out.append_option(match (documents.at(row), key) {
            (Some(document), Some(key)) => Some(Keys::of(document).has(key)),
            _ => None,
        });
    }
    Ok(Arc::new(out.finish()))
}

fn has_any_key(call: &Call) -> Result<ArrayRef> {
    has_keys(call, |found, keys| keys.iter().any(|key| found.has(key)))
}

fn has_all_keys(call: &Call) -> Result<ArrayRef> {
    has_keys(call, |found, keys| keys.iter().all(|key| found.has(key)))
}

fn has_keys(call: &Call, holds: fn(&Keys<'_>, &[&str]) -> bool) -> Result<ArrayRef> {
    let (documents, lists) = (Documents::open(call, 0)?, TextLists::open(call, 1)?);
    let mut out = BooleanBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        out.append_option(match (documents.at(row), lists.at(row)) {
            (Some(document), Some(keys)) => Some(holds(&Keys::of(document), &keys)),
            _ => None,
        });
    }
    Ok(Arc::new(out.finish()))
}

/// Keys as texts, a character for each byte: windows cannot be ordered by bytes.
fn sort_keys(call: &Call) -> Result<ArrayRef> {
    let documents = Documents::open(call, 0)?;
    let mut out = StringBuilder::with_capacity(call.rows, call.rows * 16);
    for row in 0..call.rows {
        let key = documents.bytes(row).map(document::sort_key);
        out.append_option(key.map(|key| key.into_iter().map(char::from).collect::<String>()));
    }
    Ok(Arc::new(out.finish()))
}

fn parse(call: &Call) -> Result<ArrayRef> {
    broadcast(as_documents(&call.args[0])?, call.rows)
}

/// Repeats a constant for every row.
fn broadcast(array: ArrayRef, rows: usize) -> Result<ArrayRef> {
    if array.len() == rows {
        return Ok(array);
    }
    datafusion::common::ScalarValue::try_from_array(&array, 0)?.to_array_of_size(rows)
}

fn type_of(call: &Call) -> Result<ArrayRef> {
    let documents = Documents::open(call, 0)?;
    let mut out = StringBuilder::with_capacity(call.rows, call.rows * 8);
    for row in 0..call.rows {
        out.append_option(documents.at(row).map(|document| type_name(document.kind())));
    }
    Ok(Arc::new(out.finish()))
}

/// What PostgreSQL calls a kind of JSON value.
pub(super) fn type_name(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Null => "null",
        DocumentKind::Bool => "boolean",
        DocumentKind::Number => "number",
        DocumentKind::Text => "string",
        DocumentKind::List => "array",
        DocumentKind::Object => "object",
    }
}

fn array_length(call: &Call) -> Result<ArrayRef> {
    let documents = Documents::open(call, 0)?;
    let mut out = Int64Builder::with_capacity(call.rows);
    for row in 0..call.rows {
        out.append_option(
            documents
                .at(row)
                .filter(|document| document.kind() == DocumentKind::List)
                .map(|document| document.elements().len() as i64),
        );
    }
    Ok(Arc::new(out.finish()))
}

/// Lists of documents, of the members that `members` finds.
fn json_lists(
    call: &Call,
    members: for<'a> fn(&VariantRef<'a>) -> Vec<VariantRef<'a>>,
) -> Result<ArrayRef> {
    let documents = Documents::open(call, 0)?;
    let mut out = ListBuilder::new(BinaryViewBuilder::new());
    for row in 0..call.rows {
        let document = documents.at(row);
        for member in document.iter().flat_map(members) {
            out.values().append_value(member.to_document().map_err(external)?);
        }
        out.append(document.is_some());
    }
    Ok(Arc::new(out.finish()))
}

/// Lists of the texts of the members that `members` finds.
fn text_lists(
    call: &Call,
    members: for<'a> fn(&VariantRef<'a>) -> Vec<VariantRef<'a>>,
) -> Result<ArrayRef> {
    let documents = Documents::open(call, 0)?;
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let document = documents.at(row);
        for member in document.iter().flat_map(members) {
            out.values().append_option(member.text());
        }
        out.append(document.is_some());
    }
    Ok(Arc::new(out.finish()))
}

fn list_elements<'a>(document: &VariantRef<'a>) -> Vec<VariantRef<'a>> {
    document.elements()
}

fn field_values<'a>(document: &VariantRef<'a>) -> Vec<VariantRef<'a>> {
    document.fields().into_iter().map(|(_, value)| value).collect()
}

fn elements(call: &Call) -> Result<ArrayRef> {
    json_lists(call, list_elements)
}

fn elements_text(call: &Call) -> Result<ArrayRef> {
    text_lists(call, list_elements)
}

fn values(call: &Call) -> Result<ArrayRef> {
    json_lists(call, field_values)
}

fn values_text(call: &Call) -> Result<ArrayRef> {
    text_lists(call, field_values)
}

fn keys(call: &Call) -> Result<ArrayRef> {
    let documents = Documents::open(call, 0)?;
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let document = documents.at(row);
        for (name, _) in document.iter().flat_map(VariantRef::fields) {
            out.values().append_value(name);
        }
        out.append(document.is_some());
    }
    Ok(Arc::new(out.finish()))
}

/// Numbers from 1 to the length of the longest list.
fn ordinals(call: &Call) -> Result<ArrayRef> {
    let mut longest = vec![0_i64; call.rows];
    for (arg, array) in call.args.iter().enumerate() {
        let lengths = datafusion::arrow::compute::kernels::length::length(array)?;
        let lengths = cast(&lengths, &DataType::Int64)?;
        let lengths = lengths.as_primitive::<Int64Type>();
        for (row, longest) in longest.iter_mut().enumerate() {
            let at = call.at(arg, row);
            if lengths.is_valid(at) {
                *longest = (*longest).max(lengths.value(at));
            }
        }
    }
    let mut out = ListBuilder::new(Int64Builder::new());
    for count in longest {
        out.append_value((1..=count).map(Some));
    }
    Ok(Arc::new(out.finish()))
}

/// Returns the texts of the values of a JSON column.
pub(super) fn texts_of(array: &ArrayRef) -> ArrayRef {
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 16);
    for value in array.as_binary_view() {
        out.append_option(value.and_then(VariantRef::open).and_then(|value| value.text()));
    }
    Arc::new(out.finish())
}
