//! What does a RETURNING list give?
//!
//! Its expressions are evaluated over the rows as they were written, or, for DELETE, as they were.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use datafusion::common::{DFSchema, TableReference};
use datafusion::sql::sqlparser::ast::{Expr, SelectItem};
use pieskieo_shards::catalog::Table;
use pieskieo_shards::value::{ColumnBuilder, Value};

use crate::error::{Error, Result};
use crate::outcome::{Outcome, Rows, StatementKind};
use crate::plan::constant::Constants;

/// Returns a batch of rows of a table.
///
/// **Errors**: a value that does not fit its column.
pub fn batch_of(table: &Table, rows: &[Vec<Value>]) -> Result<RecordBatch> {
    let mut builders: Vec<ColumnBuilder> =
        table.columns.iter().map(|column| ColumnBuilder::new(&column.ty, rows.len())).collect();
    for row in rows {
        for (builder, value) in builders.iter_mut().zip(row) {
            builder.append(value)?;
        }
    }
    let columns = builders.into_iter().map(ColumnBuilder::finish);
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema_of(table), columns, &options)?)
}

/// Returns the schema of a batch of rows of a table. Columns may be null, whatever they declare.
pub fn schema_of(table: &Table) -> Arc<Schema> {
    let fields =
        table.columns.iter().map(|column| Field::new(&column.name, column.ty.arrow(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Evaluates a RETURNING list over rows of a table known as `alias`, and makes the answer.
///
/// **Errors**: whatever evaluating the expressions reports.
pub fn outcome(
    constants: Constants<'_>,
    table: &Table,
    alias: &str,
    (kind, items): (StatementKind, &[SelectItem]),
    rows: &[Vec<Value>],
    affected: u64,
) -> Result<Outcome> {
    if items.is_empty() {
        return Ok(Outcome::without_rows(kind, Some(affected)));
    }
    let batch = batch_of(table, rows)?;
    let schema = DFSchema::try_from_qualified_schema(TableReference::bare(alias), &batch.schema())?;
    let mut fields = Vec::with_capacity(items.len());
    let mut columns = Vec::with_capacity(items.len());
    for item in items {
        let (name, expr) = named(item)?;
        let planned = constants.engine.plan_expr(constants.catalog, expr, &schema)?;
        let compiled = constants.engine.compile(constants.with_params(planned)?, &schema)?;
        let column = compiled.evaluate(&batch)?.into_array(batch.num_rows())?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
    let mut outcome = Outcome::with_rows(kind, schema, Rows::Collected(vec![batch]));
    outcome.affected = Some(affected);
    Ok(outcome)
}

fn named(item: &SelectItem) -> Result<(String, Expr)> {
    match item {
        SelectItem::ExprWithAlias { expr, alias } => Ok((alias.value.clone(), expr.clone())),
        SelectItem::UnnamedExpr(expr) => {
            let name = match expr {
                Expr::Identifier(ident) => ident.value.clone(),
                Expr::CompoundIdentifier(parts) => {
                    parts.last().map_or_else(String::new, |ident| ident.value.clone())
                }
                other => other.to_string(),
            };
            Ok((name, expr.clone()))
        }
        other => Err(Error::internal(format!("{other} in a bound RETURNING list"))),
    }
}
