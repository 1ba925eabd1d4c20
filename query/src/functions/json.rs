//! What can be asked of a JSON value?
//!
//! A JSON value is a binary Variant in a BinaryView column. A path is given as further arguments:
//! a text names a field, a number an element (-1 is the last). What is not there is null.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, BooleanBuilder, Float64Builder, Int64Builder,
    ListBuilder, StringBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, plan_err};
use datafusion::error::DataFusionError;
use pieskieo_shards::document::{self, DocumentKind, PathStep, VariantRef};

use super::function::{Arity, Call, Function};

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let one = Arity::Exactly(1);
    let two = Arity::Exactly(2);
    vec![
        Function::new("json_get", Arity::Some, json_type, get)
            .aliases(&["json_extract_path", "jsonb_extract_path"]),
        Function::new("json_get_text", Arity::Some, text_type, get_text)
            .aliases(&["json_extract_path_text", "jsonb_extract_path_text"]),
        Function::new("json_get_path", two, json_type, get_path),
        Function::new("json_get_path_text", two, text_type, get_path_text),
        Function::new("json_as_text", Arity::Some, text_type, get_text),
        Function::new("json_as_bigint", Arity::Some, bigint_type, as_bigint),
        Function::new("json_as_double", Arity::Some, double_type, as_double),
        Function::new("json_as_bool", Arity::Some, bool_type, as_bool),
        Function::new("json_contains", two, bool_type, contains).aliases(&["jsonb_contains"]),
        Function::new("json_exists", Arity::Some, bool_type, exists).aliases(&["jsonb_exists"]),
        Function::new("json_typeof", one, text_type, type_of).aliases(&["jsonb_typeof"]),
        Function::new("json_array_length", one, bigint_type, array_length)
            .aliases(&["jsonb_array_length"]),
        Function::new("json_array_elements", one, json_list_type, elements)
            .aliases(&["jsonb_array_elements"]),
        Function::new("json_array_elements_text", one, text_list_type, elements_text)
            .aliases(&["jsonb_array_elements_text"]),
        Function::new("json_object_keys", one, text_list_type, keys)
            .aliases(&["jsonb_object_keys"]),
        Function::new("to_json", one, any_to_json_type, to_json).aliases(&["to_jsonb"]),
        Function::new("json_parse", one, any_to_json_type, parse).aliases(&["parse_json"]),
    ]
}

fn json_first(types: &[DataType]) -> Result<()> {
    match types.first() {
        Some(DataType::BinaryView | DataType::Null) => {}
        Some(other) => {
            let name = crate::outcome::type_name(other);
            return plan_err!("no function matches: a JSON value is wanted, not {name}");
        }
        None => return plan_err!("no function matches: a JSON value is wanted"),
    }
    Ok(())
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

fn any_to_json_type(_types: &[DataType]) -> Result<DataType> {
    Ok(DataType::BinaryView)
}

fn json_list_type(types: &[DataType]) -> Result<DataType> {
    let item = Field::new("item", DataType::BinaryView, true);
    json_first(types).map(|()| DataType::List(Arc::new(item)))
}

fn text_list_type(types: &[DataType]) -> Result<DataType> {
    let item = Field::new("item", DataType::Utf8, true);
    json_first(types).map(|()| DataType::List(Arc::new(item)))
}

fn shard(error: pieskieo_shards::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The document argument of a call.
fn document_at<'a>(call: &'a Call, row: usize) -> Option<VariantRef<'a>> {
    if call.is_null(0, row) {
        return None;
    }
    VariantRef::open(call.args[0].as_binary_view_opt()?.value(call.at(0, row)))
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
fn each_part<'a>(
    call: &'a Call,
    mut each: impl FnMut(Option<VariantRef<'a>>) -> Result<()>,
) -> Result<()> {
    let paths = Paths::open(call)?;
    for row in 0..call.rows {
        each(document_at(call, row).and_then(|document| paths.follow(&document, row)))?;
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
        Some(part) => out.append_value(part.to_document().map_err(shard)?),
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
    let paths = Paths::open(call)?;
    for row in 0..call.rows {
        match document_at(call, row) {
            None => out.append_null(),
            Some(document) => out.append_value(paths.follow(&document, row).is_some()),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Splits PostgreSQL's `{a,b,0}` into steps; an integer is an index into arrays.
fn braced_path(text: &str) -> Vec<PathStep> {
    let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
    inner
        .split(',')
        .map(|step| step.trim().trim_matches('"'))
        .filter(|step| !step.is_empty())
        .map(|step| match step.parse() {
            Ok(index) => PathStep::Index(index),
            Err(_) => PathStep::Field(step.into()),
        })
        .collect()
}

fn follow_braced<'a>(call: &'a Call, row: usize) -> Result<Option<VariantRef<'a>>> {
    if call.is_null(1, row) {
        return Ok(None);
    }
    let path = cast(&call.args[1], &DataType::Utf8)?;
    let steps = braced_path(path.as_string::<i32>().value(call.at(1, row)));
    Ok(document_at(call, row).and_then(|document| {
        steps.iter().try_fold(document, |at, step| {
            // A number may also name a field of an object.
            let field = match step {
                PathStep::Index(index) => at.field(&index.to_string()),
                PathStep::Field(_) => None,
            };
            at.step(step).or(field)
        })
    }))
}

fn get_path(call: &Call) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        append_document(&mut out, follow_braced(call, row)?)?;
    }
    Ok(Arc::new(out.finish()))
}

fn get_path_text(call: &Call) -> Result<ArrayRef> {
    let mut out = StringBuilder::with_capacity(call.rows, call.rows * 16);
    for row in 0..call.rows {
        out.append_option(follow_braced(call, row)?.and_then(|part| part.text()));
    }
    Ok(Arc::new(out.finish()))
}

/// Whether every part of `wanted` is in `whole`, as PostgreSQL's `@>`.
fn holds(whole: &VariantRef<'_>, wanted: &VariantRef<'_>) -> bool {
    match (whole.kind(), wanted.kind()) {
        (DocumentKind::Object, DocumentKind::Object) => wanted
            .fields()
            .iter()
            .all(|(name, value)| whole.field(name).is_some_and(|found| holds(&found, value))),
        (DocumentKind::List, DocumentKind::List) => {
            let items = whole.elements();
            wanted.elements().iter().all(|value| items.iter().any(|item| holds(item, value)))
        }
        (DocumentKind::List, kind) if kind != DocumentKind::Object => {
            whole.elements().iter().any(|item| holds(item, wanted))
        }
        (DocumentKind::Number, DocumentKind::Number) => match (whole.as_i64(), wanted.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => whole.as_f64() == wanted.as_f64(),
        },
        (a, b) => a == b && whole.to_json_text() == wanted.to_json_text(),
    }
}

fn contains(call: &Call) -> Result<ArrayRef> {
    let right = as_documents(&call.args[1])?;
    let mut out = BooleanBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let at = call.at(1, row);
        let wanted = right
            .as_binary_view_opt()
            .filter(|array| array.is_valid(at))
            .and_then(|array| VariantRef::open(array.value(at)));
        out.append_option(match (document_at(call, row), wanted) {
            (Some(whole), Some(wanted)) => Some(holds(&whole, &wanted)),
            _ => None,
        });
    }
    Ok(Arc::new(out.finish()))
}

