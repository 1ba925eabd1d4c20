//! How does a measuring or breaking program talk to the server?
//!
//! HTTP/2 with prior knowledge over our own runtime, so that the program costs as little as the
//! server it measures: the protocol comes from `h2` itself, because hyper's client hands every
//! request through two channels and a task. One connection carries any number of requests at once. A request either has
//! an answer, or was refused (nothing happened), or its outcome is unknown; callers that count must
//! keep these three apart.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncWrite};
use h2::client::{Builder, SendRequest};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri};
use pieskieo_io::rt::{self, Queue, TcpStream};
use serde_json::{Value, json};

use crate::tokio_io::TokioIo;

/// Names the transaction a request belongs to.
const TRANSACTION: HeaderName = HeaderName::from_static("transaction");
/// Bytes the server may send ahead on one stream.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// Bytes the server may send ahead on the connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The server said no; nothing happened.
    Refused {
        /// HTTP status.
        status: u16,
        /// The problem object.
        problem: Value,
    },
    /// Whether anything happened is unknown.
    Unknown {
        /// HTTP status, when the server said that it failed; `None` when the connection is gone.
        status: Option<u16>,
        /// What was seen.
        cause: String,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { status, problem } => write!(f, "{status}: {problem}"),
            Self::Unknown { status: Some(status), cause } => {
                write!(f, "outcome unknown: {status}: {cause}")
            }
            Self::Unknown { status: None, cause } => {
                write!(f, "outcome unknown, the connection is gone: {cause}")
            }
        }
    }
}

/// The rows of an answer, as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Rows in order, each a list of values.
    pub rows: Vec<Vec<Value>>,
    /// Records written.
    pub affected: u64,
}

/// An HTTP/2 connection. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    sender: SendRequest<Bytes>,
    authority: uri::Authority,
    /// The transaction its requests belong to.
    transaction: Option<HeaderValue>,
}

impl Client {
    /// Connects and exchanges HTTP/2 settings.
    ///
    /// **Errors**: `Unknown` when nobody listens or the handshake fails.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(gone)?;
        stream.set_nodelay(true).map_err(gone)?;
        Self::over(stream, address).await
    }

    /// Exchanges HTTP/2 settings over a stream that is connected to `address`.
    ///
    /// **Errors**: `Unknown` when the handshake fails.
    pub async fn over<S>(stream: S, address: SocketAddr) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut builder = Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .enable_push(false);
        let (sender, driver) = builder.handshake(TokioIo(stream)).await.map_err(gone)?;
        let authority = address.to_string().parse().map_err(gone)?;
        drop(rt::spawn(Queue::Net, "client connection", async move {
            let stop = std::pin::pin!(rt::shutdown_requested());
            // The requests under way learn of a failure themselves.
            if let Either::Right((Err(error), _)) = select(stop, std::pin::pin!(driver)).await {
                tracing::debug!(%error, "client connection ended");
            }
        }));
        Ok(Self { sender, authority, transaction: None })
    }

    /// Begins a transaction with `pql` and returns a client on the same connection whose requests
    /// belong to it, until one of them ends it.
    ///
    /// **Errors**: as [`Client::send`]; `Unknown` when the server names no transaction.
    pub async fn begin(&self, pql: &str) -> Result<Self, Failure> {
        let body = json!({ "pql": pql }).to_string();
        let request = Request::builder().method(Method::POST).uri("/v1/query");
        let answer = self.succeed(request.body(Bytes::from(body)).map_err(gone)?).await?;
        let token = answer.headers().get(TRANSACTION).cloned();
        let token = token.ok_or_else(|| gone("the answer names no transaction"))?;
        Ok(Self { transaction: Some(token), ..self.clone() })
    }

    /// Sends a request as it is, with this connection's authority, and returns the whole answer,
    /// whatever its status. The address is a path.
    ///
    /// **Errors**: `Unknown` when the connection broke.
    pub async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let (mut head, body) = request.into_parts();
        let mut whole = uri::Parts::from(head.uri);
        whole.scheme = Some(uri::Scheme::HTTP);
        whole.authority = Some(self.authority.clone());
        head.uri = Uri::from_parts(whole).map_err(gone)?;
        if let Some(token) = &self.transaction {
            head.headers.insert(TRANSACTION, token.clone());
        }
        let has_length = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
        if has_length && !head.headers.contains_key(header::CONTENT_LENGTH) {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let mut sender = self.sender.clone().ready().await.map_err(gone)?;
        let head = Request::from_parts(head, ());
        let (answer, mut stream) = sender.send_request(head, body.is_empty()).map_err(gone)?;
        if !body.is_empty() {
            // An answer may come to what was sent so far; whether this was is told by the answer.
            drop(stream.send_data(body, true));
        }
        let (head, mut stream) = answer.await.map_err(gone)?.into_parts();
        let mut body = Body::None;
        while let Some(data) = stream.data().await {
            let data = data.map_err(gone)?;
            stream.flow_control().release_capacity(data.len()).map_err(gone)?;
            body.add(data);
        }
        Ok(Response::from_parts(head, body.whole()))
    }

    /// Sends a request and returns the body of its answer.
    ///
    /// **Errors**: `Refused`; `Unknown`.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, Failure> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, media).body(body.into());
        self.succeed(request.map_err(gone)?).await.map(Response::into_body)
    }

    async fn succeed(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let answer = self.exchange(request).await?;
        let status = answer.status();
        if status.is_success() { Ok(answer) } else { Err(failure(status, answer.body())) }
    }

    /// Returns whether the server says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.send(Method::GET, "/readyz", "application/json", Bytes::new()).await.is_ok()
    }

    /// Runs one statement, or several separated by `;` in one transaction, and returns the answer
    /// of the last.
    ///
    /// **Errors**: as [`Client::send`].
    pub async fn query(&self, pql: &str, params: &[Value]) -> Result<Answer, Failure> {
        let bytes = self.query_bytes(pql, params).await?;
        last_answer(&bytes)
    }

    /// As [`Client::query`], under an idempotency key. Returns also whether this is the answer to
    /// an earlier request.
    ///
    /// **Errors**: as [`Client::send`].
    pub async fn query_keyed(
        &self,
        key: &str,
        pql: &str,
        params: &[Value],
    ) -> Result<(Answer, bool), Failure> {
        let body = json!({ "pql": pql, "params": params }).to_string();
        let request = Request::builder().method(Method::POST).uri("/v1/query");
        let request = request.header("idempotency-key", key).body(Bytes::from(body));
        let answer = self.succeed(request.map_err(gone)?).await?;
        let replayed = answer.headers().contains_key("idempotency-replayed");
        Ok((last_answer(answer.body())?, replayed))
    }

    /// As [`Client::query`], without reading the answer.
    ///
    /// **Errors**: as [`Client::send`].
    pub async fn query_bytes(&self, pql: &str, params: &[Value]) -> Result<Bytes, Failure> {
        let body = json!({ "pql": pql, "params": params }).to_string();
        self.send(Method::POST, "/v1/query", "application/json", body).await
    }

    /// Loads NDJSON into a table and returns the counts.
    ///
    /// **Errors**: as [`Client::send`].
    pub async fn load(&self, table: &str, lines: Vec<u8>) -> Result<Value, Failure> {
        let path = format!("/v1/tables/{table}/records");
        let bytes = self.send(Method::POST, &path, "application/x-ndjson", lines).await?;
        serde_json::from_slice(&bytes).map_err(gone)
    }
}

