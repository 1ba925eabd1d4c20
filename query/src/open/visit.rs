//! How does one core look at what another keeps in its registry?

use std::rc::Rc;

use pieskieo_io::rt::{self, LaneSender, Queue};
use pieskieo_shards::actor::Core;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::{Fragment, Request};

use super::Registry;
use crate::error::{Error, Result};

/// A look on its way.
struct Visit<T, W> {
    work: W,
    reply: LaneSender<Option<T>>,
}

/// Runs `work` with the registry of the core that is home to a shard.
///
/// **Errors**: a core that does not answer.
pub(crate) async fn visit<T, W>(core: &Rc<Core>, shard: ShardId, work: W) -> Result<T>
where
    T: Send + 'static,
    W: FnOnce(&Registry) -> T + Send + 'static,
{
    let nobody = || Error::internal("a core without a database was visited");
    if core.is_local(shard) {
        return Registry::current().map(|registry| work(&registry)).ok_or_else(nobody);
    }
    let (reply, mut answer) = rt::lane(1);
    core.call(shard, Request::Fragment(Box::new(Visit { work, reply }))).await?;
    answer.recv().await.flatten().ok_or_else(nobody)
}

impl<T, W> Fragment for Visit<T, W>
where
    T: Send + 'static,
    W: FnOnce(&Registry) -> T + Send + 'static,
{
    fn start(self: Box<Self>, _shard: ShardId) {
        let Self { work, mut reply } = *self;
        let seen = Registry::current().map(|registry| work(&registry));
        drop(rt::spawn(Queue::Query, "visit", async move {
            // Whoever asked may have gone.
            reply.send(seen).await.ok();
        }));
    }
}
