//! How does a core talk to the network?
//!
//! An error of a read is an error, never an end of the stream: what was cut off must not look
//! like what was finished.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use glommio::GlommioError;
use glommio::net::{TcpListener as UringListener, TcpStream as UringStream};

use super::current::{Back, with_current};
use crate::error::{Error, Result};
use crate::sim::{SimListener, SimStream};

/// A listening socket of one core. Several cores may listen on one address: the kernel spreads
/// connections over them (`SO_REUSEPORT`). Up to 1024 connections wait to be accepted.
pub struct TcpListener {
    inner: Listener,
    /// Keeps other processes from the address; the first core has it.
    _claim: Option<UnixListener>,
}

enum Listener {
    Uring(UringListener),
    Sim(SimListener),
}

/// A connection. Dropping it closes both directions.
pub struct TcpStream {
    inner: Stream,
}

enum Stream {
    Uring(Box<UringStream>),
    Sim(SimStream),
}

/// Takes the name that stands for an address. It lives in the kernel only, is seen where the port
/// is seen, and is free again when its holder ends in whatever way.
fn claim(address: SocketAddr) -> Result<UnixListener> {
    let name = UnixAddress::from_abstract_name(format!("pieskieo listens on {address}"));
    name.and_then(|name| UnixListener::bind_addr(&name)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            let text = "another pieskieo server listens there";
            Error::socket("listen on", address, &io::Error::new(error.kind(), text))
        }
        _ => Error::socket("claim the address", address, &error),
    })
}

fn cause(error: GlommioError<()>) -> io::Error {
    match error {
        GlommioError::IoError(error) => error,
        GlommioError::EnhancedIoError { source, .. } => source,
        other => io::Error::other(other.to_string()),
    }
}

impl TcpListener {
    /// Listens on `address`; port 0 lets the system choose.
    ///
    /// **Errors**: `Socket` when the address is taken by another user, or not ours.
    ///
    /// **Panics**: outside of all cores.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let inner = with_current(|core| match &core.back {
            Back::Uring(_) => UringListener::bind(address)
                .map(Listener::Uring)
                .map_err(|error| Error::socket("listen on", address, &cause(error))),
            Back::Sim(machine) => Ok(Listener::Sim(SimListener::bind(machine, address))),
        })?;
        Ok(Self { inner, _claim: None })
    }

    /// Listens on `address` as the first core of a process: no other process may listen there with
    /// this function until the result is dropped.
    ///
    /// The kernel lets processes of one user share a port as it lets cores, and tells neither.
    /// So the first core also takes a name for the address, which only one process can have.
    ///
    /// **Errors**: `Socket` when the address is taken, or not ours.
    ///
    /// **Panics**: outside of all cores.
    pub fn bind_first(address: SocketAddr) -> Result<Self> {
        if with_current(|core| matches!(core.back, Back::Sim(_))) {
            return Self::bind(address);
        }
        if address.port() != 0 {
            let claim = claim(address)?;
            return Ok(Self { _claim: Some(claim), ..Self::bind(address)? });
        }
        // The kernel chooses a port that nobody listens on; its number is known only then.
        let listener = Self::bind(address)?;
        let claim = claim(listener.local_addr()?)?;
        Ok(Self { _claim: Some(claim), ..listener })
    }

    /// Waits for the next connection.
    ///
    /// **Errors**: `Socket` when the kernel refuses, for example when there are too many open
    /// files. Wait a little, then accept again.
    pub async fn accept(&self) -> Result<TcpStream> {
        let inner = match &self.inner {
            Listener::Uring(listener) => {
                let accepted = listener.accept().await;
                let stream = accepted
                    .map_err(|error| Error::socket("accept a connection", "", &cause(error)))?;
                Stream::Uring(Box::new(stream))
            }
            Listener::Sim(listener) => Stream::Sim(poll_fn(|cx| listener.poll_accept(cx)).await),
        };
        Ok(TcpStream { inner })
    }

    /// Returns the address listened on.
    ///
    /// **Errors**: `Socket` when the system does not say.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        match &self.inner {
            Listener::Uring(listener) => listener
                .local_addr()
                .map_err(|error| Error::socket("ask for the address of", "", &cause(error))),
            Listener::Sim(listener) => Ok(listener.address()),
        }
    }
}

impl TcpStream {
    /// Connects to `address`.
    ///
    /// **Errors**: `Socket` when nobody listens there or it cannot be reached.
    ///
    /// **Panics**: outside of all cores.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let machine = with_current(|core| match &core.back {
            Back::Uring(_) => None,
            Back::Sim(machine) => Some(machine.clone()),
        });
        let connected = match machine {
            None => UringStream::connect(address)
                .await
                .map(|stream| Stream::Uring(Box::new(stream)))
                .map_err(cause),
            Some(machine) => {
                super::pause::yield_now().await;
                SimStream::connect(&machine, address).map(Stream::Sim)
            }
        };
        let inner = connected.map_err(|error| Error::socket("connect to", address, &error))?;
        Ok(Self { inner })
    }

    /// Returns the other end's address.
    ///
    /// **Errors**: `Socket` when the connection is gone.
    pub fn peer_addr(&self) -> Result<SocketAddr> {
        match &self.inner {
            Stream::Uring(stream) => stream.peer_addr().map_err(|error| {
                Error::socket("ask for the peer of a connection", "", &cause(error))
            }),
            Stream::Sim(stream) => Ok(stream.peer),
        }
    }

    /// Returns this end's address.
    ///
    /// **Errors**: `Socket` when the connection is gone.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        match &self.inner {
            Stream::Uring(stream) => stream
                .local_addr()
                .map_err(|error| Error::socket("ask for the address of", "", &cause(error))),
            Stream::Sim(stream) => Ok(stream.local),
        }
    }

    /// Sends small writes at once (`true`) or lets the kernel collect them.
    ///
    /// **Errors**: `Socket` when the connection is gone.
    pub fn set_nodelay(&self, nodelay: bool) -> Result<()> {
        match &self.inner {
            Stream::Uring(stream) => stream.set_nodelay(nodelay).map_err(|error| {
                Error::socket("set TCP_NODELAY on a connection", "", &cause(error))
            }),
            Stream::Sim(_) => Ok(()),
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Stream::Uring(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
            Stream::Sim(stream) => stream.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Stream::Uring(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
            Stream::Sim(stream) => stream.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Stream::Uring(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, parts),
            Stream::Sim(stream) => {
                let first = parts.iter().find(|part| !part.is_empty());
                stream.poll_write(cx, first.map_or(&[], |part| part))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is buffered above the kernel.
        Poll::Ready(Ok(()))
    }

    /// Ends the writing direction; the other end reads its end of the stream.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Stream::Uring(stream) => match Pin::new(&mut **stream).poll_close(cx) {
                // The other end was faster.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                    Poll::Ready(Ok(()))
                }
                polled => polled,
            },
            Stream::Sim(stream) => {
                stream.end();
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("address", &self.local_addr().ok()).finish()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream").field("peer", &self.peer_addr().ok()).finish()
    }
}
