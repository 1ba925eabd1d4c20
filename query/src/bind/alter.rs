//! Which catalog does an ALTER TABLE make?
//!
//! Nothing is rewritten, but by other types (`alter_type`): rows keep the place of a dropped
//! column, and rows from before a column read as its default. What existing records must keep is in force for writers at once and pending
//! until they have been looked at (`alter_settle`).

use std::sync::Arc;

use pieskieo_shards::catalog::{
    Catalog, Column, Constraint, ConstraintKind, IndexKind, Table, TableKind,
};
use pieskieo_shards::ids::{ColumnId, TableId};
use pieskieo_shards::row;
use pieskieo_shards::value::{ColumnType, Value};

use super::alter_rename::{mentions, rename_column, rename_constraint, rename_table};
use super::alter_settle::{Pending, leave_place};
use super::alter_type::{Retyped, Rewriting, copied};
use super::define::{columns, drop_unique, process, successor};
use super::define_constraint::{add_constraint, column_of, numbered};
use super::define_sequence::default_sequences;
use super::define_view::check_idle;
use super::{build, query::Binder};
use crate::error::{Error, Result, code};
use crate::limits::COLUMNS_MAX;
use crate::suggest;
use crate::syntax::{AlterTable, Alteration, ColumnDefinition, ConstraintDefinition, Name, Rule};

/// Returns the value of the text of a default, as a column of the type stores it.
///
/// **Errors**: a value that does not fit; 0A000 for one that is another for every row.
pub type DefaultValue<'v> = &'v dyn Fn(&str, &ColumnType) -> Result<Value>;

/// What an ALTER TABLE comes to.
#[derive(Debug)]
pub struct Alter {
    /// The next catalog.
    pub next: Catalog,
    /// The table as it was.
    pub before: Arc<Table>,
    /// What must be settled before the statement has succeeded.
    pub pending: Vec<Pending>,
    /// Positions of the columns that get another type.
    pub typed: Vec<usize>,
    /// The records that must be copied before it has; then nothing is pending.
    pub rewriting: Option<Rewriting>,
}

/// A table while it is being altered.
pub(super) struct Altering<'v> {
    pub(super) next: Catalog,
    id: TableId,
    pub(super) pending: Vec<Pending>,
    pub(super) value_of: DefaultValue<'v>,
    /// Positions of the columns that have got another type, or the same one again.
    pub(super) typed: Vec<usize>,
    /// Those of which the values must be written again.
    pub(super) retyped: Vec<Retyped>,
}

/// Returns the catalog after an ALTER TABLE; `None` when nothing changes because of IF EXISTS.
///
/// **Errors**: 42P01, 42703, 42701, 42704, 42710, 2BP01 and other errors of the definition.
pub fn alter_table(
    catalog: &Catalog,
    alter: &AlterTable,
    value_of: DefaultValue<'_>,
) -> Result<Option<Alter>> {
    let name = &alter.name.text;
    let there = catalog.table_named(name).or_else(|| catalog.view_named(name));
    if alter.if_exists && there.is_none() {
        return Ok(None);
    }
    let before = Binder::new(catalog).base_table(&alter.name)?.clone();
    check_idle(&before).map_err(|error| error.at(alter.name.position))?;
    let mut next = successor(catalog);
    drop_left(&mut next, &before);
    let (id, pending, typed, retyped) = (before.id, Vec::new(), Vec::new(), Vec::new());
    let mut altering = Altering { next, id, pending, value_of, typed, retyped };
    for action in &alter.actions {
        altering.take(action)?;
    }
    altering.check_defaults(alter.name.position)?;
    let is_typed = !altering.typed.is_empty();
    if !altering.retyped.is_empty() || is_typed && !altering.pending.is_empty() {
        return copied(catalog, alter, (before, altering)).map(Some);
    }
    let Altering { mut next, pending, typed, .. } = altering;
    next.link();
    if !pending.is_empty()
        && let Some(action) = alter.actions.iter().find(|action| !can_be_undone(action))
    {
        let message = format!("{} beside what existing records must keep", word(action));
        return Err(Error::unsupported(message)
            .with_hint("Send two ALTER TABLE statements.")
            .at(alter.name.position));
    }
    Ok(Some(Alter { next, before, pending, typed, rewriting: None }))
}

