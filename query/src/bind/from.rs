//! What does a FROM list mean?

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator,
    TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value,
};
use pieskieo_shards::value::ColumnType;

use super::path::lowered;
use super::query::Binder;
use super::scope::{Merged, Relation, Scope, ScopeColumn};
use super::sets::{UNNEST_FUNCTION, join_of_set, joined, set_call};
use super::{build, pattern};
use crate::error::{Error, Result, code};
use crate::syntax::{MATCH_FUNCTION, Name, Pattern, name_of, single_name, system_name};
use crate::system;

impl Binder<'_> {
    /// Binds a FROM list and adds its relations to `scope`. Conditions that belong to WHERE, such
    /// as the properties of patterns, are added to `filters`, not yet bound. Items before a
    /// function that gives rows become part of it.
    pub(super) fn bind_from<'p>(
        &mut self,
        from: &mut Vec<TableWithJoins>,
        scope: &mut Scope<'p>,
        filters: &mut Vec<Expr>,
    ) -> Result<()> {
        let mut bound = Vec::with_capacity(from.len());
        for item in std::mem::take(from) {
            self.bind_item(item, &mut bound, scope, filters)?;
        }
        *from = bound;
        Ok(())
    }

    /// Binds one item after those that are bound.
    fn bind_item<'p>(
        &mut self,
        item: TableWithJoins,
        bound: &mut Vec<TableWithJoins>,
        scope: &mut Scope<'p>,
        filters: &mut Vec<Expr>,
    ) -> Result<()> {
        let first = scope.relations.len();
        let TableWithJoins { mut relation, joins } = item;
        let mut current = match set_call(&relation)? {
            Some(call) => {
                let left = joined(std::mem::take(bound));
                self.bind_rows(call, left, false, scope, filters)?
            }
            None => {
                self.bind_factor(&mut relation, scope, filters)?;
                build::from_item(relation)
            }
        };
        for mut join in joins {
            let Some(call) = set_call(&join.relation)? else {
                self.bind_join(&mut join, first, scope, filters)?;
                current.joins.push(join);
                continue;
            };
            let (outer, condition) = join_of_set(&join)?;
            // The function may see the items before this one.
            let mut left = std::mem::take(bound);
            left.push(current);
            current = self.bind_rows(call, joined(left), outer, scope, filters)?;
            filters.extend(condition);
        }
        bound.push(current);
        Ok(())
    }

    fn bind_joined<'p>(
        &mut self,
        item: &mut TableWithJoins,
        scope: &mut Scope<'p>,
        filters: &mut Vec<Expr>,
    ) -> Result<()> {
        let mut bound = Vec::with_capacity(1);
        let nothing = build::from_item(build::table("", None));
        self.bind_item(std::mem::replace(item, nothing), &mut bound, scope, filters)?;
        if let Some(whole) = joined(bound) {
            *item = whole;
        }
        Ok(())
    }

    /// Binds one join; relations from `first` on are its left side.
    pub(super) fn bind_join<'p>(
        &mut self,
        join: &mut Join,
        first: usize,
        scope: &mut Scope<'p>,
        filters: &mut Vec<Expr>,
    ) -> Result<()> {
        let filter_count = filters.len();
        let right = scope.relations.len();
        self.bind_factor(&mut join.relation, scope, filters)?;
        let inner = matches!(
            join.join_operator,
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
        );
        if filters.len() > filter_count && !inner {
            return Err(Error::unsupported("properties of a pattern in an outer join")
                .with_hint("Put the conditions into ON."));
        }
        let outer = outer_side(&join.join_operator);
        let constraint = match &mut join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::CrossJoin(constraint) => constraint,
            other => {
                let text = format!("{other:?}");
                let name = text.split(['(', ' ']).next().unwrap_or_default().to_owned();
                return Err(Error::unsupported(format!("{name} join"))
                    .with_hint("Use INNER, LEFT, RIGHT, FULL or CROSS JOIN."));
            }
        };
        if matches!(constraint, JoinConstraint::Natural) {
            *constraint = natural(scope, first, right);
        }
        match constraint {
            JoinConstraint::On(condition) => self.bind_passing(condition, scope),
            JoinConstraint::Using(columns) => {
                let mut equal = Vec::with_capacity(columns.len());
                let mut again = false;
                for column in columns {
                    let name = single_name(column)?;
                    check_using(scope, first, right, &name)?;
                    *column = build::object(&name.text);
                    again |= scope.merged.iter().any(|known| known.name == name.text);
                    let (merged, sides) = merged(&name.text, scope, (first, right), outer);
                    equal.push(sides);
                    scope.merged.retain(|known| known.name != merged.name);
                    scope.merged.push(merged);
                }
                // The planner would compare the column of the first table, whatever became of it.
                let equal = equal.into_iter().collect::<Option<Vec<Expr>>>().filter(|_| again);
                if let Some(condition) = equal.and_then(build::all) {
                    *constraint = JoinConstraint::On(condition);
                }
                Ok(())
            }
            JoinConstraint::Natural | JoinConstraint::None => Ok(()),
        }
    }

    fn bind_factor<'p>(
        &mut self,
        factor: &mut TableFactor,
        scope: &mut Scope<'p>,
        filters: &mut Vec<Expr>,
    ) -> Result<()> {
        if set_call(factor)?.is_some() {
            return Err(Error::unsupported("a function that gives rows here")
                .with_hint("Put it into the FROM list of a SELECT."));
        }
        self.count_in_view()?;
        match factor {
            TableFactor::Table { args: None, sample: None, version: None, .. } => {
                self.bind_table(factor, scope)
            }
            TableFactor::Table { name, args: Some(args), alias, .. } => {
                if name.to_string() == MATCH_FUNCTION {
                    let pattern = Pattern::decode(marker_text(&args.args)?)?;
                    return self.bind_pattern(factor, pattern, scope, filters);
                }
                if name.to_string().contains(UNNEST_FUNCTION) {
                    let message = format!("function {UNNEST_FUNCTION}() does not exist");
                    return Err(Error::new(code::UNDEFINED_FUNCTION, message));
                }
                let relation = Relation::unknown(
                    alias_name(alias.as_ref())
                        .or_else(|| single_name(name).ok().map(|name| name.text)),
                );
                for arg in &mut args.args {
                    let (FunctionArg::Named { arg, .. }
                    | FunctionArg::ExprNamed { arg, .. }
                    | FunctionArg::Unnamed(arg)) = arg;
                    if let FunctionArgExpr::Expr(expr) = arg {
                        self.bind_expr(expr, scope)?;
                    }
                }
                lower_object(name);
                lower_alias(alias);
                scope.add(relation, 0)
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let columns = if *lateral {
                    let outer: &Scope<'_> = scope;
                    self.bind_query(subquery, Some(outer))?
                } else {
                    self.bind_query(subquery, scope.parent)?
                };
                let position = alias.as_ref().map_or(0, |alias| name_of(&alias.name).position);
                let relation = derived_relation(alias, columns)?;
                scope.add(relation, position)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.bind_joined(table_with_joins, scope, filters)
            }
            TableFactor::Table { sample: Some(_), .. } => {
                Err(Error::unsupported("TABLESAMPLE").with_hint("Use ORDER BY random() LIMIT n."))
            }
            TableFactor::NestedJoin { .. } => {
                Err(Error::unsupported("an alias for a join in brackets")
                    .with_hint("Use (SELECT ...) AS name."))
            }
            other => Err(Error::unsupported(format!("\"{other}\" in a FROM clause"))),
        }
    }

    pub(super) fn bind_table(
        &mut self,
        factor: &mut TableFactor,
        scope: &mut Scope<'_>,
    ) -> Result<()> {
        let TableFactor::Table { name, alias, .. } = factor else { return Ok(()) };
        if let Some((schema, written)) = self.system_table(name)? {
            *name = build::object_in(schema, &written.text);
            alias.get_or_insert_with(|| build::table_alias(&written.text));
            let relation = system_relation(system::find(schema, &written)?);
            let relation = derived_relation(alias, relation.columns)?;
            return scope.add(relation, written.position);
        }
        let written = single_name(name)?;
        let shown = alias_name(alias.as_ref()).unwrap_or_else(|| written.text.clone());
        *name = build::object(&written.text);
        if let Some((unique, columns)) = self.cte(&written.text) {
            let relation = cte_relation((unique, columns), (&written.text, &shown), (name, alias))?;
            return scope.add(relation, written.position);
        }
        let table = self.source(&written)?;
        if table.is_view() {
            let columns = self.expand_view(table, (factor, &shown))?;
            return scope.add(Relation::derived(Some(shown), columns), written.position);
        }
        let renames = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
        lower_alias(alias);
        let (full_name, aliased) = self.written(table);
        let mut relation = Relation::of_table(table, &shown);
        self.pin(&mut relation);
        let known = self.renamed(table, &relation);
        if !renames && known.is_none() {
            *name = full_name;
            if aliased {
                alias.get_or_insert_with(|| build::table_alias(&shown));
            }
            return scope.add(relation, written.position);
        }
        let inner = if aliased { &shown } else { &written.text };
        let from = build::table_named(full_name, aliased.then_some(inner.as_str()));
        let from = vec![build::from_item(from)];
        if let Some((items, columns)) = known {
            // A view knows the columns by names they had before.
            let query = build::query(build::select(items, from, None), Vec::new(), None);
            let mut alias = alias.take().or_else(|| Some(build::table_alias(&shown)));
            let renamed = derived_relation(&mut alias, columns)?;
            *factor = build::derived(query, alias);
            return scope.add(renamed, written.position);
        }
        // `AS t (a, b)` renames what the user sees, not the columns of the engine's making.
        let items = relation
            .shown_columns()
            .iter()
            .map(|column| {
                let expr = build::column(Some(inner), &column.name);
                datafusion::sql::sqlparser::ast::SelectItem::UnnamedExpr(expr)
            })
            .collect();
        let query = build::query(build::select(items, from, None), Vec::new(), None);
        let mut alias = alias.take();
        let renamed = derived_relation(&mut alias, relation.shown_columns())?;
        *factor = build::derived(query, alias);
        scope.add(renamed, written.position)
    }

    /// Returns the relation of the system that a name means: one with its schema, or, where no WITH
    /// hides it, one of `pg_catalog`, which comes before users' tables.
    fn system_table(
        &self,
        name: &datafusion::sql::sqlparser::ast::ObjectName,
    ) -> Result<Option<(&'static str, Name)>> {
        if let Some(named) = system_name(name)? {
            return Ok(Some(named));
        }
        if name.0.len() > 1 {
            return Ok(None);
        }
        let written = single_name(name)?;
        let implied = system::implied(&written.text).filter(|_| self.cte(&written.text).is_none());
        Ok(implied.map(|relation| (relation.schema, written)))
    }

    fn bind_pattern(
        &mut self,
        factor: &mut TableFactor,
        mut pattern: Pattern,
        scope: &mut Scope<'_>,
        filters: &mut Vec<Expr>,
    ) -> Result<()> {
        if let TableFactor::Table { alias: Some(alias), .. } = factor {
            return Err(Error::unsupported("an alias for a pattern")
                .with_hint("Name the nodes and edges inside the pattern.")
                .at(name_of(&alias.name).position));
        }
        self.rename_pattern(&mut pattern);
        let bound = pattern::complete(self.catalog, &mut pattern)?;
        self.note_tables(&bound.tables);
        for mut relation in bound.relations {
            self.pin(&mut relation);
            scope.add(relation, pattern.position)?;
        }
        filters.extend(bound.filters);
        *factor = build::table_function(MATCH_FUNCTION, vec![build::text(&pattern.encode())]);
        Ok(())
    }
}

