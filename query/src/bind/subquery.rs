//! Which forms of subqueries does the planner not know, and what stands for them?
//!
//! | form | becomes |
//! | --- | --- |
//! | `EXISTS (query)` outside of WHERE and HAVING | `(SELECT count(*) > 0 ...)` |
//! | `x = ANY (query)` | `x IN (query)` |
//! | `x <> ALL (query)` | `x NOT IN (query)` |
//! | other comparisons with ANY or ALL of a query | `(SELECT CASE WHEN bool_or(x op c0) ... FROM (query))` |
//! | `(x, y) IN (query)` as a condition | `EXISTS (SELECT 1 FROM (query) WHERE x = c0 AND y = c1)` |
//! | `(x, y) IN (query)` elsewhere | as ANY |
//! | `NOT (x IN (query))` | `x NOT IN (query)` |
//! | `x NOT IN (query)` in a filter, beside OR or with a query that depends on the row | `NOT EXISTS (SELECT 1 FROM (query) WHERE (x = c0) IS NOT FALSE)` |
//! | `x IN (query)` as a value | as ANY |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, GroupByExpr, Query, Select, SelectItem,
    SetExpr, TableAliasColumnDef, TableFactor, TableWithJoins, UnaryOperator, Value,
    visit_expressions,
};

use super::build;
use super::engine_function::function_name;
use crate::functions::registry;

/// Turns EXISTS into a count.
pub(super) fn count_instead(expr: &mut Expr) {
    let Expr::Exists { subquery, negated } = expr else { return };
    let mut query = subquery.as_ref().clone();
    let all = build::call("count", vec![number("1")]);
    let some = SelectItem::UnnamedExpr(build::binary(all, BinaryOperator::Gt, number("0")));
    match plain_select(&mut query) {
        // Counting inside keeps references to the outer query one level deep, where the planner
        // can turn them into a join.
        true => {
            if let SetExpr::Select(select) = query.body.as_mut() {
                select.projection = vec![some];
            }
        }
        false => {
            let derived = build::derived(query, Some(build::table_alias("__exists")));
            let select = build::select(vec![some], vec![build::from_item(derived)], None);
            query = build::query(select, Vec::new(), None);
        }
    }
    let counted = Expr::Subquery(Box::new(query));
    *expr = if *negated {
        Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(counted) }
    } else {
        counted
    };
}

/// Returns whether the rows of a query are those of a join and a filter; its order is dropped.
fn plain_select(query: &mut Query) -> bool {
    let limited = query.limit_clause.is_some() || query.fetch.is_some() || query.with.is_some();
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
    };
    let aggregates = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            !matches!(expr, Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        }
        _ => false,
    });
    if limited || grouped || aggregates || select.having.is_some() || select.distinct.is_some() {
        return false;
    }
    query.order_by = None;
    true
}

/// Returns whether an expression compares with ANY or ALL of a query.
pub(super) fn is_quantified(expr: &Expr) -> bool {
    match expr {
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
            matches!(right.as_ref(), Expr::Subquery(_))
        }
        _ => false,
    }
}

/// Turns such a comparison into IN, or counts what the comparison says of each row.
pub(super) fn member_instead(expr: &mut Expr) {
    let (left, op, right, all) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, true),
        _ => return,
    };
    let Expr::Subquery(query) = right.as_ref() else { return };
    *expr = match (op, all) {
        (BinaryOperator::Eq, false) | (BinaryOperator::NotEq, true) => {
            Expr::InSubquery { expr: left.clone(), subquery: query.clone(), negated: all }
        }
        (op, all) => {
            let value = build::column(Some(EACH), "c0");
            let holds = build::binary(left.as_ref().clone(), op.clone(), value);
            quantified(query.as_ref().clone(), 1, holds, all)
        }
    };
}

/// Turns a row of several values IN a query into what the comparison says of each row.
pub(super) fn row_member_instead(expr: &mut Expr) {
    let Expr::InSubquery { expr: row, subquery, negated } = expr else { return };
    let Expr::Tuple(values) = row.as_ref() else { return };
    let found = quantified(subquery.as_ref().clone(), values.len(), equal_row(values), false);
    *expr = match negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) },
        false => found,
    };
}

/// The same within a condition, where what is unknown is as good as false: a join can answer it.
pub(super) fn row_members_as_exists(condition: &mut Expr) {
    match condition {
        Expr::Nested(inner) => row_members_as_exists(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            row_members_as_exists(left);
            row_members_as_exists(right);
        }
        Expr::InSubquery { expr, subquery, negated } => {
            let Expr::Tuple(values) = expr.as_ref() else { return };
            let (negated, equal) = (*negated, equal_row(values));
            let found = if negated { Expr::IsNotFalse(Box::new(equal)) } else { equal };
            let rows = each(subquery.as_ref().clone(), values.len());
            let one = SelectItem::UnnamedExpr(number("1"));
            let select = build::select(vec![one], vec![rows], Some(found));
            let subquery = Box::new(build::query(select, Vec::new(), None));
            *condition = Expr::Exists { subquery, negated };
        }
        _ => {}
    }
}

/// Turns NOT around IN into NOT IN.
pub(super) fn not_in_instead(expr: &mut Expr) {
    let Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } = expr else { return };
    let mut inner = inner.as_mut();
    while let Expr::Nested(nested) = inner {
        inner = nested.as_mut();
    }
    let Expr::InSubquery { negated, .. } = inner else { return };
    *negated = !*negated;
    *expr = std::mem::replace(inner, build::literal(Value::Null));
}

