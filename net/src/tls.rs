//! How does a connection become private?

use std::sync::Arc;

use futures_rustls::TlsAcceptor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::StartError;

/// Certificate chain and key, PEM text as read by the caller.
#[derive(Clone)]
pub struct TlsFiles {
    /// Where the chain came from, for messages.
    pub cert_path: String,
    /// The chain, leaf first.
    pub cert_pem: Vec<u8>,
    /// Where the key came from, for messages.
    pub key_path: String,
    /// The private key.
    pub key_pem: Vec<u8>,
}

/// Protocols of HTTP, the better one first.
pub const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];
/// The protocol of PostgreSQL.
pub const POSTGRES: &[&[u8]] = &[b"postgresql"];

/// Returns an acceptor that offers these protocols by ALPN.
///
/// **Errors**: a file without a certificate or key, or a pair that does not match.
pub fn acceptor(files: &TlsFiles, protocols: &[&[u8]]) -> Result<TlsAcceptor, StartError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&files.cert_pem).collect();
    let chain = chain.map_err(|error| refuse(&files.cert_path, &error))?;
    if chain.is_empty() {
        return Err(refuse(&files.cert_path, &"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(&files.key_pem)
        .map_err(|error| refuse(&files.key_path, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| refuse(&files.cert_path, &error))?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn refuse(path: &str, error: &dyn std::fmt::Display) -> StartError {
    StartError::Tls { path: path.to_owned(), cause: error.to_string() }
}
