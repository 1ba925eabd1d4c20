//! Which catalog does ALTER COLUMN TYPE make?
//!
//! Where the bytes of old values are those of new ones, only the catalog changes. Else the records
//! are copied (`shards/src/catalog/rewrite.rs`): meanwhile nobody writes to the table, nobody
//! changes its definition, and everybody reads what was.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Expr;
use pieskieo_shards::catalog::{
    Catalog, Constraint, ConstraintKind, IndexKind, Rewrite, Table, TextField,
};
use pieskieo_shards::ids::{IndexId, TableId, Timestamp};
use pieskieo_shards::value::ColumnType;

use super::alter::{Alter, Altering, DefaultValue, drop_left, word};
use super::alter_rename::mentions;
use super::alter_settle::{Pending, leave_place};
use super::define::{check_orderable, next_table, process, successor};
use super::define_drop::remove_table;
use super::define_sequence::default_sequences;
use super::pattern::ends;
use super::statement::bind_row_expression;
use crate::error::{Error, Result, code};
use crate::syntax::{AlterTable, Alteration, Name, parse_expression};

/// A column whose values are written again.
#[derive(Clone, Debug)]
pub struct Retyped {
    /// The column, as the statement names it.
    pub name: Name,
    /// Its position.
    pub position: usize,
    /// What the new value is; `None` = the old one.
    pub using: Option<String>,
}

/// Records that are to be copied.
#[derive(Clone, Debug)]
pub struct Rewriting {
    /// The table they are in.
    pub of: TableId,
    /// The hidden table they are copied into.
    pub copy: TableId,
    /// The columns that change.
    pub columns: Vec<Retyped>,
}

impl Altering<'_> {
    /// `ALTER COLUMN name TYPE ty [USING using]`.
    pub(super) fn set_type(
        &mut self,
        name: &Name,
        ty: &ColumnType,
        using: Option<&str>,
    ) -> Result<()> {
        let position = self.own_column(name)?;
        let table = self.table()?;
        if self.typed.contains(&position) {
            let message = format!("cannot alter type of column \"{}\" twice", name.text);
            return Err(Error::new(code::FEATURE_NOT_SUPPORTED, message).at(name.position));
        }
        self.typed.push(position);
        let from = &table.columns[position].ty;
        if from == ty && using.is_none() {
            return Ok(());
        }
        check_needed(&self.next, &table, position, ty).map_err(|error| error.at(name.position))?;
        if using.is_none() && !is_assignable(from, ty) {
            return Err(no_cast(name, from, ty));
        }
        if using.is_some() || !has_same_bytes(from, ty) {
            let using = using.map(str::to_owned);
            self.retyped.push(Retyped { name: name.clone(), position, using });
        }
        self.change(|table| table.columns[position].ty = ty.clone())?;
        check_indexes(self.table()?.as_ref(), position, name)?;
        for constraint in &table.constraints {
            let ConstraintKind::Unique(unique) = &constraint.kind else { continue };
            let part = unique.columns.iter().position(|column| *column == position);
            if let (Some(part), Some(entries)) = (part, self.next.tables.get_mut(&unique.entries)) {
                Arc::make_mut(entries).columns[part].ty = ty.clone();
            }
        }
        Ok(())
    }

    /// Checks that the defaults of columns with another type are of it.
    pub(super) fn check_defaults(&self, position: usize) -> Result<()> {
        let table = self.table()?;
        for column in self.typed.iter().map(|&typed| &table.columns[typed]) {
            let Some(default) = &column.default else { continue };
            let fits = if default_sequences(&self.next, default)?.is_empty() {
                fits(self.value_of, default, &column.ty)
            } else if column.always {
                matches!(column.ty, ColumnType::SmallInt | ColumnType::Int | ColumnType::BigInt)
            } else {
                is_assignable(&ColumnType::BigInt, &column.ty)
            };
            if !fits && column.always {
                let message = "identity column type must be smallint, integer, or bigint";
                return Err(Error::new(code::INVALID_PARAMETER_VALUE, message).at(position));
            }
            if !fits {
                let message = format!(
                    "default for column \"{}\" cannot be cast automatically to type {}",
                    column.name, column.ty
                );
                return Err(Error::new(code::DATATYPE_MISMATCH, message)
                    .with_hint("Write ALTER COLUMN ... DROP DEFAULT before it.")
                    .at(position));
            }
        }
        Ok(())
    }
}

