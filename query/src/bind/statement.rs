//! What does a whole statement mean?

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, visit_expressions};
use pieskieo_shards::catalog::{Catalog, Table};
use pieskieo_shards::value::ColumnType;

use super::build;
use super::query::Binder;
use super::scope::{Relation, Scope};
use crate::error::{Error, Result, code};
use crate::limits::ASSIGNMENTS_MAX;
use crate::suggest;
use crate::syntax::{
    Assignment, BoundMerge, Delete, Explain, Insert, InsertSource, Name, OnConflict, Operation,
    Show, Statement, TargetStep, Update,
};
use crate::system;

/// Stack that must be left before a statement is bound: expressions of the deepest shape the
/// limits allow are copied, which recurses.
const STACK_LEFT_MIN: usize = 1024 * 1024;
/// Size of a new piece of stack.
const STACK_PIECE: usize = 4 * 1024 * 1024;

/// Checks and rewrites a statement for a catalog, as the module page says.
///
/// # Errors
///
/// 42P01, 42703 and other name errors with a position and, where a name is near, a suggestion.
pub fn bind(catalog: &Catalog, statement: Statement) -> Result<Statement> {
    with_stack(|| bind_whole(catalog, statement))
}

/// Runs something that goes as deep as a statement may be.
pub(super) fn with_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_LEFT_MIN, STACK_PIECE, work)
}

/// Binds the condition of a CHECK to the columns of its table.
///
/// **Errors**: 42703, and 0A000 for a subquery.
pub fn bind_check(catalog: &Catalog, table: &Arc<Table>, condition: &mut Expr) -> Result<()> {
    if has_query(condition) {
        return Err(Error::unsupported("a subquery in a CHECK constraint")
            .with_hint("Use a foreign key to demand that another record exists."));
    }
    let mut scope = Scope::default();
    scope.add(Relation::of_table(table, &table.name), 0)?;
    Binder::new(catalog).bind_condition(condition, &scope)
}

/// Binds an expression to the columns of a table. `clause` is where it stands.
///
/// **Errors**: 42703, and 0A000 for a subquery.
pub fn bind_row_expression(
    catalog: &Catalog,
    table: &Arc<Table>,
    expr: &mut Expr,
    clause: &str,
) -> Result<()> {
    if has_query(expr) {
        return Err(Error::unsupported(format!("a subquery in {clause}"))
            .with_hint("It may depend on the row only."));
    }
    let mut scope = Scope::default();
    scope.add(Relation::of_table(table, &table.name), 0)?;
    Binder::new(catalog).bind_expr(expr, &scope).map(drop)
}

