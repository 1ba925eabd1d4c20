//! Which types do a query's parameters have?
//!
//! PostgreSQL's rule, as far as it goes without its table of operators: a parameter beside a value
//! of a known type has that type, one that is cast has the type it is cast to, and one of which
//! nothing is known is a text. The first place that says something counts.

use std::collections::BTreeMap;

use arrow_schema::{DataType, Field, IntervalUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as Planned};
use datafusion::logical_expr::expr::{InList, InSubquery, Placeholder, ScalarFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Case, Expr, ExprSchemable, Like, LogicalPlan, Operator,
};
use pieskieo_shards::value::ColumnType;
use std::sync::Arc;

use crate::functions::{
    ADD, ARRAY_ALL, ARRAY_ANY, CONVERT_TO, MULTIPLY, READ_TIMESTAMP, SUBTRACT, TO_UUID, TO_VECTOR,
};

/// Functions whose arguments have one type.
const ALIKE: &[&str] = &[
    ADD,
    SUBTRACT,
    MULTIPLY,
    "coalesce",
    "nullif",
    "generate_series",
    "greatest",
    "least",
    "mod",
    "cosine_distance",
    "inner_product",
    "l1_distance",
    "l2_distance",
    "negative_inner_product",
    "array_cat",
    "array_contains",
    "array_overlaps",
];

/// The types of parameters, by number, as far as they are known.
pub type Types = BTreeMap<usize, DataType>;

