//! When are indexes folded, versions collected and leftovers forgotten?
//!
//! One task per shard in the maintenance queue. It sleeps until a commit or a schema change wakes
//! it, tells the store the collection watermark, and lets it work in steps that end when somebody
//! else needs the core.

use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::{rt, time};

use super::commit::unstage;
use super::core::Core;
use super::limits::MAINTENANCE_REST_MS;
use super::shard::Shard;
use crate::txn::STAGED_SECONDS_MAX;

/// Maintains one shard until the task is cancelled.
pub(crate) async fn run(core: Rc<Core>, shard: Rc<Shard>) {
    loop {
        shard.work.wait().await;
        forget_expired(&shard);
        let watermark = core.clock().watermark();
        shard.store.borrow_mut().set_watermark(watermark);
        while step(&shard) {
            rt::yield_now().await;
        }
        rt::sleep(Duration::from_millis(MAINTENANCE_REST_MS)).await;
    }
}

/// Works until the core is wanted elsewhere. Returns whether there is more to do.
fn step(shard: &Shard) -> bool {
    shard.store.borrow_mut().maintain(&mut || !rt::need_preempt())
}

fn forget_expired(shard: &Shard) {
    let limit = Duration::from_secs(STAGED_SECONDS_MAX);
    let now = time::now();
    let staged = shard.staged.borrow();
    let expired: Vec<_> =
        staged.iter().filter(|(_, last)| now.since(**last) > limit).map(|(txn, _)| *txn).collect();
    drop(staged);
    for txn in expired {
        unstage(shard, txn);
    }
}
