//! Why can the front door not open?

use std::net::SocketAddr;

/// A reason not to start serving.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        cause: String,
    },
    /// The certificate or key cannot be used.
    #[error("cannot use \"{path}\" for TLS: {cause}")]
    Tls {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
}
