//! How does a test speak HTTP as any client might: version 1.1 or 2, plain or private?

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use pieskieo_bench::client::Client;
use pieskieo_io::rt::{self, Queue, TcpStream};
use pieskieo_net::hyper_io::HyperIo;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;

/// What a test sends.
pub struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Bytes,
}

impl Ask {
    /// A request without a body.
    pub fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A statement for `/v1/query`.
    pub fn query(pql: &str) -> Self {
        let body = serde_json::json!({ "pql": pql }).to_string();
        Self::new(Method::POST, "/v1/query").body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn request(self) -> Request<Bytes> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request =
                request.header(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        request.body(self.body).unwrap()
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Told {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Told {
    fn new(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, version: head.version, headers: head.headers, body }
    }

    /// Returns a header's text, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection of either version.
pub enum Wire {
    One(Box<SendRequest<Full<Bytes>>>, SocketAddr),
    Two(Client),
}

impl Wire {
    /// Speaks HTTP/1.1 without TLS.
    pub async fn one(address: SocketAddr) -> Self {
        Self::one_over(TcpStream::connect(address).await.unwrap(), address).await
    }

    /// Speaks HTTP/2 without TLS.
    pub async fn two(address: SocketAddr) -> Self {
        Self::Two(Client::open(address).await.unwrap())
    }

    /// Speaks HTTP/1.1 over a stream.
    pub async fn one_over<S>(stream: S, address: SocketAddr) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (sender, driver) = handshake(HyperIo::new(stream)).await.unwrap();
        drop(rt::spawn(Queue::Net, "client connection", async move {
            // The request under way learns of a failure itself.
            drop(driver.await);
        }));
        Self::One(Box::new(sender), address)
    }

    /// Sends a request and returns the whole answer.
    pub async fn ask(&mut self, ask: Ask) -> Told {
        self.try_ask(ask).await.unwrap()
    }

    /// As [`Wire::ask`]; an error when the connection broke.
    pub async fn try_ask(&mut self, ask: Ask) -> Result<Told, String> {
        match self {
            Self::Two(client) => {
                client.exchange(ask.request()).await.map(Told::new).map_err(|e| e.to_string())
            }
            Self::One(..) => {
                let (head, body) = self.open(ask).await?.into_parts();
                let body = body.collect().await.map_err(|error| error.to_string())?;
                Ok(Told::new(Response::from_parts(head, body.to_bytes())))
            }
        }
    }

    /// Sends a request over HTTP/1.1 and returns the answer with its body unread.
    pub async fn open(&mut self, ask: Ask) -> Result<Response<Incoming>, String> {
        let Self::One(sender, address) = self else { panic!("this is for HTTP/1.1") };
        let mut request = ask.request().map(Full::new);
        let host = address.to_string().parse().unwrap();
        request.headers_mut().insert(http::header::HOST, host);
        sender.ready().await.map_err(|error| error.to_string())?;
        sender.send_request(request).await.map_err(|error| error.to_string())
    }
}

/// Makes a connection private; the client trusts `certificate` alone and offers `protocols`.
pub async fn private(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
    protocols: &[&str],
) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map_err(|error| error.to_string())
}