/// The text of a table function of our own making.
fn marker_text(args: &[FunctionArg]) -> Result<&str> {
    if let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] = args
        && let Value::SingleQuotedString(text) = &value.value
    {
        return Ok(text);
    }
    Err(Error::new(code::UNDEFINED_FUNCTION, "a pattern is written MATCH (a:table)"))
}

/// The relation of a query of a WITH clause: the planner's name for it and its columns; how the
/// statement calls it and shows it; where it is written.
fn cte_relation(
    (unique, columns): (&str, &[ScopeColumn]),
    (called, shown): (&str, &str),
    (name, alias): (&mut datafusion::sql::sqlparser::ast::ObjectName, &mut Option<TableAlias>),
) -> Result<Relation> {
    if unique != called {
        *name = build::object(unique);
        alias.get_or_insert_with(|| build::table_alias(shown));
    }
    let mut as_alias = alias.clone().or_else(|| Some(build::table_alias(shown)));
    let relation = derived_relation(&mut as_alias, columns.to_vec())?;
    if alias.is_some() {
        *alias = as_alias;
    }
    Ok(relation)
}

/// The relation of a subquery or CTE under its alias, whose column names come first.
fn derived_relation(
    alias: &mut Option<TableAlias>,
    mut columns: Vec<ScopeColumn>,
) -> Result<Relation> {
    let known = columns.iter().all(|column| !column.name.is_empty());
    columns.retain(|column| !column.name.is_empty());
    let Some(alias) = alias else {
        return Ok(Relation { known, ..Relation::derived(None, columns) });
    };
    let name = name_of(&alias.name);
    rename(&mut columns, alias)?;
    alias.name = lowered(&alias.name);
    // The planner wants a name for every column or for none.
    if !alias.columns.is_empty() && known {
        alias.columns = columns
            .iter()
            .map(|column| TableAliasColumnDef { name: build::ident(&column.name), data_type: None })
            .collect();
    }
    Ok(Relation { known, ..Relation::derived(Some(name.text), columns) })
}

