//! What does a query look like that needs no plan?
//!
//! ```text
//! SELECT expressions FROM t WHERE key = constant AND ...
//! SELECT expressions FROM t WHERE ... ORDER BY v <=> constant LIMIT k
//! ```
//!
//! Recognised in the planner's own tree, so that names, types and rewrites are those of every
//! other query. A differential test holds both ways together.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use pieskieo_shards::catalog::Table;
use pieskieo_shards::vector::Metric;

use crate::exec::columns::TableColumns;
use crate::exec::provider::table_of;
use crate::functions::vector::metric_of;

/// A query that is answered without a plan.
#[derive(Debug)]
pub enum Shape {
    /// One record by its key.
    Key(KeyShape),
    /// The nearest records.
    Nearest(NearestShape),
}

/// A constant of a statement: a literal or a parameter.
#[derive(Clone, Debug)]
pub enum Operand {
    /// As written.
    Literal(ScalarValue),
    /// `$n`.
    Param(String),
}

/// What the two shapes have in common.
#[derive(Debug)]
pub struct Body {
    /// The table.
    pub columns: TableColumns,
    /// Output columns: name, and expression over the table's columns without qualifiers.
    pub outputs: Vec<(String, Expr)>,
    /// Conditions that are left to check, over the same columns.
    pub rest: Vec<Expr>,
    /// Positions of the table's columns that outputs and conditions use, ascending.
    pub used: Vec<usize>,
}

/// `WHERE key = constant`.
#[derive(Debug)]
pub struct KeyShape {
    /// Table, outputs, conditions.
    pub body: Body,
    /// One constant per column of the primary key.
    pub key: Vec<Operand>,
}

/// `ORDER BY v <=> constant LIMIT k`.
#[derive(Debug)]
pub struct NearestShape {
    /// Table, outputs, conditions.
    pub body: Body,
    /// Position of the vector column.
    pub column: usize,
    /// The distance.
    pub metric: Metric,
    /// The vector searched for.
    pub query: Operand,
    /// How many.
    pub k: Operand,
}

/// Recognises a query.
pub fn recognise(plan: &LogicalPlan) -> Option<Shape> {
    match plan {
        LogicalPlan::Projection(_) => key_shape(plan),
        LogicalPlan::Limit(limit) if limit.skip.is_none() => {
            let k = operand(limit.fetch.as_deref()?)?;
            nearest_shape(&limit.input, k)
        }
        _ => None,
    }
}

/// The bottom of a simple query: a filter over one table.
struct Bottom<'a> {
    source: &'a Arc<dyn datafusion::logical_expr::TableSource>,
    conditions: Vec<&'a Expr>,
}

fn bottom(plan: &LogicalPlan) -> Option<Bottom<'_>> {
    let (conditions, input) = match plan {
        LogicalPlan::Filter(filter) => {
            (split_conjunction(&filter.predicate), filter.input.as_ref())
        }
        other => (Vec::new(), other),
    };
    let scan = match input {
        LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
        other => other,
    };
    let LogicalPlan::TableScan(scan) = scan else { return None };
    if scan.projection.is_some() || !scan.filters.is_empty() || scan.fetch.is_some() {
        return None;
    }
    Some(Bottom { source: &scan.source, conditions })
}

fn key_shape(plan: &LogicalPlan) -> Option<Shape> {
    let LogicalPlan::Projection(projection) = plan else { return None };
    let bottom = bottom(&projection.input)?;
    let table = table_of(bottom.source)?;
    let mut key = vec![None; table.key.len()];
    let mut rest = Vec::new();
    for condition in &bottom.conditions {
        match key_condition(&table, condition) {
            Some((place, operand)) if key[place].is_none() => key[place] = Some(operand),
            _ => rest.push(simple(condition)?),
        }
    }
    let key = key.into_iter().collect::<Option<Vec<Operand>>>()?;
    let outputs = outputs(&projection.expr)?;
    let body = body(table, outputs, rest, None)?;
    Some(Shape::Key(KeyShape { body, key }))
}

/// Reads `key column = constant`.
fn key_condition(table: &Table, condition: &Expr) -> Option<(usize, Operand)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else {
        return None;
    };
    let (column, constant) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), constant) | (constant, Expr::Column(column)) => (column, constant),
        _ => return None,
    };
    let position = table.column_named(&column.name)?;
    let place = table.key.iter().position(|key| *key == position)?;
    Some((place, operand(constant)?))
}

fn operand(expr: &Expr) -> Option<Operand> {
    match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(Operand::Literal(value.clone())),
        Expr::Placeholder(placeholder) => Some(Operand::Param(placeholder.id.clone())),
        _ => None,
    }
}

