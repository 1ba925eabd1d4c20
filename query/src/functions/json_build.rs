//! Which JSON values are made of values of other types?

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use pieskieo_shards::document;
use pieskieo_shards::value::{ColumnType, Value};

use super::function::{Arity, Call, Function};
use crate::error::{Error, code};
use crate::exec::here::external;

/// Name of the function that makes an object of pairs that were aggregated.
pub const OBJECT_OF_PAIRS: &str = "json_object_of_pairs";

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let one = Arity::Exactly(1);
    vec![
        Function::new("to_json", one, |_| Ok(DataType::BinaryView), to_json)
            .aliases(&["to_jsonb", "row_to_json"]),
        Function::new("json_build_array", Arity::Any, |_| Ok(DataType::BinaryView), array)
            .aliases(&["jsonb_build_array"]),
        Function::new("json_build_object", Arity::Any, object_type, object)
            .aliases(&["jsonb_build_object"]),
        Function::new(OBJECT_OF_PAIRS, one, |_| Ok(DataType::BinaryView), object_of_pairs),
    ]
}

/// Values of any type as documents.
struct Values<'a> {
    array: &'a ArrayRef,
    ty: Option<ColumnType>,
}

impl<'a> Values<'a> {
    fn open(array: &'a ArrayRef) -> Self {
        Self { array, ty: crate::result::column_type(array.data_type()) }
    }

    /// Returns a value as a document; null as JSON's null.
    fn at(&self, row: usize) -> Result<Arc<[u8]>> {
        if self.array.data_type() == &DataType::Null || self.array.is_null(row) {
            return document::encode("null").map_err(external);
        }
        if let Some(ty) = &self.ty {
            let value = Value::from_array(self.array.as_ref(), row, ty).map_err(external)?;
            return document::from_value(&value, ty).map_err(external);
        }
        if let DataType::List(_) = self.array.data_type() {
            let items = self.array.as_list::<i32>().value(row);
            let values = Values::open(&items);
            let items: Vec<Arc<[u8]>> =
                (0..items.len()).map(|item| values.at(item)).collect::<Result<_>>()?;
            return document::list_of(items.iter().map(AsRef::as_ref)).map_err(external);
        }
        if let DataType::Struct(_) = self.array.data_type() {
            let record = self.array.as_struct();
            let mut fields = Vec::with_capacity(record.num_columns());
            for (name, column) in record.column_names().into_iter().zip(record.columns()) {
                fields.push((name, Values::open(column).at(row)?));
            }
            let fields = fields.iter().map(|(name, value)| (*name, value.as_ref()));
            return document::object_of(fields).map_err(external);
        }
        let mut text = Vec::new();
        crate::result::json::write_value(self.array, row, &mut text)?;
        document::encode(&String::from_utf8_lossy(&text)).map_err(external)
    }
}

fn to_json(call: &Call) -> Result<ArrayRef> {
    let values = Values::open(&call.args[0]);
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        match call.is_null(0, row) {
            true => out.append_null(),
            false => out.append_value(values.at(call.at(0, row))?),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn array(call: &Call) -> Result<ArrayRef> {
    let columns: Vec<Values<'_>> = call.args.iter().map(Values::open).collect();
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let items = columns.iter().enumerate();
        let items = items.map(|(arg, values)| values.at(call.at(arg, row)));
        let items: Vec<Arc<[u8]>> = items.collect::<Result<_>>()?;
        let made = document::list_of(items.iter().map(AsRef::as_ref)).map_err(external)?;
        out.append_value(made);
    }
    Ok(Arc::new(out.finish()))
}

fn object_type(types: &[DataType]) -> Result<DataType> {
    if types.len() % 2 == 1 {
        return Err(external(
            Error::new(code::INVALID_PARAMETER_VALUE, "a name or a value is missing")
                .with_detail("The arguments are names and values, one after the other."),
        ));
    }
    let names = types.iter().step_by(2);
    let wrong = |ty: &&DataType| matches!(ty, DataType::List(_) | DataType::Struct(_));
    if let Some(wrong) = names.clone().find(wrong) {
        let name = crate::outcome::type_name(wrong);
        return plan_err!("no function matches: the name of a field is a text, not {name}");
    }
    Ok(DataType::BinaryView)
}

/// Names of fields: texts as they are, JSON as its text, others as texts.
fn names_of(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::BinaryView => Ok(super::json::texts_of(array)),
        _ => Ok(cast(array, &DataType::Utf8)?),
    }
}

fn no_name() -> datafusion::error::DataFusionError {
    external(Error::new(code::INVALID_PARAMETER_VALUE, "the name of a field must not be null"))
}

fn object(call: &Call) -> Result<ArrayRef> {
    let names: Vec<ArrayRef> = call.args.iter().step_by(2).map(names_of).collect::<Result<_>>()?;
    let columns: Vec<Values<'_>> = call.args.iter().skip(1).step_by(2).map(Values::open).collect();
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let mut fields = Vec::with_capacity(names.len());
        for (field, (names, values)) in names.iter().zip(&columns).enumerate() {
            let at = call.at(2 * field, row);
            let names = names.as_string::<i32>();
            if names.is_null(at) {
                return Err(no_name());
            }
            fields.push((names.value(at), values.at(call.at(2 * field + 1, row))?));
        }
        let fields = fields.iter().map(|(name, value)| (*name, value.as_ref()));
        out.append_value(document::object_of(fields).map_err(external)?);
    }
    Ok(Arc::new(out.finish()))
}

/// Lists of records of a name and a value.
fn object_of_pairs(call: &Call) -> Result<ArrayRef> {
    let Some(lists) = call.args[0].as_list_opt::<i32>() else {
        return plan_err!("no function matches: {OBJECT_OF_PAIRS}() takes a list of pairs");
    };
    let mut out = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let at = call.at(0, row);
        if lists.is_null(at) {
            out.append_null();
            continue;
        }
        let pairs = lists.value(at);
        let Some([names, values]) = pairs.as_struct_opt().map(|pairs| pairs.columns()) else {
            return plan_err!("no function matches: {OBJECT_OF_PAIRS}() takes a list of pairs");
        };
        let (names, values) = (names_of(names)?, Values::open(values));
        let names = names.as_string::<i32>();
        let mut fields = Vec::with_capacity(pairs.len());
        for pair in 0..pairs.len() {
            if names.is_null(pair) {
                return Err(no_name());
            }
            fields.push((names.value(pair), values.at(pair)?));
        }
        let fields = fields.iter().map(|(name, value)| (*name, value.as_ref()));
        out.append_value(document::object_of(fields).map_err(external)?);
    }
    Ok(Arc::new(out.finish()))
}
