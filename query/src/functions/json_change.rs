//! Which JSON values are made of others by changing them?
//!
//! Null in, null out. Positions are those of PostgreSQL; see `pieskieo_shards::document`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use pieskieo_shards::document::{self, Amend};

use super::function::{Arity, Call, Function};
use super::json_arguments::{Documents, TextLists, check_text_list};
use crate::exec::here::external;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let (one, two) = (Arity::Exactly(1), Arity::Exactly(2));
    vec![
        Function::new("json_set", Arity::Between(3, 4), amended_type, set).aliases(&["jsonb_set"]),
        Function::new("json_insert", Arity::Between(3, 4), amended_type, insert)
            .aliases(&["jsonb_insert"]),
        Function::new("json_concat", two, documents_type, concat).aliases(&["jsonb_concat"]),
        Function::new("json_delete_keys", two, keyed_type, delete_keys).aliases(&["jsonb_delete"]),
        Function::new("json_delete_path", two, keyed_type, delete_path)
            .aliases(&["jsonb_delete_path"]),
        Function::new("json_strip_nulls", one, documents_type, strip_nulls)
            .aliases(&["jsonb_strip_nulls"]),
        Function::new("json_pretty", one, pretty_type, pretty).aliases(&["jsonb_pretty"]),
    ]
}

/// Refuses argument types that are neither JSON nor text.
pub(super) fn check_document(ty: &DataType) -> Result<()> {
    match ty {
        DataType::BinaryView | DataType::Null => Ok(()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(()),
        other => {
            let name = crate::outcome::type_name(other);
            plan_err!("no function matches: a JSON value is wanted, not {name}")
        }
    }
}

fn documents_type(types: &[DataType]) -> Result<DataType> {
    types.iter().try_for_each(check_document)?;
    Ok(DataType::BinaryView)
}

fn pretty_type(types: &[DataType]) -> Result<DataType> {
    types.iter().try_for_each(check_document)?;
    Ok(DataType::Utf8)
}

fn keyed_type(types: &[DataType]) -> Result<DataType> {
    check_document(&types[0])?;
    check_text_list("the operator", &types[1])?;
    Ok(DataType::BinaryView)
}

fn amended_type(types: &[DataType]) -> Result<DataType> {
    check_document(&types[0])?;
    check_text_list("the path", &types[1])?;
    check_document(&types[2])?;
    match types.get(3) {
        None | Some(DataType::Boolean | DataType::Null) => Ok(DataType::BinaryView),
        Some(other) => {
            let name = crate::outcome::type_name(other);
            plan_err!("no function matches: the fourth argument is BOOL, not {name}")
        }
    }
}

fn set(call: &Call) -> Result<ArrayRef> {
    amended(call, true, |create| Amend::Set { create })
}

fn insert(call: &Call) -> Result<ArrayRef> {
    amended(call, false, |after| Amend::Insert { after })
}

fn amended(call: &Call, usual: bool, how: impl Fn(bool) -> Amend) -> Result<ArrayRef> {
    let (whole, values) = (Documents::open(call, 0)?, Documents::open(call, 2)?);
    let paths = TextLists::open(call, 1)?;
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let flag = match call.args.get(3) {
            None => Some(usual),
            Some(_) if call.is_null(3, row) => None,
            Some(array) => array.as_boolean_opt().map(|array| array.value(call.at(3, row))),
        };
        let given = (whole.bytes(row), paths.at(row), values.bytes(row), flag);
        let (Some(whole), Some(path), Some(value), Some(flag)) = given else {
            out.append_null();
            continue;
        };
        let amended = document::amend(whole, &path, value, how(flag)).map_err(external)?;
        out.append_value(amended);
    }
    Ok(Arc::new(out.finish()))
}

fn concat(call: &Call) -> Result<ArrayRef> {
    let (first, second) = (Documents::open(call, 0)?, Documents::open(call, 1)?);
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        match (first.bytes(row), second.bytes(row)) {
            (Some(first), Some(second)) => {
                out.append_value(document::concat(first, second).map_err(external)?);
            }
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// A text is one name, a list several.
fn delete_keys(call: &Call) -> Result<ArrayRef> {
    let whole = Documents::open(call, 0)?;
    let single = match call.args[1].data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Some(datafusion::arrow::compute::cast(&call.args[1], &DataType::Utf8)?)
        }
        _ => None,
    };
    let several = if single.is_none() { Some(TextLists::open(call, 1)?) } else { None };
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let keys = match (&single, &several) {
            (Some(array), _) => {
                let at = call.at(1, row);
                let array = array.as_string::<i32>();
                array.is_valid(at).then(|| vec![array.value(at)])
            }
            (None, Some(lists)) => lists.at(row),
            (None, None) => None,
        };
        match (whole.bytes(row), keys) {
            (Some(whole), Some(keys)) => {
                out.append_value(document::delete_keys(whole, &keys).map_err(external)?);
            }
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn delete_path(call: &Call) -> Result<ArrayRef> {
    let (whole, paths) = (Documents::open(call, 0)?, TextLists::open(call, 1)?);
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        match (whole.bytes(row), paths.at(row)) {
            (Some(whole), Some(path)) => {
                out.append_value(document::delete_path(whole, &path).map_err(external)?);
            }
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn strip_nulls(call: &Call) -> Result<ArrayRef> {
    let whole = Documents::open(call, 0)?;
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        match whole.bytes(row) {
            Some(whole) => out.append_value(document::strip_nulls(whole).map_err(external)?),
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn pretty(call: &Call) -> Result<ArrayRef> {
    let whole = Documents::open(call, 0)?;
    let mut out = StringBuilder::new();
    for row in 0..call.rows {
        match whole.bytes(row) {
            Some(whole) => out.append_value(document::pretty(whole).map_err(external)?),
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}