fn nearest_shape(plan: &LogicalPlan, k: Operand) -> Option<Shape> {
    // SELECT list above the sort, when the sort key is not part of it.
    let (top, sort) = match plan {
        LogicalPlan::Projection(projection) => (Some(projection), projection.input.as_ref()),
        other => (None, other),
    };
    let LogicalPlan::Sort(sort) = sort else { return None };
    let [key] = sort.expr.as_slice() else { return None };
    if !key.asc || key.nulls_first || sort.fetch.is_some() {
        return None;
    }
    let (middle, below) = match sort.input.as_ref() {
        LogicalPlan::Projection(projection) => (Some(projection), projection.input.as_ref()),
        other => (None, other),
    };
    let bottom = bottom(below)?;
    let table = table_of(bottom.source)?;
    let middle = middle.map(|projection| projection.expr.as_slice());
    let key = simple(&resolved(&key.expr, middle)?)?;
    let (column, metric, query) = distance(&table, &key)?;
    let outputs = match (top, middle) {
        (Some(top), middle) => top
            .expr
            .iter()
            .map(|expr| {
                let name = expr.qualified_name().1;
                Some((name, simple(&resolved(unaliased(expr), middle)?)?))
            })
            .collect::<Option<Vec<_>>>()?,
        (None, Some(middle)) => outputs(middle)?,
        (None, None) => return None,
    };
    let rest = bottom.conditions.iter().map(|condition| simple(condition));
    let body = body(table, outputs, rest.collect::<Option<_>>()?, Some(column))?;
    Some(Shape::Nearest(NearestShape { body, column, metric, query, k }))
}

/// Reads `distance(column, constant)`, either way round.
fn distance(table: &Table, key: &Expr) -> Option<(usize, Metric, Operand)> {
    let Expr::ScalarFunction(call) = key else { return None };
    let metric = metric_of(call.func.name())?;
    let (column, query) = match call.args.as_slice() {
        [Expr::Column(column), other] | [other, Expr::Column(column)] => (column, operand(other)?),
        _ => return None,
    };
    Some((table.column_named(&column.name)?, metric, query))
}

fn outputs(exprs: &[Expr]) -> Option<Vec<(String, Expr)>> {
    exprs.iter().map(|expr| Some((expr.qualified_name().1, simple(unaliased(expr))?))).collect()
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// Writes an expression over a projection's output as one over its input.
fn resolved(expr: &Expr, projection: Option<&[Expr]>) -> Option<Expr> {
    let Some(projection) = projection else { return Some(expr.clone()) };
    let mut found = true;
    let resolved = expr.clone().transform(|expr| {
        let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
        let below = projection.iter().find(|below| {
            let (relation, name) = below.qualified_name();
            name == column.name && (column.relation.is_none() || relation == column.relation)
        });
        Ok(match below {
            Some(below) => Transformed::new(
                unaliased(below).clone(),
                true,
                datafusion::common::tree_node::TreeNodeRecursion::Jump,
            ),
            None => {
                found = false;
                Transformed::no(expr)
            }
        })
    });
    resolved.data().ok().filter(|_| found)
}

/// Returns an expression over one table's columns without qualifiers; `None` when it needs more
/// than the row.
fn simple(expr: &Expr) -> Option<Expr> {
    let mut fits = true;
    let stripped = expr.clone().transform(|expr| {
        match &expr {
            Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::GroupingSet(_)
            | Expr::Unnest(_) => fits = false,
            Expr::ScalarFunction(call) if crate::functions::stems(call.func.name()).is_some() => {
                fits = false;
            }
            Expr::Column(Column { name, .. }) if name == crate::exec::columns::SCORE => {
                fits = false;
            }
            Expr::Column(Column { relation: Some(_), name, .. }) => {
                return Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))));
            }
            _ => {}
        }
        Ok(Transformed::no(expr))
    });
    stripped.data().ok().filter(|_| fits)
}

fn body(
    table: Arc<Table>,
    outputs: Vec<(String, Expr)>,
    rest: Vec<Expr>,
    also: Option<usize>,
) -> Option<Body> {
    let columns = TableColumns::new(table);
    let schema = DFSchema::try_from(columns.schema().clone()).ok()?;
    // What is wrong with a condition is the planner's to say, whether a record is found or not.
    let is_condition =
        |expr: &Expr| matches!(expr.get_type(&schema), Ok(DataType::Boolean | DataType::Null));
    if !rest.iter().all(is_condition) {
        return None;
    }
    let mut used: BTreeSet<usize> = also.into_iter().collect();
    for expr in outputs.iter().map(|(_, expr)| expr).chain(&rest) {
        for column in expr.column_refs() {
            used.insert(columns.position(&column.name)?);
        }
    }
    Some(Body { columns, outputs, rest, used: used.into_iter().collect() })
}
