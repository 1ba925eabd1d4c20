//! Which queries depend on the row around them in a way DataFusion's rules do not know?
//!
//! | where | becomes |
//! | --- | --- |
//! | a query as a value | a left join; more than one row is an error when it runs |
//! | `EXISTS`, `NOT EXISTS` and `IN` as conditions of WHERE | a semi or anti join |
//! | `LATERAL` | an inner or left join |
//!
//! What they are joined with is the query's `dependent` form.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Projection, Subquery, SubqueryAlias,
    check_subquery_expr,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::dependent::{Domain, is_dependent};
use crate::functions::single_value;

/// Turns queries that depend on the row around them into joins.
#[derive(Debug)]
pub struct UnnestSubqueries;

impl AnalyzerRule for UnnestSubqueries {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        if !has_dependent(&plan)? {
            return Ok(plan);
        }
        let mut number = 0;
        let rewritten = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Filter(filter) => in_filter(filter, &mut number),
            LogicalPlan::Projection(projection) => in_projection(projection, &mut number),
            LogicalPlan::Join(join) => lateral(join, &mut number),
            other => Ok(Transformed::no(other)),
        });
        rewritten.data()
    }

    fn name(&self) -> &str {
        "unnest_subqueries"
    }
}

/// Whether any query of a plan depends on the row around it.
fn has_dependent(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| Ok(matches!(expr, Expr::OuterReferenceColumn(..))))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// The columns of `rows` that a query refers to; `None` when it refers to others, or to none.
fn references(subquery: &Subquery, rows: &LogicalPlan) -> Result<Option<Vec<Column>>> {
    let mut found: Vec<Column> = Vec::new();
    let mut is_known = true;
    subquery.subquery.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::OuterReferenceColumn(_, column) = expr {
                    is_known &= rows.schema().has_column(column);
                    if !found.contains(column) {
                        found.push(column.clone());
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok((is_known && !found.is_empty()).then_some(found))
}

fn in_filter(filter: Filter, number: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let rows = filter.input.schema().columns();
    let mut input = filter.input.as_ref().clone();
    let mut left = Vec::new();
    let mut changed = false;
    for condition in split_conjunction_owned(filter.predicate.clone()) {
        if let Some(joined) = member(&condition, &input, number)? {
            (input, changed) = (joined, true);
            continue;
        }
        let (joined, condition) = values(condition, input, &Outside::Filter(&filter), number)?;
        changed |= joined.transformed;
        input = joined.data;
        left.push(condition);
    }
    if !changed {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let mut builder = LogicalPlanBuilder::from(input);
    if let Some(predicate) = conjunction(left) {
        builder = builder.filter(predicate)?;
    }
    builder.project(rows.into_iter().map(Expr::Column))?.build().map(Transformed::yes)
}

fn in_projection(projection: Projection, number: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let mut input = projection.input.as_ref().clone();
    let mut changed = false;
    let mut exprs = Vec::with_capacity(projection.expr.len());
    let names = projection.schema.iter();
    for (expr, (qualifier, field)) in projection.expr.iter().zip(names) {
        let outside = Outside::Projection(&projection);
        let (joined, rewritten) = values(expr.clone(), input, &outside, number)?;
        exprs.push(match joined.transformed {
            true => rewritten.unalias().alias_qualified(qualifier.cloned(), field.name()),
            false => rewritten,
        });
        changed |= joined.transformed;
        input = joined.data;
    }
    if !changed {
        return Ok(Transformed::no(LogicalPlan::Projection(projection)));
    }
    LogicalPlanBuilder::from(input).project(exprs)?.build().map(Transformed::yes)
}

/// The operator whose expression a query stands in.
enum Outside<'p> {
    Filter(&'p Filter),
    Projection(&'p Projection),
}

impl Outside<'_> {
    fn plan(&self) -> LogicalPlan {
        match self {
            Self::Filter(filter) => LogicalPlan::Filter((*filter).clone()),
            Self::Projection(projection) => LogicalPlan::Projection((*projection).clone()),
        }
    }
}

/// Joins the queries that stand for values in an expression to the rows it is evaluated over.
fn values(
    expr: Expr,
    input: LogicalPlan,
    outside: &Outside<'_>,
    number: &mut usize,
) -> Result<(Transformed<LogicalPlan>, Expr)> {
    let mut input = Transformed::no(input);
    let rewritten = expr.transform_down(|expr| {
        let Expr::ScalarSubquery(subquery) = &expr else { return Ok(Transformed::no(expr)) };
        if is_known_elsewhere(subquery, &expr, outside)? {
            return Ok(Transformed::no(expr));
        }
        let Some((joined, value)) = value(subquery, &input.data, number)? else {
            return Ok(Transformed::no(expr));
        };
        input = Transformed::yes(joined);
        Ok(Transformed::yes(Expr::Column(value)))
    })?;
    Ok((input, rewritten.data))
}

/// Whether DataFusion turns a query that stands for a value into a join.
fn is_known_elsewhere(subquery: &Subquery, expr: &Expr, outside: &Outside<'_>) -> Result<bool> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(true);
    }
    // Its rules would move a condition out of the first step of a recursion.
    let recurses = |node: &LogicalPlan| Ok(matches!(node, LogicalPlan::RecursiveQuery(_)));
    if subquery.subquery.exists(recurses)? {
        return Ok(false);
    }
    if check_subquery_expr(&outside.plan(), &subquery.subquery, expr).is_err() {
        return Ok(false);
    }
    let mut pull_up = PullUpCorrelatedExpr::new().with_need_handle_count_bug(true);
    let pulled = subquery.subquery.as_ref().clone().rewrite(&mut pull_up);
    Ok(pulled.is_ok() && pull_up.can_pull_up)
}

/// Joins rows with the value a query has for each of them. Returns the column it is in.
fn value(
    subquery: &Subquery,
    rows: &LogicalPlan,
    number: &mut usize,
) -> Result<Option<(LogicalPlan, Column)>> {
    let Some(outer) = references(subquery, rows)? else { return Ok(None) };
    let mut domain = Domain::new(rows, outer, *number)?;
    let joined = domain.join(&subquery.subquery)?;
    *number = domain.number() + 1;
    let Some(query) = joined else { return Ok(None) };
    let (name, column) = (format!("__value{number}"), subquery.subquery.schema().columns());
    let [column] = <[Column; 1]>::try_from(column).map_err(|_| {
        datafusion::common::plan_datafusion_err!("a query as a value has one column")
    })?;
    let keys = query.keys.iter().enumerate();
    let keys: Vec<Expr> =
        keys.map(|(at, key)| Expr::Column(key.clone()).alias(format!("__key{at}"))).collect();
    let single = subquery.subquery.max_rows().is_some_and(|rows| rows <= 1);
    let builder = LogicalPlanBuilder::from(query.plan);
    let builder = if single {
        let value = Expr::Column(column).alias("__value");
        builder.project(keys.into_iter().chain([value]))?
    } else {
        let value = single_value(Expr::Column(column)).alias("__value");
        let grouped = keys.iter().map(|key| key.clone().unalias()).collect::<Vec<_>>();
        let grouped = builder.aggregate(grouped, [value])?;
        let value = Expr::Column(Column::new_unqualified("__value"));
        grouped.project(keys.into_iter().chain([value]))?
    };
    let query = builder.alias(name.clone())?.build()?;
    let own = (0..domain.outer().len())
        .map(|at| Column::new(Some(name.clone()), format!("__key{at}")))
        .collect::<Vec<_>>();
    let plan = joined_on(rows.clone(), query, JoinType::Left, (domain.outer().to_vec(), own))?;
    Ok(Some((plan, Column::new(Some(name), "__value"))))
}

fn joined_on(
    left: LogicalPlan,
    right: LogicalPlan,
    how: JoinType,
    keys: (Vec<Column>, Vec<Column>),
) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(left)
        .join_detailed(right, how, keys, None, NullEquality::NullEqualsNull)?
        .build()
}

/// Keeps the rows for which a query has, or has not, rows.
fn member(condition: &Expr, rows: &LogicalPlan, number: &mut usize) -> Result<Option<LogicalPlan>> {
    let (subquery, how, wanted) = match condition {
        Expr::Exists(exists) => {
            let how = if exists.negated { JoinType::LeftAnti } else { JoinType::LeftSemi };
            (&exists.subquery, how, None)
        }
        Expr::InSubquery(member) if !member.negated => {
            (&member.subquery, JoinType::LeftSemi, Some(member.expr.as_ref()))
        }
        _ => return Ok(None),
    };
    let Some(outer) = references(subquery, rows)? else { return Ok(None) };
    let mut pull_up = PullUpCorrelatedExpr::new().with_exists_sub_query(wanted.is_none());
    let pulled = subquery.subquery.as_ref().clone().rewrite(&mut pull_up);
    if pulled.is_ok() && pull_up.can_pull_up {
        return Ok(None);
    }
    let mut domain = Domain::new(rows, outer, *number)?;
    let joined = domain.join(&subquery.subquery)?;
    *number = domain.number() + 1;
    let Some(query) = joined else { return Ok(None) };
    let name = format!("__member{number}");
    let keys = query.keys.iter().enumerate();
    let keys = keys.map(|(at, key)| Expr::Column(key.clone()).alias(format!("__key{at}")));
    let found = subquery.subquery.schema().columns().into_iter().take(wanted.iter().len());
    let found = found.map(|column| Expr::Column(column).alias("__value"));
    let query = LogicalPlanBuilder::from(query.plan)
        .project(keys.chain(found).collect::<Vec<_>>())?
        .alias(name.clone())?
        .build()?;
    let own = |column: String| Column::new(Some(name.clone()), column);
    let right: Vec<Column> =
        (0..domain.outer().len()).map(|at| own(format!("__key{at}"))).collect();
    let value = Expr::Column(own("__value".to_owned()));
    let equal = wanted.map(|wanted| wanted.clone().eq(value));
    LogicalPlanBuilder::from(rows.clone())
        .join_detailed(
            query,
            how,
            (domain.outer().to_vec(), right),
            equal,
            NullEquality::NullEqualsNull,
        )?
        .build()
        .map(Some)
}

/// Turns a LATERAL query into a join.
fn lateral(join: Join, number: &mut usize) -> Result<Transformed<LogicalPlan>> {
    // Pairs of ON are a filter until the optimizer takes them out.
    let kept = matches!(join.join_type, JoinType::Inner | JoinType::Left) && join.on.is_empty();
    let Some((subquery, alias)) = lateral_query(&join.right).filter(|_| kept) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    if !is_dependent(&subquery.subquery)? {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let mut pull_up = PullUpCorrelatedExpr::new().with_need_handle_count_bug(true);
    let pulled = subquery.subquery.as_ref().clone().rewrite(&mut pull_up);
    if pulled.is_ok() && pull_up.can_pull_up && pull_up.pull_up_having_expr.is_none() {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let Some(outer) = references(subquery, &join.left)? else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let mut domain = Domain::new(&join.left, outer, *number)?;
    let aliased = match alias {
        Some(alias) => LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(
            subquery.subquery.clone(),
            alias.alias.clone(),
        )?),
        None => subquery.subquery.as_ref().clone(),
    };
    let joined = domain.join(&aliased)?;
    *number = domain.number() + 1;
    let Some(query) = joined else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
    let columns = join.schema.columns();
    let keys = (domain.outer().to_vec(), query.keys);
    LogicalPlanBuilder::from(join.left.as_ref().clone())
        .join_detailed(query.plan, join.join_type, keys, join.filter, NullEquality::NullEqualsNull)?
        .project(columns.into_iter().map(Expr::Column))?
        .build()
        .map(Transformed::yes)
}

fn lateral_query(plan: &Arc<LogicalPlan>) -> Option<(&Subquery, Option<&SubqueryAlias>)> {
    match plan.as_ref() {
        LogicalPlan::Subquery(subquery) => Some((subquery, None)),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((subquery, Some(alias))),
            _ => None,
        },
        _ => None,
    }
}
