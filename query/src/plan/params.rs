//! How do parameters get into a plan?

use std::collections::HashMap;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_schema::DataType;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use pieskieo_shards::document;
use pieskieo_shards::value::{ColumnBuilder, ColumnType, Value};
use serde_json::Value as Json;
use std::sync::Arc;

use super::casts::rewrite_again;
use crate::Param;
use crate::error::{Error, Result, code};
use crate::result::column_type;

/// Puts parameters in the places of a plan's placeholders.
///
/// **Errors**: `42P02` for a placeholder without a value, and values that do not fit.
pub fn bind_params(plan: &LogicalPlan, params: &[Param]) -> Result<LogicalPlan> {
    let types = placeholders(plan)?;
    if types.is_empty() {
        return Ok(plan.clone());
    }
    let mut values: HashMap<String, ScalarAndMetadata> = HashMap::with_capacity(types.len());
    let mut are_planned = true;
    for (name, ty) in types {
        let param = param_named(params, &name)?;
        let value = scalar(param, ty.as_ref())?;
        are_planned &= calculates_alike(ty.as_ref(), &value.data_type());
        values.insert(name.trim_start_matches('$').to_owned(), value.into());
    }
    let plan = plan.clone().replace_params_with_values(&ParamValues::Map(values))?;
    Ok(if are_planned { plan } else { rewrite_again(plan)? })
}

/// Returns whether an expression with parameters calculates as it was planned to.
///
/// **Errors**: `42P02`, and values that do not fit.
pub fn is_planned(expr: &Expr, params: &[Param]) -> Result<bool> {
    let mut alike = Ok(true);
    expr.apply(|expr| {
        if let (Expr::Placeholder(Placeholder { id, field }), Ok(true)) = (expr, &alike) {
            let ty = field.as_ref().map(|field| field.data_type());
            // Only numbers are calculated with otherwise: a vector need not be read for this.
            if ty.is_none_or(DataType::is_numeric) {
                let value = param_named(params, id).and_then(|param| scalar(param, ty));
                alike = value.map(|value| calculates_alike(ty, &value.data_type()));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    alike
}

/// Whether calculations and casts that were planned for a type are those of a value's own.
fn calculates_alike(planned: Option<&DataType>, own: &DataType) -> bool {
    let Some(planned) = planned else { return !own.is_numeric() };
    let is_double = |ty: &DataType| matches!(ty, DataType::Float32 | DataType::Float64);
    let is_other = |ty: &DataType| !ty.is_numeric();
    let is_decimal = |ty: &DataType| matches!(ty, DataType::Decimal128(..));
    planned.is_signed_integer() && own.is_signed_integer()
        || is_double(planned) && is_double(own)
        || is_decimal(planned) && is_decimal(own)
        || is_other(own)
}

/// Returns the placeholders of a plan, each with the type it is used as first, if that is known.
fn placeholders(plan: &LogicalPlan) -> Result<HashMap<String, Option<DataType>>> {
    let mut found: HashMap<String, Option<DataType>> = HashMap::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Placeholder(Placeholder { id, field }) = expr {
                    let ty = field.as_ref().map(|field| field.data_type().clone());
                    let known = found.entry(id.clone()).or_default();
                    *known = known.take().or(ty);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Returns the parameter a placeholder such as `$1` stands for.
///
/// **Errors**: `42P02`.
pub fn param_named<'a>(params: &'a [Param], name: &str) -> Result<&'a Param> {
    let number: Option<usize> = name.trim_start_matches('$').parse().ok();
    number.and_then(|number| params.get(number.checked_sub(1)?)).ok_or_else(|| {
        let message = format!("there is no value for parameter {name}");
        Error::new(code::UNDEFINED_PARAMETER, message)
            .with_detail(format!("The request has {} parameters.", params.len()))
    })
}

/// Returns a parameter as a literal of type `ty`, or of the type it looks like.
///
/// **Errors**: a value that does not fit the type.
pub fn scalar(param: &Param, ty: Option<&DataType>) -> Result<ScalarValue> {
    let json = match param {
        Param::Json(json) => json,
        Param::Typed { value, ty: own } => return typed((value, own), ty),
    };
    let Some(wanted) = ty.and_then(column_type) else { return natural(json) };
    match Value::from_json(json, &wanted) {
        Ok(value) => literal(&value, &wanted),
        // `id = 1.5` compares; it does not round.
        Err(_) if json.is_number() && wanted.is_number() => natural(json),
        Err(error) => Err(error.into()),
    }
}

/// A value of a known type. Only a text is read as what is wanted: everything else compares, and
/// is cast, as what it is.
fn typed((value, own): (&Value, &ColumnType), ty: Option<&DataType>) -> Result<ScalarValue> {
    let wanted = ty.and_then(column_type);
    match wanted.filter(|wanted| value.is_null() || (own.is_text() && !wanted.is_text())) {
        Some(wanted) => literal(&value.clone().coerce_from(own, &wanted)?, &wanted),
        None => literal(value, own),
    }
}

/// Returns a value as a literal.
///
/// **Errors**: a value that is not of its type.
pub fn literal(value: &Value, ty: &ColumnType) -> Result<ScalarValue> {
    let mut builder = ColumnBuilder::new(ty, 1);
    builder.append(value)?;
    Ok(ScalarValue::try_from_array(&builder.finish()?, 0)?)
}

fn natural(json: &Json) -> Result<ScalarValue> {
    Ok(match json {
        Json::Null => ScalarValue::Null,
        Json::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => ScalarValue::Int64(Some(integer)),
            None => ScalarValue::Float64(number.as_f64()),
        },
        Json::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Json::Array(items) if !items.is_empty() && items.iter().all(Json::is_number) => {
            let mut builder = ListBuilder::new(Float32Builder::with_capacity(items.len()));
            for item in items {
                builder.values().append_option(item.as_f64().map(|number| number as f32));
            }
            builder.append(true);
            ScalarValue::List(Arc::new(builder.finish()))
        }
        Json::Array(_) | Json::Object(_) => {
            ScalarValue::BinaryView(Some(document::from_json(json)?.to_vec()))
        }
    })
}
