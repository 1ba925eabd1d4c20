//! Which functions take paths?
//!
//! All of them take a document, a path, and perhaps an object of variables and whether failures
//! pass in silence. The operators `@?` and `@@` always let them pass.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, BooleanBuilder, ListBuilder, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_err};
use pieskieo_shards::document::{self, DocumentKind};

use super::evaluate::{Budget, Evaluator, Failure, Found, quiet};
use super::item::Item;
use super::parse::parse;
use super::tree::JsonPath;
use crate::error::{Error, code};
use crate::exec::here::external;
use crate::functions::function::{Arity, Call, Function, Returns};
use crate::functions::json_arguments::Documents;
use crate::functions::json_change::check_document;

/// Returns the functions of this file.
pub(crate) fn functions() -> Vec<Function> {
    let (some, two) = (Arity::Between(2, 4), Arity::Exactly(2));
    let to_bool: Returns = |types| check(types, DataType::Boolean);
    let to_json: Returns = |types| check(types, DataType::BinaryView);
    let to_list: Returns = |types| {
        let item = Field::new("item", DataType::BinaryView, true);
        check(types, DataType::List(Arc::new(item)))
    };
    vec![
        Function::new("json_path_exists", some, to_bool, exists).aliases(&["jsonb_path_exists"]),
        Function::new("json_path_match", some, to_bool, matches).aliases(&["jsonb_path_match"]),
        Function::new("json_path_query_array", some, to_json, array)
            .aliases(&["jsonb_path_query_array"]),
        Function::new("json_path_query_first", some, to_json, first)
            .aliases(&["jsonb_path_query_first"]),
        Function::new("json_path_items", some, to_list, items)
            .aliases(&["json_path_query", "jsonb_path_query"]),
        Function::new("json_path_found", two, to_bool, found),
        Function::new("json_path_holds", two, to_bool, holds),
    ]
}

fn check(types: &[DataType], returns: DataType) -> Result<DataType> {
    let is_text = |ty: &DataType| {
        matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
    };
    types.first().map_or(Ok(()), check_document)?;
    if !types.get(1).is_some_and(is_text) {
        return plan_err!("no function matches: a JSON path is a text such as '$.a'");
    }
    types.get(2).map_or(Ok(()), check_document)?;
    match types.get(3) {
        None | Some(DataType::Boolean | DataType::Null) => Ok(returns),
        Some(_) => plan_err!("no function matches: the fourth argument is BOOL"),
    }
}

fn exists(call: &Call) -> Result<ArrayRef> {
    booleans(call, false, |items| Ok(Some(!items.is_empty())))
}

fn found(call: &Call) -> Result<ArrayRef> {
    booleans(call, true, |items| Ok(Some(!items.is_empty())))
}

fn matches(call: &Call) -> Result<ArrayRef> {
    booleans(call, false, single_boolean)
}

fn holds(call: &Call) -> Result<ArrayRef> {
    booleans(call, true, single_boolean)
}

fn single_boolean(items: &[Item<'_>]) -> Found<Option<bool>> {
    match items {
        [one] if one.boolean().is_some() => Ok(one.boolean()),
        [one] if one.kind() == DocumentKind::Null => Ok(None),
        _ => quiet(code::JSON_SINGLETON, "single boolean result is expected"),
    }
}

fn booleans(
    call: &Call,
    silent: bool,
    read: fn(&[Item<'_>]) -> Found<Option<bool>>,
) -> Result<ArrayRef> {
    let mut out = BooleanBuilder::with_capacity(call.rows);
    each(call, silent, |items| read(&items), |truth| out.append_option(truth.flatten()))?;
    Ok(Arc::new(out.finish()))
}

fn array(call: &Call) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    let read = |items: Vec<Item<'_>>| {
        let items = documents(items)?;
        let whole = document::list_of(items.iter().map(AsRef::as_ref));
        whole.map_err(|error| Failure::Loud(error.into()))
    };
    each(call, false, read, |whole| match whole {
        Some(whole) => out.append_value(whole),
        None => out.append_null(),
    })?;
    Ok(Arc::new(out.finish()))
}

fn first(call: &Call) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    let read = |items: Vec<Item<'_>>| {
        let first = items.first().map(Item::document).transpose();
        first.map_err(Failure::Loud)
    };
    each(call, false, read, |first| match first.flatten() {
        Some(first) => out.append_value(first),
        None => out.append_null(),
    })?;
    Ok(Arc::new(out.finish()))
}

