//! How do batches get from the task that makes them to the one that needs them?
//!
//! A bounded lane. Its end is said explicitly: a lane that closes without a word is a part of the
//! statement that was lost, never the end of the rows. Dropping the receiving stream makes the
//! next `send` fail, which ends the sender.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::FutureExt;
use pieskieo_io::rt::{self, Closed, LaneReceiver, LaneSender};

use crate::error::Error;

/// Batches a lane holds before its sender waits: one being read, one ready.
const BATCHES_MAX: usize = 2;

/// What goes through a pipe.
pub(super) enum Item {
    /// Rows.
    Batch(RecordBatch),
    /// The work failed: nothing follows.
    Failed(DataFusionError),
    /// That was all.
    End,
}

/// The sending end.
pub struct Outlet {
    sender: LaneSender<Item>,
}

/// Where the starter of a remote part says why it could not be started.
#[derive(Clone, Debug, Default)]
pub struct Excuse(Arc<OnceLock<Error>>);

impl Excuse {
    /// Says why. The first one counts.
    pub fn give(&self, error: Error) {
        // A second reason adds nothing.
        self.0.set(error).ok();
    }
}

/// Makes a pipe for batches of this schema.
pub fn pipe(schema: SchemaRef) -> (Outlet, Excuse, SendableRecordBatchStream) {
    let excuse = Excuse::default();
    let (outlet, batches) = excused_pipe(schema, &excuse);
    (outlet, excuse, batches)
}

/// Makes a pipe for batches of this schema, of several that one starter excuses.
pub fn excused_pipe(schema: SchemaRef, excuse: &Excuse) -> (Outlet, SendableRecordBatchStream) {
    let (sender, receiver) = rt::lane(BATCHES_MAX);
    let batches = receive(receiver, excuse.clone());
    (Outlet { sender }, Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

fn receive(
    receiver: LaneReceiver<Item>,
    excuse: Excuse,
) -> impl futures::Stream<Item = Result<RecordBatch>> + Send {
    futures::stream::unfold(Some(receiver), move |receiver| {
        let excuse = excuse.clone();
        async move {
            let mut receiver = receiver?;
            // What consumes the batches may ask for the next one in a loop.
            rt::yield_if_needed().await;
            match receiver.recv().await {
                Some(Item::Batch(batch)) => Some((Ok(batch), Some(receiver))),
                Some(Item::Failed(error)) => Some((Err(error), None)),
                Some(Item::End) => None,
                None => Some((Err(lost(&excuse)), None)),
            }
        }
    })
}

fn lost(excuse: &Excuse) -> DataFusionError {
    let error = excuse.0.get().cloned();
    let error = error.unwrap_or_else(|| Error::internal("a part of the statement was lost"));
    DataFusionError::External(Box::new(error))
}

impl Outlet {
    /// Sends a batch. Waits while the pipe is full. Returns `false` when nobody listens any more.
    pub async fn send(&mut self, batch: RecordBatch) -> bool {
        self.sender.send(Item::Batch(batch)).await.is_ok()
    }

    /// Returns whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends what there is room for, or registers to be woken. Ready when nothing waits any more.
    ///
    /// **Errors**: nobody listens.
    pub(super) fn poll_item(
        &mut self,
        cx: &mut Context<'_>,
        waiting: &mut Option<Item>,
    ) -> Poll<std::result::Result<(), Closed<Item>>> {
        self.sender.poll_send(cx, waiting)
    }

    /// Runs the work that feeds the pipe and says how it ended. A panic of the work becomes an
    /// error of the statement: the server lives on.
    pub async fn feed(mut self, work: impl AsyncFnOnce(&mut Self) -> Result<()>) {
        let item = match AssertUnwindSafe(work(&mut self)).catch_unwind().await {
            Ok(Ok(())) => Item::End,
            Ok(Err(error)) => Item::Failed(error),
            Err(cause) => Item::Failed(DataFusionError::External(Box::new(panicked(&*cause)))),
        };
        // Nobody listens: nobody cares how it ended.
        self.sender.send(item).await.ok();
    }
}

/// Returns the error of a statement whose work panicked.
pub fn panicked(cause: &(dyn std::any::Any + Send)) -> Error {
    let text = match (cause.downcast_ref::<&str>(), cause.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "no message",
    };
    tracing::error!(panic = text, "a statement panicked");
    Error::internal("the statement met a fault of the server").with_detail(format!("{text}."))
}
