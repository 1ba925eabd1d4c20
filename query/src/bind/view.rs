//! What does the name of a view mean where a table is read?
//!
//! A view becomes a subquery. Its text is bound as a statement of its own: it sees no WITH and no
//! column of the statement around it, and its names mean what they meant when it was defined. The
//! planner looks for WITH clauses by name, also for those the view cannot see: so tables are
//! written with their schema inside of views.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    ObjectName, Query, SelectItem, TableAlias, TableAliasColumnDef, TableFactor,
};
use pieskieo_shards::catalog::{Content, Table, TableKind, ViewQuery, ViewRead};
use pieskieo_shards::ids::TableId;

use super::alter_type::check_open;
use super::build;
use super::query::Binder;
use super::scope::{Relation, ScopeColumn};
use crate::error::{Error, Result, code};
use crate::limits::{NESTING_MAX, VIEW_QUERIES_BYTES_MAX, VIEW_TABLES_MAX};
use crate::suggest;
use crate::syntax::{Name, Pattern, Statement, parse_query};

/// Stack that must be left before the query of a view is bound, and the size of a new piece.
const STACK_LEFT_MIN: usize = 1024 * 1024;
const STACK_PIECE: usize = 4 * 1024 * 1024;

/// What a statement has read of views so far.
#[derive(Debug, Default)]
pub(super) struct Views<'c> {
    /// The view whose query is being bound.
    inside: Option<&'c ViewQuery>,
    /// Brackets and views around the current place, but for those of the statement itself.
    nesting: usize,
    /// Bytes of all queries.
    bytes: usize,
    /// Items of FROM lists and set operations in them.
    tables: usize,
    /// What a query that becomes a view reads, by name.
    reads: Option<BTreeMap<String, TableId>>,
}

impl<'c> Binder<'c> {
    /// Begins to note what is read, for a query that becomes a view. Its text counts as it will
    /// where the view is read: what can be made can be read. `nesting` counts the view itself.
    ///
    /// **Errors**: 54001.
    pub fn note_reads(&mut self, bytes: usize, nesting: usize) -> Result<()> {
        let reads = Some(BTreeMap::new());
        self.views = Views { reads, bytes, nesting, ..Views::default() };
        if self.views.nesting > NESTING_MAX {
            return Err(too_much("nesting_max", NESTING_MAX));
        }
        Ok(())
    }

    /// Returns what was read, as the catalog keeps it.
    pub fn reads(&mut self) -> Vec<ViewRead> {
        let noted = self.views.reads.take().unwrap_or_default();
        let read = |(name, id): (String, TableId)| {
            let table = self.catalog.tables.get(&id)?;
            let columns = table.live_columns().map(|column| (column.id, column.name.clone()));
            Some(ViewRead { name, table: id, columns: columns.collect() })
        };
        noted.into_iter().filter_map(read).collect()
    }

