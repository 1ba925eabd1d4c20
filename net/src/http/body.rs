//! What do requests carry in and answers carry out?

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::stream::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pieskieo_io::rt;
use pieskieo_query::Error;

use crate::http::problem;
use crate::limits;

/// A stream of answer bytes.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>;

/// The body of an answer.
pub enum Body {
    /// Known whole.
    Full(Option<Bytes>),
    /// Produced while it is sent; an error resets the stream, so that a cut answer can never be
    /// taken for a whole one.
    Stream(ByteStream),
}

impl Body {
    /// Returns a body that is known whole.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) => {
                stream.as_mut().poll_next(cx).map(|next| next.map(|part| part.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Reads a request body whole.
///
/// **Errors**: larger than `BODY_BYTES_MAX`, slower than `BODY_TIME_MAX`, or the client went away.
pub async fn read_whole(mut body: Incoming) -> Result<Bytes, Error> {
    if body.size_hint().lower() > limits::BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let read = async {
        let mut first: Option<Bytes> = None;
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| problem::bad_request(&gone(&error)))?;
            let Ok(data) = frame.into_data() else { continue };
            if all.len() + first.as_ref().map_or(0, Bytes::len) + data.len()
                > limits::BODY_BYTES_MAX
            {
                return Err(too_large());
            }
            // Most bodies are one frame: keep it without a copy.
            match (first.take(), all.is_empty()) {
                (None, true) => first = Some(data),
                (Some(earlier), _) => {
                    all.extend_from_slice(&earlier);
                    all.extend_from_slice(&data);
                }
                (None, false) => all.extend_from_slice(&data),
            }
        }
        Ok(first.unwrap_or_else(|| all.freeze()))
    };
    match rt::timeout(limits::BODY_TIME_MAX, read).await {
        Ok(result) => result,
        Err(_) => Err(problem::limit(
            "body_time",
            &format!("{} s", limits::BODY_TIME_MAX.as_secs()),
            "send the body faster or in smaller requests",
        )),
    }
}

/// Reads a request body line by line without holding more than one line and one frame.
pub struct Lines {
    body: Incoming,
    buffer: BytesMut,
    searched: usize,
    ended: bool,
}

impl Lines {
    /// Starts reading.
    pub fn new(body: Incoming) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0, ended: false }
    }

    /// Returns the next line without its end, or `None` after the last one.
    ///
    /// **Errors**: a line over `LINE_BYTES_MAX`; a client that stalls or goes away.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(offset) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let mut line = self.buffer.split_to(self.searched + offset + 1);
                self.searched = 0;
                line.truncate(line.len() - 1);
                return Ok(Some(line.freeze()));
            }
            self.searched = self.buffer.len();
            if self.ended {
                self.searched = 0;
                let rest = self.buffer.split();
                return Ok((!rest.is_empty()).then(|| rest.freeze()));
            }
            if self.buffer.len() > limits::LINE_BYTES_MAX {
                let value = format!("{} bytes", limits::LINE_BYTES_MAX);
                return Err(problem::limit("line_bytes", &value, "send smaller records"));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        let frame = match rt::timeout(limits::BODY_TIME_MAX, self.body.frame()).await {
            Ok(frame) => frame,
            Err(_) => {
                let value = format!("{} s", limits::BODY_TIME_MAX.as_secs());
                return Err(problem::limit("body_time", &value, "send the body faster"));
            }
        };
        match frame {
            None => self.ended = true,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
            Some(Err(error)) => return Err(problem::bad_request(&gone(&error))),
        }
        Ok(())
    }
}

fn too_large() -> Error {
    problem::limit(
        "body_bytes",
        &format!("{} bytes", limits::BODY_BYTES_MAX),
        "send less at once, or load records as NDJSON, which is streamed",
    )
}

fn gone(error: &hyper::Error) -> String {
    format!("the request body could not be read: {error}")
}
