//! Which names can an expression use here?

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Expr;
use pieskieo_shards::catalog::{Table, TableKind};
use pieskieo_shards::value::ColumnType;

use super::build;
use crate::error::{Error, Result, code};
use crate::suggest;
use crate::syntax::name_of;

/// Column every table has: the encoded key.
pub(super) const KEY: &str = "_key";
/// Column of a search: how well the text matches.
pub(super) const SCORE: &str = "_score";
/// Column of a search: how far the vector is.
pub(super) const DISTANCE: &str = "_distance";
/// Column of a traversal: how many edges were followed.
pub(super) const DEPTH: &str = "_depth";
/// Columns every stored table has beside the declared ones.
const MADE: &[&str] = &[KEY, "_version", SCORE];
/// The column that holds the open fields of a collection.
pub(super) const DOCUMENT: &str = "doc";

/// A column of a relation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ScopeColumn {
    pub name: String,
    /// Whether its values are JSON.
    pub json: bool,
    /// Left out of `*`.
    pub hidden: bool,
    /// Its type, when it is a stored column.
    pub ty: Option<ColumnType>,
}

/// An item of a FROM list.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// Its alias; `None` for columns that are used without one.
    pub name: Option<String>,
    /// The stored table, when it is one.
    pub table: Option<Arc<Table>>,
    pub columns: Vec<ScopeColumn>,
    /// Whether all columns are known; table functions are open.
    pub known: bool,
    /// Whether the records are read by a scan of their own, so that a text search can be part of
    /// it. Records reached by an edge are not.
    pub scanned: bool,
    /// The column that the alias alone means: the rows of a function are its values.
    pub value: Option<String>,
}

/// The names of one SELECT.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'p> {
    pub relations: Vec<Relation>,
    /// Columns merged by USING.
    pub merged: Vec<Merged>,
    /// Names that stand for expressions: select aliases where they may be used, COMPUTE columns.
    pub aliases: BTreeMap<String, (Expr, bool)>,
    /// Whether aliases come before columns.
    pub aliases_first: bool,
    /// What DISTANCE() means here when no relation has a distance.
    pub distance: Option<Expr>,
    /// The alias whose text is searched, when there is one.
    pub searched: Option<String>,
    /// Whether a query inside referred to a name of this scope, or of one around it.
    pub reached: Cell<bool>,
    /// The scope of the query around this one.
    pub parent: Option<&'p Scope<'p>>,
}

/// A column that both sides of a join have, and that is one behind it.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    pub name: String,
    /// Its value: the left side's, for a right join the right side's, for a full join the one that
    /// is there.
    pub expr: Expr,
}

/// What a name turned out to be.
pub(super) enum Found {
    /// A column as it stands; whether its values are JSON.
    Column { json: bool },
    /// An open field of the document of this relation.
    Field { relation: Option<String> },
    /// The values of a function's rows.
    Value { relation: String, column: String, json: bool },
    /// Something a table function may have.
    Unknown,
    /// An alias.
    Alias { expr: Box<Expr>, json: bool },
}

impl Relation {
    /// A stored table under an alias.
    pub fn of_table(table: &Arc<Table>, alias: &str) -> Self {
        let declared = table.live_columns().map(|column| ScopeColumn {
            name: column.name.clone(),
            json: column.ty == ColumnType::Json,
            hidden: column.hidden,
            ty: Some(column.ty.clone()),
        });
        let made = MADE.iter().map(|name| ScopeColumn::made(name));
        Self {
            name: Some(alias.to_owned()),
            table: Some(table.clone()),
            columns: declared.chain(made).collect(),
            known: true,
            scanned: true,
            value: None,
        }
    }

    /// A table function whose columns are not known.
    pub fn unknown(name: Option<String>) -> Self {
        let columns = Vec::new();
        Self { name, table: None, columns, known: false, scanned: false, value: None }
    }

    /// A derived table.
    pub fn derived(name: Option<String>, columns: Vec<ScopeColumn>) -> Self {
        Self { name, table: None, columns, known: true, scanned: false, value: None }
    }