    /// Returns the table, or the view, that is read under this name.
    ///
    /// **Errors**: 42P01 with a suggestion, 55000 for a materialized view that holds nothing.
    pub fn source(&mut self, name: &Name) -> Result<&'c Arc<Table>> {
        let found = match self.views.inside {
            Some(query) => read_named(query, &name.text)
                .and_then(|read| self.catalog.tables.get(&read.table))
                .or_else(|| self.catalog.table_named(&name.text)),
            None => {
                let views = || self.catalog.view_named(&name.text);
                self.catalog.table_named(&name.text).or_else(views)
            }
        };
        let Some(table) = found else { return self.table(name) };
        self.note(&name.text, table.id);
        // A definition needs no more than its columns.
        if self.views.reads.is_none() {
            check_populated(table).map_err(|error| error.at(name.position))?;
        }
        Ok(table)
    }

    fn note(&mut self, name: &str, id: TableId) {
        if let (Some(reads), None) = (&mut self.views.reads, self.views.inside) {
            reads.insert(name.to_owned(), id);
        }
    }

    /// Notes tables that a pattern or traversal reads.
    pub fn note_tables<'t>(&mut self, tables: impl IntoIterator<Item = &'t Arc<Table>>) {
        for table in tables {
            self.note(&table.name, table.id);
        }
    }

    /// Returns the name that a table has now which a text calls by this name.
    pub fn current_name(&self, name: &str) -> String {
        let read = self.views.inside.and_then(|query| read_named(query, name));
        let table = read.and_then(|read| self.catalog.tables.get(&read.table));
        table.map_or(name, |table| &table.name).to_owned()
    }

    /// Makes the labels of a pattern the names that the tables have now.
    pub fn rename_pattern(&self, pattern: &mut Pattern) {
        for edge in &mut pattern.edges {
            edge.table = self.current_name(&edge.table);
        }
        for table in pattern.nodes.iter_mut().filter_map(|node| node.table.as_mut()) {
            *table = self.current_name(table);
        }
    }

    /// Takes out of a relation the columns that the view being bound does not know.
    pub fn pin(&self, relation: &mut Relation) {
        let (Some(query), Some(table)) = (self.views.inside, &relation.table) else { return };
        let Some(read) = query.reads.iter().find(|read| read.table == table.id) else { return };
        let unknown = |name: &str| {
            let column = table.live_columns().find(|column| column.name == name);
            column.is_some_and(|column| read.columns.iter().all(|(id, _)| *id != column.id))
        };
        relation.columns.retain(|column| !unknown(&column.name));
    }

    /// Returns how a table is written for the planner, and whether it needs an alias.
    pub fn written(&self, table: &Table) -> (ObjectName, bool) {
        let name = build::object(&table.name);
        if self.views.inside.is_none() {
            return (name, false);
        }
        let mut parts = build::object("public").0;
        parts.extend(name.0);
        (ObjectName(parts), true)
    }

    /// Returns the columns of a table under the names by which a view knows them, when they have
    /// others now: what is selected, and what is then seen.
    pub fn renamed(
        &self,
        table: &Table,
        relation: &Relation,
    ) -> Option<(Vec<SelectItem>, Vec<ScopeColumn>)> {
        let query = self.views.inside?;
        let read = query.reads.iter().find(|read| read.table == table.id)?;
        let now = |id| table.live_columns().find(|column| column.id == id);
        let is_renamed = |(id, name): &(_, String)| now(*id).is_some_and(|now| now.name != *name);
        if !read.columns.iter().any(is_renamed) {
            return None;
        }
        let mut items = Vec::with_capacity(read.columns.len());
        let mut columns = Vec::with_capacity(read.columns.len());
        for (id, name) in &read.columns {
            let Some(column) = now(*id) else { continue };
            let Some(seen) = relation.column(&column.name) else { continue };
            items.push(SelectItem::ExprWithAlias {
                expr: build::column(relation.name.as_deref(), &column.name),
                alias: build::ident(name),
            });
            columns.push(ScopeColumn { name: name.clone(), ..seen.clone() });
        }
        Some((items, columns))
    }

    /// Counts one more thing that a view reads.
    ///
    /// **Errors**: 54001.
    pub fn count_in_view(&mut self) -> Result<()> {
        if self.views.inside.is_none() && self.views.reads.is_none() {
            return Ok(());
        }
        self.views.tables += 1;
        if self.views.tables > VIEW_TABLES_MAX {
            return Err(too_much("view_tables_max", VIEW_TABLES_MAX));
        }
        Ok(())
    }

    /// Binds the query of a view. Returns it, and the columns it has under the view's names.
    ///
    /// **Errors**: 54001 for too many views in each other; what has become of what it reads.
    pub fn view_query(&mut self, view: &'c Table) -> Result<(Query, Vec<ScopeColumn>)> {
        let query = view.view_query().ok_or_else(|| Error::internal("a view without a query"))?;
        self.views.bytes += query.text.len();
        if self.views.bytes > VIEW_QUERIES_BYTES_MAX {
            return Err(too_much("view_queries_bytes_max", VIEW_QUERIES_BYTES_MAX));
        }
        let bound = stacker::maybe_grow(STACK_LEFT_MIN, STACK_PIECE, || self.bind_view_text(query));
        let (bound, mut columns) = bound.map_err(|error| within(view, error))?;
        let known = columns.iter().all(|column| !column.name.is_empty());
        if known && columns.len() == shown_of(view).count() {
            for (column, stored) in columns.iter_mut().zip(shown_of(view)) {
                column.name.clone_from(&stored.name);
            }
        } else {
            columns = shown_of(view)
                .map(|column| ScopeColumn {
                    name: column.name.clone(),
                    json: column.ty == pieskieo_shards::value::ColumnType::Json,
                    hidden: false,
                    ty: None,
                })
                .collect();
        }
        for (column, stored) in columns.iter_mut().zip(shown_of(view)) {
            column.ty = Some(stored.ty.clone());
        }
        Ok((bound, columns))
    }

    fn bind_view_text(&mut self, query: &'c ViewQuery) -> Result<(Query, Vec<ScopeColumn>)> {
        let (statement, nesting) = parse_query(&query.text)?;
        let outer = self.views.inside.replace(query);
        let around = self.views.nesting;
        self.views.nesting += nesting + 1;
        let hidden = self.hide_ctes();
        let bound = if self.views.nesting > NESTING_MAX {
            Err(too_much("nesting_max", NESTING_MAX))
        } else {
            self.bind_defined(statement)
        };
        self.show_ctes(hidden);
        self.views.nesting = around;
        self.views.inside = outer;
        bound
    }

    /// Binds a query or pipeline.
    pub fn bind_defined(&mut self, statement: Statement) -> Result<(Query, Vec<ScopeColumn>)> {
        match statement {
            Statement::Query(mut query) => {
                let columns = self.bind_query(&mut query, None)?;
                Ok((*query, columns))
            }
            Statement::Pipeline(pipeline) => self.bind_pipeline(*pipeline),
            _ => Err(Error::internal("a view of something that is no query")),
        }
    }

    /// Makes an item of a FROM list that names a view the view's query. Returns its columns.
    pub fn expand_view(
        &mut self,
        view: &'c Arc<Table>,
        (factor, shown): (&mut TableFactor, &str),
    ) -> Result<Vec<ScopeColumn>> {
        let known = self.views.inside.and_then(|query| {
            query.reads.iter().find(|read| read.table == view.id).map(|read| read.columns.len())
        });
        let (query, mut columns) = self.view_query(view)?;
        let TableFactor::Table { alias, .. } = factor else {
            return Err(Error::internal("a view that is no table"));
        };
        let mut alias = alias.take().unwrap_or_else(|| build::table_alias(shown));
        for column in columns.iter().skip(alias.columns.len()) {
            let name = build::ident(&column.name);
            alias.columns.push(TableAliasColumnDef { name, data_type: None });
        }
        super::from::rename(&mut columns, &alias)?;
        lower(&mut alias);
        *factor = build::derived(query, Some(alias));
        // A view that was replaced may have more columns than another view that reads it knows.
        columns.truncate(known.unwrap_or(columns.len()));
        Ok(columns)
    }
}