/// Writes a bound `x IN (query)` otherwise: as EXISTS where null is as good as false, else as what
/// the comparison says of each row.
pub(super) fn bound_member_instead(expr: &mut Expr, as_exists: bool) {
    let Expr::InSubquery { expr: left, subquery, negated } = expr else { return };
    let (values, query, negated) = ([left.as_ref().clone()], subquery.as_ref().clone(), *negated);
    *expr = if as_exists {
        let found = |equal| if negated { Expr::IsNotFalse(Box::new(equal)) } else { equal };
        let query = inlined(&query, left, found).unwrap_or_else(|| {
            let one = SelectItem::UnnamedExpr(number("1"));
            let found = found(equal_row(&values));
            build::query(
                build::select(vec![one], vec![each(query, 1)], Some(found)),
                Vec::new(),
                None,
            )
        });
        Expr::Exists { subquery: Box::new(query), negated }
    } else {
        let found = quantified(query, 1, equal_row(&values), false);
        match negated {
            true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) },
            false => found,
        }
    };
}

/// Puts the comparison into the query itself: what it refers to stays one query away, where the
/// planner finds it. `None` when the query is more than tables and a filter, or when a name of
/// `left` would mean something else in it.
fn inlined(query: &Query, left: &Expr, found: impl Fn(Expr) -> Expr) -> Option<Query> {
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let value = match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => expr.clone(),
        _ => return None,
    };
    if aggregates(&value) || !qualifies(left, select) {
        return None;
    }
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::UnnamedExpr(number("1"))];
    }
    if !plain_select(&mut query) {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let equal = build::binary(left.clone(), BinaryOperator::Eq, Expr::Nested(Box::new(value)));
    let found = found(Expr::Nested(Box::new(equal)));
    select.selection = match select.selection.take() {
        Some(filter) => build::all(vec![Expr::Nested(Box::new(filter)), found]),
        None => Some(found),
    };
    Some(query)
}

/// Whether all names of an expression say their tables, and the query has none of those.
fn qualifies(expr: &Expr, select: &Select) -> bool {
    let mut inner = Vec::new();
    for item in &select.from {
        let joined = item.joins.iter().map(|join| &join.relation);
        for factor in std::iter::once(&item.relation).chain(joined) {
            match factor {
                TableFactor::Table { alias: Some(alias), .. }
                | TableFactor::Derived { alias: Some(alias), .. } => {
                    inner.push(alias.name.value.clone());
                }
                TableFactor::Table { name, .. } => {
                    let last = name.0.last().and_then(|part| part.as_ident());
                    inner.extend(last.map(|ident| ident.value.clone()));
                }
                _ => return false,
            }
        }
    }
    visit_expressions(expr, |part| match part {
        Expr::CompoundIdentifier(names) if !inner.contains(&names[0].value) => {
            ControlFlow::Continue(())
        }
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_continue()
}

/// Returns whether an expression names a column.
pub(super) fn varies(expr: &Expr) -> bool {
    visit_expressions(expr, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Returns whether an expression holds a query.
pub(super) fn asks(expr: &Expr) -> bool {
    visit_expressions(expr, |part| match part {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        // `ARRAY(query)`.
        Expr::Function(Function { args: FunctionArguments::Subquery(_), .. }) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Returns whether an expression holds an aggregate or a window: it cannot move into another query.
pub(super) fn aggregates(expr: &Expr) -> bool {
    visit_expressions(expr, |part| match part {
        Expr::Function(function)
            if function.over.is_some()
                || registry().aggregate.contains_key(&function_name(function)) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// What a query gives one by one, and its columns: `c0`, `c1`, …
const EACH: &str = "__each";

fn each(query: Query, width: usize) -> TableWithJoins {
    let mut alias = build::table_alias(EACH);
    alias.columns = (0..width)
        .map(|at| TableAliasColumnDef { name: build::ident(&format!("c{at}")), data_type: None })
        .collect();
    build::from_item(build::derived(query, Some(alias)))
}

fn equal_row(values: &[Expr]) -> Expr {
    let equal = values.iter().enumerate().map(|(at, value)| {
        let column = build::column(Some(EACH), &format!("c{at}"));
        build::binary(value.clone(), BinaryOperator::Eq, column)
    });
    build::all(equal.collect()).unwrap_or_else(|| build::literal(Value::Boolean(true)))
}

/// Whether something holds for any row of a query, or for all. It is unknown where the others do
/// not decide it.
fn quantified(query: Query, width: usize, holds: Expr, all: bool) -> Expr {
    let decided = if all {
        let fails = Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(holds.clone()) };
        build::call("bool_or", vec![fails])
    } else {
        build::call("bool_or", vec![holds.clone()])
    };
    let known = build::call("count", vec![holds]);
    let rows = build::call("count", vec![number("1")]);
    let truth = |value| build::literal(Value::Boolean(value));
    let unknown = build::binary(rows, BinaryOperator::Gt, known);
    let branches = [(decided, truth(!all)), (unknown, build::literal(Value::Null))];
    let case = build::case(branches, Some(truth(all)));
    let select = build::select(vec![SelectItem::UnnamedExpr(case)], vec![each(query, width)], None);
    Expr::Subquery(Box::new(build::query(select, Vec::new(), None)))
}

fn number(digits: &str) -> Expr {
    build::literal(Value::Number(digits.to_owned(), false))
}
