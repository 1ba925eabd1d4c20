//! How does a materialized view take in what has changed?
//!
//! One that holds nothing is filled unseen, however much that is. One that holds something is
//! compared with what its query gives now, and the difference is written in one transaction: who
//! reads it sees all of the old or all of the new, at whatever snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use pieskieo_io::rt;
use pieskieo_shards::catalog::{Catalog, Content, Table};
use pieskieo_shards::request::{Expect, ReadView};
use pieskieo_shards::row;
use pieskieo_shards::value::Value;

use super::change::{old_row, record_items};
use super::create_as::{Maker, plan};
use super::fill::values_of;
use super::request::Request;
use super::schema;
use super::syntax_tree::select;
use super::write::{self, Old};
use crate::bind::{bind_view, materialized, not_populated, refilling, without_data};
use crate::constraint::Changes;
use crate::error::{Error, Result, code};
use crate::exec::scope::Scope;
use crate::outcome::{Outcome, StatementKind};
use crate::syntax::{Name, Refresh};

/// New rows that are held until they are written: what a transaction may write.
const NEW_ROWS_MAX: usize = 1 << 20;

/// Rows written between two chances for other tasks.
const ROWS_PER_STEP: usize = 256;

/// Runs a REFRESH.
///
/// **Errors**: 42P01, 42809; those of the query, then nothing has changed.
pub async fn run(request: &mut Request<'_>, refresh: &Refresh) -> Result<Outcome> {
    let name = &refresh.name;
    let done = Outcome::without_rows(StatementKind::Schema, None);
    if !refresh.with_data {
        schema::change(request, |catalog| without_data(catalog, name).map(Some)).await?;
        return Ok(done);
    }
    let (_, content) = materialized(&request.core().catalog(), name)?;
    if matches!(content, Content::Whole(_)) {
        request.committed(async |request| renew(request, name).await).await?;
        return Ok(done);
    }
    if refresh.concurrently {
        let message = "CONCURRENTLY needs a materialized view that is populated";
        return Err(Error::new(code::NOT_IN_STATE, message)
            .with_hint("Leave CONCURRENTLY out.")
            .at(name.position));
    }
    let name = name.clone();
    let maker = Maker::new(request)?;
    maker.detached(async move |maker| fill(maker, &name).await).await?;
    Ok(done)
}

async fn fill(maker: &mut Maker, name: &Name) -> Result<()> {
    let mut filled = None;
    schema::change_on(&maker.core, &maker.engine, |catalog| {
        let (next, id) = refilling(catalog, name)?;
        filled = Some(id);
        Ok(Some(next))
    })
    .await?;
    let id = filled.ok_or_else(|| Error::internal("a fill without a table"))?;
    maker.fill(id, |catalog: &Catalog, table: &Table| bind_view(catalog, table)).await?;
    Ok(())
}

/// Writes the difference between what the view holds and what its query gives.
async fn renew(request: &mut Request<'_>, name: &Name) -> Result<()> {
    let catalog = request.catalog().clone();
    let (table, content) = materialized(&catalog, name)?;
    if !matches!(content, Content::Whole(_)) {
        return Err(not_populated(table));
    }
    let table = table.clone();
    let mut held = held(request, &table).await?;
    let new = missing(request, &table, &mut held).await?;
    let mut changes = Changes::new(&table);
    let gone = held.into_values().flatten();
    for (position, old) in gone.enumerate() {
        write::delete(request.transaction(), &table, &old).map_err(too_much)?;
        changes.deleted(&old);
        pause(position).await;
    }
    for (position, values) in new.iter().enumerate() {
        let txn = request.transaction();
        write::insert(txn, &table, values, Expect::Absent).map_err(too_much)?;
        changes.inserted(values);
        pause(position).await;
    }
    request.settle_changes(changes).await
}

async fn pause(position: usize) {
    if position % ROWS_PER_STEP == ROWS_PER_STEP - 1 {
        rt::yield_if_needed().await;
    }
}

fn too_much(error: Error) -> Error {
    if error.code != code::PROGRAM_LIMIT.code {
        return error;
    }
    error.with_hint("Send REFRESH ... WITH NO DATA, then REFRESH: that fills it anew.")
}

/// The records that the view holds, by what they show.
async fn held(
    request: &mut Request<'_>,
    table: &Arc<Table>,
) -> Result<BTreeMap<Arc<[u8]>, Vec<Old>>> {
    let items = record_items(table, &table.name, true);
    let query = select(&table.name, &table.name, &[], items, None)?;
    let batches = Box::pin(request.collect_query(query)).await.map_err(too_much)?;
    let mut held: BTreeMap<Arc<[u8]>, Vec<Old>> = BTreeMap::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let old = old_row(table, &batch, row)?;
            held.entry(shown(table, &old.values)?).or_default().push(old);
        }
        rt::yield_if_needed().await;
    }
    Ok(held)
}

/// What a record shows, as bytes: all but its generated key.
fn shown(table: &Table, values: &[Value]) -> Result<Arc<[u8]>> {
    let mut values = values.to_vec();
    for &position in &table.key {
        values[position] = Value::BigInt(0);
    }
    Ok(row::encode(table, &values)?)
}

/// The rows that the query gives and the view does not hold. What it holds is taken out of `held`.
async fn missing(
    request: &mut Request<'_>,
    table: &Arc<Table>,
    held: &mut BTreeMap<Arc<[u8]>, Vec<Old>>,
) -> Result<Vec<Vec<Value>>> {
    let catalog = request.catalog().clone();
    let plan = plan(request.engine(), &catalog, (bind_view(&catalog, table)?, &[]))?;
    // What is read need not be so any more at the commit: a view is as of a snapshot.
    let snapshot = request.transaction().view_at([]).snapshot;
    let scope = Scope {
        view: ReadView::at(snapshot),
        catalog: catalog.clone(),
        ef_search: request.settings().ef_search(),
        stop: request.stop().child(),
    };
    let (_, mut rows) = request.planning().start(&plan, scope, ()).await?;
    let mut new = Vec::new();
    let mut values = Vec::new();
    while let Some(batch) = rows.next().await {
        request.stop().check()?;
        values_of(request.core(), table, &batch?, &mut values)?;
        for values in values.drain(..) {
            let same = held.get_mut(&shown(table, &values)?).and_then(Vec::pop);
            if same.is_none() {
                new.push(values);
            }
        }
        if new.len() > NEW_ROWS_MAX {
            let message = format!("more than {NEW_ROWS_MAX} rows of the view have changed");
            return Err(too_much(Error::new(code::PROGRAM_LIMIT, message)));
        }
        rt::yield_if_needed().await;
    }
    Ok(new)
}