/// Adds what a plan says of its parameters.
///
/// **Errors**: none in practice.
pub fn of_plan(plan: &LogicalPlan, found: &mut Types) -> Planned<()> {
    plan.apply_with_subqueries(|node| {
        let schema = match node {
            LogicalPlan::TableScan(scan) => scan.projected_schema.as_ref().clone(),
            node => merge_schema(&node.inputs()),
        };
        if let LogicalPlan::Limit(limit) = node {
            for expr in limit.skip.iter().chain(&limit.fetch) {
                note(expr, &DataType::Int64, found);
            }
        }
        if let LogicalPlan::Values(values) = node {
            of_rows(&values.values, &schema, found);
        }
        node.apply_expressions(|expr| {
            of_expr(expr, &schema, found)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}

/// Adds what an expression says of its parameters.
///
/// **Errors**: none in practice.
pub fn of_expr(expr: &Expr, schema: &DFSchema, found: &mut Types) -> Planned<()> {
    expr.apply(|expr| {
        look(expr, schema, found);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Adds that what a plan only passes on has the type it is passed on for; `None` = it does not say.
///
/// **Errors**: none in practice.
pub fn of_outputs<'t>(
    plan: &LogicalPlan,
    types: impl Iterator<Item = Option<&'t ColumnType>>,
    found: &mut Types,
) -> Planned<()> {
    let types: Vec<Option<&ColumnType>> = types.collect();
    let mut node = plan;
    loop {
        let outputs = match node {
            LogicalPlan::Projection(projection) => projection.expr.clone(),
            // Rows of VALUES, one after the other.
            LogicalPlan::Values(values) => values.values.concat(),
            other => match other.inputs().as_slice() {
                [input] => {
                    node = *input;
                    continue;
                }
                _ => return Ok(()),
            },
        };
        for (output, ty) in outputs.iter().zip(types.iter().cycle()) {
            let plain = if let Expr::Alias(alias) = output { &alias.expr } else { output };
            if let Some(ty) = ty {
                note(plain, &ty.arrow(), found);
            }
        }
        return Ok(());
    }
}

/// Rows of VALUES: a parameter has the type of its column in other rows.
fn of_rows(rows: &[Vec<Expr>], schema: &DFSchema, found: &mut Types) {
    let width = rows.first().map_or(0, Vec::len);
    for column in 0..width {
        let cells = || rows.iter().filter_map(|row| row.get(column));
        let known = cells().find_map(|cell| known(cell, schema));
        if let Some(known) = known {
            cells().for_each(|cell| note(cell, &known, found));
        }
    }
}

/// Takes a parameter's type from the one expression around it.
fn look(expr: &Expr, schema: &DFSchema, found: &mut Types) {
    match expr {
        Expr::Placeholder(Placeholder { field: Some(field), .. }) => {
            note(expr, field.data_type(), found);
        }
        Expr::Cast(cast) => note(&cast.expr, cast.field.data_type(), found),
        Expr::TryCast(cast) => note(&cast.expr, cast.field.data_type(), found),
        Expr::Not(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner) => note(inner, &DataType::Boolean, found),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            sides((left, *op, right), schema, found)
        }
        Expr::Like(Like { expr, pattern, .. }) | Expr::SimilarTo(Like { expr, pattern, .. }) => {
            note(expr, &DataType::Utf8, found);
            note(pattern, &DataType::Utf8, found);
        }
        Expr::Between(Between { expr, low, high, .. }) => alike(&[expr, low, high], schema, found),
        Expr::InList(InList { expr, list, .. }) => {
            let mut all: Vec<&Expr> = vec![expr];
            all.extend(list);
            alike(&all, schema, found);
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            if let Some(field) = subquery.subquery.schema().fields().first() {
                note(expr, field.data_type(), found);
            }
        }
        Expr::Case(Case { expr, when_then_expr, else_expr }) => {
            let whens: Vec<&Expr> = when_then_expr.iter().map(|(when, _)| when.as_ref()).collect();
            match expr {
                Some(expr) => {
                    let mut all: Vec<&Expr> = vec![expr];
                    all.extend(whens);
                    alike(&all, schema, found);
                }
                None => whens.iter().for_each(|when| note(when, &DataType::Boolean, found)),
            }
            let mut results: Vec<&Expr> =
                when_then_expr.iter().map(|(_, then)| then.as_ref()).collect();
            results.extend(else_expr.iter().map(AsRef::as_ref));
            alike(&results, schema, found);
        }
        Expr::ScalarFunction(call) => arguments(call, schema, found),
        _ => {}
    }
}

/// The two sides of an operator.
fn sides((left, op, right): (&Expr, Operator, &Expr), schema: &DFSchema, found: &mut Types) {
    let boolean = matches!(op, Operator::And | Operator::Or);
    let text = matches!(
        op,
        Operator::StringConcat
            | Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
            | Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::NotLikeMatch
            | Operator::NotILikeMatch
    );
    let moves = matches!(op, Operator::Plus | Operator::Minus);
    for (side, other) in [(left, right), (right, left)] {
        let ty = match known(other, schema) {
            _ if boolean => Some(DataType::Boolean),
            _ if text => Some(DataType::Utf8),
            Some(DataType::Timestamp(..)) if moves && op == Operator::Plus => {
                Some(DataType::Interval(IntervalUnit::MonthDayNano))
            }
            Some(DataType::Date32) if moves && op == Operator::Plus => Some(DataType::Int32),
            other => other,
        };
        if let Some(ty) = ty {
            note(side, &ty, found);
        }
    }
}

/// Expressions that have one type.
fn alike(exprs: &[&Expr], schema: &DFSchema, found: &mut Types) {
    if let Some(ty) = exprs.iter().find_map(|expr| known(expr, schema)) {
        exprs.iter().for_each(|expr| note(expr, &ty, found));
    }
}

fn arguments(call: &ScalarFunction, schema: &DFSchema, found: &mut Types) {
    let args: Vec<&Expr> = call.args.iter().collect();
    match (call.func.name(), args.as_slice()) {
        (TO_VECTOR | CONVERT_TO, [value, wanted]) => {
            if let Some(ty) = known(wanted, schema) {
                note(value, &ty, found);
            }
        }
        (TO_UUID, [value]) => note(value, &DataType::FixedSizeBinary(16), found),
        (READ_TIMESTAMP, [value]) => {
            let unit = arrow_schema::TimeUnit::Microsecond;
            note(value, &DataType::Timestamp(unit, None), found);
        }
        (ARRAY_ANY | ARRAY_ALL, [_, needle, array]) => {
            if let Some(ty) = known(needle, schema) {
                let item = Arc::new(Field::new("item", ty, true));
                note(array, &DataType::List(item), found);
            }
            if let Some(DataType::List(item)) = known(array, schema) {
                note(needle, item.data_type(), found);
            }
        }
        (name, args) if ALIKE.contains(&name) => alike(args, schema, found),
        _ => {}
    }
}

/// Returns the type of an expression that is no parameter and has one.
fn known(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    if let Expr::Placeholder(Placeholder { field, .. }) = expr {
        return field.as_ref().map(|field| field.data_type().clone());
    }
    expr.get_type(schema).ok().filter(|ty| *ty != DataType::Null)
}

/// Notes the type of a parameter, unless it is known.
fn note(expr: &Expr, ty: &DataType, found: &mut Types) {
    let Expr::Placeholder(Placeholder { id, .. }) = expr else { return };
    let number = id.trim_start_matches('$').parse().ok();
    if let Some(number) = number.filter(|_| *ty != DataType::Null) {
        found.entry(number).or_insert_with(|| ty.clone());
    }
}
