//! Which columns and parameters are of types that PostgreSQL has and we have not?
//!
//! Numbers of objects are carried by BIGINT, names by TEXT. Some clients ask about every type they
//! do not know by a query over `pg_type`, and would ask about that query's own types without an
//! end, if they were others than PostgreSQL has there. So a plan is followed from a column of an
//! answer to the column of `pg_catalog` it comes from.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{Expr as Written, Value, visit_expressions};
use pieskieo_shards::value::ColumnType;

use super::oid::{NUMBER_KEY, by_oid, oid};
use crate::bind::own_type_number;
use crate::syntax::Statement;

/// Deepest plan that is followed: deeper ones are told as what carries them.
const DEPTH_MAX: usize = 200;

/// Returns the number of the type that a client is told for each parameter.
pub fn parameter_numbers(statement: &Statement, types: &[ColumnType]) -> Vec<u32> {
    let mut said: BTreeMap<usize, u32> = BTreeMap::new();
    if let Statement::Query(query) = statement {
        let _ = visit_expressions(query, |expr: &Written| {
            if let Written::Cast { expr: inner, data_type, .. } = expr
                && let Written::Value(value) = inner.as_ref()
                && let Value::Placeholder(name) = &value.value
                && let Ok(number) = name.trim_start_matches('$').parse()
                && let Some(of) = own_type_number(data_type)
            {
                said.insert(number, of);
            }
            ControlFlow::<()>::Continue(())
        });
    }
    let told = |(at, ty): (usize, &ColumnType)| match said.get(&(at + 1)) {
        Some(number) if carries(*number, ty) => *number,
        _ => oid(ty),
    };
    types.iter().enumerate().map(told).collect()
}

/// Returns whether values of a type of ours carry those of a type of PostgreSQL's.
pub(super) fn carries(number: u32, ty: &ColumnType) -> bool {
    let scalar = |number: u32, ty: &ColumnType| {
        let known = by_oid(number).map(|known| known.name);
        matches!(
            (known, ty),
            (Some("oid" | "xid"), ColumnType::BigInt) | (Some("name" | "char"), ColumnType::Text)
        )
    };
    match ty {
        ColumnType::Array(element) => match by_oid(number).map(|known| known.name) {
            Some("int2vector") => **element == ColumnType::SmallInt,
            Some("oidvector") => **element == ColumnType::BigInt,
            Some(_) => false,
            None => {
                let found = super::oid::KNOWN.iter().find(|known| known.array == number);
                found.is_some_and(|known| scalar(known.oid, element))
            }
        },
        ty => scalar(number, ty),
    }
}

/// Returns, for each column of a plan, the number of the type that PostgreSQL has for it and we have
/// not.
pub(super) fn column_numbers(plan: &LogicalPlan) -> Vec<Option<u32>> {
    numbers_of(plan, 0)
}

fn numbers_of(plan: &LogicalPlan, depth: usize) -> Vec<Option<u32>> {
    let none = || vec![None; plan.schema().fields().len()];
    if depth > DEPTH_MAX {
        return none();
    }
    let of = |plan: &LogicalPlan| numbers_of(plan, depth + 1);
    let found = match plan {
        LogicalPlan::TableScan(_) => plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.metadata().get(NUMBER_KEY).and_then(|number| number.parse().ok()))
            .collect(),
        LogicalPlan::Projection(projection) => {
            let below = Below::of(&projection.input, depth);
            projection.expr.iter().map(|expr| below.number(expr)).collect()
        }
        LogicalPlan::Aggregate(aggregate) => {
            let below = Below::of(&aggregate.input, depth);
            let all = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            all.map(|expr| below.number(expr)).collect()
        }
        LogicalPlan::SubqueryAlias(alias) => of(&alias.input),
        LogicalPlan::Filter(filter) => of(&filter.input),
        LogicalPlan::Sort(sort) => of(&sort.input),
        LogicalPlan::Limit(limit) => of(&limit.input),
        LogicalPlan::Distinct(distinct) => of(distinct.input()),
        LogicalPlan::Subquery(subquery) => of(&subquery.subquery),
        LogicalPlan::RecursiveQuery(recursive) => of(&recursive.static_term),
        LogicalPlan::Union(union) => union.inputs.first().map_or_else(none, |first| of(first)),
        LogicalPlan::Join(join) => {
            let mut all = of(&join.left);
            all.extend(of(&join.right));
            all
        }
        _ => none(),
    };
    // Some joins leave a side out.
    if found.len() == plan.schema().fields().len() { found } else { none() }
}

/// What an expression is computed from.
struct Below<'p> {
    schema: &'p DFSchema,
    numbers: Vec<Option<u32>>,
    depth: usize,
}

impl<'p> Below<'p> {
    fn of(input: &'p LogicalPlan, depth: usize) -> Self {
        Self { schema: input.schema().as_ref(), numbers: numbers_of(input, depth + 1), depth }
    }

    fn number(&self, expr: &Expr) -> Option<u32> {
        match expr {
            Expr::Column(column) => {
                let at = self.schema.maybe_index_of_column(column)?;
                self.numbers.get(at).copied().flatten()
            }
            Expr::Alias(alias) => self.number(&alias.expr),
            Expr::Case(case) => {
                let results = case.when_then_expr.iter().map(|(_, then)| then);
                let mut all = results.chain(&case.else_expr);
                all.find_map(|result| self.number(result))
            }
            Expr::ScalarSubquery(subquery) => {
                numbers_of(&subquery.subquery, self.depth + 1).first().copied().flatten()
            }
            Expr::ScalarFunction(call) => match call.func.name() {
                "coalesce" | "nullif" | "array_or_empty" => {
                    call.args.iter().find_map(|arg| self.number(arg))
                }
                _ => None,
            },
            Expr::AggregateFunction(call) => {
                let of = call.params.args.first().and_then(|arg| self.number(arg))?;
                match call.func.name() {
                    "array_agg" => by_oid(of).map(|known| known.array).filter(|array| *array != 0),
                    "min" | "max" | "first_value" | "single_value" => Some(of),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
