//! What may an operator choose about the front door?

use std::net::SocketAddr;
use std::time::Duration;

use crate::limits;
use crate::postgres::Verifier;
use crate::tls::TlsFiles;

/// Choices for one server, validated by the caller.
#[derive(Clone)]
pub struct NetOptions {
    /// Where to listen. Default 127.0.0.1:8000. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key; `None` serves plain text.
    pub tls: Option<TlsFiles>,
    /// Time a statement may take unless the request asks for less. Default 30 s.
    pub statement_timeout: Duration,
    /// The door of PostgreSQL's protocol; `None` keeps it shut.
    pub postgres: Option<PostgresOptions>,
    /// Memory the process may use, for whoever watches it. Default 0: nobody has said.
    pub memory_bytes: u64,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            tls: None,
            statement_timeout: Duration::from_secs(30),
            postgres: None,
            memory_bytes: 0,
        }
    }
}

/// Choices for the door of PostgreSQL's protocol.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Recognises the password; `None` lets in who is on this machine, and nobody else.
    pub verifier: Option<Verifier>,
    /// Bytes of one message, once its client is known. Default 32 MiB.
    pub message_bytes_max: usize,
}

impl PostgresOptions {
    /// Returns the choices of a door without a password.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, verifier: None, message_bytes_max: limits::BODY_BYTES_MAX }
    }
}
