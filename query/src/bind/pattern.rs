//! What does a MATCH pattern mean?
//!
//! Tables of unlabelled nodes follow from the edges beside them. Every node gets a variable of
//! its own; a variable that occurs twice becomes a condition that both are the same record.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use pieskieo_shards::catalog::{Catalog, Table, TableKind};
use pieskieo_shards::ids::TableId;
use pieskieo_shards::request::Direction;

use super::build;
use super::scope::{DEPTH, KEY, Relation, ScopeColumn};
use crate::error::{Error, Result, code};
use crate::suggest;
use crate::syntax::{Pattern, PatternEdge, parse_expression};

/// What a pattern adds to its query.
pub(super) struct BoundPattern {
    /// Nodes and edges with names.
    pub relations: Vec<Relation>,
    /// Conditions for WHERE, not yet bound.
    pub filters: Vec<Expr>,
    /// The tables of all nodes and edges.
    pub tables: Vec<Arc<Table>>,
}

/// Completes a pattern in place.
///
/// **Errors**: 42P01 for unknown tables, 42809 for an edge that is none or does not join the
/// nodes beside it.
pub(super) fn complete(catalog: &Catalog, pattern: &mut Pattern) -> Result<BoundPattern> {
    let mut bound = BoundPattern { relations: Vec::new(), filters: Vec::new(), tables: Vec::new() };
    let edges = pattern
        .edges
        .iter()
        .map(|edge| edge_table(catalog, &edge.table, edge.position))
        .collect::<Result<Vec<_>>>()?;
    let tables = node_tables(catalog, pattern, &edges)?;
    bound.tables = edges.iter().chain(&tables).map(|table| (*table).clone()).collect();
    name_nodes(pattern, &mut bound.filters)?;
    for ((index, node), table) in pattern.nodes.iter_mut().enumerate().zip(&tables) {
        node.table = Some(table.name.clone());
        let name = node.variable.clone().unwrap_or_else(|| format!("__n{index}"));
        for (property, value) in node.properties.drain(..) {
            bound.filters.push(condition(&name, &property, &value, node.position)?);
        }
        // A pattern of one node is a scan; other nodes are reached.
        let scanned = index == 0;
        bound.relations.push(Relation { scanned, ..Relation::of_table(table, &name) });
    }
    for (index, (edge, table)) in pattern.edges.iter_mut().zip(&edges).enumerate() {
        add_edge(&mut bound, edge, table, index)?;
    }
    Ok(bound)
}

/// Returns the edge table with this name.
///
/// **Errors**: 42P01, 42809.
pub(super) fn edge_table<'c>(
    catalog: &'c Catalog,
    name: &str,
    position: usize,
) -> Result<&'c Arc<Table>> {
    let edges = catalog.tables.values().filter(|table| ends(table).is_some());
    let names: Vec<&str> = edges.map(|table| table.name.as_str()).collect();
    let Some(table) = catalog.table_named(name) else {
        return Err(Error::new(code::UNDEFINED_TABLE, format!("edge \"{name}\" does not exist"))
            .with_suggestion(suggest::nearest(name, names))
            .at(position));
    };
    if ends(table).is_none() {
        return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not an edge"))
            .with_hint("Create edges with CREATE EDGE name FROM source TO target.")
            .at(position));
    }
    Ok(table)
}

/// Returns the tables an edge table joins.
pub(super) fn ends(table: &Table) -> Option<(TableId, TableId)> {
    match table.kind {
        TableKind::Edge { source, target } => Some((source, target)),
        _ => None,
    }
}

/// Returns the tables on the near and the far side of an edge that is followed.
///
/// **Errors**: 42809 for BOTH of an edge between different tables.
pub(super) fn sides(
    table: &Table,
    direction: Direction,
    position: usize,
) -> Result<(TableId, TableId)> {
    let Some((source, target)) = ends(table) else {
        return Err(Error::internal(format!("\"{}\" is not an edge", table.name)));
    };
    match direction {
        Direction::Out => Ok((source, target)),
        Direction::In => Ok((target, source)),
        Direction::Both if source == target => Ok((source, target)),
        Direction::Both => Err(Error::new(
            code::WRONG_OBJECT_TYPE,
            format!("edge \"{}\" joins two different tables", table.name),
        )
        .with_hint("Follow it in one direction: -[:edge]-> or <-[:edge]-, OUT or IN.")
        .at(position)),
    }
}

