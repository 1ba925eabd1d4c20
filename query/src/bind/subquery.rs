//! Which forms of subqueries does the planner not know, and what stands for them?
//!
//! | form | becomes |
//! | --- | --- |
//! | `EXISTS (query)` outside of WHERE and HAVING | `(SELECT count(*) > 0 ...)` |
//! | `x = ANY (query)` | `x IN (query)` |
//! | `x <> ALL (query)` | `x NOT IN (query)` |
//! | other comparisons with ANY or ALL of a query | refused |

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Query, SelectItem, SetExpr, UnaryOperator, Value,
};

use super::build;
use crate::error::{Error, Result};

/// Turns EXISTS into a count.
pub(super) fn count_instead(expr: &mut Expr) {
    let Expr::Exists { subquery, negated } = expr else { return };
    let mut query = subquery.as_ref().clone();
    let all = build::call("count", vec![build::literal(Value::Number("1".into(), false))]);
    let zero = build::literal(Value::Number("0".into(), false));
    let some = SelectItem::UnnamedExpr(build::binary(all, BinaryOperator::Gt, zero));
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

/// Turns such a comparison into IN.
///
/// **Errors**: `0A000` for comparisons that IN does not express.
pub(super) fn member_instead(expr: &mut Expr) -> Result<()> {
    let (left, right, negated) = match expr {
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => (left, right, false),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => (left, right, true),
        _ => {
            return Err(Error::unsupported("this comparison with ANY or ALL of a query")
                .with_hint("Compare with (SELECT min(...)) or (SELECT max(...))."));
        }
    };
    let Expr::Subquery(query) = right.as_ref() else { return Ok(()) };
    *expr = Expr::InSubquery { expr: left.clone(), subquery: query.clone(), negated };
    Ok(())
}
