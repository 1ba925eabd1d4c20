//! How does every core talk to every core?
//!
//! One ring per ordered pair of cores, a core's own included, and one waker per receiving core, so
//! that a core that waits for anybody registers once. A sender that finds its ring full waits on
//! the ring's own waker; several senders of one core wait in line.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use futures::lock::Mutex;
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::current::CoreId;
use super::lane::{Closed, TrySendError};

/// The ring to that core is full, or the core has left; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full")
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lane is full, or its receiver is gone")
    }
}

impl<T> std::error::Error for Full<T> {}

/// What the cores share.
struct Shared {
    inboxes: Vec<Inbox>,
    /// Ends that were not dropped.
    ends: AtomicUsize,
}

/// What senders need to know of one receiving core.
struct Inbox {
    /// Woken when anybody sent something, or left.
    waker: AtomicWaker,
    gone: AtomicBool,
    /// By sending core: woken when room was made, or the receiver left.
    room: Vec<AtomicWaker>,
}

/// One core's end of a mesh.
pub struct MeshEnd<T> {
    index: usize,
    shared: Arc<Shared>,
    outgoing: Vec<Outgoing<T>>,
    incoming: RefCell<Vec<Consumer<T>>>,
    /// Which ring is looked at first; moves on so that none is starved.
    turn: Cell<usize>,
}

struct Outgoing<T> {
    ring: RefCell<Producer<T>>,
    /// Held by the task that waits for room; the others wait for it.
    line: Mutex<()>,
}

/// Returns one end per core. Each ordered pair of cores holds at most `capacity` values.
///
/// **Panics**: `cores` or `capacity` is zero.
pub fn mesh<T: Send>(cores: usize, capacity: usize) -> Vec<MeshEnd<T>> {
    assert!(cores > 0 && capacity > 0, "a mesh has cores and room");
    let inbox = || Inbox {
        waker: AtomicWaker::new(),
        gone: AtomicBool::new(false),
        room: (0..cores).map(|_| AtomicWaker::new()).collect(),
    };
    let inboxes = (0..cores).map(|_| inbox()).collect();
    let shared = Arc::new(Shared { inboxes, ends: AtomicUsize::new(cores) });
    let mut ends: Vec<_> = (0..cores)
        .map(|index| MeshEnd {
            index,
            shared: shared.clone(),
            outgoing: Vec::with_capacity(cores),
            incoming: RefCell::new(Vec::with_capacity(cores)),
            turn: Cell::new(0),
        })
        .collect();
    for from in 0..cores {
        for to in 0..cores {
            let (producer, consumer) = RingBuffer::new(capacity);
            let outgoing = Outgoing { ring: RefCell::new(producer), line: Mutex::new(()) };
            ends[from].outgoing.push(outgoing);
            ends[to].incoming.get_mut().push(consumer);
        }
    }
    ends
}

impl<T: Send> MeshEnd<T> {
    /// Sends to core `to` without waiting.
    ///
    /// **Errors**: `Full`, with the value, when there is no room or that core has left.
    ///
    /// **Panics**: there is no such core.
    pub fn try_send(&self, to: CoreId, value: T) -> Result<(), Full<T>> {
        self.push(to, value).map_err(|refused| match refused {
            TrySendError::Full(value) | TrySendError::Closed(value) => Full(value),
        })
    }

    /// Sends to core `to`, waiting while there is no room. Dropping the future drops the value.
    ///
    /// **Errors**: `Closed`, with the value, when that core has left.
    ///
    /// **Panics**: there is no such core.
    pub async fn send(&self, to: CoreId, value: T) -> Result<(), Closed<T>> {
        let value = match self.push(to, value) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(value)) => return Err(Closed(value)),
            Err(TrySendError::Full(value)) => value,
        };
        let _turn = self.outgoing[usize::from(to.0)].line.lock().await;
        let mut place = Some(value);
        poll_fn(|cx| self.poll_send(cx, to, &mut place)).await
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        to: CoreId,
        place: &mut Option<T>,
    ) -> Poll<Result<(), Closed<T>>> {
        // The second round follows the registration.
        for registered in [false, true] {
            let Some(value) = place.take() else { return Poll::Ready(Ok(())) };
            match self.push(to, value) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TrySendError::Closed(value)) => return Poll::Ready(Err(Closed(value))),
                Err(TrySendError::Full(value)) => *place = Some(value),
            }
            if !registered {
                self.shared.inboxes[usize::from(to.0)].room[self.index].register(cx.waker());
            }
        }
        Poll::Pending
    }

    fn push(&self, to: CoreId, value: T) -> Result<(), TrySendError<T>> {
        let index = usize::from(to.0);
        let inbox = &self.shared.inboxes[index];
        if inbox.gone.load(Ordering::Acquire) {
            return Err(TrySendError::Closed(value));
        }
        match self.outgoing[index].ring.borrow_mut().push(value) {
            Ok(()) => {
                inbox.waker.wake();
                Ok(())
            }
            Err(PushError::Full(value)) => Err(TrySendError::Full(value)),
        }
    }

    /// Receives from any core without waiting.
    pub fn try_recv(&self) -> Option<(CoreId, T)> {
        let mut incoming = self.incoming.borrow_mut();
        let count = incoming.len();
        let first = self.turn.get();
        for step in 0..count {
            let from = (first + step) % count;
            if let Ok(value) = incoming[from].pop() {
                self.turn.set((from + 1) % count);
                self.shared.inboxes[self.index].room[from].wake();
                return Some((CoreId(from as u16), value));
            }
        }
        None
    }

    /// Receives from any core, waiting while there is nothing. `None` when all other cores have
    /// left and everything they sent was received; a mesh of one core never ends. Dropping the
    /// future loses nothing. One task receives at a time.
    pub async fn recv(&self) -> Option<(CoreId, T)> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Receives from any core, or registers to be woken.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<(CoreId, T)>> {
        if let Some(received) = self.try_recv() {
            return Poll::Ready(Some(received));
        }
        self.shared.inboxes[self.index].waker.register(cx.waker());
        // Read before the rings: what others sent before they left is then visible.
        let alone = self.is_alone();
        match self.try_recv() {
            Some(received) => Poll::Ready(Some(received)),
            None if alone => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn is_alone(&self) -> bool {
        self.outgoing.len() > 1 && self.shared.ends.load(Ordering::Acquire) <= 1
    }

    /// Returns whether core `to` has left.
    ///
    /// **Panics**: there is no such core.
    pub fn is_closed(&self, to: CoreId) -> bool {
        self.shared.inboxes[usize::from(to.0)].gone.load(Ordering::Acquire)
    }

    /// Returns the core this end belongs to.
    pub fn core(&self) -> CoreId {
        CoreId(self.index as u16)
    }
}

impl<T> Drop for MeshEnd<T> {
    fn drop(&mut self) {
        let mine = &self.shared.inboxes[self.index];
        mine.gone.store(true, Ordering::Release);
        // What will never be received is dropped here, not when the last end goes.
        for ring in self.incoming.get_mut() {
            while ring.pop().is_ok() {}
        }
        self.shared.ends.fetch_sub(1, Ordering::AcqRel);
        mine.room.iter().for_each(AtomicWaker::wake);
        self.shared.inboxes.iter().for_each(|inbox| inbox.waker.wake());
    }
}

impl<T> fmt::Debug for MeshEnd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeshEnd").field("core", &self.index).finish_non_exhaustive()
    }
}