/// Whether a default is a value of a type. One that is another for every row is looked at when it
/// is.
fn fits(value_of: DefaultValue<'_>, default: &str, ty: &ColumnType) -> bool {
    match value_of(default, ty) {
        Ok(_) => true,
        Err(error) => error.code == code::FEATURE_NOT_SUPPORTED.code,
    }
}

/// Returns the catalog in which the records of a table are being copied into one with its columns
/// as they will be. `altering` is what the statement has made of the catalog otherwise.
///
/// **Errors**: 0A000 for changes that cannot be made at once.
pub(super) fn copied(
    catalog: &Catalog,
    alter: &AlterTable,
    (before, altering): (Arc<Table>, Altering<'_>),
) -> Result<Alter> {
    if let Some(action) = alter.actions.iter().find(|action| !may_stand_beside(action)) {
        let message = format!("{} beside ALTER COLUMN TYPE", word(action));
        return Err(Error::unsupported(message)
            .with_hint("Send two ALTER TABLE statements.")
            .at(alter.name.position));
    }
    let after = altering.table()?;
    let Altering { retyped, pending, typed, .. } = altering;
    let mut next = successor(catalog);
    drop_left(&mut next, &before);
    let mut copy = after.as_ref().clone();
    for one in &pending {
        let Pending::NotNull { column, rule } = one else { continue };
        copy.constraints.retain(|constraint| constraint.name != *rule);
        for column in copy.columns.iter_mut().filter(|one| one.id == *column) {
            column.not_null = true;
        }
    }
    for column in &mut copy.columns {
        (column.altered.missing, column.altered.held_nulls) = (None, false);
    }
    copy.constraints = kept(&copy, &retyped)?;
    copy.rewrite = Some(Rewrite::Copy { of: before.id, process: process() });
    (copy.referrers, copy.since) = (Vec::new(), None);
    let copy = add_copy(&mut next, copy)?;
    let mut source = next.tables.get(&before.id).cloned().unwrap_or_else(|| before.clone());
    Arc::make_mut(&mut source).rewrite = Some(Rewrite::Source { process: process() });
    next.tables.insert(before.id, source);
    next.link();
    let rewriting = Some(Rewriting { of: before.id, copy, columns: retyped });
    Ok(Alter { next, before, pending: Vec::new(), typed, rewriting })
}

fn may_stand_beside(action: &Alteration) -> bool {
    matches!(
        action,
        Alteration::SetType { .. }
            | Alteration::SetDefault { .. }
            | Alteration::SetNotNull { .. }
            | Alteration::DropNotNull { .. }
    )
}

/// The constraints that copied records are held to: what is about other columns they keep already,
/// and no foreign key is about these.
fn kept(table: &Table, retyped: &[Retyped]) -> Result<Vec<Arc<Constraint>>> {
    let mut kept = Vec::new();
    for constraint in &table.constraints {
        let wanted = match &constraint.kind {
            ConstraintKind::Unique(_) => true,
            ConstraintKind::Foreign(_) => false,
            ConstraintKind::Check { .. } if !constraint.validated => false,
            ConstraintKind::Check { text } => {
                let mut found = false;
                for column in retyped {
                    let name = &table.columns[column.position].name;
                    found |= mentions(text, &table.name, name)?;
                }
                found
            }
        };
        if wanted {
            kept.push(constraint.clone());
        }
    }
    Ok(kept)
}

/// Adds a copy of a table, with indexes and entries of its own.
fn add_copy(next: &mut Catalog, mut copy: Table) -> Result<TableId> {
    let mut indexes = Vec::with_capacity(copy.indexes.len());
    for index in &mut copy.indexes {
        let id = next.index_next;
        next.index_next = IndexId(id.0 + 1);
        indexes.push((index.id, id));
        Arc::make_mut(index).id = id;
    }
    let id = next_table(next, copy);
    let lost = || Error::internal("a copy of a table went missing");
    let mut copy = next.tables.get(&id).cloned().ok_or_else(lost)?;
    let plain = copy.clone();
    for constraint in &mut Arc::make_mut(&mut copy).constraints {
        let constraint = Arc::make_mut(constraint);
        let ConstraintKind::Unique(unique) = &mut constraint.kind else { continue };
        let entries = plain.entries(&constraint.name, &unique.columns);
        unique.entries = next_table(next, entries);
        let index = indexes.iter().find(|(old, _)| *old == unique.index);
        unique.index = index.ok_or_else(lost)?.1;
    }
    next.tables.insert(id, copy);
    Ok(id)
}

/// Returns the catalog in which copied records, all there from the commit `since` on, are those of
/// their table; `None` when that is not there any more.
///
/// **Errors**: 2BP01 when somebody has come to need what was.
pub fn rewritten(
    catalog: &Catalog,
    rewriting: &Rewriting,
    since: Timestamp,
) -> Result<Option<Catalog>> {
    if let (Some(old), Some(new)) =
        (catalog.tables.get(&rewriting.of), catalog.tables.get(&rewriting.copy))
    {
        for column in &rewriting.columns {
            check_needed(catalog, old, column.position, &new.columns[column.position].ty)?;
        }
    }
    let Some(next) = catalog.with_copy(rewriting.copy, since) else { return Ok(None) };
    let version = next.version;
    Ok(Some(Catalog { version, ..successor(&next) }))
}

/// Returns the catalog in which the records of a table are not being copied any more; `None` when
/// neither is there.
pub fn not_rewritten(catalog: &Catalog, rewriting: &Rewriting) -> Option<Catalog> {
    let mut next = successor(catalog);
    let copy = next.tables.get(&rewriting.copy).cloned();
    let source = next.tables.get_mut(&rewriting.of);
    if copy.is_none() && source.is_none() {
        return None;
    }
    if let Some(source) = source {
        Arc::make_mut(source).rewrite = None;
    }
    if let Some(copy) = copy {
        remove_table(&mut next, &copy);
    }
    next.link();
    Some(next)
}

/// Refuses to write to a table whose records are being copied.
///
/// **Errors**: `40001`.
pub fn check_open(table: &Table) -> Result<()> {
    match table.rewrite {
        Some(Rewrite::Source { process: of }) if of == process() => {
            let message = format!("the records of table \"{}\" are being rewritten", table.name);
            Err(Error::new(code::SERIALIZATION_FAILURE, message)
                .with_hint("Send the statement again when ALTER TABLE has ended."))
        }
        _ => Ok(()),
    }
}

/// Returns the value that a column will have, bound to the table as it is.
///
/// **Errors**: those of the expression.
pub fn bind_using(catalog: &Catalog, table: &Arc<Table>, text: &str) -> Result<Expr> {
    let mut expr = parse_expression(text)?;
    bind_row_expression(catalog, table, &mut expr, "USING")?;
    Ok(expr)
}

/// Returns a catalog in which a table lacks some columns: what cannot be without them uses them.
pub fn lacking(catalog: &Catalog, id: TableId, columns: &[usize]) -> Catalog {
    let mut next = successor(catalog);
    if let Some(table) = next.tables.get_mut(&id) {
        let table = Arc::make_mut(table);
        columns.iter().for_each(|&column| leave_place(&mut table.columns[column], column));
    }
    next
}

/// Refuses another type where other tables need this one.
fn check_needed(catalog: &Catalog, table: &Table, position: usize, ty: &ColumnType) -> Result<()> {
    let column = &table.columns[position];
    if column.ty.plain() == ty.plain() {
        return Ok(());
    }
    for other in catalog.listed() {
        let needs = |foreign: &pieskieo_shards::catalog::Foreign| {
            let own = other.id == table.id && foreign.columns.contains(&position);
            own || foreign.target == table.id && foreign.target_columns.contains(&position)
        };
        if let Some((name, _)) = other.foreigns().find(|(_, foreign)| needs(foreign)) {
            let message = format!("foreign key constraint \"{name}\" cannot be implemented");
            return Err(Error::new(code::DATATYPE_MISMATCH, message)
                .with_detail(format!(
                    "Its columns would be of different types: {} and {ty}.",
                    column.ty
                ))
                .with_hint("Drop the foreign key, change both columns, then add it again."));
        }
        let joins = ends(other).is_some_and(|(a, b)| a == table.id || b == table.id);
        if joins && table.key.contains(&position) {
            let message = format!("another type of a key that edge \"{}\" joins", other.name);
            return Err(Error::unsupported(message).with_hint("Drop the edge first."));
        }
    }
    Ok(())
}

/// Refuses a type that what is over the column cannot be of.
fn check_indexes(table: &Table, position: usize, name: &Name) -> Result<()> {
    let column = &table.columns[position];
    if table.key.contains(&position) {
        check_orderable(column, name, "key")?;
    }
    for index in &table.indexes {
        let fits = match &index.kind {
            IndexKind::Ordered { columns } if columns.contains(&position) => {
                check_orderable(column, name, "ordered index")?;
                true
            }
            IndexKind::Ordered { .. } => true,
            IndexKind::Vector { column: of, .. } => {
                *of != position || matches!(column.ty, ColumnType::Vector(_))
            }
            IndexKind::Text { fields, .. } => {
                let of = |field: &&TextField| field.column == position;
                fields.iter().filter(of).all(|field| match field.path.is_empty() {
                    true => column.ty.is_text(),
                    false => column.ty == ColumnType::Json,
                })
            }
        };
        if !fits {
            let message = format!(
                "index \"{}\" cannot be over column \"{}\" of type {}",
                index.name, column.name, column.ty
            );
            return Err(Error::new(code::INVALID_OBJECT_DEFINITION, message)
                .with_hint("Drop the index first.")
                .at(name.position));
        }
    }
    Ok(())
}

fn no_cast(name: &Name, from: &ColumnType, to: &ColumnType) -> Error {
    let column = super::build::ident(&name.text);
    let message = format!("column \"{}\" cannot be cast automatically to type {to}", name.text);
    Error::new(code::DATATYPE_MISMATCH, message)
        .with_detail(format!("It is of type {from}."))
        .with_hint(format!("Write USING {column}::{to}, if that is meant."))
        .at(name.position)
}

/// Whether every value of a type is stored in the same bytes as a value of the other.
fn has_same_bytes(from: &ColumnType, to: &ColumnType) -> bool {
    match (from, to) {
        (ColumnType::Varchar(_), ColumnType::Text) => true,
        (ColumnType::Varchar(old), ColumnType::Varchar(new)) => old <= new,
        (
            ColumnType::Numeric { precision: old, scale },
            ColumnType::Numeric { precision: new, scale: places },
        ) => scale == places && old <= new,
        (ColumnType::Array(from), ColumnType::Array(to)) => has_same_bytes(from, to),
        _ => from == to,
    }
}

/// Returns whether values of a type are assigned to columns of another without being told to.
///
/// **Source**: PostgreSQL's table `pg_cast`, of what is there for assignment and implicitly.
pub fn is_assignable(from: &ColumnType, to: &ColumnType) -> bool {
    use ColumnType as Type;
    match (from, to) {
        _ if from.plain() == to.plain() => true,
        (_, Type::Text | Type::Varchar(_)) => true,
        (
            Type::Date | Type::Timestamp | Type::TimestampTz,
            Type::Date | Type::Timestamp | Type::TimestampTz,
        )
        | (Type::Timestamp | Type::TimestampTz | Type::Interval, Type::Time)
        | (Type::Time, Type::Interval)
        | (Type::Vector(_), Type::Vector(_)) => true,
        (Type::Array(from), Type::Array(to)) => is_assignable(from, to),
        (Type::Vector(_), Type::Array(element)) => **element == Type::Float,
        (Type::Array(element), Type::Vector(_)) => element.is_number(),
        _ => from.is_number() && to.is_number(),
    }
}

#[cfg(test)]
#[path = "alter_type_tests.rs"]
mod tests;
