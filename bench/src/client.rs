//! How does a measuring or breaking program talk to the server?
//!
//! HTTP/2 with prior knowledge over our own runtime. One connection carries any number of requests
//! at once. A request either has an answer, or was refused by the server (nothing happened), or
//! its outcome is unknown; callers that count must keep these three apart.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use pieskieo_io::rt::{self, Queue, TcpStream};
use serde_json::{Value, json};

use crate::wire::{OnCore, Wire};

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server said no; nothing happened.
    Refused {
        /// HTTP status, 400 to 499.
        status: u16,
        /// SQLSTATE code, empty if the answer has none.
        code: String,
        /// What the server said.
        message: String,
    },
    /// Whether anything happened is unknown: the connection broke or the server failed.
    Unknown(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { status, code, message } => write!(f, "{status} {code}: {message}"),
            Self::Unknown(cause) => write!(f, "outcome unknown: {cause}"),
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
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    /// Connects and exchanges HTTP/2 settings.
    ///
    /// **Errors**: `Unknown` when nobody listens or the handshake fails.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(unknown)?;
        stream.set_nodelay(true).map_err(unknown)?;
        let mut builder = Builder::new(OnCore);
        builder.initial_stream_window_size(4 << 20).initial_connection_window_size(16 << 20);
        let (sender, driver) = builder.handshake(Wire::new(stream)).await.map_err(unknown)?;
        drop(rt::spawn(Queue::Net, "http connection", async move {
            // The requests under way learn of it themselves.
            driver.await.ok();
        }));
        Ok(Self { sender, authority: address.to_string() })
    }

    /// Sends a request and returns status and body, whatever the status.
    ///
    /// **Errors**: `Unknown` when the connection broke.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.authority))
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(unknown)?;
        let answer = self.sender.clone().send_request(request).await.map_err(unknown)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(unknown)?.to_bytes();
        Ok((status, body))
    }

    /// Returns whether the server says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let answer = self.call(Method::GET, "/readyz", "application/json", Vec::new()).await;
        answer.is_ok_and(|(status, _)| status == StatusCode::OK)
    }

    /// Runs one statement, or several separated by `;` in one transaction, and returns the answer
    /// of the last.
    ///
    /// **Errors**: `Refused` for statuses below 500, `Unknown` for all others.
    pub async fn query(&self, pql: &str, params: &[Value]) -> Result<Answer, Failure> {
        let body = json!({ "pql": pql, "params": params }).to_string().into_bytes();
        let called = self.call(Method::POST, "/v1/query", "application/json", body);
        let (status, body) = called.await?;
        let value: Value = serde_json::from_slice(&body).map_err(unknown)?;
        if !status.is_success() {
            return Err(failure(status, &value));
        }
        let last = value.get("results").and_then(Value::as_array).and_then(|all| all.last());
        answer(last.unwrap_or(&value)).ok_or_else(|| unknown("the answer has another form"))
    }
}

fn unknown(cause: impl std::fmt::Display) -> Failure {
    Failure::Unknown(cause.to_string())
}

fn failure(status: StatusCode, problem: &Value) -> Failure {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| problem.get(*name).and_then(Value::as_str));
        found.unwrap_or_default().to_owned()
    };
    let (code, message) = (text(&["code"]), text(&["message", "detail", "title"]));
    if status.is_client_error() {
        Failure::Refused { status: status.as_u16(), code, message }
    } else {
        Failure::Unknown(format!("{status} {code}: {message}"))
    }
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
        let refused = failure(StatusCode::CONFLICT, &problem);
        assert!(matches!(refused, Failure::Refused { status: 409, code, .. } if code == "40001"));
        let failed = failure(StatusCode::INTERNAL_SERVER_ERROR, &problem);
        assert!(matches!(failed, Failure::Unknown(_)));
    }

    #[test]
    fn integers_come_as_numbers_or_text() {
        assert_eq!(integer(&json!(7)), Some(7));
        assert_eq!(integer(&json!("9007199254740993")), Some(9_007_199_254_740_993));
        assert_eq!(integer(&Value::Null), Some(0));
        assert_eq!(integer(&json!([])), None);
    }
}
