//! When are indexes folded, versions collected and leftovers forgotten?
//!
//! One task per shard in the maintenance queue. It sleeps until a commit or a schema change wakes
//! it, tells the store the collection watermark, and lets it work in steps that end when somebody
//! else needs the core.

use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::rt;

use super::commit::unstage;
use super::core::Core;
use super::limits::MAINTENANCE_REST_MS;
use super::shard::Shard;
use crate::ids::Timestamp;

/// Maintains one shard until the task is cancelled.
pub(crate) async fn run(core: Rc<Core>, shard: Rc<Shard>) {
    loop {
        shard.work.wait().await;
        let watermark = core.clock().watermark();
        forget_ended(&shard, watermark);
        {
            let mut store = shard.store.borrow_mut();
            store.set_watermark(watermark);
            store.set_horizon(core.clock().horizon());
        }
        while step(&shard) {
            rt::yield_now().await;
        }
        shard.measure();
        rt::sleep(Duration::from_millis(MAINTENANCE_REST_MS)).await;
    }
}

/// Works until the core is wanted elsewhere. Returns whether there is more to do.
fn step(shard: &Shard) -> bool {
    shard.store.borrow_mut().maintain(&mut || !rt::need_preempt())
}

/// Forgets what ended transactions have staged: nobody leases a snapshot below the watermark. The
/// end of a transaction is told as well; this is for what is staged after it.
fn forget_ended(shard: &Shard, watermark: Timestamp) {
    let staged = shard.staged.borrow();
    let ended = staged.iter().filter(|(_, snapshot)| **snapshot < watermark);
    let ended: Vec<_> = ended.map(|(txn, _)| *txn).collect();
    drop(staged);
    for txn in ended {
        unstage(shard, txn);
    }
}
