//! Which queries need no plan, and how are they answered?
//!
//! `None` means that the query is answered by a plan after all: a constant has a type that needs
//! the planner's care.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{
    Access, Reply, Request as ShardRequest, RowFilter, ScanColumn, ScanSpec,
};
use pieskieo_shards::value::{ColumnType, Value};
use serde_json::Value as Json;

use super::request::Request;
use super::shape::{Body, KeyShape, NearestShape, Operand, Shape};
use crate::Param;
use crate::error::{Error, Result};
use crate::exec::choose::literal_value;
use crate::exec::fetch::rows_at;
use crate::exec::predicate::{Predicate, evaluate, truth};
use crate::exec::rules::{K_MAX, index_for};
use crate::exec::scope::Scope;
use crate::functions::vector;
use crate::plan::params::{is_planned, param_named, scalar};

/// Answers a query of a simple shape.
///
/// **Errors**: whatever evaluating its expressions reports.
pub async fn run(
    request: &Request<'_>,
    shape: &Shape,
    scope: &Scope,
) -> Result<Option<RecordBatch>> {
    let (Shape::Key(KeyShape { body, .. }) | Shape::Nearest(NearestShape { body, .. })) = shape;
    for expr in body.outputs.iter().map(|(_, expr)| expr).chain(&body.rest) {
        if !is_planned(expr, request.params())? {
            return Ok(None);
        }
    }
    match shape {
        Shape::Key(shape) => by_key(request, shape, scope).await,
        Shape::Nearest(shape) => nearest(request, shape, scope).await,
    }
}

/// Returns the only shard that a query of a simple shape reads; `None` = perhaps all.
///
/// **Errors**: as [`run`].
pub fn only_shard(request: &Request<'_>, shape: &Shape) -> Result<Option<ShardId>> {
    let Shape::Key(shape) = shape else { return Ok(None) };
    let key = key_of(request, shape)?;
    Ok(key.map(|key| request.catalog().shard_of(key.slot())))
}

async fn by_key(
    request: &Request<'_>,
    shape: &KeyShape,
    scope: &Scope,
) -> Result<Option<RecordBatch>> {
    let table = shape.body.columns.table().clone();
    let Some(key) = key_of(request, shape)? else { return Ok(None) };
    let shard = scope.catalog.shard_of(key.slot());
    let spec = ScanSpec {
        table: table.id,
        access: Access::Keys(vec![key]),
        columns: scan_columns(&shape.body),
        view: scope.view,
        filter: None,
        limit: None,
    };
    let reply = request.core().call(shard, ShardRequest::Scan(spec)).await?;
    let found = concat_reply(reply)?;
    let found = checked(request, &shape.body, found)?;
    output(request, &shape.body, &found).map(Some)
}