/// What a statement sees of a relation of the system.
pub(super) fn system_relation(relation: &system::Relation) -> Relation {
    let columns = relation.columns.iter().map(|column| ScopeColumn {
        name: column.name.to_owned(),
        json: column.ty() == ColumnType::Json,
        hidden: false,
        ty: Some(column.ty()),
    });
    let own = relation.has_own_number().then(|| ScopeColumn {
        name: system::OWN_NUMBER.to_owned(),
        json: false,
        hidden: true,
        ty: Some(ColumnType::BigInt),
    });
    Relation::derived(Some(relation.name.to_owned()), columns.chain(own).collect())
}

/// Applies `AS t (a, b)` to columns.
pub(super) fn rename(columns: &mut [ScopeColumn], alias: &TableAlias) -> Result<()> {
    if alias.columns.len() > columns.len() && !columns.is_empty() {
        return Err(Error::new(
            code::SYNTAX_ERROR,
            format!(
                "table \"{}\" has {} columns, but {} names are given",
                alias.name.value,
                columns.len(),
                alias.columns.len()
            ),
        )
        .at(name_of(&alias.name).position));
    }
    for (column, alias) in columns.iter_mut().zip(&alias.columns) {
        column.name = name_of(&alias.name).text;
    }
    Ok(())
}

