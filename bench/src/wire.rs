//! How does hyper read and write a socket of our runtime?

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use pieskieo_io::rt::{self, Queue, TcpStream};

/// Bytes read at once: more than a frame of HTTP/2 by default.
const READ_BYTES: usize = 32 << 10;

/// A socket as hyper wants it.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

impl Wire {
    /// Returns a connected socket for hyper.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: vec![0; READ_BYTES].into_boxed_slice() }
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = into.remaining().min(this.buffer.len());
        let part = &mut this.buffer[..room];
        Pin::new(&mut this.stream).poll_read(cx, part).map_ok(|count| {
            into.put_slice(&part[..count]);
        })
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}

/// Runs hyper's own tasks on the core that opened the connection.
#[derive(Clone, Copy, Debug)]
pub struct OnCore;

impl<F> Executor<F> for OnCore
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(rt::spawn(Queue::Net, "http client", future));
    }
}
