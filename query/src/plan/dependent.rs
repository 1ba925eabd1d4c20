//! How does a query that depends on the row around it become one that is run once for all rows?
//!
//! Instead of once per row, it is joined with the *domain*: the different values that the rows around
//! it have in the columns it refers to. Every operator above the join keeps the domain's columns and
//! works on each of their values alone: aggregates group by them, windows and limits are per value.
//!
//! **Source**: Neumann and Kemper, "Unnesting Arbitrary Queries" (BTW 2015), without its later
//! simplifications: DataFusion's own rules take the queries they can.

use std::sync::Arc;

use arrow_schema::{DataType, Schema};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Join, Limit, LogicalPlan, LogicalPlanBuilder,
    Operator, Projection, RecursiveQuery, SortExpr, SubqueryAlias, TableScan, TableSource, Union,
    Window, WindowFrame, WindowFunctionDefinition, binary_expr, cast, lit,
};

/// The values that a query depends on.
pub(super) struct Domain {
    /// Their different combinations, one column for each.
    plan: LogicalPlan,
    /// The columns of the rows around the query.
    outer: Vec<Column>,
    /// Number of domains made so far, this one too.
    number: usize,
    /// That number when it was made: the names of its columns are its own, because a query inside
    /// has a domain too.
    first: usize,
    /// The tables of recursive queries around the current place that have columns of the domain.
    works: Vec<Work>,
}

/// What the last step of a recursive query gave, with columns of the domain.
struct Work {
    name: String,
    table: Arc<dyn TableSource>,
    /// Names of the columns of the domain.
    keys: Vec<String>,
}

/// A query that has been joined with its domain.
pub(super) struct Independent {
    /// The columns of the query, then perhaps others.
    pub plan: LogicalPlan,
    /// Which of its columns are those of the domain, in the order of the columns they stand for.
    pub keys: Vec<Column>,
}

impl Domain {
    /// The domain of a query over rows of `rows` that refers to these columns of them.
    ///
    /// **Errors**: none in practice.
    pub fn new(rows: &LogicalPlan, outer: Vec<Column>, number: usize) -> Result<Self> {
        let columns = outer.iter().enumerate();
        let columns =
            columns.map(|(at, column)| Expr::Column(column.clone()).alias(key_name(number, at)));
        let plan = LogicalPlanBuilder::from(rows.clone())
            .project(columns.collect::<Vec<_>>())?
            .distinct()?
            .build()?;
        Ok(Self { plan, outer, number, first: number, works: Vec::new() })
    }

    /// The columns of the rows around the query.
    pub fn outer(&self) -> &[Column] {
        &self.outer
    }

    /// The domain once more, under a name of its own.
    fn again(&mut self) -> Result<Independent> {
        self.number += 1;
        let name = format!("__domain{}", self.number);
        let plan = LogicalPlanBuilder::from(self.plan.clone()).alias(name.clone())?.build()?;
        let key = |at| Column::new(Some(name.clone()), key_name(self.first, at));
        Ok(Independent { plan, keys: (0..self.outer.len()).map(key).collect() })
    }