/// Drops unique constraints whose filling ended with the process that did it.
pub(super) fn drop_left(next: &mut Catalog, table: &Table) {
    let left = table.constraints.iter().filter(|constraint| match &constraint.kind {
        ConstraintKind::Unique(unique) => {
            unique.filling.is_some_and(|filling| filling != process())
        }
        _ => false,
    });
    for constraint in left {
        if let Some(table) = next.tables.get(&table.id).cloned() {
            drop_unique(next, &table, &constraint.name);
        }
    }
}

/// Whether an action can be taken back after others have seen it.
fn can_be_undone(action: &Alteration) -> bool {
    matches!(
        action,
        Alteration::AddColumn { .. }
            | Alteration::AddConstraint { .. }
            | Alteration::SetDefault { .. }
            | Alteration::SetNotNull { .. }
            | Alteration::ValidateConstraint { .. }
    )
}

/// Returns the words of an action.
pub(super) fn word(action: &Alteration) -> &'static str {
    match action {
        Alteration::AddColumn { .. } => "ADD COLUMN",
        Alteration::AddConstraint { .. } => "ADD CONSTRAINT",
        Alteration::ValidateConstraint { .. } => "VALIDATE CONSTRAINT",
        Alteration::DropColumn { .. } => "DROP COLUMN",
        Alteration::RenameColumn { .. } | Alteration::RenameTable { .. } => "RENAME",
        Alteration::RenameConstraint { .. } => "RENAME CONSTRAINT",
        Alteration::DropNotNull { .. } => "DROP NOT NULL",
        Alteration::DropConstraint { .. } => "DROP CONSTRAINT",
        _ => "a change",
    }
}