fn items(call: &Call) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(BinaryViewBuilder::new());
    each(call, false, documents, |items| {
        let found = items.is_some();
        for item in items.into_iter().flatten() {
            out.values().append_value(item);
        }
        out.append(found);
    })?;
    Ok(Arc::new(out.finish()))
}

fn documents(items: Vec<Item<'_>>) -> Found<Vec<Arc<[u8]>>> {
    items.iter().map(|item| item.document().map_err(Failure::Loud)).collect()
}

/// Reads what the path of each row finds, and puts it, or nothing where anything is null or a
/// failure passes in silence.
fn each<T>(
    call: &Call,
    silent: bool,
    read: impl Fn(Vec<Item<'_>>) -> Found<T>,
    mut put: impl FnMut(Option<T>),
) -> Result<()> {
    let whole = Documents::open(call, 0)?;
    let paths = Paths::open(call)?;
    let variables = call.args.get(2).map(|_| Documents::open(call, 2)).transpose()?;
    let mut budget = Budget::default();
    for row in 0..call.rows {
        let Some(root) = whole.at(row) else {
            put(None);
            continue;
        };
        let Some(text) = paths.text(call, row) else {
            put(None);
            continue;
        };
        let parsed;
        let path = match &paths.constant {
            Some(path) => path,
            None => {
                parsed = parse(text).map_err(|refusal| external(refusal.0))?;
                &parsed
            }
        };
        let variables = match &variables {
            None => None,
            Some(variables) => match variables.at(row) {
                Some(object) if object.kind() == DocumentKind::Object => Some(object),
                Some(_) => {
                    let message = "the variables of a JSON path are not an object";
                    return Err(external(Error::new(code::INVALID_PARAMETER_VALUE, message)));
                }
                None => {
                    put(None);
                    continue;
                }
            },
        };
        let mut evaluator = Evaluator::new(path, root, variables, &mut budget);
        match evaluator.run().and_then(&read) {
            Ok(found) => put(Some(found)),
            Err(Failure::Quiet(_)) if silent || is_silent(call, row) => put(None),
            Err(Failure::Quiet(error) | Failure::Loud(error)) => return Err(external(error)),
        }
    }
    Ok(())
}

fn is_silent(call: &Call, row: usize) -> bool {
    let flags = call.args.get(3).and_then(|array| array.as_boolean_opt());
    flags.is_some_and(|flags| !call.is_null(3, row) && flags.value(call.at(3, row)))
}

/// The paths of a call, read once when all rows have the same.
struct Paths {
    texts: Option<StringArray>,
    constant: Option<JsonPath>,
}

impl Paths {
    fn open(call: &Call) -> Result<Self> {
        if call.args[1].data_type() == &DataType::Null {
            return Ok(Self { texts: None, constant: None });
        }
        let texts = cast(&call.args[1], &DataType::Utf8)?.as_string::<i32>().clone();
        let constant = match texts.len() == 1 && texts.is_valid(0) {
            true => Some(parse(texts.value(0)).map_err(|refusal| external(refusal.0))?),
            false => None,
        };
        Ok(Self { texts: Some(texts), constant })
    }

    fn text(&self, call: &Call, row: usize) -> Option<&str> {
        let texts = self.texts.as_ref()?;
        let at = call.at(1, row);
        texts.is_valid(at).then(|| texts.value(at))
    }
}
