//! How many records have the tables of a query, and how many of them pass its conditions?
//!
//! Estimates choose between plans; no answer depends on them. Counts are those of the moment a plan is
//! made, whatever its snapshot sees. What a condition lets through is a guess by its form.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, Like};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use pieskieo_shards::actor::Core;
use pieskieo_shards::ids::TableId;
use pieskieo_shards::request::{Reply, Request};

use super::path::ScanPath;
use super::provider::table_of;
use crate::error::{Error, Result};

/// Tables whose counts are kept; some 16 bytes each.
const TABLES_MAX: usize = 1024;
/// Share of a table's records with one value of a column.
const EQUAL: f64 = 0.05;
/// Share of what lies on one side of a value.
const BEYOND: f64 = 0.33;
/// Share of texts with a pattern.
const LIKE: f64 = 0.1;
/// Share of what passes a condition nothing is known of.
const OTHER: f64 = 0.3;

/// Asks all shards how many records each of these tables has now.
///
/// **Cost**: one small request per shard.
///
/// **Errors**: whatever a shard reports.
pub async fn record_counts(core: &Rc<Core>, tables: &[TableId]) -> Result<Vec<u64>> {
    let requests = core.shards().map(|shard| (shard, Request::RecordCounts(tables.to_vec())));
    let mut sums = vec![0; tables.len()];
    for reply in core.call_all(requests).await? {
        let Reply::RecordCounts(counts) = reply else {
            return Err(Error::internal("counts were answered with something else"));
        };
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    Ok(sums)
}

/// How many records the tables have that a thread has lately planned with.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<TableId, u64>>);

impl Counts {
    /// Asks all shards how many records the tables of a query have now.
    ///
    /// **Cost**: one small request per shard.
    ///
    /// **Errors**: whatever a shard reports.
    pub async fn refresh(&self, core: &Rc<Core>, query: &LogicalPlan) -> Result<()> {
        let tables = tables(query)?;
        if tables.is_empty() {
            return Ok(());
        }
        let sums = record_counts(core, &tables).await?;
        let mut known = self.known();
        // Others of this thread may be planning between their counts and their plans.
        if known.len() >= TABLES_MAX {
            known.clear();
        }
        known.extend(tables.into_iter().zip(sums));
        Ok(())
    }

    /// Returns how many records of a table are read on this way and pass these conditions, about;
    /// `None` = nobody asked for the table.
    pub fn estimate(&self, table: TableId, path: &ScanPath, filters: &[Expr]) -> Option<u64> {
        let all = *self.known().get(&table)?;
        let most = match path {
            ScanPath::Keys(keys) => all.min(keys.len() as u64),
            _ => all,
        };
        let share: f64 = filters.iter().map(share).product();
        Some(((all as f64 * share).ceil() as u64).min(most))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<TableId, u64>> {
        // A count is right between any two statements that change the map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tables a query reads, in its subqueries too.
fn tables(query: &LogicalPlan) -> Result<Vec<TableId>> {
    let mut out = Vec::new();
    query.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(table) = table_of(&scan.source)
        {
            out.push(table.id);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// Returns which share of rows passes a condition, about.
fn share(condition: &Expr) -> f64 {
    let either = |share: f64, negated: bool| if negated { 1.0 - share } else { share };
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Eq => EQUAL,
            Operator::NotEq => 1.0 - EQUAL,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => BEYOND,
            Operator::And => share(left) * share(right),
            Operator::Or => {
                let (left, right) = (share(left), share(right));
                left + right - left * right
            }
            _ => OTHER,
        },
        Expr::Between(Between { negated, .. }) => either(BEYOND * BEYOND, *negated),
        Expr::InList(InList { list, negated, .. }) => {
            either((EQUAL * list.len() as f64).min(0.5), *negated)
        }
        Expr::Like(Like { negated, .. }) => either(LIKE, *negated),
        Expr::Not(inner) => 1.0 - share(inner),
        Expr::IsNotNull(_) => 1.0,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn more_conditions_let_less_through_and_alternatives_more() {
        let one = share(&col("a").eq(lit(1)));
        let both = share(&col("a").eq(lit(1)).and(col("b").gt(lit(2))));
        let any = share(&col("a").eq(lit(1)).or(col("b").gt(lit(2))));
        assert!(both < one && one < any && any < 1.0);
        assert!(share(&col("a").is_not_null()) > any);
        let long = (0..100).map(lit).collect();
        assert!(share(&col("a").in_list(long, false)) <= 0.5);
    }
}