fn lower(alias: &mut TableAlias) {
    alias.name = super::path::lowered(&alias.name);
    for column in &mut alias.columns {
        column.name = super::path::lowered(&column.name);
    }
}

fn read_named<'q>(query: &'q ViewQuery, name: &str) -> Option<&'q ViewRead> {
    query.reads.iter().find(|read| read.name == name)
}

/// The columns that a view shows.
pub(super) fn shown_of(view: &Table) -> impl Iterator<Item = &pieskieo_shards::catalog::Column> {
    view.columns.iter().filter(|column| !column.hidden)
}

/// A place in the view's text is none in the statement.
fn within(view: &Table, mut error: Error) -> Error {
    error.position = None;
    if error.detail.is_none() {
        error = error.with_detail(format!("In the query of view \"{}\".", view.name));
    }
    error
}

fn too_much(name: &str, limit: usize) -> Error {
    Error::new(code::STATEMENT_TOO_COMPLEX, format!("the views read exceed the limit {name}"))
        .with_detail(format!("The limit {name} is {limit}."))
        .with_hint("Read fewer views at once, or make one of them a materialized view.")
}

/// Refuses to read a materialized view that holds nothing.
///
/// **Errors**: 55000.
pub(crate) fn check_populated(table: &Table) -> Result<()> {
    match table.kind {
        TableKind::Materialized { content: Content::Nothing | Content::Filling(_), .. } => {
            Err(not_populated(table))
        }
        _ => Ok(()),
    }
}

