//! How are records fetched by key from wherever they live?

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array, new_empty_array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Access, Reply, Request, ScanColumn, ScanSpec};

use super::scope::Scope;
use crate::error::{Error, Result};

/// Keys asked for in one request; the answer must stay below the limit of a collected scan.
const KEYS_PER_REQUEST: usize = 4096;

/// Records found by key.
#[derive(Debug)]
pub struct Fetched {
    /// One column per column asked for.
    pub columns: Vec<ArrayRef>,
    /// For every key asked for, in order, the row it is in; `None` = there is no such record.
    pub rows: Vec<Option<u32>>,
}

/// Fetches the records with these keys; a key may occur more than once.
///
/// **Errors**: cancellation, and whatever the shards report.
pub async fn fetch(
    core: &Rc<Core>,
    scope: &Scope,
    table: &Arc<Table>,
    columns: &[ScanColumn],
    keys: &[Key],
) -> Result<Fetched> {
    scope.stop.check()?;
    let mut owned: BTreeMap<ShardId, Vec<Key>> = BTreeMap::new();
    let mut asked: HashMap<&[u8], Option<u32>, ahash::RandomState> = HashMap::default();
    for key in keys {
        if asked.insert(key.bytes(), None).is_none() {
            owned.entry(scope.catalog.shard_of(key.slot())).or_default().push(key.clone());
        }
    }
    let mut wanted = vec![ScanColumn::Key];
    wanted.extend_from_slice(columns);
    let requests = owned.iter().flat_map(|(shard, keys)| {
        keys.chunks(KEYS_PER_REQUEST).map(|keys| (*shard, spec(table, &wanted, keys, scope)))
    });
    let replies = core.call_all(requests.collect::<Vec<_>>()).await?;
    let mut found = Vec::new();
    let mut schema = None;
    for reply in replies {
        let Reply::Batches { schema: part, batches } = reply else {
            return Err(Error::internal("a read was answered with something else"));
        };
        schema.get_or_insert(part);
        found.extend(batches);
    }
    let Some(schema) = schema else {
        return Ok(Fetched { columns: nothing(table, columns), rows: vec![None; keys.len()] });
    };
    let found = concat_batches(&schema, &found)?;
    let bytes = found.column(0).as_binary::<i32>().clone();
    for (row, bytes) in (0u32..).zip(bytes.iter()) {
        if let Some(place) = bytes.and_then(|bytes| asked.get_mut(bytes)) {
            *place = Some(row);
        }
    }
    let rows = keys.iter().map(|key| asked.get(key.bytes()).copied().flatten()).collect();
    Ok(Fetched { columns: found.columns()[1..].to_vec(), rows })
}

fn spec(table: &Table, columns: &[ScanColumn], keys: &[Key], scope: &Scope) -> Request {
    Request::Scan(ScanSpec {
        table: table.id,
        access: Access::Keys(keys.to_vec()),
        columns: columns.to_vec(),
        view: scope.view,
        filter: None,
        limit: None,
    })
}

fn nothing(table: &Table, columns: &[ScanColumn]) -> Vec<ArrayRef> {
    let schema: SchemaRef = pieskieo_shards::store::scan_schema(table, columns);
    schema.fields().iter().map(|field| new_empty_array(field.data_type())).collect()
}

/// Returns the rows of a batch at these positions.
///
/// **Errors**: a position outside of the batch.
pub fn rows_at(batch: &RecordBatch, positions: &UInt32Array) -> Result<Vec<ArrayRef>> {
    batch.columns().iter().map(|column| Ok(take(column, positions, None)?)).collect()
}