/// The table of each node, from its label, its variable or the edges beside it.
fn node_tables<'c>(
    catalog: &'c Catalog,
    pattern: &Pattern,
    edges: &[&'c Arc<Table>],
) -> Result<Vec<&'c Arc<Table>>> {
    let mut tables = Vec::with_capacity(pattern.nodes.len());
    for (index, node) in pattern.nodes.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|at| edges.get(at).zip(pattern.edges.get(at)));
        let after = edges.get(index).zip(pattern.edges.get(index));
        let far = before.map(|(table, edge)| sides(table, edge.direction, edge.position));
        let near = after.map(|(table, edge)| sides(table, edge.direction, edge.position));
        let far = far.transpose()?.map(|(_, far)| far);
        let near = near.transpose()?.map(|(near, _)| near);
        let table = match &node.table {
            Some(name) => catalog.table_named(name).ok_or_else(|| {
                let names = catalog.listed().map(|table| table.name.as_str());
                Error::new(code::UNDEFINED_TABLE, format!("table \"{name}\" does not exist"))
                    .with_suggestion(suggest::nearest(name, names))
                    .at(node.position)
            })?,
            None => {
                let named = same_variable(pattern, index).and_then(|at| tables.get(at).copied());
                let beside = far.or(near).and_then(|id| catalog.tables.get(&id));
                named.or(beside).ok_or_else(|| {
                    Error::new(code::SYNTAX_ERROR, "a node alone needs a table")
                        .with_hint("Write (a:table).")
                        .at(node.position)
                })?
            }
        };
        for side in [far, near].into_iter().flatten() {
            if side != table.id {
                let wanted = catalog.tables.get(&side).map_or("", |table| table.name.as_str());
                return Err(Error::new(
                    code::WRONG_OBJECT_TYPE,
                    format!("the edge leads to \"{wanted}\", not to \"{}\"", table.name),
                )
                .with_hint("Turn the arrow around, or name the other table.")
                .at(node.position));
            }
        }
        tables.push(table);
    }
    Ok(tables)
}

/// The first node with the same variable as this one.
fn same_variable(pattern: &Pattern, index: usize) -> Option<usize> {
    let variable = pattern.nodes.get(index)?.variable.as_ref()?;
    pattern.nodes.iter().take(index).position(|node| node.variable.as_ref() == Some(variable))
}

fn name_nodes(pattern: &mut Pattern, filters: &mut Vec<Expr>) -> Result<()> {
    let firsts: Vec<Option<usize>> =
        (0..pattern.nodes.len()).map(|index| same_variable(pattern, index)).collect();
    for (index, first) in firsts.into_iter().enumerate() {
        let own = format!("__n{index}");
        match (first, pattern.nodes[index].variable.clone()) {
            (Some(_), Some(variable)) => {
                filters.push(build::binary(
                    build::column(Some(&own), KEY),
                    BinaryOperator::Eq,
                    build::column(Some(&variable), KEY),
                ));
                pattern.nodes[index].variable = Some(own);
            }
            (_, None) => pattern.nodes[index].variable = Some(own),
            (None, Some(_)) => {}
        }
    }
    Ok(())
}

fn add_edge(
    bound: &mut BoundPattern,
    edge: &mut PatternEdge,
    table: &Arc<Table>,
    index: usize,
) -> Result<()> {
    let own = format!("__e{index}");
    if !edge.single() && !edge.properties.is_empty() {
        return Err(Error::unsupported("properties of an edge of several hops")
            .with_hint("Write each hop as an edge of its own.")
            .at(edge.position));
    }
    if edge.variable.is_none() && (!edge.single() || !edge.properties.is_empty()) {
        edge.variable = Some(own);
    }
    let Some(name) = edge.variable.clone() else { return Ok(()) };
    for (property, value) in edge.properties.drain(..) {
        bound.filters.push(condition(&name, &property, &value, edge.position)?);
    }
    bound.relations.push(if edge.single() {
        Relation { scanned: false, ..Relation::of_table(table, &name) }
    } else {
        Relation::derived(Some(name), vec![ScopeColumn::made(DEPTH)])
    });
    Ok(())
}

/// `variable.property = value`.
fn condition(variable: &str, property: &str, value: &str, position: usize) -> Result<Expr> {
    let value = parse_expression(value).map_err(|mut error| {
        error.position = None;
        error.at(position)
    })?;
    Ok(build::binary(build::column(Some(variable), property), BinaryOperator::Eq, value))
}
