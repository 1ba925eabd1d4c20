//! When are answers to idempotency keys forgotten?
//!
//! Each core looks from time to time at the shards it is home to and deletes what was stored longer
//! ago than the retention, oldest first, so many at a time. It also counts what all shards hold.

use std::rc::{Rc, Weak};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use pieskieo_io::rt;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::{ShardId, Timestamp};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, Reply, Request, Write, WriteOp};

use super::table::{count, outlived, table_of};
use crate::error::{Error, Result};
use crate::open::Registry;

/// Pause between two looks: a tenth of the retention, within these bounds.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));

/// Answers deleted in one transaction.
const ANSWERS_PER_COMMIT: usize = 256;

/// Forgets what was remembered long enough, until the core stops.
pub(crate) async fn sweep(registry: Weak<Registry>, retention: Duration) {
    loop {
        rt::sleep((retention / 10).clamp(PAUSE.0, PAUSE.1)).await;
        let Some(registry) = registry.upgrade() else { return };
        if let Err(error) = look(&registry, retention).await {
            tracing::debug!(%error, "count answers to idempotency keys");
        }
    }
}

async fn look(registry: &Registry, retention: Duration) -> Result<()> {
    let core = registry.core();
    let Some(table) = table_of(&core.catalog()).cloned() else { return Ok(()) };
    for shard in core.shards().filter(|shard| core.is_local(*shard)) {
        // One that was replaced meanwhile makes the rest wait for the next look.
        let mut more = true;
        while more {
            let forgotten = forget(core, &table, shard, retention).await;
            forgotten.as_ref().inspect_err(|error| tracing::debug!(%error, "forget answers")).ok();
            more = forgotten.is_ok_and(|count| count == ANSWERS_PER_COMMIT);
            rt::yield_if_needed().await;
        }
    }
    registry.count_keys(count(&core.catalog(), &core.stats().await?));
    Ok(())
}

/// Deletes some of the answers of a shard. Returns how many.
async fn forget(
    core: &Rc<Core>,
    table: &Table,
    shard: ShardId,
    retention: Duration,
) -> Result<usize> {
    let mut txn = core.begin();
    txn.planned_with(core.catalog().version);
    let spec = outlived(table, txn.view_at([]).snapshot, (retention, ANSWERS_PER_COMMIT))?;
    let Reply::Batches { batches, .. } = core.call(shard, Request::Scan(spec)).await? else {
        return Err(Error::internal("a read was answered with something else"));
    };
    let mut writes = Vec::new();
    for batch in &batches {
        let keys = batch.column(0).as_binary::<i32>();
        let versions = batch.column(1).as_primitive::<UInt64Type>();
        for row in 0..batch.num_rows() {
            let key = Key::from_bytes(keys.value(row), &table.key_types(), table.routing)?;
            let expect = Expect::Version(Timestamp(versions.value(row)));
            writes.push(Write { table: table.id, key, op: WriteOp::Delete, expect });
        }
    }
    let found = writes.len();
    if found > 0 {
        txn.write(writes)?;
        txn.commit().await?;
    }
    Ok(found)
}
