//! Where must a plan compare spans of time as PostgreSQL does?
//!
//! Arrow compares months, then days, then nanoseconds; PostgreSQL a number of microseconds, where
//! `1 month` equals `30 days`. What sorts, joins, groups or looks for the smallest goes by
//! `interval_order`. A group of equal spans shows the one that `justify_interval` makes of each, so
//! that it does not depend on which of them came first. The operators of comparison are seen to
//! earlier (`functions/moment.rs`).

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment, ScalarFunction, Sort};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
    cast, lit, when,
};
use pieskieo_shards::value::ColumnType;

use crate::functions::{JUSTIFY_INTERVAL, order_of, registry};

/// Rewrites a whole plan.
///
/// **Errors**: `not implemented` for a smallest or largest span over a window.
pub fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        if let LogicalPlan::Distinct(Distinct::All(input)) = &node {
            return distinct(input);
        }
        let schema = match &node {
            LogicalPlan::TableScan(scan) => scan.projected_schema.as_ref().clone(),
            node => merge_schema(&node.inputs()),
        };
        let names = NamePreserver::new(&node);
        let place = Place::of(&node);
        let rewritten = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| inside(expr, &schema))?;
            let expr = expr.transform_data(|expr| itself(expr, place, &schema))?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })?;
        if rewritten.transformed {
            rewritten.map_data(LogicalPlan::recompute_schema)
        } else {
            Ok(rewritten)
        }
    })
    .data()
}

/// Rewrites an expression that is no part of a plan.
///
/// **Errors**: as [`rewrite`].
pub fn rewrite_expr(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform_up(|expr| inside(expr, schema)).data()
}

/// What the expressions of a node are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// They give an order, or are compared with each other.
    Ordering,
    /// They, or some of them, make groups.
    Grouping,
    /// They are values.
    Other,
}

impl Place {
    fn of(node: &LogicalPlan) -> Self {
        match node {
            LogicalPlan::Sort(_) | LogicalPlan::Join(_) => Self::Ordering,
            LogicalPlan::Aggregate(_) => Self::Grouping,
            _ => Self::Other,
        }
    }
}

fn is_span(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Interval(_) | DataType::Duration(_)))
}

fn justified(expr: Expr) -> Expr {
    match registry().scalar(JUSTIFY_INTERVAL) {
        Some(function) => function.call(vec![expr]),
        None => expr,
    }
}

/// Rewrites the expression of a node as a whole.
fn itself(expr: Expr, place: Place, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if place == Place::Other || !is_span(&expr, schema) {
        return Ok(Transformed::no(expr));
    }
    Ok(match (place, expr) {
        (Place::Ordering, expr) => Transformed::yes(order_of(expr)),
        (_, expr @ Expr::AggregateFunction(_)) => Transformed::no(expr),
        (_, Expr::Alias(alias)) if matches!(*alias.expr, Expr::AggregateFunction(_)) => {
            Transformed::no(Expr::Alias(alias))
        }
        (_, expr) => Transformed::yes(justified(expr)),
    })
}

/// Rewrites the parts of an expression.
fn inside(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::Between(between) if is_span(&between.expr, schema) => {
            let Between { expr, negated, low, high } = between;
            let order = |expr: Box<Expr>| Box::new(order_of(as_span(*expr, schema)));
            let between = Between::new(order(expr), negated, order(low), order(high));
            Transformed::yes(Expr::Between(between))
        }
        Expr::InList(mut list) if is_span(&list.expr, schema) => {
            *list.expr = order_of(*list.expr);
            let items = list.list.into_iter().map(|item| order_of(as_span(item, schema)));
            list.list = items.collect();
            Transformed::yes(Expr::InList(list))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
                && is_span(&left, schema) =>
        {
            let order = |expr: Box<Expr>| Box::new(order_of(as_span(*expr, schema)));
            Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(order(left), op, order(right))))
        }
        Expr::InSubquery(within) if is_span(&within.expr, schema) => {
            return not_impl_err!("an interval IN a query");
        }
        Expr::Case(mut case) if case.expr.as_ref().is_some_and(|of| is_span(of, schema)) => {
            case.expr = case.expr.map(|of| Box::new(order_of(*of)));
            for (when, _) in &mut case.when_then_expr {
                **when = order_of(as_span(std::mem::take(when.as_mut()), schema));
            }
            Transformed::yes(Expr::Case(case))
        }
        Expr::ScalarFunction(call) if call.args.iter().any(|arg| is_span(arg, schema)) => {
            chosen(call, schema)?
        }
        Expr::AggregateFunction(function) => aggregate(function, schema)?,
        Expr::WindowFunction(mut window) => {
            let smallest = ["min", "max"].contains(&window.fun.name());
            if smallest && window.params.args.iter().any(|arg| is_span(arg, schema)) {
                return not_impl_err!("min and max of intervals over a window");
            }
            let mut changed = order_keys(&mut window.params.order_by, schema);
            for key in &mut window.params.partition_by {
                if is_span(key, schema) {
                    *key = order_of(std::mem::take(key));
                    changed = true;
                }
            }
            Transformed::new_transformed(Expr::WindowFunction(window), changed)
        }
        expr => Transformed::no(expr),
    })
}

