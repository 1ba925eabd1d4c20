//! How do functions that give several rows become plans?
//!
//! ```text
//! FROM t, jsonb_array_elements(t.tags) AS tag
//!
//! Project t.*, __list0 AS tag.value
//!   Unnest __list0
//!     Project t.*, json_array_elements(t.tags) AS __list0
//!       Scan t
//! ```
//!
//! Binding writes them as `__unnest('<spec>', (SELECT * FROM left), list, …)`. The lists are
//! planned over the columns of what is to the left, so that nothing has to be decorrelated, and
//! conditions on the left sink below. Those over columns of an outer query are joined with what they
//! depend on (`dependent`).

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, NullHandling, Result, TableReference, UnnestOptions};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Expr as Written, FunctionArg, FunctionArgExpr, Query, SetExpr, TableFactor, Value,
};

use crate::bind::{UNNEST_FUNCTION, Unnesting};
use crate::error::{Error, code};
use crate::exec::here::external;

/// Plans the table functions that stand for lists.
#[derive(Debug)]
pub struct SetRelations;

impl RelationPlanner for SetRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let Some((text, left, lists)) = marker(&relation) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let spec = Unnesting::decode(&text).map_err(external)?;
        let input = match left {
            None => LogicalPlanBuilder::empty(true).build()?,
            Some(left) => context.plan(left)?,
        };
        let shown: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let mut below = shown.clone();
        let mut unnested = Vec::with_capacity(lists.len());
        let mut above = shown;
        for (number, (list, name)) in lists.into_iter().zip(&spec.columns).enumerate() {
            let list = context.sql_to_expr(list, input.schema())?;
            check_list(&list, input.schema())?;
            let made = format!("__list{number}");
            below.push(list.alias(&made));
            let column = Column::new_unqualified(made);
            let alias = TableReference::bare(spec.alias.as_str());
            above.push(Expr::Column(column.clone()).alias_qualified(Some(alias), name));
            unnested.push(column);
        }
        let null_handling =
            if spec.outer { NullHandling::PreserveAndExpandEmpty } else { NullHandling::Drop };
        let options = UnnestOptions { null_handling, recursions: Vec::new() };
        let plan = LogicalPlanBuilder::from(input)
            .project(below)?
            .unnest_columns_with_options(unnested, options)?
            .project(above)?
            .build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

fn check_list(list: &Expr, schema: &datafusion::common::DFSchema) -> Result<()> {
    match list.get_type(schema)? {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Ok(()),
        other => {
            let name = crate::outcome::type_name(&other);
            let message = format!("UNNEST wants a list or JSON, not {name}");
            Err(external(Error::new(code::UNDEFINED_FUNCTION, message)))
        }
    }
}

/// What one of our table functions was given: its specification, what is to the left, the lists.
type Marker = (String, Option<TableFactor>, Vec<Written>);

fn marker(relation: &TableFactor) -> Option<Marker> {
    let TableFactor::Table { name, args: Some(args), .. } = relation else { return None };
    let [name] = &name.0[..] else { return None };
    if name.as_ident()?.value != UNNEST_FUNCTION {
        return None;
    }
    let args: Vec<&Written> = args
        .args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let [Written::Value(spec), left, lists @ ..] = args.as_slice() else { return None };
    let Value::SingleQuotedString(text) = &spec.value else { return None };
    let left = match left {
        Written::Subquery(query) => Some(only_item(query)?),
        _ => None,
    };
    let lists = lists.iter().map(|list| (*list).clone()).collect();
    Some((text.clone(), left, lists))
}

/// The one item of the query's FROM list.
fn only_item(query: &Query) -> Option<TableFactor> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [item] = select.from.as_slice() else { return None };
    let table_with_joins = Box::new(item.clone());
    Some(TableFactor::NestedJoin { table_with_joins, alias: None })
}
