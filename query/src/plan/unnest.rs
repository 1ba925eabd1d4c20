//! How are arrays of one item of a FROM list taken apart by the next?
//!
//! `FROM t, unnest(t.tags) AS u (tag)` is planned as a join whose right side refers to its left one,
//! which nothing can run. Here it becomes what it means: the rows of `t`, each as often as its array
//! has elements.
//!
//! ```text
//! Join (inner)                         Projection: t.*, element AS u.tag
//!   t                                    Unnest
//!   u: Projection: element AS tag   ->     Projection: t.*, t.tags
//!        Unnest                              t
//!          Projection: outer t.tags
//!            one empty row
//! ```

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, TableReference, not_impl_err};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Unnest};

/// Rewrites a whole plan.
///
/// **Errors**: `not implemented` for an outer join with an array of its other side.
pub fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => joined(join),
        node => Ok(Transformed::no(node)),
    })
    .data()
}

/// The right side of such a join: its columns over the node that takes arrays apart.
struct Parts<'a> {
    unnest: &'a Unnest,
    /// The arrays, as the left side's expressions.
    arrays: Vec<Expr>,
    /// Qualifier, name and expression of each column.
    columns: Vec<(Option<TableReference>, String, Expr)>,
}

fn joined(join: Join) -> Result<Transformed<LogicalPlan>> {
    let Some(parts) = parts(&join.right)? else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    if join.join_type != JoinType::Inner || !join.on.is_empty() {
        return not_impl_err!("unnest of a column in an outer join, or with USING");
    }
    let left: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let inputs = left.iter().cloned().chain(parts.arrays);
    let input = LogicalPlanBuilder::from(join.left.as_ref().clone()).project(inputs)?.build()?;
    let Unnest { exec_columns, options, .. } = parts.unnest.clone();
    let unnest = Unnest::try_new(Arc::new(input), exec_columns, options)?;
    let columns = parts.columns.into_iter().map(|(relation, name, expr)| match relation {
        Some(relation) => expr.alias_qualified(Some(relation), name),
        None => expr.alias(name),
    });
    let mut plan = LogicalPlanBuilder::from(LogicalPlan::Unnest(unnest))
        .project(left.into_iter().chain(columns))?;
    if let Some(filter) = join.filter {
        plan = plan.filter(filter)?;
    }
    Ok(Transformed::yes(plan.build()?))
}

/// Takes the right side of a join apart; `None` when it refers to nothing outside.
fn parts(plan: &LogicalPlan) -> Result<Option<Parts<'_>>> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let Some(mut parts) = parts(&alias.input)? else { return Ok(None) };
            for (relation, _, _) in &mut parts.columns {
                *relation = Some(alias.alias.clone());
            }
            Ok(Some(parts))
        }
        LogicalPlan::Projection(projection) => {
            let Some(mut parts) = parts(&projection.input)? else { return Ok(None) };
            let mut columns = Vec::with_capacity(projection.expr.len());
            for (expr, (relation, field)) in projection.expr.iter().zip(projection.schema.iter()) {
                let resolved = expr.clone().unalias().transform(|expr| {
                    let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
                    let below = parts.columns.iter().find(|(relation, name, _)| {
                        *name == column.name
                            && (column.relation.is_none() || column.relation == *relation)
                    });
                    Ok(match below {
                        Some((_, _, below)) => Transformed::yes(below.clone()),
                        None => Transformed::no(expr),
                    })
                })?;
                columns.push((relation.cloned(), field.name().clone(), resolved.data));
            }
            parts.columns = columns;
            Ok(Some(parts))
        }
        LogicalPlan::Unnest(unnest) => {
            let LogicalPlan::Projection(arrays) = unnest.input.as_ref() else { return Ok(None) };
            let outer = arrays.expr.iter().any(|expr| expr.contains_outer());
            if !outer || !matches!(arrays.input.as_ref(), LogicalPlan::EmptyRelation(_)) {
                return Ok(None);
            }
            let names = arrays.schema.fields().iter().map(|field| field.name().clone());
            let arrays =
                arrays.expr.iter().zip(names).map(|(expr, name)| {
                    Ok(expr.clone().unalias().transform(inner)?.data.alias(name))
                });
            let arrays = arrays.collect::<Result<Vec<Expr>>>()?;
            let columns =
                unnest.schema.columns().into_iter().map(|column| {
                    (column.relation.clone(), column.name.clone(), Expr::Column(column))
                });
            Ok(Some(Parts { unnest, arrays, columns: columns.collect() }))
        }
        _ => Ok(None),
    }
}

/// A column of the other side is one of the same side.
fn inner(expr: Expr) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
        expr => Transformed::no(expr),
    })
}