    /// How many domains have been made.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Joins a query with the domain; `None` where that is not known how.
    ///
    /// **Errors**: none in practice.
    pub fn join(&mut self, plan: &LogicalPlan) -> Result<Option<Independent>> {
        if !self.depends(plan)? {
            let Independent { plan: domain, keys } = self.again()?;
            let plan = LogicalPlanBuilder::from(plan.clone()).cross_join(domain)?.build()?;
            return Ok(Some(Independent { plan, keys }));
        }
        match plan {
            LogicalPlan::Filter(filter) => {
                let Some(input) = self.join(&filter.input)? else { return Ok(None) };
                let Some(predicate) = self.bind(&filter.predicate, &input.keys)? else {
                    return Ok(None);
                };
                let plan = LogicalPlanBuilder::from(input.plan).filter(predicate)?.build()?;
                Ok(Some(Independent { plan, keys: input.keys }))
            }
            LogicalPlan::Projection(projection) => {
                let Some(input) = self.join(&projection.input)? else { return Ok(None) };
                self.join_projection(projection, input)
            }
            LogicalPlan::SubqueryAlias(alias) => self.join_alias(alias),
            LogicalPlan::Aggregate(aggregate) => self.join_aggregate(aggregate),
            LogicalPlan::Join(join) => self.join_join(join),
            LogicalPlan::Window(window) => self.join_window(window),
            LogicalPlan::Union(union) => self.join_union(union),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let Some(input) = self.join(input)? else { return Ok(None) };
                let plan = LogicalPlanBuilder::from(input.plan).distinct()?.build()?;
                Ok(Some(Independent { plan, keys: input.keys }))
            }
            LogicalPlan::Sort(sort) => match sort.fetch {
                // What is joined has no order.
                None => self.join(&sort.input),
                Some(fetch) => {
                    let fetch = lit(fetch as i64);
                    self.join_limit(&sort.input, &sort.expr, (None, Some(&fetch)))
                }
            },
            LogicalPlan::Limit(limit) => self.join_bounded(limit),
            LogicalPlan::Unnest(unnest) => {
                let Some(input) = self.join(&unnest.input)? else { return Ok(None) };
                let (lists, options) = (unnest.exec_columns.clone(), unnest.options.clone());
                let plan = LogicalPlanBuilder::from(input.plan)
                    .unnest_columns_with_options(lists, options)?
                    .build()?;
                Ok(Some(Independent { plan, keys: input.keys }))
            }
            LogicalPlan::Subquery(subquery) => self.join(&subquery.subquery),
            LogicalPlan::RecursiveQuery(recursive) => self.join_recursive(recursive),
            LogicalPlan::TableScan(scan) => self.join_work(scan),
            _ => Ok(None),
        }
    }

    /// A recursive query goes on for each value of the domain alone: its steps keep the columns.
    fn join_recursive(&mut self, recursive: &RecursiveQuery) -> Result<Option<Independent>> {
        let Some(first) = self.join(&recursive.static_term)? else { return Ok(None) };
        self.number += 1;
        let name = |at| format!("__step{}_key{at}", self.number);
        let names: Vec<String> = (0..first.keys.len()).map(name).collect();
        let named = |of: &LogicalPlan, plan: Independent| {
            let columns = of.schema().columns().into_iter().map(Expr::Column);
            let keys = plan.keys.iter().zip(&names);
            let keys = keys.map(|(key, name)| Expr::Column(key.clone()).alias(name));
            LogicalPlanBuilder::from(plan.plan).project(columns.chain(keys))?.build()
        };
        let first = named(&recursive.static_term, first)?;
        let fields = first.schema().fields().iter().cloned().collect::<Vec<_>>();
        let table = CteWorkTable::new(&recursive.name, Arc::new(Schema::new(fields)));
        let table = provider_as_source(Arc::new(table));
        let work = Work { name: recursive.name.clone(), table, keys: names.clone() };
        self.works.push(work);
        let step = self.join(&recursive.recursive_term);
        self.works.pop();
        let Some(step) = step? else { return Ok(None) };
        let step = named(&recursive.recursive_term, step)?;
        let (name, distinct) = (recursive.name.clone(), recursive.is_distinct);
        let plan = RecursiveQuery::try_new(name, Arc::new(first), Arc::new(step), distinct)?;
        let plan = LogicalPlan::RecursiveQuery(plan);
        let keys = names.into_iter().map(Column::new_unqualified).collect();
        Ok(Some(Independent { plan, keys }))
    }

    /// What the last step of a recursive query gave has columns of the domain already.
    fn join_work(&self, scan: &TableScan) -> Result<Option<Independent>> {
        let Some(work) = self.work_of(scan) else { return Ok(None) };
        let name = scan.table_name.clone();
        let keys = work.keys.iter().map(|key| Column::new(Some(name.clone()), key)).collect();
        let plan = LogicalPlanBuilder::scan(name, work.table.clone(), None)?.build()?;
        Ok(Some(Independent { plan, keys }))
    }

    /// The table of a recursive query that a scan reads.
    fn work_of(&self, scan: &TableScan) -> Option<&Work> {
        self.works.iter().rev().find(|work| scan.table_name.table() == work.name)
    }

    /// Whether a plan refers to the rows around the query, or reads what depends on them.
    fn depends(&self, plan: &LogicalPlan) -> Result<bool> {
        let reads = plan.exists(|node| {
            Ok(matches!(node, LogicalPlan::TableScan(scan) if self.work_of(scan).is_some()))
        })?;
        Ok(reads || is_dependent(plan)?)
    }

    fn join_projection(
        &mut self,
        projection: &Projection,
        input: Independent,
    ) -> Result<Option<Independent>> {
        let Some(exprs) = self.bind_all(&projection.expr, &input.keys)? else { return Ok(None) };
        let named = exprs.into_iter().zip(projection.schema.iter());
        let named = named.map(|(expr, (qualifier, field))| named_as(expr, qualifier, field.name()));
        let named = named.collect();
        project(input, named).map(Some)
    }

    fn join_alias(&mut self, alias: &SubqueryAlias) -> Result<Option<Independent>> {
        let Some(input) = self.join(&alias.input)? else { return Ok(None) };
        let inner = alias.input.schema().iter();
        let columns = inner.zip(alias.schema.iter()).map(|((qualifier, field), (_, named))| {
            Expr::Column(Column::new(qualifier.cloned(), field.name()))
                .alias_qualified(Some(alias.alias.clone()), named.name())
        });
        let columns = columns.collect();
        project(input, columns).map(Some)
    }

    fn join_aggregate(&mut self, aggregate: &Aggregate) -> Result<Option<Independent>> {
        let sets = aggregate.group_expr.iter().any(|key| matches!(key, Expr::GroupingSet(_)));
        let Some(input) = self.join(&aggregate.input)? else { return Ok(None) };
        let (Some(mut groups), Some(aggregates)) = (
            self.bind_all(&aggregate.group_expr, &input.keys)?,
            self.bind_all(&aggregate.aggr_expr, &input.keys)?,
        ) else {
            return Ok(None);
        };
        if sets {
            return Ok(None);
        }
        let results = groups.iter().chain(&aggregates).map(result_of).collect::<Vec<_>>();
        let results = results.into_iter().zip(aggregate.schema.iter());
        let columns = results.map(|(result, (qualifier, field))| {
            named_as(Expr::Column(result), qualifier, field.name())
        });
        let columns = columns.collect();
        groups.extend(input.keys.iter().cloned().map(Expr::Column));
        let plan = LogicalPlanBuilder::from(input.plan).aggregate(groups, aggregates)?.build()?;
        let grouped = project(Independent { plan, keys: input.keys }, columns)?;
        if aggregate.group_expr.is_empty() {
            return self.with_empty_groups(aggregate, grouped).map(Some);
        }
        Ok(Some(grouped))
    }

    /// An aggregate without groups has a row also where nothing was aggregated.
    fn with_empty_groups(
        &mut self,
        aggregate: &Aggregate,
        grouped: Independent,
    ) -> Result<Independent> {
        let all = self.again()?;
        let keys = all.keys.clone();
        let plan = LogicalPlanBuilder::from(all.plan)
            .join_detailed(
                grouped.plan,
                JoinType::Left,
                (all.keys, grouped.keys),
                None,
                NullEquality::NullEqualsNull,
            )?
            .build()?;
        let input_schema = aggregate.input.schema();
        let results = aggregate.schema.columns().into_iter().zip(&aggregate.aggr_expr);
        let results = results.map(|(column, expr)| {
            let of_nothing = match expr.clone().unalias() {
                Expr::AggregateFunction(function) => {
                    let ty = expr.get_type(input_schema.as_ref())?;
                    function.func.default_value(&ty)?
                }
                _ => ScalarValue::Null,
            };
            let result = Expr::Column(column.clone());
            if of_nothing.is_null() {
                return Ok(result);
            }
            let filled = datafusion::functions::expr_fn::coalesce(vec![result, lit(of_nothing)]);
            Ok(filled.alias_qualified(column.relation, column.name))
        });
        let results = results.collect::<Result<Vec<_>>>()?;
        project(Independent { plan, keys }, results)
    }

    fn join_join(&mut self, join: &Join) -> Result<Option<Independent>> {
        let keeps_left = matches!(
            join.join_type,
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark
        );
        if !keeps_left && join.join_type != JoinType::Inner {
            return Ok(None);
        }
        let right_alone = !self.depends(&join.right)?;
        let left_alone = join.join_type == JoinType::Inner && !self.depends(&join.left)?;
        let left = match left_alone {
            true => None,
            false => Some(self.join(&join.left)?),
        };
        let right = match right_alone && !left_alone {
            true => None,
            false => Some(self.join(&join.right)?),
        };
        let (left, right) = match (left, right) {
            (Some(None), _) | (_, Some(None)) => return Ok(None),
            (left, right) => (left.flatten(), right.flatten()),
        };
        let keys = match (&left, &right) {
            (Some(side), _) | (None, Some(side)) => side.keys.clone(),
            (None, None) => return Ok(None),
        };
        let mut conditions: Vec<Expr> = Vec::new();
        if let (Some(left), Some(right)) = (&left, &right) {
            let pairs = left.keys.iter().zip(&right.keys);
            conditions.extend(pairs.map(|(left, right)| same(left, right)));
        }
        let (mut on_left, mut on_right) = (Vec::new(), Vec::new());
        for (one, other) in &join.on {
            let (Some(one), Some(other)) = (self.bind(one, &keys)?, self.bind(other, &keys)?)
            else {
                return Ok(None);
            };
            on_left.push(one);
            on_right.push(other);
        }
        if let Some(filter) = &join.filter {
            let Some(filter) = self.bind(filter, &keys)? else { return Ok(None) };
            conditions.push(filter);
        }
        let plan_of = |side: Option<Independent>, alone: &Arc<LogicalPlan>| match side {
            Some(side) => Arc::new(side.plan),
            None => alone.clone(),
        };
        let joined = Join::try_new(
            plan_of(left, &join.left),
            plan_of(right, &join.right),
            on_left.into_iter().zip(on_right).collect(),
            conditions.into_iter().reduce(Expr::and),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let columns = join.schema.columns().into_iter().map(Expr::Column).collect();
        project(Independent { plan: LogicalPlan::Join(joined), keys }, columns).map(Some)
    }

    fn join_window(&mut self, window: &Window) -> Result<Option<Independent>> {
        let Some(input) = self.join(&window.input)? else { return Ok(None) };
        let Some(exprs) = self.bind_all(&window.window_expr, &input.keys)? else {
            return Ok(None);
        };
        let mut named = Vec::with_capacity(exprs.len());
        let mut columns: Vec<Expr> =
            window.input.schema().columns().into_iter().map(Expr::Column).collect();
        for (expr, before) in exprs.into_iter().zip(&window.window_expr) {
            let Expr::WindowFunction(mut function) = expr else { return Ok(None) };
            function.params.partition_by.extend(input.keys.iter().cloned().map(Expr::Column));
            let expr = Expr::WindowFunction(function);
            let result = Column::new_unqualified(expr.schema_name().to_string());
            columns.push(Expr::Column(result).alias(before.schema_name().to_string()));
            named.push(expr);
        }
        let plan = LogicalPlanBuilder::from(input.plan).window(named)?.build()?;
        project(Independent { plan, keys: input.keys }, columns).map(Some)
    }

    fn join_union(&mut self, union: &Union) -> Result<Option<Independent>> {
        let mut all: Option<LogicalPlanBuilder> = None;
        let mut keys = Vec::new();
        for input in &union.inputs {
            let Some(joined) = self.join(input)? else { return Ok(None) };
            let names = union.schema.iter().zip(input.schema().iter());
            let columns = names.map(|((qualifier, field), (of, own))| {
                Expr::Column(Column::new(of.cloned(), own.name()))
                    .alias_qualified(qualifier.cloned(), field.name())
            });
            let own = joined.keys.iter().enumerate();
            let own = own.map(|(at, key)| Expr::Column(key.clone()).alias(format!("__union{at}")));
            let columns: Vec<Expr> = columns.chain(own).collect();
            let arm = LogicalPlanBuilder::from(joined.plan).project(columns)?;
            keys = (0..joined.keys.len())
                .map(|at| Column::new_unqualified(format!("__union{at}")))
                .collect();
            all = Some(match all {
                None => arm,
                Some(all) => all.union(arm.build()?)?,
            });
        }
        let Some(all) = all else { return Ok(None) };
        Ok(Some(Independent { plan: all.build()?, keys }))
    }

    /// A LIMIT, with the order that it is said for.
    fn join_bounded(&mut self, limit: &Limit) -> Result<Option<Independent>> {
        let bounds = (limit.skip.as_deref(), limit.fetch.as_deref());
        match limit.input.as_ref() {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                self.join_limit(&sort.input, &sort.expr, bounds)
            }
            // The list of a SELECT that leaves sort keys out lies in between.
            LogicalPlan::Projection(projection)
                if let LogicalPlan::Sort(sort) = projection.input.as_ref()
                    && sort.fetch.is_none() =>
            {
                let sorted = self.join_limit(&sort.input, &sort.expr, bounds)?;
                let Some(input) = sorted else { return Ok(None) };
                self.join_projection(projection, input)
            }
            input => self.join_limit(input, &[], bounds),
        }
    }

    /// The rows of each value of the domain that a LIMIT leaves.
    fn join_limit(
        &mut self,
        input: &LogicalPlan,
        order: &[SortExpr],
        (skip, fetch): (Option<&Expr>, Option<&Expr>),
    ) -> Result<Option<Independent>> {
        let Some(joined) = self.join(input)? else { return Ok(None) };
        let mut sorts = Vec::with_capacity(order.len());
        for key in order {
            let Some(expr) = self.bind(&key.expr, &joined.keys)? else { return Ok(None) };
            sorts.push(SortExpr { expr, ..key.clone() });
        }
        let is_ordered = !sorts.is_empty();
        let number = Expr::WindowFunction(Box::new(WindowFunction {
            fun: WindowFunctionDefinition::WindowUDF(row_number_udwf()),
            params: WindowFunctionParams {
                args: Vec::new(),
                partition_by: joined.keys.iter().cloned().map(Expr::Column).collect(),
                order_by: sorts,
                window_frame: WindowFrame::new(is_ordered.then_some(true)),
                filter: None,
                null_treatment: None,
                distinct: false,
            },
        }));
        let place = Expr::Column(Column::new_unqualified(number.schema_name().to_string()));
        let place = cast(place, DataType::Int64);
        let skip = skip.cloned().unwrap_or_else(|| lit(0_i64));
        let mut kept = place.clone().gt(skip.clone());
        if let Some(fetch) = fetch {
            kept = kept.and(binary_expr(place, Operator::Minus, skip).lt_eq(fetch.clone()));
        }
        let columns: Vec<Expr> =
            joined.plan.schema().columns().into_iter().map(Expr::Column).collect();
        let plan = LogicalPlanBuilder::from(joined.plan)
            .window([number])?
            .filter(kept)?
            .project(columns)?
            .build()?;
        Ok(Some(Independent { plan, keys: joined.keys }))
    }

    /// Puts columns of the domain in the places of those of the rows around the query; `None` where
    /// a query inside refers to them.
    fn bind(&self, expr: &Expr, keys: &[Column]) -> Result<Option<Expr>> {
        let mut is_known = true;
        let bound = expr.clone().transform(|expr| match &expr {
            Expr::OuterReferenceColumn(_, column) => {
                Ok(match self.outer.iter().position(|outer| outer == column) {
                    Some(at) => Transformed::yes(Expr::Column(keys[at].clone())),
                    None => {
                        is_known = false;
                        Transformed::no(expr)
                    }
                })
            }
            Expr::ScalarSubquery(inner) => {
                is_known &= inner.outer_ref_columns.is_empty();
                Ok(Transformed::no(expr))
            }
            Expr::Exists(inner) => {
                is_known &= !self.is_outer(&inner.subquery.outer_ref_columns);
                Ok(Transformed::no(expr))
            }
            Expr::InSubquery(inner) => {
                is_known &= !self.is_outer(&inner.subquery.outer_ref_columns);
                Ok(Transformed::no(expr))
            }
            _ => Ok(Transformed::no(expr)),
        });
        let bound = bound.data()?;
        Ok(is_known.then_some(bound))
    }

    fn is_outer(&self, references: &[Expr]) -> bool {
        references.iter().any(|expr| match expr {
            Expr::OuterReferenceColumn(_, column) => self.outer.contains(column),
            _ => false,
        })
    }

    fn bind_all(&self, exprs: &[Expr], keys: &[Column]) -> Result<Option<Vec<Expr>>> {
        exprs.iter().map(|expr| self.bind(expr, keys)).collect()
    }
}