/// Returns the key that is read, unless the query is answered by a plan.
fn key_of(request: &Request<'_>, shape: &KeyShape) -> Result<Option<Key>> {
    let table = shape.body.columns.table();
    let mut values = Vec::with_capacity(shape.key.len());
    for (operand, column) in shape.key.iter().zip(&table.key) {
        let ty = &table.columns[*column].ty;
        match key_value(operand, request.params(), ty)? {
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    Ok(Some(Key::of_table(table, &values)?))
}

/// Returns the value of a key column, when no cast is needed to compare.
fn key_value(operand: &Operand, params: &[Param], ty: &ColumnType) -> Result<Option<Value>> {
    match operand {
        Operand::Literal(ScalarValue::Int64(Some(number))) => Ok(match ty {
            ColumnType::BigInt => Some(Value::BigInt(*number)),
            ColumnType::Int => i32::try_from(*number).ok().map(Value::Int),
            ColumnType::SmallInt => i16::try_from(*number).ok().map(Value::SmallInt),
            _ => None,
        }),
        Operand::Literal(literal) => Ok(literal_value(literal, ty)),
        Operand::Param(name) => {
            let json = match param_named(params, name)? {
                Param::Json(json) => json,
                Param::Typed { value, ty: own } => return Ok(typed_key(value, own, ty)),
            };
            Ok(match (json, ty) {
                (Json::Number(number), ColumnType::BigInt) => number.as_i64().map(Value::BigInt),
                (Json::Number(number), ColumnType::Int) => {
                    number.as_i64().and_then(|number| i32::try_from(number).ok()).map(Value::Int)
                }
                (Json::Number(number), ColumnType::SmallInt) => number
                    .as_i64()
                    .and_then(|number| i16::try_from(number).ok())
                    .map(Value::SmallInt),
                (Json::String(text), ColumnType::Text | ColumnType::Varchar(_)) => {
                    Some(Value::Text(text.as_str().into()))
                }
                (Json::String(text), ColumnType::Uuid) => Some(Value::parse(text, ty)?),
                _ => None,
            })
        }
    }
}

/// Returns a typed parameter as the value of a key column, when no cast is needed to compare.
fn typed_key(value: &Value, own: &ColumnType, ty: &ColumnType) -> Option<Value> {
    if own.plain() == ty.plain() {
        // What is compared is not cut off.
        return Some(value.clone()).filter(|value| !value.is_null());
    }
    let number = whole(value)?;
    match ty {
        ColumnType::BigInt => Some(Value::BigInt(number)),
        ColumnType::Int => i32::try_from(number).ok().map(Value::Int),
        ColumnType::SmallInt => i16::try_from(number).ok().map(Value::SmallInt),
        _ => None,
    }
}

/// Returns a whole number of any width.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::SmallInt(number) => Some((*number).into()),
        Value::Int(number) => Some((*number).into()),
        Value::BigInt(number) => Some(*number),
        _ => None,
    }
}

async fn nearest(
    request: &Request<'_>,
    shape: &NearestShape,
    scope: &Scope,
) -> Result<Option<RecordBatch>> {
    let table = shape.body.columns.table().clone();
    let declared = &table.columns[shape.column];
    let ColumnType::Vector(dim) = declared.ty else { return Ok(None) };
    let (Some(query), Some(k)) =
        (query_vector(&shape.query, request.params())?, count(&shape.k, request.params()))
    else {
        return Ok(None);
    };
    if query.len() != dim as usize {
        let message = format!("different vector dimensions {dim} and {}", query.len());
        return Err(Error::new(crate::error::code::DATA_EXCEPTION, message));
    }
    if k == 0 || k > K_MAX {
        return Ok(None);
    }
    let constants = request.constants();
    let rest = shape.body.rest.iter().map(|expr| constants.with_params(expr.clone()));
    let rest: Vec<Expr> = rest.collect::<Result<_>>()?;
    let filter = Predicate::compile(&shape.body.columns, &rest, |expr, schema| {
        constants.engine.compile(expr, schema)
    })?;
    let query: Arc<[f32]> = query.into();
    let mut columns = vec![ScanColumn::Key];
    columns.extend(scan_columns(&shape.body));
    let spec = ScanSpec {
        table: table.id,
        access: Access::Nearest {
            column: declared.id,
            index: index_for(&table, shape.column, shape.metric),
            metric: shape.metric,
            query: query.clone(),
            k,
            ef: scope.ef_search,
        },
        columns,
        view: scope.view,
        filter: filter.clone().map(|filter| filter as Arc<dyn RowFilter>),
        limit: None,
    };
    let requests = request.core().shards().map(|shard| (shard, ShardRequest::Scan(spec.clone())));
    let replies = request.core().call_all(requests).await.map_err(|error| {
        filter.as_ref().and_then(|filter| filter.take_failure()).unwrap_or_else(|| error.into())
    })?;
    let found = replies.into_iter().map(concat_reply).collect::<Result<Vec<_>>>()?;
    let Some(first) = found.first() else { return Ok(None) };
    let found = concat_batches(&first.schema(), &found)?;
    let best = ordered(shape, &found, &query, k)?;
    output(request, &shape.body, &best).map(Some)
}