fn has_query(expr: &Expr) -> bool {
    let is_query = |expr: &Expr| {
        matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. })
    };
    let found = visit_expressions(expr, |expr| match is_query(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn bind_whole(catalog: &Catalog, statement: Statement) -> Result<Statement> {
    let mut binder = Binder::new(catalog);
    match statement {
        Statement::Query(mut query) => {
            binder.bind_query(&mut query, None)?;
            Ok(Statement::Query(query))
        }
        Statement::Pipeline(pipeline) => {
            let (query, _) = binder.bind_pipeline(*pipeline)?;
            Ok(Statement::Query(Box::new(query)))
        }
        Statement::Insert(mut insert) => {
            binder.bind_insert(&mut insert)?;
            Ok(Statement::Insert(insert))
        }
        Statement::Update(mut update) => {
            binder.bind_update(&mut update)?;
            Ok(Statement::Update(update))
        }
        Statement::Delete(mut delete) => {
            binder.bind_delete(&mut delete)?;
            Ok(Statement::Delete(delete))
        }
        Statement::Merge(mut merge) => {
            let queries = binder.bind_merge(&mut merge)?;
            Ok(Statement::BoundMerge(Box::new(BoundMerge { merge: *merge, queries })))
        }
        Statement::Explain(explain) => Ok(Statement::Explain(Explain {
            statement: Box::new(bind_whole(catalog, *explain.statement)?),
            ..explain
        })),
        Statement::Show(Show::Columns(name)) => {
            if catalog.view_named(&name.text).is_none() {
                binder.table(&name)?;
            }
            Ok(Statement::Show(Show::Columns(name)))
        }
        Statement::Show(Show::SystemColumns(schema, name)) => {
            system::find(schema, &name)?;
            Ok(Statement::Show(Show::SystemColumns(schema, name)))
        }
        Statement::Show(Show::Indexes(Some(name))) => {
            binder.table(&name)?;
            Ok(Statement::Show(Show::Indexes(Some(name))))
        }
        Statement::Show(Show::Constraints(Some(name))) => {
            binder.table(&name)?;
            Ok(Statement::Show(Show::Constraints(Some(name))))
        }
        Statement::Cursor(_) => {
            Err(Error::unsupported("a cursor outside of PostgreSQL's protocol")
                .with_hint("Ask for a stream: it is read as far as needed."))
        }
        Statement::Channel(_) => {
            Err(Error::unsupported("a notification outside of PostgreSQL's protocol")
                .with_hint("Connect to the port of --pg-listen."))
        }
        other => Ok(other),
    }
}

impl Binder<'_> {
    fn bind_insert(&mut self, insert: &mut Insert) -> Result<()> {
        let table = self.changed_table(&insert.table, "insert into")?.clone();
        let alias = insert.alias.as_ref().unwrap_or(&insert.table).text.clone();
        check_insert_columns(&table, insert)?;
        match &mut insert.source {
            InsertSource::Values(rows) => {
                let empty = Scope::default();
                for expr in rows.iter_mut().flatten().flatten() {
                    self.bind_expr(expr, &empty)?;
                }
            }
            InsertSource::Query(query) => {
                let columns = self.bind_query(query, None)?;
                let known = columns.iter().all(|column| !column.name.is_empty());
                check_insert_width(&table, insert_width(&table, &insert.columns), &columns, known)
                    .map_err(|error| error.at(insert.table.position))?;
            }
            InsertSource::Defaults => {}
        }
        let mut scope = Scope::default();
        scope.add(Relation::of_table(&table, &alias), insert.table.position)?;
        insert.returning =
            self.bind_select_list(std::mem::take(&mut insert.returning), &scope)?.items;
        match &mut insert.on_conflict {
            None => Ok(()),
            Some(OnConflict::DoNothing { target, constraint }) => {
                name_columns(&table, constraint.take(), target)?;
                check_conflict_target(&table, target)
            }
            Some(OnConflict::DoUpdate { target, constraint, assignments, filter }) => {
                name_columns(&table, constraint.take(), target)?;
                check_conflict_target(&table, target)?;
                scope.add(Relation::of_table(&table, "excluded"), 0)?;
                // A bare name means the stored record, as in PostgreSQL.
                let mut stored = Scope::default();
                stored.add(Relation::of_table(&table, &alias), 0)?;
                let both = Scope { parent: Some(&scope), ..stored };
                self.bind_assignments(&table, assignments, &both)?;
                filter.as_mut().map_or(Ok(()), |filter| self.bind_passing(filter, &both))
            }
        }
    }

    fn bind_update(&mut self, update: &mut Update) -> Result<()> {
        let table = self.changed_table(&update.table, "update")?.clone();
        let alias = update.alias.as_ref().unwrap_or(&update.table).text.clone();
        let mut scope = Scope::default();
        scope.add(Relation::of_table(&table, &alias), update.table.position)?;
        let mut filters: Vec<Expr> = update.filter.take().into_iter().collect();
        self.bind_from(&mut update.from, &mut scope, &mut filters)?;
        update.filter = super::build::all(filters);
        if let Some(filter) = &mut update.filter {
            self.bind_passing(filter, &scope)?;
        }
        self.bind_assignments(&table, &mut update.assignments, &scope)?;
        update.returning =
            self.bind_select_list(std::mem::take(&mut update.returning), &scope)?.items;
        Ok(())
    }

    fn bind_delete(&mut self, delete: &mut Delete) -> Result<()> {
        let table = self.changed_table(&delete.table, "delete from")?.clone();
        let alias = delete.alias.as_ref().unwrap_or(&delete.table).text.clone();
        let mut scope = Scope::default();
        scope.add(Relation::of_table(&table, &alias), delete.table.position)?;
        let mut filters: Vec<Expr> = delete.filter.take().into_iter().collect();
        self.bind_from(&mut delete.using, &mut scope, &mut filters)?;
        delete.filter = super::build::all(filters);
        if let Some(filter) = &mut delete.filter {
            self.bind_passing(filter, &scope)?;
        }
        delete.returning =
            self.bind_select_list(std::mem::take(&mut delete.returning), &scope)?.items;
        Ok(())
    }

    pub(super) fn bind_assignments(
        &mut self,
        table: &Table,
        assignments: &mut [Assignment],
        scope: &Scope<'_>,
    ) -> Result<()> {
        if assignments.len() > ASSIGNMENTS_MAX {
            return Err(Error::new(
                code::PROGRAM_LIMIT,
                "there are too many changes in one UPDATE",
            )
            .with_detail(format!("The limit assignments_max is {ASSIGNMENTS_MAX}.")));
        }
        let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
        for assignment in assignments {
            check_target(table, assignment)?;
            over_column(table, assignment, scope)?;
            check_always(table, assignment)?;
            let path = path_texts(assignment);
            // Several elements may be pushed to one array, and added to what was set.
            let sets = matches!(assignment.operation, Operation::Set | Operation::Unset);
            if sets && seen.contains(&path) {
                return Err(Error::new(
                    code::DUPLICATE_COLUMN,
                    format!("column \"{}\" is set twice", path.join(".")),
                )
                .at(assignment.target.position));
            }
            if sets {
                seen.insert(path);
            }
            if let Some(value) = &mut assignment.value {
                self.bind_expr(value, scope)?;
            }
        }
        Ok(())
    }
}

fn path_texts(assignment: &Assignment) -> Vec<String> {
    let steps = assignment.path.iter().map(|step| match step {
        TargetStep::Field(name) => name.text.clone(),
        TargetStep::Index(index) => format!("[{index}]"),
    });
    std::iter::once(assignment.target.text.clone()).chain(steps).collect()
}

/// What UNSET and INC do to a column as a whole: SET says it.
fn over_column(table: &Table, assignment: &mut Assignment, scope: &Scope<'_>) -> Result<()> {
    let Some(position) = table.column_named(&assignment.target.text) else { return Ok(()) };
    let column = &table.columns[position];
    let json = column.ty == ColumnType::Json;
    let null = || build::literal(Value::Null);
    match assignment.operation {
        Operation::Unset if assignment.path.is_empty() => {
            assignment.operation = Operation::Set;
            assignment.value = Some(null());
            Ok(())
        }
        Operation::Set | Operation::Unset => Ok(()),
        _ if json => Ok(()),
        Operation::Increment if is_number(&column.ty) => {
            let alias = scope.relations.first().and_then(|relation| relation.name.as_deref());
            let zero = build::literal(Value::Number("0".into(), false));
            let stored = build::column(alias, &column.name);
            let stored = build::call("coalesce", vec![stored, zero]);
            let added = assignment.value.take().unwrap_or_else(null);
            let added = Expr::Nested(Box::new(added));
            assignment.value = Some(build::binary(stored, BinaryOperator::Plus, added));
            assignment.operation = Operation::Set;
            Ok(())
        }
        operation => {
            let wanted = match operation {
                Operation::Increment => "a number or JSON",
                _ => "JSON",
            };
            Err(Error::new(
                code::DATATYPE_MISMATCH,
                format!(
                    "column \"{}\" is {}, {} wants {wanted}",
                    column.name,
                    column.ty,
                    operation.words()
                ),
            )
            .at(assignment.target.position))
        }
    }
}

fn is_number(ty: &ColumnType) -> bool {
    matches!(
        ty,
        ColumnType::Int
            | ColumnType::BigInt
            | ColumnType::Float
            | ColumnType::Double
            | ColumnType::Numeric { .. }
    )
}

fn is_open(table: &Table) -> bool {
    table.kind == pieskieo_shards::catalog::TableKind::Collection
}

fn undefined(table: &Table, name: &Name) -> Error {
    let names = table.columns.iter().filter(|column| !column.hidden);
    let names = names.map(|column| column.name.as_str());
    Error::new(
        code::UNDEFINED_COLUMN,
        format!("column \"{}\" of table \"{}\" does not exist", name.text, table.name),
    )
    .with_suggestion(suggest::nearest(&name.text, names))
    .at(name.position)
}

/// Checks the names of columns that are filled.
pub(super) fn check_insert_names(table: &Table, columns: &[Name]) -> Result<()> {
    for (index, name) in columns.iter().enumerate() {
        if columns.iter().take(index).any(|earlier| earlier.text == name.text) {
            return Err(Error::new(
                code::DUPLICATE_COLUMN,
                format!("column \"{}\" is named twice", name.text),
            )
            .at(name.position));
        }
        if table.column_named(&name.text).is_none() && !is_open(table) {
            return Err(undefined(table, name));
        }
    }
    Ok(())
}

fn check_insert_columns(table: &Table, insert: &Insert) -> Result<()> {
    check_insert_names(table, &insert.columns)?;
    let InsertSource::Values(rows) = &insert.source else { return Ok(()) };
    let width = rows.first().map_or(0, Vec::len);
    let wanted = insert_width(table, &insert.columns);
    if insert.columns.is_empty() && width > wanted {
        return Err(Error::new(
            code::SYNTAX_ERROR,
            format!("table \"{}\" has {wanted} columns, but {width} values are given", table.name),
        )
        .at(insert.table.position));
    }
    Ok(())
}

/// How many values a row may have.
pub(super) fn insert_width(table: &Table, columns: &[Name]) -> usize {
    if !columns.is_empty() {
        return columns.len();
    }
    if is_open(table) {
        return 1;
    }
    table.columns.iter().filter(|column| !column.hidden).count()
}

fn check_insert_width(
    table: &Table,
    wanted: usize,
    columns: &[super::scope::ScopeColumn],
    known: bool,
) -> Result<()> {
    if known && columns.len() > wanted {
        return Err(Error::new(
            code::SYNTAX_ERROR,
            format!(
                "{wanted} columns of \"{}\" are filled, but the query has {}",
                table.name,
                columns.len()
            ),
        ));
    }
    Ok(())
}

/// Puts the columns of a constraint that ON CONFLICT names in the places of its own.
fn name_columns(table: &Table, constraint: Option<Name>, target: &mut Vec<Name>) -> Result<()> {
    let Some(Name { text, position }) = constraint else { return Ok(()) };
    let unique = table.uniques().find(|(name, _)| *name == text);
    let columns = match unique {
        Some((_, unique)) => &unique.columns,
        None if text == format!("{}_pkey", table.name) => &table.key,
        None if table.constraints.iter().any(|one| one.name == text) => {
            let message = format!("constraint \"{text}\" does not say what is unique");
            return Err(Error::new(code::WRONG_OBJECT_TYPE, message)
                .with_hint("Name the primary key or a UNIQUE constraint.")
                .at(position));
        }
        None => {
            let names = table.constraints.iter().map(|one| one.name.as_str());
            let name = &table.name;
            let message = format!("constraint \"{text}\" for table \"{name}\" does not exist");
            return Err(Error::new(code::UNDEFINED_OBJECT, message)
                .with_suggestion(suggest::nearest(&text, names))
                .at(position));
        }
    };
    let named = |&column: &usize| Name { text: table.columns[column].name.clone(), position };
    *target = columns.iter().map(named).collect();
    Ok(())
}

/// The columns of ON CONFLICT are those of the primary key or of a unique constraint, in any order.
fn check_conflict_target(table: &Table, target: &[Name]) -> Result<()> {
    for name in target {
        if table.column_named(&name.text).is_none() {
            return Err(undefined(table, name));
        }
    }
    let mut named: Vec<&str> = target.iter().map(|name| name.text.as_str()).collect();
    named.sort_unstable();
    let is_named = |columns: &[usize]| {
        let mut names: Vec<&str> =
            columns.iter().map(|position| table.columns[*position].name.as_str()).collect();
        names.sort_unstable();
        names == named
    };
    if target.is_empty()
        || is_named(&table.key)
        || table.uniques().any(|(_, unique)| is_named(&unique.columns))
    {
        return Ok(());
    }
    let key: Vec<&str> =
        table.key.iter().map(|position| table.columns[*position].name.as_str()).collect();
    Err(Error::new(
        code::INVALID_TABLE_DEFINITION,
        format!("ON CONFLICT ({}) is not the key of \"{}\"", named.join(", "), table.name),
    )
    .with_hint(format!("Write ON CONFLICT ({}), or name the columns of a UNIQUE.", key.join(", ")))
    .at(target.first().map_or(0, |name| name.position)))
}

/// A column that is always numbered takes nothing but its default.
fn check_always(table: &Table, assignment: &Assignment) -> Result<()> {
    let name = &assignment.target;
    let position = table.column_named(&name.text);
    let always = position.is_some_and(|position| table.columns[position].always);
    if always && assignment.value.is_some() {
        let message = format!("column \"{}\" can only be updated to DEFAULT", name.text);
        return Err(Error::new(code::GENERATED_ALWAYS, message)
            .with_detail("It is an identity column defined as GENERATED ALWAYS.")
            .at(name.position));
    }
    Ok(())
}

/// What an assignment changes must be a column, or a path into a document.
fn check_target(table: &Table, assignment: &Assignment) -> Result<()> {
    let first = &assignment.target;
    let Some(position) = table.column_named(&first.text) else {
        return if is_open(table) { Ok(()) } else { Err(undefined(table, first)) };
    };
    let column = &table.columns[position];
    if column.generated && column.hidden {
        return Err(Error::new(
            code::FEATURE_NOT_SUPPORTED,
            format!("column \"{}\" cannot be set", column.name),
        )
        .at(first.position));
    }
    if !assignment.path.is_empty() && column.ty != ColumnType::Json {
        return Err(Error::new(
            code::UNDEFINED_COLUMN,
            format!("column \"{}\" is not a document, it has no fields", column.name),
        )
        .at(first.position));
    }
    Ok(())
}