/// The name of a column of the domain made as this one.
fn key_name(domain: usize, at: usize) -> String {
    format!("__domain{domain}_key{at}")
}

/// An expression under the name it had before columns of the domain came in.
fn named_as(expr: Expr, qualifier: Option<&TableReference>, name: &str) -> Expr {
    let (own, known) = expr.qualified_name();
    match own.as_ref() == qualifier && known == name {
        true => expr,
        false => expr.unalias().alias_qualified(qualifier.cloned(), name),
    }
}

/// The column of an aggregate or window that an expression gives.
fn result_of(expr: &Expr) -> Column {
    let (qualifier, name) = expr.qualified_name();
    Column::new(qualifier, name)
}

/// Keeps some columns, and the keys.
fn project(input: Independent, mut columns: Vec<Expr>) -> Result<Independent> {
    columns.extend(input.keys.iter().cloned().map(Expr::Column));
    let plan = LogicalPlanBuilder::from(input.plan).project(columns)?.build()?;
    Ok(Independent { plan, keys: input.keys })
}

/// Whether two columns are equal, or both null.
pub(super) fn same(left: &Column, right: &Column) -> Expr {
    let (left, right) = (Expr::Column(left.clone()), Expr::Column(right.clone()));
    binary_expr(left, Operator::IsNotDistinctFrom, right)
}

/// Whether a query refers to the rows around it.
pub(super) fn is_dependent(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        let mut found = false;
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| {
                Ok(match expr {
                    Expr::OuterReferenceColumn(..) => true,
                    Expr::ScalarSubquery(inner) => !inner.outer_ref_columns.is_empty(),
                    _ => false,
                })
            })?;
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    })
}