/// Reads JSON texts as documents; documents stay.
fn as_documents(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::BinaryView => Ok(array.clone()),
        _ => {
            let texts = cast(array, &DataType::Utf8)?;
            let texts = texts.as_string::<i32>();
            let mut out = BinaryViewBuilder::with_capacity(texts.len());
            for text in texts {
                match text {
                    Some(text) => out.append_value(document::encode(text).map_err(shard)?),
                    None => out.append_null(),
                }
            }
            Ok(Arc::new(out.finish()))
        }
    }
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

fn to_json(call: &Call) -> Result<ArrayRef> {
    let array = &call.args[0];
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    let ty = crate::result::column_type(array.data_type());
    for row in 0..call.rows {
        let at = call.at(0, row);
        if call.is_null(0, row) {
            out.append_null();
            continue;
        }
        let value = match &ty {
            Some(ty) => {
                let value = pieskieo_shards::value::Value::from_array(array, at, ty);
                document::from_value(&value.map_err(shard)?, ty).map_err(shard)?
            }
            None => {
                let mut text = Vec::new();
                crate::result::json::write_value(array, at, &mut text)?;
                document::encode(&String::from_utf8_lossy(&text)).map_err(shard)?
            }
        };
        out.append_value(value);
    }
    Ok(Arc::new(out.finish()))
}

fn type_of(call: &Call) -> Result<ArrayRef> {
    let mut out = StringBuilder::with_capacity(call.rows, call.rows * 8);
    for row in 0..call.rows {
        out.append_option(document_at(call, row).map(|document| match document.kind() {
            DocumentKind::Null => "null",
            DocumentKind::Bool => "boolean",
            DocumentKind::Number => "number",
            DocumentKind::Text => "string",
            DocumentKind::List => "array",
            DocumentKind::Object => "object",
        }));
    }
    Ok(Arc::new(out.finish()))
}

fn array_length(call: &Call) -> Result<ArrayRef> {
    let mut out = Int64Builder::with_capacity(call.rows);
    for row in 0..call.rows {
        out.append_option(
            document_at(call, row)
                .filter(|document| document.kind() == DocumentKind::List)
                .map(|document| document.elements().len() as i64),
        );
    }
    Ok(Arc::new(out.finish()))
}

fn elements(call: &Call) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(BinaryViewBuilder::new());
    for row in 0..call.rows {
        let document = document_at(call, row);
        for element in document.iter().flat_map(VariantRef::elements) {
            out.values().append_value(element.to_document().map_err(shard)?);
        }
        out.append(document.is_some());
    }
    Ok(Arc::new(out.finish()))
}

fn elements_text(call: &Call) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let document = document_at(call, row);
        for element in document.iter().flat_map(VariantRef::elements) {
            out.values().append_option(element.text());
        }
        out.append(document.is_some());
    }
    Ok(Arc::new(out.finish()))
}

fn keys(call: &Call) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let document = document_at(call, row);
        for (name, _) in document.iter().flat_map(VariantRef::fields) {
            out.values().append_value(name);
        }
        out.append(document.is_some());
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