/// A body while it comes; most are one piece, which is not copied then.
enum Body {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Body {
    fn add(&mut self, data: Bytes) {
        match self {
            Self::None => *self = Self::One(data),
            Self::One(first) => {
                let mut all = BytesMut::from(&first[..]);
                all.extend_from_slice(&data);
                *self = Self::Many(all);
            }
            Self::Many(all) => all.extend_from_slice(&data),
        }
    }

    fn whole(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(only) => only,
            Self::Many(all) => all.freeze(),
        }
    }
}

fn gone(cause: impl std::fmt::Display) -> Failure {
    Failure::Unknown { status: None, cause: cause.to_string() }
}

/// Returns what an answer without success means. What the server calls the client's fault, or
/// cannot do at all, was not begun; after all other failures a write may be there.
fn failure(status: StatusCode, body: &[u8]) -> Failure {
    let problem =
        serde_json::from_slice(body).unwrap_or_else(|_| json!(String::from_utf8_lossy(body)));
    if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED {
        Failure::Refused { status: status.as_u16(), problem }
    } else {
        Failure::Unknown { status: Some(status.as_u16()), cause: problem.to_string() }
    }
}

fn last_answer(bytes: &[u8]) -> Result<Answer, Failure> {
    let value: Value = serde_json::from_slice(bytes).map_err(gone)?;
    let last = value.get("results").and_then(Value::as_array).and_then(|all| all.last());
    answer(last.unwrap_or(&value)).ok_or_else(|| gone("the answer has another form"))
}

fn answer(value: &Value) -> Option<Answer> {
    let rows = match value.get("rows") {
        Some(rows) => {
            let rows = rows.as_array()?;
            rows.iter().map(|row| row.as_array().cloned()).collect::<Option<Vec<_>>>()?
        }
        None => Vec::new(),
    };
    let affected = value.get("affected").and_then(Value::as_u64).unwrap_or(0);
    Some(Answer { rows, affected })
}

/// Returns an integer that came as a number or, to be safe in JavaScript, as text; null is zero.
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Null => Some(0),
        Value::String(text) => text.parse().ok(),
        other => other.as_i64().or_else(|| other.as_f64().map(|number| number as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_one_and_of_several_statements_are_read() {
        let one = json!({ "columns": [], "rows": [[1, "a"]], "affected": 0 });
        assert_eq!(answer(&one).expect("rows").rows, [[json!(1), json!("a")]]);
        assert_eq!(answer(&json!({ "affected": 3 })).expect("a count").affected, 3);
        assert_eq!(answer(&json!({ "rows": 1 })), None);
    }

    #[test]
    fn failures_say_whether_something_may_have_happened() {
        let problem = json!({ "code": "40001", "message": "conflict" });
        let cases = [(400, true), (409, true), (501, true), (500, false), (503, false)];
        for (status, nothing_happened) in cases {
            let body = problem.to_string();
            match failure(StatusCode::from_u16(status).expect("a status"), body.as_bytes()) {
                Failure::Refused { status: told, problem: read } => {
                    assert!(nothing_happened, "{status}");
                    assert_eq!((told, read), (status, problem.clone()));
                }
                Failure::Unknown { status: told, .. } => {
                    assert!(!nothing_happened, "{status}");
                    assert_eq!(told, Some(status));
                }
            }
        }
    }

    #[test]
    fn integers_come_as_numbers_or_text() {
        assert_eq!(integer(&json!(7)), Some(7));
        assert_eq!(integer(&json!("9007199254740993")), Some(9_007_199_254_740_993));
        assert_eq!(integer(&Value::Null), Some(0));
        assert_eq!(integer(&json!([])), None);
    }
}
