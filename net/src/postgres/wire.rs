//! Where does a message end, and how do bytes come and go?
//!
//! ```text
//! u8 kind   i32 length of what follows, itself included   body
//! ```
//!
//! The first messages of a connection have no kind. A length is looked at before anything is kept
//! for it, and memory grows with the bytes that have come, never with what was announced.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use pieskieo_io::rt;

use crate::limits;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 16 << 10;
/// Bytes of the length of a message.
const LENGTH_BYTES: usize = 4;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The client has gone.
    #[error("the client has closed the connection")]
    Closed,
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A message is longer than allowed, or shorter than any.
    #[error("invalid message length {length}, of at most {max}")]
    Length {
        /// What it says.
        length: i64,
        /// What it may say.
        max: usize,
    },
    /// Bytes that are no message.
    #[error("{0}")]
    Protocol(String),
    /// The client does not take what it asked for.
    #[error("the client takes no answers")]
    Stalled,
}

/// One message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What kind of message it is.
    pub kind: u8,
    /// What follows its length.
    pub body: Bytes,
}

/// A connection's bytes.
pub struct Wire<S> {
    stream: S,
    input: BytesMut,
    /// What waits to be sent.
    pub output: Vec<u8>,
}

/// Room for bytes at the end of an input. What of it is not filled goes when it is dropped.
struct Room<'i> {
    input: &'i mut BytesMut,
    filled: usize,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.input.truncate(self.filled);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Takes over a stream.
    pub fn new(stream: S) -> Self {
        Self { stream, input: BytesMut::new(), output: Vec::new() }
    }

    /// Returns the stream, to speak another protocol on it; `None` when bytes have come already
    /// that belong to this one. They may be somebody else's who is in between.
    pub fn into_stream(self) -> Option<S> {
        (self.input.is_empty() && self.output.is_empty()).then_some(self.stream)
    }

    /// Returns the next message without a kind.
    ///
    /// **Errors**: a length beyond `max`; a client that goes away.
    pub async fn first(&mut self, max: usize) -> Result<Bytes, Broken> {
        self.fill(LENGTH_BYTES).await?;
        let length = self.length(0, max)?;
        self.fill(length).await?;
        let mut body = self.input.split_to(length);
        body.advance(LENGTH_BYTES);
        Ok(body.freeze())
    }

    /// Returns the next message.
    ///
    /// **Errors**: a length beyond `max`; a client that goes away.
    pub async fn message(&mut self, max: usize) -> Result<Frame, Broken> {
        self.fill(1 + LENGTH_BYTES).await?;
        let length = self.length(1, max)?;
        self.fill(1 + length).await?;
        let kind = self.input[0];
        let mut body = self.input.split_to(1 + length);
        body.advance(1 + LENGTH_BYTES);
        if self.input.is_empty() {
            // The next message need not be as long as this one.
            self.input = BytesMut::new();
        }
        Ok(Frame { kind, body: body.freeze() })
    }

    /// Returns the kind of the next message, which stays where it is.
    ///
    /// **Errors**: a client that goes away.
    pub async fn next_kind(&mut self) -> Result<u8, Broken> {
        self.fill(1).await?;
        Ok(self.input[0])
    }

    /// Returns whether a message has begun to come.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    fn length(&self, at: usize, max: usize) -> Result<usize, Broken> {
        let mut field = &self.input[at..at + LENGTH_BYTES];
        let length = field.get_i32();
        match usize::try_from(length) {
            Ok(length) if length >= LENGTH_BYTES && length <= max => Ok(length),
            _ => Err(Broken::Length { length: length.into(), max }),
        }
    }

    /// Reads until so many bytes are there.
    async fn fill(&mut self, wanted: usize) -> Result<(), Broken> {
        while self.input.len() < wanted {
            let before = self.input.len();
            let room = (wanted - before).clamp(READ_BYTES, limits::CHUNK_BYTES);
            self.input.resize(before + room, 0);
            // Whoever waits for a message may give up in the middle of it, and come back.
            let mut room = Room { input: &mut self.input, filled: before };
            let read = self.stream.read(&mut room.input[before..]).await?;
            room.filled += read;
            drop(room);
            if read == 0 {
                return Err(Broken::Closed);
            }
        }
        Ok(())
    }

    /// Sends what waits if it is so much that it should not wait for more.
    ///
    /// **Errors**: a client that takes nothing, or goes away.
    pub async fn relieve(&mut self) -> Result<(), Broken> {
        match self.output.len() >= limits::CHUNK_BYTES {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Sends what waits.
    ///
    /// **Errors**: a client that takes nothing, or goes away.
    pub async fn flush(&mut self) -> Result<(), Broken> {
        self.flush_within(limits::SEND_TIME_MAX).await
    }

    /// As [`Wire::flush`], for no longer than `time` without progress.
    ///
    /// **Errors**: as [`Wire::flush`].
    pub async fn flush_within(&mut self, time: Duration) -> Result<(), Broken> {
        let mut sent = 0;
        while sent < self.output.len() {
            let write = self.stream.write(&self.output[sent..]);
            match rt::timeout(time, write).await {
                Ok(Ok(0)) => return Err(Broken::Closed),
                Ok(Ok(count)) => sent += count,
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(Broken::Stalled),
            }
        }
        self.output.clear();
        if self.output.capacity() > limits::CHUNK_BYTES * 4 {
            self.output = Vec::new();
        }
        match rt::timeout(time, self.stream.flush()).await {
            Ok(flushed) => Ok(flushed?),
            Err(_) => Err(Broken::Stalled),
        }
    }

    /// Closes the stream, as far as the client takes part in it.
    pub async fn close(&mut self) {
        // It is over either way.
        drop(rt::timeout(limits::CLOSE_TIME_MAX, self.stream.close()).await);
    }
}
