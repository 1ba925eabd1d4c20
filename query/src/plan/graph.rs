//! How does a pattern become a plan?
//!
//! ```text
//! MATCH (a:person)-[k:knows]->(b:person)
//!
//! Project a.*, k.*, b.*
//!   Lookup person AS b   by __node1
//!     Lookup knows AS k  by __edge1          only when k is named and one hop
//!       Expand knows     from a._key         adds __node1, __depth1, __edge1, __edges1
//!         Scan person AS a
//! ```
//!
//! Conditions on `a` sink below the expansion, so `a.id = 1` makes the scan a read of one record.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Column, Result, TableReference, internal_err};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder};
use pieskieo_shards::catalog::{Catalog, Table, TableKind};
use pieskieo_shards::request::Direction;

use super::expand::{Expand, ExpandSpec};
use super::lookup::{Lookup, inner_name};
use crate::bind::{Traversal, check_kept};
use crate::error::{Error, code};
use crate::exec::columns::{KEY, TableColumns};
use crate::exec::expand::{Hops, Mode};
use crate::exec::here::external;
use crate::exec::provider::TableSource;
use crate::suggest;
use crate::syntax::{Pattern, PatternEdge};

/// Takes the one input a node of one input is given.
pub fn exactly_one(mut inputs: Vec<LogicalPlan>) -> Result<LogicalPlan> {
    match (inputs.pop(), inputs.is_empty()) {
        (Some(input), true) => Ok(input),
        _ => internal_err!("a node of one input was given another number of inputs"),
    }
}

/// Returns the table with this name.
///
/// **Errors**: `42P01`, with a suggestion; `0A000` for one that the transaction has altered.
pub fn table_named<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Arc<Table>> {
    let found = catalog.table_named(name).ok_or_else(|| {
        if catalog.view_named(name).is_some() {
            let message = format!("\"{name}\" is a view, not a table");
            return external(Error::new(code::WRONG_OBJECT_TYPE, message));
        }
        let names = catalog.listed().map(|table| table.name.as_str());
        let error = Error::new(code::UNDEFINED_TABLE, format!("table \"{name}\" does not exist"));
        external(error.with_suggestion(suggest::nearest(name, names)))
    })?;
    check_kept(catalog, found).map_err(external)?;
    Ok(found)
}

/// Grows the plan of a pattern from its first node on.
pub struct PatternPlan {
    catalog: Arc<Catalog>,
    plan: LogicalPlan,
    /// The columns the pattern shows, in order.
    shown: Vec<Expr>,
    /// The edge tables followed so far, and the columns with the edges.
    followed: Vec<(Arc<Table>, Column)>,
}

impl PatternPlan {
    /// Starts from the records of a table.
    ///
    /// **Errors**: no such table.
    pub fn from_table(catalog: Arc<Catalog>, table: &str, alias: &str) -> Result<Self> {
        let table = table_named(&catalog, table)?.clone();
        let source = Arc::new(TableSource::new(catalog.clone(), table)) as Arc<dyn TableProvider>;
        let plan = LogicalPlanBuilder::scan(alias, provider_as_source(source), None)?.build()?;
        let shown = plan.schema().columns().into_iter().map(Expr::Column).collect();
        Ok(Self { catalog, plan, shown, followed: Vec::new() })
    }

    /// Starts from the rows of another plan, all of whose columns are shown.
    pub fn from_plan(catalog: Arc<Catalog>, plan: LogicalPlan) -> Self {
        let shown = plan.schema().columns().into_iter().map(Expr::Column).collect();
        Self { catalog, plan, shown, followed: Vec::new() }
    }

    /// Returns the whole pattern as a plan.
    ///
    /// **Errors**: an unknown table, an edge that does not fit its ends.
    pub fn of_pattern(catalog: Arc<Catalog>, pattern: &Pattern) -> Result<LogicalPlan> {
        let name = |position: usize| -> Result<(&str, &str)> {
            let node = &pattern.nodes[position];
            match (&node.table, &node.variable) {
                (Some(table), Some(variable)) => Ok((table, variable)),
                _ => internal_err!("a pattern was not bound"),
            }
        };
        let (table, variable) = name(0)?;
        let mut from = (table.to_owned(), Column::new(Some(variable), KEY));
        let mut plan = Self::from_table(catalog, table, variable)?;
        for (position, edge) in pattern.edges.iter().enumerate() {
            let (table, variable) = name(position + 1)?;
            let step = Step { edge, from: &from.0, source: from.1, mode: Mode::Paths };
            let spec = plan.follow(step)?;
            match &edge.variable {
                Some(alias) if edge.single() => {
                    plan.look_up(&edge.table, alias, spec.edge_column())?;
                }
                Some(alias) => plan.show_depth(&spec, alias),
                None => {}
            }
            plan.look_up(table, variable, spec.node_column())?;
            from = (table.to_owned(), spec.node_column());
        }
        plan.build()
    }