fn alias_name(alias: Option<&TableAlias>) -> Option<String> {
    alias.map(|alias| name_of(&alias.name).text)
}

fn lower_alias(alias: &mut Option<TableAlias>) {
    if let Some(alias) = alias {
        alias.name = lowered(&alias.name);
        for column in &mut alias.columns {
            column.name = lowered(&column.name);
        }
    }
}

fn lower_object(name: &mut datafusion::sql::sqlparser::ast::ObjectName) {
    let idents: Vec<Ident> =
        name.0.iter().filter_map(|part| part.as_ident()).map(lowered).collect();
    *name = idents.into();
}

/// Which sides of a join keep rows without a match: left, right.
fn outer_side(operator: &JoinOperator) -> (bool, bool) {
    match operator {
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (false, true),
        JoinOperator::FullOuter(_) => (true, true),
        _ => (true, false),
    }
}

/// The column that a join of relations from `first` on with those from `right` on makes of two, and
/// the condition that they are equal, if it is known whose they are.
fn merged(
    name: &str,
    scope: &Scope<'_>,
    (first, right): (usize, usize),
    (keeps_left, keeps_right): (bool, bool),
) -> (Merged, Option<Expr>) {
    let (lefts, rights) = scope.relations.split_at(right);
    let of = |relations: &[Relation]| {
        let owner = relations.iter().find(|relation| relation.column(name).is_some())?;
        owner.name.as_deref().map(|owner| build::column(Some(owner), name))
    };
    let known = scope.merged.iter().find(|known| known.name == name);
    let left = known
        .map(|known| known.expr.clone())
        .or_else(|| of(lefts.get(first..).unwrap_or_default()));
    let (Some(left), Some(right)) = (left, of(rights)) else {
        return (Merged { name: name.to_owned(), expr: build::column(None, name) }, None);
    };
    let equal = build::binary(left.clone(), BinaryOperator::Eq, right.clone());
    let expr = match (keeps_left, keeps_right) {
        (true, true) => build::call("coalesce", vec![left, right]),
        (false, true) => right,
        _ => left,
    };
    (Merged { name: name.to_owned(), expr }, Some(equal))
}

/// USING the visible columns that both sides of a natural join share.
fn natural(scope: &Scope<'_>, first: usize, right: usize) -> JoinConstraint {
    let (left, right) = scope.relations.split_at(right);
    let left = left.get(first..).unwrap_or_default();
    let mut shared = Vec::new();
    for relation in left {
        for column in relation.shown_columns() {
            let also = right
                .iter()
                .any(|other| other.column(&column.name).is_some_and(|column| !column.hidden));
            if also && !shared.contains(&column.name) {
                shared.push(column.name);
            }
        }
    }
    if shared.is_empty() {
        return JoinConstraint::None;
    }
    JoinConstraint::Using(shared.iter().map(|name| build::object(name)).collect())
}

fn check_using(scope: &Scope<'_>, first: usize, right: usize, name: &Name) -> Result<()> {
    let (left, right) = scope.relations.split_at(right);
    let left = left.get(first..).unwrap_or_default();
    for side in [left, right] {
        let has =
            side.iter().any(|relation| relation.column(&name.text).is_some() || !relation.known);
        if !has {
            return Err(Error::new(
                code::UNDEFINED_COLUMN,
                format!("column \"{}\" of USING is missing on one side of the join", name.text),
            )
            .at(name.position));
        }
    }
    Ok(())
}
