//! How do patterns and traversals in a FROM list become plans?
//!
//! Binding writes them as table functions whose one argument is a text of its own making:
//!
//! * `__match('<pattern>')`: [`Pattern::decode`] reads it.
//! * `__traverse('<traversal>', (subquery))`: [`Traversal::decode`] reads it.
//!
//! Whatever is not one of these is left to the planner.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Query, TableFactor, Value, ValueWithSpan,
};
use pieskieo_shards::catalog::Catalog;

use super::graph::PatternPlan;
use crate::bind::{TRAVERSE_FUNCTION, Traversal};
use crate::exec::here::external;
use crate::syntax::{MATCH_FUNCTION, Pattern};

/// Plans the table functions that stand for patterns.
#[derive(Debug)]
pub struct GraphRelations {
    catalog: Arc<Catalog>,
}

impl GraphRelations {
    /// Plans patterns over the tables of a catalog.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }
}

impl RelationPlanner for GraphRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (name, mut args) = match marker(&relation) {
            Some(call) => call,
            None => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let catalog = self.catalog.clone();
        let plan = match (name.as_str(), args.pop(), args.pop()) {
            (MATCH_FUNCTION, Some(Argument::Text(text)), None) => {
                let pattern = Pattern::decode(&text).map_err(external)?;
                PatternPlan::of_pattern(catalog, &pattern)?
            }
            (TRAVERSE_FUNCTION, Some(Argument::Query(subquery)), Some(Argument::Text(text))) => {
                let traversal = Traversal::decode(&text).map_err(external)?;
                let input = context.plan(TableFactor::Derived {
                    lateral: false,
                    subquery,
                    alias: None,
                    sample: None,
                })?;
                PatternPlan::of_traversal(catalog, input, &traversal)?
            }
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

/// An argument of one of our table functions.
enum Argument {
    Text(String),
    Query(Box<Query>),
}

/// Returns the name and the arguments of a table function that may be one of ours.
fn marker(relation: &TableFactor) -> Option<(String, Vec<Argument>)> {
    let TableFactor::Table { name, args: Some(args), .. } = relation else { return None };
    let [name] = &name.0[..] else { return None };
    let name = name.as_ident()?.value.clone();
    let args = args.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        }))) => Some(Argument::Text(text.clone())),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(query))) => {
            Some(Argument::Query(query.clone()))
        }
        _ => None,
    });
    Some((name, args.collect::<Option<_>>()?))
}
