//! How are rows of integers, with texts and vectors that follow from them, written and read?
//!
//! A workload says only the integers of a row. A text or a vector follows from the second of
//! them, so that whoever reads a row knows what else must stand in it.

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::{ShardId, TableId, Timestamp};
use pieskieo_shards::request::{Access, ReadView, Reply, Request, ScanColumn, ScanSpec};
use pieskieo_shards::row;
use pieskieo_shards::value::{ColumnType, Value};

use crate::model::Found;

pub const DIM: usize = 3;
pub const WORDS: [&str; 6] = ["ash", "beech", "cedar", "date", "elm", "fir"];

/// Returns the text of a stamp; some have none.
pub fn text_of(stamp: i64) -> Option<String> {
    if stamp % 7 == 6 {
        return None;
    }
    let word = |place: i64| WORDS[((stamp / (place + 1) + place) % 6) as usize];
    Some((0..stamp % 5).map(word).collect::<Vec<_>>().join(" "))
}

/// Returns the vector of a stamp; some have none.
pub fn vector_of(stamp: i64) -> Option<[f32; DIM]> {
    let at = |place: i64| ((stamp / 3_i64.pow(place as u32)) % 5) as f32;
    (stamp % 7 != 6).then(|| [at(0), at(1), at(2)])
}

fn table(core: &Core, table: TableId) -> Result<Arc<Table>, Error> {
    let catalog = core.catalog();
    let stale = Error::StaleCatalog { current: catalog.version };
    catalog.tables.get(&table).cloned().ok_or(stale)
}

/// Returns the values of the key of a row.
pub fn key_values(core: &Core, id: TableId, values: &[i64]) -> Result<Vec<i64>, Error> {
    let table = table(core, id)?;
    Ok(table.key.iter().map(|column| values[*column]).collect())
}

/// Encodes a row: the integers come first.
pub fn encode(core: &Core, id: TableId, values: &[i64]) -> Result<Arc<[u8]>, Error> {
    let table = table(core, id)?;
    let row: Vec<Value> = table
        .columns
        .iter()
        .enumerate()
        .map(|(position, column)| match column.ty {
            ColumnType::Text => {
                text_of(values[1]).map_or(Value::Null, |text| Value::Text(text.as_str().into()))
            }
            ColumnType::Vector(_) => vector_of(values[1])
                .map_or(Value::Null, |vector| Value::Vector(vector.to_vec().into())),
            _ => Value::BigInt(values[position]),
        })
        .collect();
    row::encode(&table, &row)
}

/// Reads from one shard, and checks what follows from the integers.
pub async fn read_rows(
    core: &Rc<Core>,
    shard: ShardId,
    id: TableId,
    access: Access,
    view: ReadView,
) -> Result<Vec<Found>, Error> {
    let table = table(core, id)?;
    let count = table.columns.len();
    let columns = (0..count).map(ScanColumn::Column).chain([ScanColumn::Version]).collect();
    let spec = ScanSpec { table: id, access, columns, view, filter: None, limit: None };
    let reply = core.call(shard, Request::Scan(spec)).await?;
    let Reply::Batches { batches, .. } = reply else { panic!("a scan answered {reply:?}") };
    let mut found = Vec::new();
    for batch in batches {
        found.extend((0..batch.num_rows()).map(|position| row_at(&table, &batch, position)));
    }
    Ok(found)
}

fn row_at(table: &Table, batch: &RecordBatch, position: usize) -> Found {
    let integer = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(position);
    let is_integer = |column: &usize| table.columns[*column].ty == ColumnType::BigInt;
    let count = table.columns.len();
    let values: Vec<i64> = (0..count).filter(is_integer).map(integer).collect();
    for (column, declared) in table.columns.iter().enumerate() {
        let there = batch.column(column).is_valid(position);
        match declared.ty {
            ColumnType::Text => {
                let text = batch.column(column).as_string::<i32>().value(position);
                let found = there.then(|| text.to_owned());
                assert_eq!(found, text_of(values[1]), "another text in {values:?}");
            }
            ColumnType::Vector(_) => {
                let vector = batch.column(column).as_fixed_size_list().value(position);
                let vector = vector.as_primitive::<Float32Type>().values().to_vec();
                let expected = vector_of(values[1]).map(Vec::from);
                assert_eq!(there.then_some(vector), expected, "another vector in {values:?}");
            }
            _ => {}
        }
    }
    let version = batch.column(count).as_primitive::<UInt64Type>().value(position);
    Found { values, version: Timestamp(version) }
}
