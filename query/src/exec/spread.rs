//! How does one task feed many pipes without one that is slow holding up the others?
//!
//! Who reads one part of a shuffle may wait, before it reads on, for another input that only comes
//! when others read on: were a sender to wait for each pipe in turn, all could wait for each other.
//! So what has no room in its pipe waits here, and the sender takes more from its input as long as
//! anybody has nothing waiting. A reader with nothing waiting has read all it was sent; when it wants
//! more, the sender works.
//!
//! For what waits there may be no memory. Then the statement is refused, and planned again for disk. In
//! plans for disk all readers sort or group, and each reads one input to its end before it begins
//! another: there a sender may wait for every pipe, and does.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::StreamExt;

use super::pipe::{Item, Outlet};

/// The sending ends of many pipes.
pub(super) struct Spread {
    ways: Vec<Way>,
    /// What waits here is part of the statement's memory.
    memory: MemoryReservation,
    /// It waits for every pipe and holds back one batch of its input at most.
    is_patient: bool,
}

/// One pipe, and what waits for room in it.
struct Way {
    /// `None` = nobody listens any more.
    outlet: Option<Outlet>,
    waiting: VecDeque<Item>,
    /// Taken from the front of `waiting`, offered to the pipe.
    offered: Option<Item>,
}

impl Spread {
    /// Feeds these pipes. `is_patient`: it waits for every one.
    pub(super) fn new(outlets: Vec<Outlet>, memory: MemoryReservation, is_patient: bool) -> Self {
        let way = |outlet| Way { outlet: Some(outlet), waiting: VecDeque::new(), offered: None };
        let ways = outlets.into_iter().map(way).collect();
        Self { ways, memory, is_patient }
    }

    /// Returns how many pipes there are.
    pub(super) fn count(&self) -> usize {
        self.ways.len()
    }

    /// Puts a batch on its way. Does not wait.
    ///
    /// **Errors**: more waits than there is memory for.
    pub(super) fn push(&mut self, to: usize, batch: RecordBatch) -> Result<()> {
        let way = &mut self.ways[to];
        if way.outlet.is_some() && batch.num_rows() > 0 {
            let bytes = batch.get_array_memory_size();
            match self.is_patient {
                // No more than pipes hold, and needed by those that read it.
                true => self.memory.grow(bytes),
                false => self.memory.try_grow(bytes)?,
            }
            way.waiting.push_back(Item::Batch(batch));
        }
        Ok(())
    }

    /// Waits until a listener has nothing waiting, or all of them, where that is safe. Returns whether anybody listens.
    pub(super) async fn room(&mut self) -> bool {
        poll_fn(|cx| {
            self.poll_flush(cx);
            let mut open = self.ways.iter().filter(|way| way.outlet.is_some());
            let has_room = match self.is_patient {
                true => open.clone().all(Way::is_empty),
                false => open.clone().any(Way::is_empty),
            };
            match open.next() {
                None => Poll::Ready(false),
                Some(_) if has_room => Poll::Ready(true),
                Some(_) => Poll::Pending,
            }
        })
        .await
    }

    /// Takes the next batch of the input, and meanwhile sends what waits.
    pub(super) async fn next(
        &mut self,
        input: &mut SendableRecordBatchStream,
    ) -> Option<Result<RecordBatch>> {
        poll_fn(|cx| {
            self.poll_flush(cx);
            input.poll_next_unpin(cx)
        })
        .await
    }

    /// Says to all how the work ended, and waits until they know.
    pub(super) async fn end(&mut self, result: Result<()>) {
        let failure = result.err().map(Arc::new);
        for way in &mut self.ways {
            way.waiting.push_back(match &failure {
                Some(error) => Item::Failed(DataFusionError::Shared(error.clone())),
                None => Item::End,
            });
        }
        poll_fn(|cx| {
            self.poll_flush(cx);
            if self.ways.iter().all(Way::is_empty) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) {
        let sent: usize = self.ways.iter_mut().map(|way| way.poll_flush(cx)).sum();
        self.memory.shrink(sent);
    }
}

impl Way {
    fn is_empty(&self) -> bool {
        self.offered.is_none() && self.waiting.is_empty()
    }

    /// Sends what there is room for; returns the bytes that left.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> usize {
        let mut bytes = 0;
        loop {
            if self.offered.is_none() {
                let Some(item) = self.waiting.pop_front() else { return bytes };
                bytes += item_bytes(&item);
                self.offered = Some(item);
            }
            let sent = match &mut self.outlet {
                Some(outlet) => outlet.poll_item(cx, &mut self.offered),
                None => {
                    self.offered = None;
                    Poll::Ready(Ok(()))
                }
            };
            match sent {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.outlet = None,
                Poll::Pending => return bytes,
            }
        }
    }
}

fn item_bytes(item: &Item) -> usize {
    match item {
        Item::Batch(batch) => batch.get_array_memory_size(),
        Item::Failed(_) | Item::End => 0,
    }
}
