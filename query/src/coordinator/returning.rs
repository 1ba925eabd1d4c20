//! What does a RETURNING list give?
//!
//! Its expressions are evaluated over the rows as they were written, or, for DELETE, as they were.
//! Columns of the tables of UPDATE … FROM and DELETE … USING are read by the statement's query,
//! under names of our own, and stand beside them.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{Field, Schema};
use arrow_select::interleave::interleave;
use datafusion::common::{DFSchema, TableReference};
use datafusion::sql::sqlparser::ast::{Expr, Ident, SelectItem, visit_expressions};
use pieskieo_shards::catalog::Table;
use pieskieo_shards::value::{ColumnBuilder, Value};

use super::syntax_tree::{column, item};
use crate::error::{Error, Result};
use crate::exec::predicate::evaluate;
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

/// A column of another table that a RETURNING list uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedColumn {
    /// `None` for a name that only one of the tables has.
    relation: Option<String>,
    name: String,
}

/// The rows a statement wrote.
#[derive(Debug)]
pub struct Written<'a> {
    /// Their table.
    pub table: &'a Table,
    /// The name the statement knows it by.
    pub alias: &'a str,
    /// Their values.
    pub rows: &'a [Vec<Value>],
    /// Columns of other tables, one value per row.
    pub joined: Vec<(JoinedColumn, ArrayRef)>,
}

/// Returns the columns of other tables than `alias` that a RETURNING list uses.
pub fn joined(items: &[SelectItem], table: &Table, alias: &str) -> Vec<JoinedColumn> {
    let mut found: Vec<JoinedColumn> = Vec::new();
    for item in items {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let _: ControlFlow<()> = visit_expressions(expr, |expr| {
            let column = match expr {
                Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                    [relation, name] if relation.value != alias => JoinedColumn {
                        relation: Some(relation.value.clone()),
                        name: name.value.clone(),
                    },
                    _ => return ControlFlow::Continue(()),
                },
                Expr::Identifier(name) if table.column_named(&name.value).is_none() => {
                    JoinedColumn { relation: None, name: name.value.clone() }
                }
                _ => return ControlFlow::Continue(()),
            };
            if !found.contains(&column) {
                found.push(column);
            }
            ControlFlow::Continue(())
        });
    }
    found
}

/// Returns the items by which a statement's query reads such columns: its last ones.
pub fn items_of(joined: &[JoinedColumn]) -> Vec<SelectItem> {
    let shown = |(number, one): (usize, &JoinedColumn)| {
        let shown = format!("__joined{number}");
        match &one.relation {
            Some(relation) => column(relation, &one.name, &shown),
            None => item(Expr::Identifier(Ident::with_quote('"', &one.name)), &shown),
        }
    };
    joined.iter().enumerate().map(shown).collect()
}

/// Takes such columns out of what the query gave, whose schema is `plan`: for each written row
/// those of the row that caused it, given by batch and position.
///
/// **Errors**: none in practice.
pub fn rows_of(
    joined: &[JoinedColumn],
    plan: &DFSchema,
    batches: &[RecordBatch],
    sources: &[(usize, usize)],
) -> Result<Vec<(JoinedColumn, ArrayRef)>> {
    let mut taken = Vec::with_capacity(joined.len());
    for (number, one) in joined.iter().enumerate() {
        let from_end = joined.len() - number;
        let arrays: Vec<&dyn Array> = batches
            .iter()
            .map(|batch| batch.column(batch.num_columns() - from_end).as_ref())
            .collect();
        let array = if arrays.is_empty() {
            new_empty_array(plan.field(plan.fields().len() - from_end).data_type())
        } else {
            interleave(&arrays, sources)?
        };
        taken.push((one.clone(), array));
    }
    Ok(taken)
}

/// Evaluates a RETURNING list over written rows, and makes the answer.
///
/// **Errors**: whatever evaluating the expressions reports.
pub fn outcome(
    constants: Constants<'_>,
    (kind, items): (StatementKind, &[SelectItem]),
    written: Written<'_>,
    affected: u64,
) -> Result<Outcome> {
    if items.is_empty() {
        return Ok(Outcome::without_rows(kind, Some(affected)));
    }
    let Written { table, alias, rows, joined } = written;
    let (batch, schema) = beside(batch_of(table, rows)?, alias, joined)?;
    let mut fields = Vec::with_capacity(items.len());
    let mut columns = Vec::with_capacity(items.len());
    for item in items {
        let (name, expr) = named(item)?;
        let planned = constants.engine.plan_expr(constants.catalog, expr, &schema)?;
        let compiled = constants.engine.compile(constants.with_params(planned)?, &schema)?;
        let column = evaluate(compiled.as_ref(), &batch)?;
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

/// Puts columns of other tables beside the rows.
fn beside(
    batch: RecordBatch,
    alias: &str,
    joined: Vec<(JoinedColumn, ArrayRef)>,
) -> Result<(RecordBatch, DFSchema)> {
    let of =
        |relation: Option<&str>, field: Arc<Field>| (relation.map(TableReference::bare), field);
    let mut fields: Vec<_> =
        batch.schema().fields().iter().map(|field| of(Some(alias), field.clone())).collect();
    let mut columns = batch.columns().to_vec();
    for (column, array) in joined {
        let field = Field::new(&column.name, array.data_type().clone(), true);
        fields.push(of(column.relation.as_deref(), Arc::new(field)));
        columns.push(array);
    }
    let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let inner = schema.inner().clone();
    Ok((RecordBatch::try_new_with_options(inner, columns, &options)?, schema))
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
