//! What may an operator choose about the front door?

use std::net::SocketAddr;
use std::time::Duration;

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
    /// Memory the process may use, for whoever watches it. Default 0: nobody has said.
    pub memory_bytes: u64,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            tls: None,
            statement_timeout: Duration::from_secs(30),
            memory_bytes: 0,
        }
    }
}
