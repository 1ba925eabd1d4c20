//! What does a MERGE mean?
//!
//! It becomes up to three queries, one for each kind of WHEN that occurs:
//!
//! ```text
//! MATCHED                  FROM target, source WHERE condition
//! NOT MATCHED              FROM source WHERE NOT EXISTS (SELECT FROM target WHERE condition)
//! NOT MATCHED BY SOURCE    FROM target WHERE NOT EXISTS (SELECT FROM source WHERE condition)
//! ```
//!
//! So each clause sees the columns that PostgreSQL shows it. A query gives the number of the clause
//! that takes the row, null for none, and the values of each clause, which are evaluated for its rows
//! only.

use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, TableWithJoins, Value};
use pieskieo_shards::catalog::Table;

use super::build;
use super::query::Binder;
use super::scope::{Relation, Scope};
use super::statement::{check_insert_names, insert_width};
use crate::error::{Error, Result, code};
use crate::syntax::{Merge, MergeAction, MergeClause, MergeQuery, MergeWhen};

impl Binder<'_> {
    /// Binds a MERGE: its RETURNING list in place, the rest into queries.
    pub(super) fn bind_merge(&mut self, merge: &mut Merge) -> Result<Vec<MergeQuery>> {
        let table = self.changed_table(&merge.table, "merge into")?.clone();
        let alias = merge.alias.as_ref().unwrap_or(&merge.table).text.clone();
        let mut target = Scope::default();
        target.add(Relation::of_table(&table, &alias), merge.table.position)?;
        merge.returning =
            self.bind_select_list(std::mem::take(&mut merge.returning), &target)?.items;
        let mut queries = Vec::new();
        for when in [MergeWhen::Matched, MergeWhen::NotMatched, MergeWhen::NotMatchedBySource] {
            let clauses: Vec<MergeClause> =
                merge.clauses.iter().filter(|clause| clause.when == when).cloned().collect();
            if !clauses.is_empty() {
                queries.push(self.bind_merge_query((merge, &table, &alias), when, clauses)?);
            }
        }
        Ok(queries)
    }

    fn bind_merge_query(
        &mut self,
        (merge, table, alias): (&Merge, &std::sync::Arc<Table>, &str),
        when: MergeWhen,
        mut clauses: Vec<MergeClause>,
    ) -> Result<MergeQuery> {
        let own = || build::from_item(build::table(&table.name, Some(alias)));
        let mut both = Scope::default();
        both.add(Relation::of_table(table, alias), merge.table.position)?;
        let mut source = vec![merge.source.clone()];
        let mut conditions = Vec::new();
        self.bind_from(&mut source, &mut both, &mut conditions)?;
        let mut on = merge.on.clone();
        self.bind_filter(&mut on, &both)?;
        let absent = |from: Vec<TableWithJoins>, on: Expr| {
            let one = SelectItem::UnnamedExpr(build::literal(Value::Number("1".into(), false)));
            let query = build::query(build::select(vec![one], from, Some(on)), Vec::new(), None);
            Expr::Exists { subquery: Box::new(query), negated: true }
        };
        let mut scope = Scope::default();
        let from = match when {
            MergeWhen::Matched => {
                conditions.push(on);
                scope = both;
                source
            }
            MergeWhen::NotMatched => {
                let mut relations = std::mem::take(&mut both.relations);
                scope.relations = relations.split_off(1);
                conditions.push(absent(vec![own()], on));
                source
            }
            MergeWhen::NotMatchedBySource => {
                scope.add(Relation::of_table(table, alias), merge.table.position)?;
                conditions.push(on);
                let on = build::all(std::mem::take(&mut conditions));
                conditions.extend(on.map(|on| absent(source, on)));
                Vec::new()
            }
        };
        for clause in &mut clauses {
            if let Some(condition) = &mut clause.condition {
                self.bind_condition(condition, &scope)?;
            }
            self.bind_merge_action(table, &mut clause.action, &scope)?;
        }
        Ok(MergeQuery { when, from, filter: build::all(conditions), clauses })
    }

    fn bind_merge_action(
        &mut self,
        table: &Table,
        action: &mut MergeAction,
        scope: &Scope<'_>,
    ) -> Result<()> {
        match action {
            MergeAction::Update(assignments) => self.bind_assignments(table, assignments, scope),
            MergeAction::Insert { columns, values } => {
                check_insert_names(table, columns)?;
                let wanted = insert_width(table, columns);
                if values.len() > wanted {
                    let message = format!(
                        "table \"{}\" has {wanted} columns, but {} values are given",
                        table.name,
                        values.len()
                    );
                    return Err(Error::new(code::SYNTAX_ERROR, message));
                }
                values
                    .iter_mut()
                    .flatten()
                    .try_for_each(|value| self.bind_expr(value, scope).map(|_| ()))
            }
            MergeAction::Delete | MergeAction::Nothing => Ok(()),
        }
    }
}

/// Returns the values of a clause: of its assignments, or of its inserted row.
fn values_of(clause: &MergeClause) -> Vec<Option<&Expr>> {
    match &clause.action {
        MergeAction::Update(assignments) => {
            assignments.iter().map(|assignment| assignment.value.as_ref()).collect()
        }
        MergeAction::Insert { values, .. } => values.iter().map(Option::as_ref).collect(),
        MergeAction::Delete | MergeAction::Nothing => Vec::new(),
    }
}

/// Returns the number of values of each clause.
pub fn merge_widths(query: &MergeQuery) -> Vec<usize> {
    query.clauses.iter().map(|clause| values_of(clause).len()).collect()
}

/// Returns the query: `record` (the columns of the table, where it has them), the clause's number,
/// the values of all clauses one after the other.
pub fn merge_select(
    merge: &MergeQuery,
    (table, alias): (&Table, &str),
    record: Vec<SelectItem>,
) -> Query {
    let mut items = if merge.when == MergeWhen::NotMatched { Vec::new() } else { record };
    let mut number = 0;
    let mut named = |expr: Expr| {
        number += 1;
        SelectItem::ExprWithAlias { expr, alias: build::ident(&format!("__merge{number}")) }
    };
    let numbers = (0..merge.clauses.len())
        .map(|at| Some(build::literal(Value::Number(at.to_string(), false))));
    items.push(named(chosen(merge, numbers.collect())));
    for (at, clause) in merge.clauses.iter().enumerate() {
        for value in values_of(clause) {
            let mut results: Vec<Option<Expr>> = vec![None; merge.clauses.len()];
            results[at] = value.cloned();
            items.push(named(chosen(merge, results)));
        }
    }
    let mut from = merge.from.clone();
    if merge.when != MergeWhen::NotMatched {
        from.insert(0, build::from_item(build::table(&table.name, Some(alias))));
    }
    build::query(build::select(items, from, merge.filter.clone()), Vec::new(), None)
}

/// The result of the first clause whose condition holds.
fn chosen(merge: &MergeQuery, results: Vec<Option<Expr>>) -> Expr {
    let branches = merge.clauses.iter().zip(results).map(|(clause, result)| {
        let condition = match &clause.condition {
            Some(condition) => condition.clone(),
            None => build::literal(Value::Boolean(true)),
        };
        (condition, result.unwrap_or_else(|| build::literal(Value::Null)))
    });
    build::case(branches, None)
}
