//! How do values flow from one core to another, in order and bounded?
//!
//! A ring with one sender and one receiver, and one waker for each of them. Registering the waker
//! comes before the second look at the ring, and changing the ring comes before waking, so no
//! wake-up is lost. An end that goes away says so before it wakes the other.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use rtrb::{Consumer, Producer, PushError, RingBuffer};

/// The receiver of a lane is gone; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Closed<T>(pub T);

/// Why a value could not be sent at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The lane is full; the value comes back.
    Full(T),
    /// The receiver is gone; the value comes back.
    Closed(T),
}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the receiver is gone")
    }
}

impl<T> std::error::Error for Closed<T> {}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full",
            Self::Closed(_) => "Closed",
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the lane is full",
            Self::Closed(_) => "the receiver is gone",
        })
    }
}

impl<T> std::error::Error for TrySendError<T> {}

#[derive(Default)]
struct Ends {
    /// Woken when something was sent, or the sender is gone.
    receiver: AtomicWaker,
    /// Woken when something was received, or the receiver is gone.
    sender: AtomicWaker,
    sender_gone: AtomicBool,
    receiver_gone: AtomicBool,
}

/// The sending end of a lane. Dropping it ends the stream after what was sent.
pub struct LaneSender<T> {
    ring: Producer<T>,
    ends: Arc<Ends>,
}

/// The receiving end of a lane. Also a `Stream`.
pub struct LaneReceiver<T> {
    ring: Consumer<T>,
    ends: Arc<Ends>,
}

/// Returns the ends of a lane that holds at most `capacity` values. Either end may move to any
/// core before it is used.
///
/// **Panics**: `capacity` is zero.
pub fn lane<T: Send>(capacity: usize) -> (LaneSender<T>, LaneReceiver<T>) {
    assert!(capacity > 0, "a lane holds at least one value");
    let (producer, consumer) = RingBuffer::new(capacity);
    let ends = Arc::new(Ends::default());
    let sender = LaneSender { ring: producer, ends: ends.clone() };
    (sender, LaneReceiver { ring: consumer, ends })
}

impl<T: Send> LaneSender<T> {
    /// Sends without waiting.
    ///
    /// **Errors**: `Full`, `Closed`; both return the value.
    pub fn try_send(&mut self, value: T) -> Result<(), TrySendError<T>> {
        if self.is_closed() {
            return Err(TrySendError::Closed(value));
        }
        match self.ring.push(value) {
            Ok(()) => {
                self.ends.receiver.wake();
                Ok(())
            }
            Err(PushError::Full(value)) => Err(TrySendError::Full(value)),
        }
    }

    /// Sends, waiting while the lane is full. Dropping the future drops the value unsent.
    ///
    /// **Errors**: `Closed`, with the value, when the receiver is gone.
    pub async fn send(&mut self, value: T) -> Result<(), Closed<T>> {
        let mut value = Some(value);
        poll_fn(|cx| self.poll_send(cx, &mut value)).await
    }

    /// Sends what is in `place`, or registers to be woken when there is room. Ready when nothing is
    /// in `place`.
    ///
    /// **Errors**: `Closed`, with the value, when the receiver is gone.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        place: &mut Option<T>,
    ) -> Poll<Result<(), Closed<T>>> {
        // The second round follows the registration.
        for registered in [false, true] {
            let Some(value) = place.take() else { return Poll::Ready(Ok(())) };
            match self.try_send(value) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TrySendError::Closed(value)) => return Poll::Ready(Err(Closed(value))),
                Err(TrySendError::Full(value)) => *place = Some(value),
            }
            if !registered {
                self.ends.sender.register(cx.waker());
            }
        }
        Poll::Pending
    }

    /// Returns whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.ends.receiver_gone.load(Ordering::Acquire)
    }
}

impl<T: Send> LaneReceiver<T> {
    /// Receives without waiting; `None` when nothing is there now.
    pub fn try_recv(&mut self) -> Option<T> {
        let value = self.ring.pop().ok()?;
        self.ends.sender.wake();
        Some(value)
    }

    /// Receives, waiting while the lane is empty; `None` when the sender is gone and everything
    /// it sent was received. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Receives, or registers to be woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(value) = self.try_recv() {
            return Poll::Ready(Some(value));
        }
        self.ends.receiver.register(cx.waker());
        // Read before the ring: what the sender sent before it left is then visible.
        let gone = self.ends.sender_gone.load(Ordering::Acquire);
        match self.try_recv() {
            Some(value) => Poll::Ready(Some(value)),
            None if gone => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Returns whether the sender is gone. Values it sent may still be there.
    pub fn is_closed(&self) -> bool {
        self.ends.sender_gone.load(Ordering::Acquire)
    }
}

impl<T: Send> futures::Stream for LaneReceiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl<T> Drop for LaneSender<T> {
    fn drop(&mut self) {
        self.ends.sender_gone.store(true, Ordering::Release);
        self.ends.receiver.wake();
    }
}

impl<T> Drop for LaneReceiver<T> {
    fn drop(&mut self) {
        self.ends.receiver_gone.store(true, Ordering::Release);
        // What will never be received is dropped here, not when the sender happens to leave.
        while self.ring.pop().is_ok() {}
        self.ends.sender.wake();
    }
}

impl<T> fmt::Debug for LaneSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for LaneReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneReceiver").finish_non_exhaustive()
    }
}
