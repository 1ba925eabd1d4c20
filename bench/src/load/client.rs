//! How does a measuring program talk HTTP/2 to the server?
//!
//! One connection per [`Client`]; requests on it may run at the same time. Runs on our own
//! runtime, so that the load generator costs as little as the server it measures.

use std::net::SocketAddr;

use futures::future::{Either, select};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use pieskieo_io::rt::{self, Queue, TcpStream};
use pieskieo_net::hyper_io::{CoreExecutor, HyperIo};
use serde_json::{Value, json};

/// Why a request failed.
#[derive(Debug)]
pub enum Failure {
    /// The connection is gone or could not be made; the outcome of the request is unknown.
    Lost(String),
    /// The server answered with a problem: HTTP status and the problem object.
    Refused(u16, Value),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "connection lost: {what}"),
            Self::Refused(status, problem) => write!(f, "{status}: {problem}"),
        }
    }
}

/// One HTTP/2 connection.
#[derive(Clone)]
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Client {
    /// Connects with prior knowledge of HTTP/2.
    ///
    /// **Errors**: nobody listens.
    pub async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let (sender, connection) =
            handshake(CoreExecutor, HyperIo::new(stream)).await.map_err(lost)?;
        drop(rt::spawn(Queue::Net, "client connection", async move {
            let stop = std::pin::pin!(rt::shutdown_requested());
            let connection = std::pin::pin!(connection);
            if let Either::Right((Err(error), _)) = select(stop, connection).await {
                tracing::debug!(%error, "client connection ended");
            }
        }));
        Ok(Self { sender, authority: address.to_string() })
    }

    /// Sends one request and returns the whole answer.
    ///
    /// **Errors**: `Lost`, or `Refused` for any status but 2xx.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        media: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, Failure> {
        let uri = format!("http://{}{path}", self.authority);
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, media)
            .body(Full::new(body.into()))
            .map_err(lost)?;
        let mut sender = self.sender.clone();
        sender.ready().await.map_err(lost)?;
        let response = sender.send_request(request).await.map_err(lost)?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(lost)?.to_bytes();
        if status.is_success() {
            return Ok(bytes);
        }
        let problem = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        Err(Failure::Refused(status.as_u16(), problem))
    }

    /// Runs statements and returns the answer object.
    ///
    /// **Errors**: as [`Client::send`].
    pub async fn query(&self, pql: &str, params: &[Value]) -> Result<Value, Failure> {
        let bytes = self.query_bytes(pql, params).await?;
        serde_json::from_slice(&bytes).map_err(lost)
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
        serde_json::from_slice(&bytes).map_err(lost)
    }
}

fn lost(error: impl std::fmt::Display) -> Failure {
    Failure::Lost(error.to_string())
}