/// The best `k` rows in order of distance, then key; without the key. As in every ascending sort,
/// NaN comes after the numbers and null, the distance of no vector, last.
fn ordered(
    shape: &NearestShape,
    found: &RecordBatch,
    query: &[f32],
    k: usize,
) -> Result<RecordBatch> {
    let place = shape.body.used.iter().position(|used| *used == shape.column).unwrap_or_default();
    let vectors = found.column(1 + place);
    let keys = found.column(0).as_binary::<i32>();
    let mut ranked = Vec::with_capacity(found.num_rows());
    for row in 0..found.num_rows() {
        let vector = vector::vector_at(vectors.as_ref(), row)?;
        let distance = vector.map(|vector| vector::distance(shape.metric, &vector, query));
        let class = distance.map_or(2, |distance| u8::from(distance.is_nan()));
        ranked.push((class, distance.unwrap_or_default(), row as u32));
    }
    ranked.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then_with(|| a.1.total_cmp(&b.1))
            .then_with(|| keys.value(a.2 as usize).cmp(keys.value(b.2 as usize)))
    });
    ranked.truncate(k);
    let rows = UInt32Array::from_iter_values(ranked.iter().map(|(_, _, row)| *row));
    let mut columns = rows_at(found, &rows)?;
    columns.remove(0);
    let schema = Arc::new(Schema::new(found.schema().fields()[1..].to_vec()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

fn query_vector(operand: &Operand, params: &[Param]) -> Result<Option<Vec<f32>>> {
    let literal = match operand {
        Operand::Literal(literal) => literal.clone(),
        Operand::Param(name) => scalar(param_named(params, name)?, None)?,
    };
    if literal.is_null() {
        return Ok(None);
    }
    Ok(vector::vector_at(literal.to_array()?.as_ref(), 0)?)
}

fn count(operand: &Operand, params: &[Param]) -> Option<usize> {
    match operand {
        Operand::Literal(ScalarValue::Int64(Some(count))) => usize::try_from(*count).ok(),
        Operand::Literal(_) => None,
        Operand::Param(name) => match param_named(params, name).ok()? {
            Param::Json(json) => usize::try_from(json.as_u64()?).ok(),
            Param::Typed { value, .. } => usize::try_from(whole(value)?).ok(),
        },
    }
}

fn scan_columns(body: &Body) -> Vec<ScanColumn> {
    body.used.iter().map(|at| body.columns.scan_column(*at)).collect()
}

fn concat_reply(reply: Reply) -> Result<RecordBatch> {
    let Reply::Batches { schema, batches } = reply else {
        return Err(Error::internal("a read was answered with something else"));
    };
    if let [batch] = batches.as_slice() {
        return Ok(batch.clone());
    }
    Ok(concat_batches(&schema, &batches)?)
}

/// Drops the rows that do not pass the conditions.
fn checked(request: &Request<'_>, body: &Body, found: RecordBatch) -> Result<RecordBatch> {
    if body.rest.is_empty() || found.num_rows() == 0 {
        return Ok(found);
    }
    let schema = DFSchema::try_from(found.schema())?;
    let constants = request.constants();
    let mut kept = found;
    for condition in &body.rest {
        let condition = constants.with_params(condition.clone())?;
        let compiled = constants.engine.compile(condition, &schema)?;
        let passes = truth(&evaluate(compiled.as_ref(), &kept)?)?;
        kept = arrow_select::filter::filter_record_batch(&kept, &passes)?;
    }
    Ok(kept)
}

/// Evaluates the SELECT list.
fn output(request: &Request<'_>, body: &Body, found: &RecordBatch) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(body.outputs.len());
    let mut fields = Vec::with_capacity(body.outputs.len());
    let schema = found.schema();
    let mut planned: Option<DFSchema> = None;
    for (name, expr) in &body.outputs {
        let column = match expr {
            Expr::Column(column) => found.column(schema.index_of(&column.name)?).clone(),
            expr => {
                if planned.is_none() {
                    planned = Some(DFSchema::try_from(schema.clone())?);
                }
                let Some(schema) = &planned else { continue };
                let constants = request.constants();
                let expr = constants.with_params(expr.clone())?;
                let compiled = constants.engine.compile(expr, schema)?;
                evaluate(compiled.as_ref(), found)?
            }
        };
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(found.num_rows()));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}
