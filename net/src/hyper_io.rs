//! How does hyper read, write, spawn and wait on our runtime?
//!
//! hyper brings the protocol and no runtime: it asks for four things, given here on top of
//! `pieskieo_io`. Read errors stay errors; only a true end of stream is an end of stream.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::io::{AsyncRead, AsyncWrite};
use futures::task::AtomicWaker;
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};
use pieskieo_io::rt::{self, Queue};

/// Bytes read from a socket at once.
const READ_BYTES: usize = 32 << 10;
/// How coarsely timers fire: they guard against silence and need no precision.
const TICK: Duration = Duration::from_millis(50);

/// A byte stream as hyper wants it.
pub struct HyperIo<S> {
    stream: S,
    buffer: Box<[u8]>,
    /// Until the first byte has come: when it must have.
    silence: Option<Alarm>,
}

impl<S> HyperIo<S> {
    /// Wraps a stream. Cost: one read buffer of 32 KiB.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: vec![0; READ_BYTES].into_boxed_slice(), silence: None }
    }

    /// As [`HyperIo::new`]; reading fails when the first byte does not come in time. hyper's own
    /// limits begin only when it knows which version of HTTP is spoken.
    pub fn guarded(stream: S, first_byte: Duration) -> Self {
        Self { silence: Some(Alarm::after(first_byte)), ..Self::new(stream) }
    }
}

impl<S: AsyncRead + Unpin> Read for HyperIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        let wanted = cursor.remaining().min(this.buffer.len());
        let buffer = &mut this.buffer[..wanted];
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(count)) => {
                this.silence = None;
                cursor.put_slice(&this.buffer[..count]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match this.silence.as_mut().map(|alarm| Pin::new(alarm).poll(cx)) {
                Some(Poll::Ready(())) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
                Some(Poll::Pending) | None => Poll::Pending,
            },
        }
    }
}

impl<S: AsyncWrite + Unpin> Write for HyperIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    /// A frame's head and a body that is too long to be copied behind it go out at once.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Spawns hyper's own tasks on the core that owns the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreExecutor;

impl<F> Executor<F> for CoreExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(rt::spawn(Queue::Net, "http stream", future));
    }
}

/// Timers for hyper: one coarse wheel per core.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreTimer;

impl Timer for CoreTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Alarm::after(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Alarm::after(deadline.saturating_duration_since(self.now())))
    }
}

/// What a sleeping future and the wheel share. `Send` because hyper's trait asks for it.
#[derive(Debug, Default)]
struct Signal {
    fired: AtomicBool,
    waker: AtomicWaker,
}

#[derive(Debug)]
struct Alarm(Arc<Signal>);

impl Alarm {
    fn after(duration: Duration) -> Self {
        let signal = Arc::new(Signal::default());
        WHEEL.with_borrow_mut(|wheel| wheel.add(duration, signal.clone()));
        Self(signal)
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.waker.register(cx.waker());
        if self.0.fired.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for Alarm {}

thread_local! {
    static WHEEL: RefCell<Wheel> = RefCell::new(Wheel::default());
}

/// Alarms of one core, ordered by the tick they fire at.
#[derive(Default)]
struct Wheel {
    tick: u64,
    alarms: BinaryHeap<Reverse<Entry>>,
    turning: bool,
}

struct Entry {
    tick: u64,
    signal: Arc<Signal>,
}

impl Wheel {
    fn add(&mut self, duration: Duration, signal: Arc<Signal>) {
        let ticks = duration.as_millis() / TICK.as_millis() + 1;
        let tick = self.tick.saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX));
        self.alarms.push(Reverse(Entry { tick, signal }));
        if !self.turning {
            self.turning = true;
            drop(rt::spawn(Queue::Net, "http timers", turn()));
        }
    }

    /// Moves on by one tick and returns whether alarms are left.
    fn advance(&mut self) -> bool {
        self.tick += 1;
        while self.alarms.peek().is_some_and(|Reverse(entry)| entry.tick <= self.tick) {
            let Some(Reverse(entry)) = self.alarms.pop() else { break };
            entry.signal.fired.store(true, Ordering::Release);
            entry.signal.waker.wake();
        }
        // An alarm nobody holds any more is of no use to anybody: drop the heap when it is
        // mostly such, so that a busy connection cannot grow it without bound.
        if self.alarms.len() > 1_024 && self.tick.is_multiple_of(20) {
            self.alarms.retain(|Reverse(entry)| Arc::strong_count(&entry.signal) > 1);
        }
        self.turning = !self.alarms.is_empty();
        self.turning
    }
}

async fn turn() {
    loop {
        rt::sleep(TICK).await;
        if !WHEEL.with_borrow_mut(Wheel::advance) {
            return;
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.tick == other.tick
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.tick.cmp(&other.tick)
    }
}