    /// Returns whether unknown names are fields of its documents.
    pub fn is_open(&self) -> bool {
        self.table.as_ref().is_some_and(|table| table.kind == TableKind::Collection)
    }

    /// Returns the column with this name.
    pub fn column(&self, name: &str) -> Option<&ScopeColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the column that the alias alone means.
    pub fn value_column(&self) -> Option<&ScopeColumn> {
        self.column(self.value.as_deref()?)
    }

    /// Returns whether the user gave or knows its name.
    pub fn is_shown(&self) -> bool {
        self.name.as_deref().is_none_or(|name| !name.starts_with("__"))
    }

    fn visible(&self) -> impl Iterator<Item = &ScopeColumn> {
        self.columns.iter().filter(|column| !column.hidden)
    }

    /// Returns the columns that `*` shows.
    pub fn shown_columns(&self) -> Vec<ScopeColumn> {
        self.visible().cloned().collect()
    }
}

impl ScopeColumn {
    /// A hidden column of the engine's making.
    pub fn made(name: &str) -> Self {
        Self { name: name.to_owned(), json: false, hidden: true, ty: None }
    }
}

impl Scope<'_> {
    /// Adds a relation.
    ///
    /// **Errors**: 42712 when its name is taken.
    pub fn add(&mut self, relation: Relation, position: usize) -> Result<()> {
        let taken = relation.name.is_some()
            && self.relations.iter().any(|other| other.name == relation.name);
        if taken {
            let name = relation.name.unwrap_or_default();
            return Err(Error::new(
                code::DUPLICATE_ALIAS,
                format!("table name \"{name}\" is used twice"),
            )
            .with_hint("Give one of them another alias with AS.")
            .at(position));
        }
        self.relations.push(relation);
        Ok(())
    }

    /// Finds the relation with this alias, here or around.
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        let here = self.relations.iter().find(|relation| relation.name.as_deref() == Some(name));
        here.or_else(|| {
            let parent = self.parent?;
            let found = parent.relation(name)?;
            parent.reached.set(true);
            Some(found)
        })
    }

    /// Says what a name without a table means.
    ///
    /// **Errors**: 42702 when it could be several columns, 42703 when it is none.
    pub fn find(&self, name: &str, position: usize) -> Result<Found> {
        let alias = self.aliases.get(name);
        if let (Some((expr, json)), true) = (alias, self.aliases_first) {
            return Ok(Found::Alias { expr: Box::new(expr.clone()), json: *json });
        }
        let mut columns = self.relations.iter().filter_map(|relation| relation.column(name));
        if let Some(first) = columns.next() {
            if columns.next().is_some() {
                let Some(merged) = self.merged.iter().find(|merged| merged.name == name) else {
                    return Err(self.ambiguous(name, position));
                };
                let expr = Box::new(merged.expr.clone());
                return Ok(Found::Alias { expr, json: first.json });
            }
            return Ok(Found::Column { json: first.json });
        }
        if let Some((expr, json)) = alias {
            return Ok(Found::Alias { expr: Box::new(expr.clone()), json: *json });
        }
        let mut named = self.relations.iter();
        let named = named.find(|relation| relation.name.as_deref() == Some(name));
        if let Some(column) = named.and_then(Relation::value_column) {
            let (relation, column, json) = (name.to_owned(), column.name.clone(), column.json);
            return Ok(Found::Value { relation, column, json });
        }
        let mut open = self.relations.iter().filter(|relation| relation.is_open());
        if let Some(first) = open.next() {
            if open.next().is_some() {
                return Err(self.ambiguous(name, position));
            }
            return Ok(Found::Field { relation: first.name.clone() });
        }
        if self.relations.iter().any(|relation| !relation.known) {
            return Ok(Found::Unknown);
        }
        match self.parent {
            Some(parent) => {
                parent.find(name, position).inspect(|_| parent.reached.set(true)).map_err(|error| {
                    if error.code == code::UNDEFINED_COLUMN.code {
                        self.undefined(name, position)
                    } else {
                        error
                    }
                })
            }
            None => Err(self.undefined(name, position)),
        }
    }

    fn ambiguous(&self, name: &str, position: usize) -> Error {
        let tables: Vec<String> = self
            .relations
            .iter()
            .filter(|relation| relation.column(name).is_some() || relation.is_open())
            .filter_map(|relation| relation.name.clone())
            .collect();
        let message = format!("column reference \"{name}\" is ambiguous");
        Error::new(code::AMBIGUOUS_COLUMN, message)
            .with_hint(format!(
                "Write the table before it, for example {}.{name}.",
                tables.first().map_or("t", String::as_str)
            ))
            .at(position)
    }

    fn undefined(&self, name: &str, position: usize) -> Error {
        let mut names: Vec<&str> = Vec::new();
        let mut scope = Some(self);
        while let Some(current) = scope {
            for relation in &current.relations {
                names.extend(relation.visible().map(|column| column.name.as_str()));
            }
            names.extend(current.aliases.keys().map(String::as_str));
            scope = current.parent;
        }
        let error = Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
            .at(position);
        if self.relation(name).is_some() {
            return error
                .with_hint(format!("\"{name}\" is a table here; name one of its columns."));
        }
        error.with_suggestion(suggest::nearest(name, names))
    }

    /// Returns the error for a column that a relation does not have.
    pub fn undefined_in(relation: &Relation, name: &str, position: usize) -> Error {
        let shown = relation.name.as_deref().unwrap_or_default();
        let names = relation.visible().map(|column| column.name.as_str());
        Error::new(code::UNDEFINED_COLUMN, format!("column \"{shown}.{name}\" does not exist"))
            .with_suggestion(suggest::nearest(name, names))
            .at(position)
    }

    /// Returns the error for a table that is not in the FROM list.
    pub fn undefined_relation(&self, name: &str, position: usize) -> Error {
        let mut names: Vec<&str> = Vec::new();
        let mut scope = Some(self);
        while let Some(current) = scope {
            names.extend(current.relations.iter().filter_map(|relation| relation.name.as_deref()));
            scope = current.parent;
        }
        let error = Error::new(
            code::UNDEFINED_TABLE,
            format!("table \"{name}\" is not in the FROM clause"),
        )
        .at(position);
        match suggest::nearest(name, names) {
            Some(meant) => error.with_suggestion(Some(meant)),
            None => error,
        }
    }

    /// Returns whether an expression is the alias of a table of this query, and no column of it.
    pub fn is_row(&self, expr: &Expr) -> bool {
        let Expr::Identifier(ident) = expr else { return false };
        let name = name_of(ident).text;
        let is_column = self.relations.iter().any(|relation| relation.column(&name).is_some())
            || self.aliases.contains_key(&name);
        let relation = self.relations.iter().find(|other| other.name.as_ref() == Some(&name));
        !is_column && relation.is_some_and(|relation| relation.value.is_none())
    }

    /// Returns all that `*` shows of a table as one JSON value: the whole document of a record of
    /// a collection.
    ///
    /// **Errors**: 0A000 for a table whose columns are not known here.
    pub fn row(&self, expr: &Expr) -> Result<Expr> {
        let Expr::Identifier(ident) = expr else { return Ok(expr.clone()) };
        let name = name_of(ident);
        let relation = self.relation(&name.text).filter(|relation| relation.known);
        let Some(relation) = relation else {
            return Err(Error::unsupported("a row of this item as a value")
                .with_hint("Name its columns.")
                .at(name.position));
        };
        let mut fields = Vec::new();
        for column in relation.shown_columns() {
            if relation.is_open() && column.name == DOCUMENT {
                continue;
            }
            fields.push(build::text(&column.name));
            fields.push(build::column(Some(&name.text), &column.name));
        }
        let declared = build::call("json_build_object", fields);
        if !relation.is_open() {
            return Ok(declared);
        }
        let document = build::column(Some(&name.text), DOCUMENT);
        Ok(build::call("json_concat", vec![document, declared]))
    }

    /// Returns the aliases that have a column of the engine's making, in order.
    pub fn with_column(&self, made: &str) -> Vec<&Relation> {
        self.relations.iter().filter(|relation| relation.column(made).is_some()).collect()
    }
}