impl Altering<'_> {
    fn take(&mut self, action: &Alteration) -> Result<()> {
        match action {
            Alteration::AddColumn { column, constraints, if_not_exists } => {
                self.add_column(column, constraints, *if_not_exists)
            }
            Alteration::DropColumn { column, if_exists, cascade } => {
                self.drop_column(column, *if_exists, *cascade)
            }
            Alteration::RenameColumn { column, to } => {
                self.own_column(column)?;
                refuse_made(self.table()?.as_ref(), to)?;
                rename_column(&mut self.next, self.id, column, to)
            }
            Alteration::RenameTable { to } => rename_table(&mut self.next, self.id, to),
            Alteration::RenameConstraint { constraint, to } => {
                self.constraint(constraint)?;
                rename_constraint(&mut self.next, self.id, &constraint.text, to)
            }
            Alteration::SetDefault { column, default } => self.set_default(column, default),
            Alteration::SetType { column, ty, using } => {
                self.set_type(column, ty, using.as_deref())
            }
            Alteration::SetNotNull { column } => {
                let position = self.own_column(column)?;
                if !self.table()?.columns[position].not_null {
                    self.demand_values(position)?;
                }
                Ok(())
            }
            Alteration::DropNotNull { column } => self.drop_not_null(column),
            Alteration::AddConstraint { constraint, not_valid } => {
                self.add_rule(constraint, *not_valid)
            }
            Alteration::DropConstraint { constraint, if_exists, cascade } => {
                self.drop_constraint(constraint, *if_exists, *cascade)
            }
            Alteration::ValidateConstraint { constraint } => {
                if !self.constraint(constraint)?.validated {
                    self.pending.push(Pending::Rule(constraint.text.clone()));
                }
                Ok(())
            }
        }
    }

    pub(super) fn table(&self) -> Result<Arc<Table>> {
        let table = self.next.tables.get(&self.id).cloned();
        table.ok_or_else(|| Error::internal("a table that is being altered went missing"))
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Table)) -> Result<()> {
        let mut table = self.table()?;
        change(Arc::make_mut(&mut table));
        self.next.tables.insert(self.id, table);
        Ok(())
    }

    /// The position of a column that a user has declared.
    pub(super) fn own_column(&self, name: &Name) -> Result<usize> {
        let table = self.table()?;
        let position = column_of(&table, name)?;
        if is_made(&table, position) {
            return Err(Error::unsupported(format!("changing column \"{}\"", name.text))
                .with_hint("The server makes it and needs it as it is.")
                .at(name.position));
        }
        Ok(position)
    }

    fn add_column(
        &mut self,
        definition: &ColumnDefinition,
        constraints: &[ConstraintDefinition],
        if_not_exists: bool,
    ) -> Result<()> {
        let (table, name) = (self.table()?, &definition.name);
        if table.column_named(&name.text).is_some() {
            if if_not_exists {
                return Ok(());
            }
            let message = format!("column \"{}\" of table \"{}\" exists", name.text, table.name);
            return Err(Error::new(code::DUPLICATE_COLUMN, message)
                .with_hint("Choose another name, or write IF NOT EXISTS.")
                .at(name.position));
        }
        refuse_added(&table, definition)?;
        let [mut column] =
            <[Column; 1]>::try_from(columns(&self.next, std::slice::from_ref(definition), &[])?)
                .map_err(|_| Error::internal("a column became several"))?;
        column.id = ColumnId(table.columns.len() as u32);
        if let Some(default) = &column.default {
            let value = (self.value_of)(default, &column.ty);
            let value = value.map_err(|mut error| {
                error.position = None;
                error.at(name.position)
            })?;
            column.altered.missing = row::field_of(&column.ty, &value)?;
        }
        let demanded = column.not_null && column.altered.missing.is_none();
        column.not_null &= !demanded;
        self.change(|table| table.columns.push(column))?;
        if demanded {
            self.demand_values(table.columns.len())?;
        }
        for constraint in constraints {
            self.add_rule(constraint, false)?;
        }
        Ok(())
    }

    /// Makes a column NOT NULL once no record has a null in it. Until then a condition keeps them
    /// out.
    fn demand_values(&mut self, position: usize) -> Result<()> {
        let table = self.table()?;
        let column = &table.columns[position];
        let taken = |name: &str| table.constraints.iter().any(|one| one.name == name);
        let name = numbered(&format!("{}_{}_not_null", table.name, column.name), taken);
        let text = format!("{} IS NOT NULL", build::ident(&column.name));
        let kind = ConstraintKind::Check { text };
        let rule = Constraint { name: name.clone(), kind, validated: false, comment: None };
        self.pending.push(Pending::NotNull { column: column.id, rule: name });
        self.change(|table| table.constraints.push(Arc::new(rule)))
    }

    fn add_rule(&mut self, definition: &ConstraintDefinition, not_valid: bool) -> Result<()> {
        let added = add_constraint(&mut self.next, self.id, definition);
        added.map_err(|error| error.at(definition.position))?;
        if not_valid && matches!(definition.rule, Rule::Unique { .. }) {
            return Err(Error::unsupported("UNIQUE ... NOT VALID")
                .with_hint("Leave NOT VALID out.")
                .at(definition.position));
        }
        let mut pending = None;
        self.change(|table| {
            let Some(rule) = table.constraints.last_mut() else { return };
            let rule = Arc::make_mut(rule);
            pending = Some(match &mut rule.kind {
                ConstraintKind::Unique(unique) => {
                    unique.filling = Some(process());
                    Pending::Unique(rule.name.clone())
                }
                _ => {
                    rule.validated = false;
                    Pending::Rule(rule.name.clone())
                }
            });
        })?;
        self.pending.extend(pending.filter(|_| !not_valid));
        Ok(())
    }

    fn set_default(&mut self, name: &Name, default: &Option<String>) -> Result<()> {
        let position = self.own_column(name)?;
        let table = self.table()?;
        let column = &table.columns[position];
        if column.always {
            let message = format!("column \"{}\" is an identity column", name.text);
            return Err(Error::new(code::SYNTAX_ERROR, message)
                .with_hint("It takes no value but its next number.")
                .at(name.position));
        }
        let definition = ColumnDefinition {
            name: name.clone(),
            ty: column.ty.clone(),
            not_null: false,
            default: default.clone(),
            primary_key: false,
            identity: None,
        };
        columns(&self.next, &[definition], &[])?;
        self.change(|table| table.columns[position].default.clone_from(default))
    }

    fn drop_not_null(&mut self, name: &Name) -> Result<()> {
        let position = self.own_column(name)?;
        if self.table()?.key.contains(&position) {
            let message = format!("column \"{}\" is in the primary key", name.text);
            return Err(Error::new(code::INVALID_TABLE_DEFINITION, message).at(name.position));
        }
        self.change(|table| table.columns[position].not_null = false)
    }

    fn drop_column(&mut self, name: &Name, if_exists: bool, cascade: bool) -> Result<()> {
        let table = self.table()?;
        if if_exists && table.column_named(&name.text).is_none() {
            return Ok(());
        }
        let position = self.own_column(name)?;
        if table.key.contains(&position) {
            return Err(Error::unsupported("dropping a column of the primary key")
                .with_hint("Create a table with another key, and fill it from this one.")
                .at(name.position));
        }
        let shown = table.live_columns().filter(|column| !column.hidden).count();
        if shown == 1 && table.kind == TableKind::Relation {
            return Err(Error::unsupported("a table without columns")
                .with_hint("Drop the table, or add another column first.")
                .at(name.position));
        }
        for constraint in &table.constraints {
            if concerns(&table, constraint, position)? {
                self.remove_constraint(&constraint.name, cascade, name)?;
            }
        }
        self.drop_owned_sequence(&table.columns[position], name)?;
        self.change(|table| {
            table.indexes.retain(|index| !indexes(&index.kind, position));
            leave_place(&mut table.columns[position], position);
        })
    }

    /// Drops the sequence that was made for a column.
    fn drop_owned_sequence(&mut self, column: &Column, name: &Name) -> Result<()> {
        let Some(default) = &column.default else { return Ok(()) };
        for sequence in default_sequences(&self.next, default)? {
            let Some(found) = self.next.tables.get(&sequence) else { continue };
            let TableKind::Sequence(shape) = &found.kind else { continue };
            if shape.owner != Some(self.id) {
                continue;
            }
            for other in self.next.listed() {
                for used in other.columns.iter().filter(|used| used.default.is_some()) {
                    let is_same = other.id == self.id && used.id == column.id;
                    let default = used.default.as_deref().unwrap_or_default();
                    if !is_same && default_sequences(&self.next, default)?.contains(&sequence) {
                        let message = format!(
                            "sequence \"{}\" of the column numbers column \"{}\" of table \"{}\"",
                            found.name, used.name, other.name
                        );
                        return Err(Error::new(code::DEPENDENT_OBJECTS, message)
                            .with_hint("Give that column another default first.")
                            .at(name.position));
                    }
                }
            }
            self.next.tables.remove(&sequence);
        }
        Ok(())
    }

    fn constraint(&self, name: &Name) -> Result<Arc<Constraint>> {
        let table = self.table()?;
        let found = table.constraints.iter().find(|constraint| constraint.name == name.text);
        found.cloned().ok_or_else(|| {
            let names = table.constraints.iter().map(|constraint| constraint.name.as_str());
            let message =
                format!("constraint \"{}\" of table \"{}\" does not exist", name.text, table.name);
            Error::new(code::UNDEFINED_OBJECT, message)
                .with_suggestion(suggest::nearest(&name.text, names))
                .at(name.position)
        })
    }

    fn drop_constraint(&mut self, name: &Name, if_exists: bool, cascade: bool) -> Result<()> {
        match self.constraint(name) {
            Ok(_) => self.remove_constraint(&name.text, cascade, name),
            Err(_) if if_exists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes a constraint and what keeps it. `name` is where the statement names the reason.
    fn remove_constraint(&mut self, constraint: &str, cascade: bool, name: &Name) -> Result<()> {
        let table = self.table()?;
        let found = table.constraints.iter().find(|one| one.name == constraint).cloned();
        let Some(found) = found else { return Ok(()) };
        let ConstraintKind::Unique(unique) = &found.kind else {
            self.change(|table| table.constraints.retain(|one| one.name != constraint))?;
            self.next.link();
            return Ok(());
        };
        for id in &table.referrers {
            let Some(mut referrer) = self.next.tables.get(id).cloned() else { continue };
            let needs = |one: &Arc<Constraint>| match &one.kind {
                ConstraintKind::Foreign(foreign) => {
                    foreign.target == table.id
                        && foreign.target_columns == unique.columns
                        && foreign.target_columns != table.key
                }
                _ => false,
            };
            let Some(foreign) = referrer.constraints.iter().find(|one| needs(one)) else {
                continue;
            };
            if !cascade {
                let message = format!(
                    "foreign key \"{}\" of table \"{}\" needs constraint \"{constraint}\"",
                    foreign.name, referrer.name
                );
                return Err(Error::new(code::DEPENDENT_OBJECTS, message)
                    .with_hint("Drop the foreign key first, or write CASCADE.")
                    .at(name.position));
            }
            Arc::make_mut(&mut referrer).constraints.retain(|one| !needs(one));
            self.next.tables.insert(*id, referrer);
        }
        let table = self.table()?;
        drop_unique(&mut self.next, &table, constraint);
        self.next.link();
        Ok(())
    }
}

/// Whether the server makes a column.
fn is_made(table: &Table, position: usize) -> bool {
    match table.kind {
        TableKind::Edge { .. } => position < 3,
        TableKind::Collection if position + 1 == table.columns.len() => true,
        _ => table.columns[position].generated,
    }
}

fn refuse_made(table: &Table, name: &Name) -> Result<()> {
    let made: &[&str] = match table.kind {
        TableKind::Edge { .. } => &["src", "dst", "_id"],
        TableKind::Collection => &["doc", "_id"],
        _ => &["_id"],
    };
    super::define::refuse_names(name, made)
}

fn refuse_added(table: &Table, definition: &ColumnDefinition) -> Result<()> {
    let at = definition.name.position;
    if table.kind == TableKind::Collection {
        return Err(Error::unsupported("ADD COLUMN of a collection")
            .with_hint("Its records take any field: leave the statement out.")
            .at(at));
    }
    if definition.primary_key {
        return Err(Error::unsupported("ADD COLUMN ... PRIMARY KEY")
            .with_hint("Records lie in the order of their key: create a table with it.")
            .at(at));
    }
    if definition.identity.is_some() {
        return Err(Error::unsupported("ADD COLUMN of a numbered column")
            .with_hint(
                "Add the column, UPDATE it, CREATE SEQUENCE, then SET DEFAULT nextval('name').",
            )
            .at(at));
    }
    if table.columns.len() >= COLUMNS_MAX {
        return Err(Error::new(code::TOO_MANY_COLUMNS, "the table has too many columns")
            .with_detail(format!("The limit columns_max is {COLUMNS_MAX}; dropped ones count."))
            .at(at));
    }
    refuse_made(table, &definition.name)
}

/// Whether a constraint is about a column.
fn concerns(table: &Table, constraint: &Constraint, position: usize) -> Result<bool> {
    Ok(match &constraint.kind {
        ConstraintKind::Check { text } => {
            mentions(text, &table.name, &table.columns[position].name)?
        }
        ConstraintKind::Unique(unique) => unique.columns.contains(&position),
        ConstraintKind::Foreign(foreign) => foreign.columns.contains(&position),
    })
}

fn indexes(kind: &IndexKind, position: usize) -> bool {
    match kind {
        IndexKind::Ordered { columns } => columns.contains(&position),
        IndexKind::Vector { column, .. } => *column == position,
        IndexKind::Text { fields, .. } => fields.iter().any(|field| field.column == position),
    }
}