/// The error of reading a materialized view that holds nothing.
pub(crate) fn not_populated(table: &Table) -> Error {
    let name = &table.name;
    let message = format!("materialized view \"{name}\" has not been populated");
    Error::new(code::NOT_IN_STATE, message)
        .with_hint(format!("Send REFRESH MATERIALIZED VIEW {name}."))
}

/// The error of writing to a view or materialized view; `None` for a table of another kind.
/// `verb` is what was tried, as `insert into`.
pub(crate) fn refuse_write(table: &Table, verb: &str) -> Option<Error> {
    let name = &table.name;
    match table.kind {
        TableKind::View(_) => {
            let message = format!("cannot {verb} view \"{name}\"");
            Some(
                Error::new(code::NOT_IN_STATE, message)
                    .with_detail("A view has no records of its own.")
                    .with_hint("Change the tables that the view reads."),
            )
        }
        TableKind::Materialized { .. } => {
            let message = format!("cannot change materialized view \"{name}\"");
            Some(
                Error::new(code::WRONG_OBJECT_TYPE, message)
                    .with_hint("Change the tables that it reads, then REFRESH it."),
            )
        }
        _ => None,
    }
}

impl<'c> Binder<'c> {
    /// Returns the table that a statement changes.
    ///
    /// **Errors**: 42P01, 55000 for a view, 42809 for a materialized view.
    pub fn changed_table(&self, name: &Name, verb: &str) -> Result<&'c Arc<Table>> {
        let found = self.catalog.table_named(&name.text);
        let found = found.or_else(|| self.catalog.view_named(&name.text));
        match found.and_then(|table| refuse_write(table, verb)) {
            Some(error) => Err(error.at(name.position)),
            None => {
                let table = self.table(name)?;
                check_open(table)?;
                Ok(table)
            }
        }
    }

    /// Returns the table with this name, which is no materialized view.
    ///
    /// **Errors**: 42P01, 42809.
    pub fn base_table(&self, name: &Name) -> Result<&'c Arc<Table>> {
        let table = self.table(name)?;
        if let TableKind::Materialized { .. } = table.kind {
            let message = format!("\"{}\" is a materialized view, not a table", name.text);
            return Err(Error::new(code::WRONG_OBJECT_TYPE, message).at(name.position));
        }
        Ok(table)
    }

    /// Returns the error for a name that is none of a table.
    pub fn no_table(&self, name: &Name) -> Error {
        if self.catalog.view_named(&name.text).is_some() {
            let message = format!("\"{}\" is a view, not a table", name.text);
            return Error::new(code::WRONG_OBJECT_TYPE, message).at(name.position);
        }
        let views = self.catalog.tables.values().filter(|table| table.is_view());
        let names = self.catalog.listed().chain(views).map(|table| table.name.as_str());
        let names = names.chain(self.cte_names());
        Error::new(code::UNDEFINED_TABLE, format!("table \"{}\" does not exist", name.text))
            .with_suggestion(suggest::nearest(&name.text, names))
            .at(name.position)
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
