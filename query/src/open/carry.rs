//! How does a request reach the core of its transaction, and its answer come back?

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use pieskieo_io::rt::{self, LaneSender, Queue};
use pieskieo_shards::actor::Core;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::{Fragment, Request};

use super::Token;
use super::registry::{Asked, Registry, no_transaction};
use crate::error::{Error, Result};
use crate::exec::scope::Stop;
use crate::idempotency::IdempotencyKey;
use crate::outcome::{Answer, ColumnInfo, Outcome, Param, Rows, StatementKind};

/// A request on its way to the core of its transaction.
struct Errand {
    token: Token,
    text: Arc<str>,
    params: Vec<Param>,
    key: Option<IdempotencyKey>,
    stop: Stop,
    reply: LaneSender<Result<Carried>>,
}

/// An answer on its way back.
struct Carried {
    outcomes: Vec<CarriedOutcome>,
    transaction: Option<Token>,
}

/// An outcome whose rows are all there.
struct CarriedOutcome {
    kind: StatementKind,
    columns: Vec<ColumnInfo>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    affected: Option<u64>,
}

/// Stops the work when nobody waits for it any more.
struct StopWhenDropped(Stop);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs the statements of a text in a transaction of another core.
///
/// **Errors**: as [`Registry::run`].
pub(crate) async fn carry(
    core: &Rc<Core>,
    token: Token,
    asked: Asked<'_>,
    stop: Stop,
) -> Result<Answer> {
    // There are at least as many shards as cores: the first ones live on the cores of their numbers.
    let shard = ShardId(token.core().0);
    if token.core().0 >= core.core_count() {
        return Err(no_transaction());
    }
    let (reply, mut answer) = rt::lane(1);
    let _stop = StopWhenDropped(stop.clone());
    let Asked { text, params, key } = asked;
    let (text, params, key) = (text.into(), params.to_vec(), key.cloned());
    let errand = Errand { token, text, params, key, stop, reply };
    core.call(shard, Request::Fragment(Box::new(errand))).await?;
    let carried = answer.recv().await;
    carried
        .unwrap_or_else(|| Err(Error::internal("the core of the transaction gave no answer")))
        .map(Answer::from)
}

impl Fragment for Errand {
    fn start(self: Box<Self>, _shard: ShardId) {
        drop(rt::spawn(Queue::Query, "transaction", self.run()));
    }
}

impl Errand {
    async fn run(self: Box<Self>) {
        let Self { token, text, params, key, stop, mut reply } = *self;
        let asked = Asked { text: &text, params: &params, key: key.as_ref() };
        let answer = match Registry::current() {
            Some(registry) => registry.run(Ok(token), asked, stop).await,
            None => Err(no_transaction()),
        };
        let carried = match answer {
            Ok(answer) => Carried::gather(answer).await,
            Err(error) => Err(error),
        };
        // Whoever asked may have gone.
        reply.send(carried).await.ok();
    }
}

impl Carried {
    async fn gather(answer: Answer) -> Result<Self> {
        let mut outcomes = Vec::with_capacity(answer.outcomes.len());
        for outcome in answer.outcomes {
            let Outcome { kind, columns, schema, rows, affected } = outcome;
            let batches = rows.collect().await?;
            outcomes.push(CarriedOutcome { kind, columns, schema, batches, affected });
        }
        Ok(Self { outcomes, transaction: answer.transaction })
    }
}

impl From<Carried> for Answer {
    fn from(carried: Carried) -> Self {
        let outcomes = carried.outcomes.into_iter().map(|outcome| {
            let CarriedOutcome { kind, columns, schema, batches, affected } = outcome;
            Outcome { kind, columns, schema, rows: Rows::Collected(batches), affected }
        });
        let (outcomes, transaction) = (outcomes.collect(), carried.transaction);
        Self { outcomes, transaction, replayed: false }
    }
}
