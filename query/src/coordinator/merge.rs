//! How is a MERGE carried out?
//!
//! Its queries read at one snapshot; what they say is written when all have been read, and the
//! constraints are looked at once, when everything is written.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::Expect;
use pieskieo_shards::value::Value;

use super::change::{Assigned, Assignments, old_row, record_items};
use super::defaults::Defaults;
use super::insert;
use super::request::Request;
use super::returning;
use super::write::{self, Moved};
use crate::bind::{merge_select, merge_widths};
use crate::constraint::Changes;
use crate::error::{Error, Result, code};
use crate::outcome::{Outcome, StatementKind};
use crate::syntax::{Merge, MergeAction, MergeQuery, MergeWhen};

/// Rows written between two chances for other tasks.
const ROWS_PER_STEP: usize = 256;

/// What a MERGE has written so far.
struct Merging<'t> {
    table: &'t Table,
    defaults: Defaults,
    changes: Changes,
    /// Records that were changed: none may be so twice.
    seen: HashSet<Key, ahash::RandomState>,
    /// Rows for RETURNING: as they are now, or, deleted, as they were.
    written: Vec<Vec<Value>>,
    /// Records that come to a new key once all have left theirs.
    arriving: Vec<Vec<Value>>,
    inserted: Vec<Vec<Option<Value>>>,
}

/// Runs a bound MERGE.
///
/// **Errors**: 21000 for a record that several rows of the source change; values that do not fit,
/// duplicate keys, conflicts with other transactions.
pub async fn run(
    request: &mut Request<'_>,
    merge: &Merge,
    queries: &[MergeQuery],
) -> Result<Outcome> {
    let table = request.table(&merge.table)?;
    let alias = merge.alias.as_ref().unwrap_or(&merge.table).text.as_str();
    let joined = returning::joined(&merge.returning, &table, alias);
    if !joined.is_empty() {
        return Err(Error::unsupported("columns of the source in RETURNING of a MERGE")
            .with_hint("Return columns of the table that is changed."));
    }
    let mut read = Vec::with_capacity(queries.len());
    for query in queries {
        let select = merge_select(query, (&table, alias), record_items(&table, alias, true));
        read.push(Box::pin(request.collect_query(select)).await?);
    }
    let mut merging = Merging {
        table: &table,
        defaults: Defaults::new(request, &table)?,
        changes: Changes::new(&table),
        seen: HashSet::default(),
        written: Vec::new(),
        arriving: Vec::new(),
        inserted: Vec::new(),
    };
    for (query, batches) in queries.iter().zip(&read) {
        for batch in batches {
            merging.take(request, query, batch).await?;
        }
    }
    merging.finish(request).await?;
    let Merging { changes, written, .. } = merging;
    request.settle_changes(changes).await?;
    let affected = written.len() as u64;
    let list = (StatementKind::Merge, merge.returning.as_slice());
    let rows = returning::Written { table: &table, alias, rows: &written, joined: Vec::new() };
    returning::outcome(request.constants(), list, rows, affected)
}

impl Merging<'_> {
    async fn take(
        &mut self,
        request: &mut Request<'_>,
        query: &MergeQuery,
        batch: &RecordBatch,
    ) -> Result<()> {
        let record = match query.when {
            MergeWhen::NotMatched => 0,
            _ => 2 + self.table.columns.len(),
        };
        let chosen = arrow_cast::cast(batch.column(record), &DataType::Int64)?;
        let chosen = chosen.as_primitive::<Int64Type>();
        let widths = merge_widths(query);
        for row in 0..batch.num_rows() {
            if chosen.is_null(row) {
                continue;
            }
            let clause = usize::try_from(chosen.value(row)).unwrap_or(usize::MAX);
            let Some(action) = query.clauses.get(clause).map(|clause| &clause.action) else {
                return Err(Error::internal("a row for no clause of the MERGE"));
            };
            let first = record + 1 + widths[..clause].iter().sum::<usize>();
            let values = &batch.columns()[first..first + widths[clause]];
            self.act(request, action, values, (batch, row))?;
            if row % ROWS_PER_STEP == ROWS_PER_STEP - 1 {
                pieskieo_io::rt::yield_if_needed().await;
            }
        }
        Ok(())
    }

    fn act(
        &mut self,
        request: &mut Request<'_>,
        action: &MergeAction,
        values: &[ArrayRef],
        (batch, row): (&RecordBatch, usize),
    ) -> Result<()> {
        match action {
            MergeAction::Nothing => Ok(()),
            MergeAction::Insert { columns, values: written } => {
                let targets = insert::targets(self.table, columns)?;
                let given = written.iter().map(Option::is_some);
                let new = insert::row_of_arrays(self.table, &targets, values, given, row)?;
                self.inserted.push(new);
                Ok(())
            }
            MergeAction::Delete => {
                let old = old_row(self.table, batch, row)?;
                self.once(&old.key)?;
                write::delete(request.transaction(), self.table, &old)?;
                self.changes.deleted(&old);
                self.written.push(old.values);
                Ok(())
            }
            MergeAction::Update(assignments) => {
                let old = old_row(self.table, batch, row)?;
                self.once(&old.key)?;
                let assignments = Assignments::new(self.table, assignments)?;
                let change = assignments.row(values, row)?;
                let Assigned::Row(new) = change.apply(request, &self.defaults, &old.values)? else {
                    return Ok(());
                };
                if write::update(request.transaction(), self.table, &old, &new)? == Moved::Left {
                    self.arriving.push(new.clone());
                }
                self.changes.updated(&old, &new);
                self.written.push(new);
                Ok(())
            }
        }
    }

    fn once(&mut self, key: &Key) -> Result<()> {
        if self.seen.insert(key.clone()) {
            return Ok(());
        }
        let message = "MERGE cannot change a record a second time";
        Err(Error::new(code::CARDINALITY_VIOLATION, message)
            .with_detail(format!("Key {} is matched by several rows.", key.display(self.table)))
            .with_hint("Make the rows of the source distinct in what ON compares."))
    }

    /// Writes what is new at its key.
    async fn finish(&mut self, request: &mut Request<'_>) -> Result<()> {
        for new in std::mem::take(&mut self.arriving) {
            write::insert(request.transaction(), self.table, &new, Expect::Absent)?;
        }
        let rows = std::mem::take(&mut self.inserted);
        insert::check_given(self.table, &rows)?;
        self.defaults.reserve_for(request, &rows).await?;
        for (position, row) in rows.into_iter().enumerate() {
            let new = insert::finish(request, self.table, &self.defaults, row)?;
            write::insert(request.transaction(), self.table, &new, Expect::Absent)?;
            self.changes.inserted(&new);
            self.written.push(new);
            if position % ROWS_PER_STEP == ROWS_PER_STEP - 1 {
                pieskieo_io::rt::yield_if_needed().await;
            }
        }
        Ok(())
    }
}
