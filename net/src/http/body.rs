//! What do requests carry in and answers carry out?

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::Stream;
use http::{Request, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pieskieo_io::rt::{self, Queue};
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

    /// Keeps something until a streamed body was sent or dropped.
    #[must_use]
    pub fn keeping<T: 'static>(self, kept: T) -> Self {
        match self {
            Self::Full(bytes) => Self::Full(bytes),
            Self::Stream(stream) => Self::Stream(Box::pin(stream.inspect(move |_| {
                let _kept = &kept;
            }))),
        }
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

/// What a client sends, read as it comes.
///
/// A client that is refused in the middle of sending may never read why: a closed connection of
/// HTTP/1.1 discards what it has not read, and a stream of HTTP/2 that is reset is gone with the
/// answer that was on its way. So the rest is read and thrown away, within bounds. A client that
/// asked before sending (`Expect`) sends nothing.
pub struct Upload {
    body: Option<Incoming>,
    lingers: bool,
}

impl Upload {
    /// Takes over the body of a request.
    pub fn of(request: Request<Incoming>) -> Request<Self> {
        let asks_first = request.headers().contains_key(header::EXPECT);
        let lingers = !asks_first;
        request.map(|body| Self { body: Some(body), lingers })
    }

    /// Returns the next bytes; `None` at the end.
    ///
    /// **Errors**: the client went away, or stalls.
    pub async fn part(&mut self) -> Result<Option<Bytes>, Error> {
        match rt::timeout(limits::BODY_TIME_MAX, self.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(Some(Err(error))) => Err(problem::bad_request(&gone(&error))),
            Err(_) => {
                let value = format!("{} s", limits::BODY_TIME_MAX.as_secs());
                Err(problem::limit("body_time", &value, "send the body faster"))
            }
        }
    }

    /// Returns the next bytes; `None` at the end.
    ///
    /// **Errors**: the client went away.
    async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            let Some(frame) = self.body.as_mut()?.frame().await else {
                self.body = None;
                return None;
            };
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(data)),
                // Trailers say nothing here.
                Ok(Err(_)) => {}
                Err(error) => {
                    self.body = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| self.lingers && !body.is_end_stream());
        if let Some(body) = unread {
            let reading = rt::timeout(limits::BODY_TIME_MAX, discard(body));
            drop(rt::spawn(Queue::Net, "discard the rest of a body", reading));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut left = limits::DISCARD_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// Reads a request body whole.
///
/// **Errors**: larger than `BODY_BYTES_MAX`, slower than `BODY_TIME_MAX`, or the client went away.
pub async fn read_whole(mut body: Upload) -> Result<Bytes, Error> {
    let announced = body.body.as_ref().map_or(0, |body| body.size_hint().lower());
    if announced > limits::BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let read = async {
        let mut first: Option<Bytes> = None;
        let mut all = BytesMut::new();
        while let Some(data) = body.next().await {
            let data = data.map_err(|error| problem::bad_request(&gone(&error)))?;
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
    body: Upload,
    buffer: BytesMut,
    searched: usize,
    ended: bool,
}

impl Lines {
    /// Starts reading.
    pub fn new(body: Upload) -> Self {
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
        let next = match rt::timeout(limits::BODY_TIME_MAX, self.body.next()).await {
            Ok(next) => next,
            Err(_) => {
                let value = format!("{} s", limits::BODY_TIME_MAX.as_secs());
                return Err(problem::limit("body_time", &value, "send the body faster"));
            }
        };
        match next {
            None => self.ended = true,
            Some(Ok(data)) => self.buffer.extend_from_slice(&data),
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