    /// Follows an edge. Returns what the columns it adds are called.
    ///
    /// **Errors**: not an edge table, or one that does not start at `from`.
    pub fn follow(&mut self, step: Step<'_>) -> Result<ExpandSpec> {
        let Step { edge, from, source, mode } = step;
        let table = table_named(&self.catalog, &edge.table)?.clone();
        let from = table_named(&self.catalog, from)?.clone();
        check_ends(&table, &from, edge.direction)?;
        let avoid = self.followed.iter().filter(|(followed, _)| followed.id == table.id);
        let spec = ExpandSpec {
            hops: Hops::new(table.id, edge.direction, edge.min, edge.max, mode),
            edge_name: table.name.clone(),
            source,
            source_key: from.key_types(),
            avoid: avoid.map(|(_, column)| column.clone()).collect(),
            number: self.followed.len() + 1,
        };
        self.followed.push((table.clone(), spec.edges_column()));
        let node = Expand::try_new(self.plan.clone(), spec.clone())?;
        self.plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        Ok(spec)
    }

    /// Shows the number of edges followed as `alias._depth`.
    pub fn show_depth(&mut self, spec: &ExpandSpec, alias: &str) {
        let depth = Expr::Column(spec.depth_column());
        self.shown.push(depth.alias_qualified(Some(TableReference::bare(alias)), "_depth"));
    }

    /// Fetches the records of a table that `key` names, and shows their columns as `alias`.
    ///
    /// **Errors**: no such table.
    pub fn look_up(&mut self, table: &str, alias: &str, key: Column) -> Result<()> {
        let table = table_named(&self.catalog, table)?.clone();
        let columns = TableColumns::new(table);
        let names: Vec<String> =
            columns.schema().fields().iter().map(|field| field.name().clone()).collect();
        let node = Lookup::try_new(self.plan.clone(), columns, alias, key)?;
        self.plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        for name in names {
            let inner = Expr::Column(Column::new_unqualified(inner_name(alias, &name)));
            self.shown.push(inner.alias_qualified(Some(TableReference::bare(alias)), name));
        }
        Ok(())
    }

    /// Plans a traversal from the rows of `input`.
    ///
    /// **Errors**: as [`PatternPlan::follow`].
    pub fn of_traversal(
        catalog: Arc<Catalog>,
        input: LogicalPlan,
        traversal: &Traversal,
    ) -> Result<LogicalPlan> {
        let edge = PatternEdge {
            variable: None,
            table: traversal.edge.clone(),
            direction: traversal.direction,
            min: traversal.min,
            max: traversal.max,
            properties: Vec::new(),
            position: 0,
        };
        let mut plan = Self::from_plan(catalog, input);
        let source = Column::new(Some(traversal.source_alias.as_str()), KEY);
        let from = traversal.source_table.as_str();
        let spec = plan.follow(Step { edge: &edge, from, source, mode: Mode::Nodes })?;
        plan.show_depth(&spec, &traversal.alias);
        plan.look_up(&traversal.table, &traversal.alias, spec.node_column())?;
        plan.build()
    }

    /// Returns the plan, showing only what the pattern shows.
    ///
    /// **Errors**: two columns of one name.
    pub fn build(self) -> Result<LogicalPlan> {
        LogicalPlanBuilder::from(self.plan).project(self.shown)?.build()
    }
}

/// One step of a pattern.
#[derive(Debug)]
pub struct Step<'a> {
    /// The edge.
    pub edge: &'a PatternEdge,
    /// The table of the nodes started from.
    pub from: &'a str,
    /// The column with their encoded keys.
    pub source: Column,
    /// What one result is.
    pub mode: Mode,
}

fn check_ends(edge: &Table, from: &Table, direction: Direction) -> Result<()> {
    let TableKind::Edge { source, target } = &edge.kind else {
        let message = format!("\"{}\" is not an edge table", edge.name);
        return Err(external(Error::new(code::WRONG_OBJECT_TYPE, message)));
    };
    let fits = match direction {
        Direction::Out => *source == from.id,
        Direction::In => *target == from.id,
        Direction::Both => *source == from.id && *target == from.id,
    };
    if fits {
        return Ok(());
    }
    let message = format!("edge \"{}\" does not connect to \"{}\" that way", edge.name, from.name);
    Err(external(Error::new(code::WRONG_OBJECT_TYPE, message)))
}
