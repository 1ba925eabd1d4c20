//! How is a whole table read without holding it in one answer?

use std::rc::Rc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::key::KeyRange;
use pieskieo_shards::request::{
    Access, ReadView, Reply, Request as ShardRequest, ScanColumn, ScanSpec,
};
use pieskieo_shards::value::Value;

use crate::error::{Error, Result};

/// Records of one answer: an answer may have 64 MiB, and a key 1 KiB or so.
const RECORDS_PER_PAGE: usize = 16_384;

/// Reads the keys and some columns of all records of a table, in key order on each shard, and
/// gives each record to `take`: the bytes of its key, and the values of the columns.
///
/// **Errors**: as a read, and those of `take`.
pub(super) async fn read_all(
    core: &Rc<Core>,
    view: ReadView,
    (table, columns): (&Table, &[usize]),
    mut take: impl FnMut(&[u8], Vec<Value>) -> Result<()>,
) -> Result<()> {
    let mut wanted = vec![ScanColumn::Key];
    wanted.extend(columns.iter().map(|&column| ScanColumn::Column(column)));
    for shard in core.shards() {
        let mut range = KeyRange::all(false);
        loop {
            let spec = ScanSpec {
                table: table.id,
                access: Access::KeyRange(range.clone()),
                columns: wanted.clone(),
                view,
                filter: None,
                limit: Some(RECORDS_PER_PAGE),
            };
            let reply = core.call(shard, ShardRequest::Scan(spec)).await?;
            let Reply::Batches { batches, .. } = reply else {
                return Err(Error::internal("a read was answered with something else"));
            };
            let mut last = None;
            let mut count = 0;
            for batch in &batches {
                count += batch.num_rows();
                last = take_batch(table, columns, batch, &mut take)?.or(last);
            }
            match last {
                Some(mut last) if count >= RECORDS_PER_PAGE => {
                    // The first key after the last one.
                    last.push(0);
                    range.from = Some(last);
                }
                _ => break,
            }
            pieskieo_io::rt::yield_if_needed().await;
        }
    }
    Ok(())
}

/// Returns the bytes of the last key.
fn take_batch(
    table: &Table,
    columns: &[usize],
    batch: &RecordBatch,
    take: &mut impl FnMut(&[u8], Vec<Value>) -> Result<()>,
) -> Result<Option<Vec<u8>>> {
    let keys = batch.column(0).as_binary::<i32>();
    let mut last = None;
    for row in 0..batch.num_rows() {
        let arrays = columns.iter().zip(&batch.columns()[1..]);
        let values = arrays.map(|(&column, array)| {
            Value::from_array(array.as_ref(), row, &table.columns[column].ty)
        });
        let values = values.collect::<std::result::Result<_, _>>()?;
        take(keys.value(row), values)?;
        last = Some(keys.value(row).to_vec());
    }
    Ok(last)
}
