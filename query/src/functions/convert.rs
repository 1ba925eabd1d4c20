//! How do values of our own types become others, where Arrow knows no cast?
//!
//! The planner puts these functions in the places of `CAST` and `::`; see `plan::casts`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_err};
use pieskieo_shards::value::{ColumnBuilder, ColumnType, Value};

use super::function::{Arity, Call, Function};
use crate::exec::here::external;
use crate::result::column_type;

/// Name of the function that makes a value of any type a text.
pub const TO_TEXT: &str = "to_text";
/// Name of the function that makes a UUID.
pub const TO_UUID: &str = "to_uuid";
/// Name of the function that makes a value of the type of its second argument.
pub const CONVERT_TO: &str = "convert_to_type";
/// Name of the function that makes a vector of a known dimension.
pub const TO_VECTOR: &str = "to_vector";

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new(
            TO_TEXT,
            Arity::Exactly(1),
            |_| Ok(DataType::Utf8),
            |call| convert(call, &ColumnType::Text),
        ),
        Function::new(
            TO_UUID,
            Arity::Exactly(1),
            |_| Ok(ColumnType::Uuid.arrow()),
            |call| convert(call, &ColumnType::Uuid),
        ),
        // The wanted type is that of the second argument, a literal.
        Function::new(CONVERT_TO, Arity::Exactly(2), second_type, |call| {
            match column_type(&call.returns) {
                Some(to) => convert(call, &to),
                None => plan_err!("no function matches: there is no such type"),
            }
        }),
        // The dimension is that of the second argument's type: a literal of the wanted type.
        Function::new(TO_VECTOR, Arity::Exactly(2), vector_type, vector),
    ]
}

fn second_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [_, to] => Ok(to.clone()),
        _ => plan_err!("no function matches: a value and a type are wanted"),
    }
}

fn vector_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [_, DataType::FixedSizeList(_, dim)] => {
            let item = Arc::new(Field::new("item", DataType::Float32, false));
            Ok(DataType::FixedSizeList(item, *dim))
        }
        _ => plan_err!("no function matches: to_vector() takes a value and a vector"),
    }
}

fn vector(call: &Call) -> Result<ArrayRef> {
    let DataType::FixedSizeList(_, dim) = &call.returns else {
        return plan_err!("no function matches: to_vector() makes a vector");
    };
    convert(call, &ColumnType::Vector(*dim as u32))
}

fn convert(call: &Call, to: &ColumnType) -> Result<ArrayRef> {
    let array = &call.args[0];
    let from = column_type(array.data_type());
    let mut out = ColumnBuilder::new(to, call.rows);
    for row in 0..call.rows {
        let at = call.at(0, row);
        if call.is_null(0, row) {
            out.append_null();
            continue;
        }
        let value = match (&from, to) {
            (Some(ColumnType::Json), ColumnType::Text) | (None, ColumnType::Text) => {
                let mut text = Vec::new();
                crate::result::json::write_value(array, at, &mut text)?;
                Value::Text(String::from_utf8_lossy(&text).into())
            }
            (Some(from), _) => Value::from_array(array.as_ref(), at, from)
                .and_then(|value| value.coerce_from(from, to))
                .map_err(external)?,
            (None, _) => Value::from_array(array.as_ref(), at, to).map_err(external)?,
        };
        out.append(&value).map_err(external)?;
    }
    out.finish().map_err(external)
}