/// Functions that compare their arguments.
fn chosen(call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match (call.func.name(), call.args.as_slice()) {
        ("greatest" | "least", _) => not_impl_err!("greatest and least of intervals"),
        ("nullif", [value, other]) => {
            let order = |expr: &Expr| order_of(as_span(expr.clone(), schema));
            let none = lit(ScalarValue::try_from(&ColumnType::Interval.arrow())?);
            let same = order(value).eq(order(other));
            let value = as_span(value.clone(), schema);
            Ok(Transformed::yes(when(same, none).otherwise(value)?))
        }
        _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
    }
}

fn order_keys(keys: &mut [Sort], schema: &DFSchema) -> bool {
    let mut changed = false;
    for key in keys.iter_mut().filter(|key| is_span(&key.expr, schema)) {
        key.expr = order_of(std::mem::take(&mut key.expr));
        changed = true;
    }
    changed
}

/// The smallest span is the first one in their order.
fn aggregate(mut function: AggregateFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut changed = order_keys(&mut function.params.order_by, schema);
    let [arg] = function.params.args.as_mut_slice() else {
        return Ok(Transformed::new_transformed(Expr::AggregateFunction(function), changed));
    };
    if is_span(arg, schema) {
        let ascending = match function.func.name() {
            "min" => Some(true),
            "max" => Some(false),
            _ => None,
        };
        match (ascending, registry().aggregate.get("first_value")) {
            (Some(ascending), Some(first)) => {
                // Of equal ones the same, whichever shard it is on.
                let keys = [order_of(arg.clone()), arg.clone()];
                let keys = keys.map(|key| Sort::new(key, ascending, false));
                function.func = first.clone();
                function.params.order_by = keys.to_vec();
                function.params.distinct = false;
                function.params.null_treatment = Some(NullTreatment::IgnoreNulls);
                changed = true;
            }
            _ if function.params.distinct => {
                *arg = justified(std::mem::take(arg));
                changed = true;
            }
            _ => {}
        }
    }
    Ok(Transformed::new_transformed(Expr::AggregateFunction(function), changed))
}

/// A text beside a span is one.
fn as_span(expr: Expr, schema: &DFSchema) -> Expr {
    if is_span(&expr, schema) { expr } else { cast(expr, ColumnType::Interval.arrow()) }
}

fn distinct(input: &Arc<LogicalPlan>) -> Result<Transformed<LogicalPlan>> {
    let schema = input.schema();
    let columns: Vec<Expr> = schema.columns().into_iter().map(Expr::Column).collect();
    if !columns.iter().any(|column| is_span(column, schema.as_ref())) {
        let plan = LogicalPlan::Distinct(Distinct::All(input.clone()));
        return Ok(Transformed::no(plan));
    }
    let columns = columns.into_iter().map(|column| {
        if !is_span(&column, schema.as_ref()) {
            return column;
        }
        let (relation, name) = column.qualified_name();
        justified(column).alias_qualified(relation, name)
    });
    let plan = LogicalPlanBuilder::from(input.clone()).project(columns)?.distinct()?.build()?;
    Ok(Transformed::yes(plan))
}
