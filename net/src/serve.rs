//! How does one core accept connections and serve them?
//!
//! Every core listens on the same address (`SO_REUSEPORT`); the kernel spreads connections, and
//! the core that accepted one coordinates all its requests.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsAcceptor;
use hyper::service::service_fn;
use hyper_util::server::conn::auto;
use pieskieo_io::rt::{self, Queue, TcpListener, TcpStream};

use crate::error::StartError;
use crate::front::Front;
use crate::http::connection::Connection;
use crate::hyper_io::{CoreExecutor, CoreTimer, HyperIo};
use crate::{limits, postgres, tls};

/// One core's open door.
pub struct Door {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    speaks: Speaks,
    front: Rc<Front>,
}

/// Which protocol a door speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1 and HTTP/2.
    Http,
    /// PostgreSQL's.
    Postgres,
}

impl Door {
    /// Starts listening as the first core of this process: the address must be free.
    /// Connections wait in the backlog until [`Door::serve`] runs.
    ///
    /// **Errors**: the address is taken or not ours; the certificate cannot be used.
    pub fn open_first(
        speaks: Speaks,
        address: SocketAddr,
        front: Rc<Front>,
    ) -> Result<Self, StartError> {
        Self::on(TcpListener::bind_first(address), speaks, address, front)
    }

    /// Starts listening where the first core of this process does.
    ///
    /// **Errors**: as [`Door::open_first`].
    pub fn open(speaks: Speaks, address: SocketAddr, front: Rc<Front>) -> Result<Self, StartError> {
        Self::on(TcpListener::bind(address), speaks, address, front)
    }

    fn on(
        listener: Result<TcpListener, pieskieo_io::Error>,
        speaks: Speaks,
        address: SocketAddr,
        front: Rc<Front>,
    ) -> Result<Self, StartError> {
        let protocols = match speaks {
            Speaks::Http => tls::HTTP,
            Speaks::Postgres => tls::POSTGRES,
        };
        let acceptor = front.options.tls.as_ref().map(|files| tls::acceptor(files, protocols));
        let acceptor = acceptor.transpose()?;
        let listener = listener.map_err(|error| StartError::Listen {
            address,
            cause: match error {
                pieskieo_io::Error::Socket { text, .. } => text,
                other => other.to_string(),
            },
        })?;
        Ok(Self { listener, acceptor, speaks, front })
    }

    /// Returns the address listened on, with the port the system chose if 0 was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Accepts until shutdown is requested, then lets requests in progress end.
    pub async fn serve(self) {
        let open = Rc::new(Cell::new(0_usize));
        loop {
            let accept = std::pin::pin!(self.listener.accept());
            let stop = std::pin::pin!(rt::shutdown_requested());
            let stream = match select(stop, accept).await {
                Either::Left(_) => break,
                Either::Right((Ok(stream), _)) => stream,
                Either::Right((Err(error), _)) => {
                    tracing::warn!(%error, "accept a connection");
                    rt::sleep(limits::ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if open.get() >= limits::CONNECTIONS_PER_CORE_MAX {
                metrics::counter!("pieskieo_connections_refused_total").increment(1);
                continue;
            }
            self.spawn(stream, open.clone());
        }
        let Self { listener, front, .. } = self;
        // Who comes now is refused at once instead of waiting for nobody.
        drop(listener);
        front.set_ready(false);
        drain(&open).await;
    }

    fn spawn(&self, stream: TcpStream, open: Rc<Cell<usize>>) {
        open.set(open.get() + 1);
        let acceptor = self.acceptor.clone();
        let (speaks, front) = (self.speaks, self.front.clone());
        drop(rt::spawn(Queue::Net, "connection", async move {
            metrics::gauge!("pieskieo_connections_open").increment(1.0);
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "set TCP_NODELAY");
            }
            match (speaks, acceptor) {
                (Speaks::Postgres, acceptor) => postgres::serve(stream, acceptor, front).await,
                (Speaks::Http, None) => converse(stream, front).await,
                (Speaks::Http, Some(acceptor)) => {
                    let shake = rt::timeout(limits::HANDSHAKE_TIME_MAX, acceptor.accept(stream));
                    match shake.await {
                        Ok(Ok(stream)) => converse(stream, front).await,
                        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
                        Err(_) => tracing::debug!("TLS handshake took too long"),
                    }
                }
            }
            metrics::gauge!("pieskieo_connections_open").decrement(1.0);
            open.set(open.get() - 1);
        }));
    }
}

/// Waits for open connections, at most `DRAIN_TIME_MAX`.
async fn drain(open: &Cell<usize>) {
    let steps = limits::DRAIN_TIME_MAX.as_millis() / limits::DRAIN_STEP.as_millis();
    for _ in 0..steps {
        if open.get() == 0 {
            return;
        }
        rt::sleep(limits::DRAIN_STEP).await;
    }
    tracing::warn!(connections = open.get(), "closing connections that did not end in time");
}

/// Speaks HTTP/1.1 or HTTP/2 on one connection until it ends.
async fn converse<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, front: Rc<Front>) {
    let connection = Rc::new(Connection::open(front));
    let service = service_fn(move |request| {
        let connection = connection.clone();
        async move { Ok::<_, std::convert::Infallible>(connection.answer(request).await) }
    });
    let builder = builder();
    let mut conversation = std::pin::pin!(
        builder.serve_connection(HyperIo::guarded(stream, limits::HEADER_TIME_MAX), service)
    );
    let stop = std::pin::pin!(rt::shutdown_requested());
    let result = match select(conversation.as_mut(), stop).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended");
    }
}

fn builder() -> auto::Builder<CoreExecutor> {
    let mut builder = auto::Builder::new(CoreExecutor);
    builder
        .http1()
        .timer(CoreTimer)
        .header_read_timeout(limits::HEADER_TIME_MAX)
        .max_headers(limits::HEADERS_MAX)
        .max_buf_size(limits::HEADER_LIST_BYTES_MAX as usize * 2)
        .pipeline_flush(true);
    builder
        .http2()
        .timer(CoreTimer)
        .max_concurrent_streams(limits::STREAMS_MAX)
        .max_header_list_size(limits::HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(limits::RESET_STREAMS_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(limits::KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEP_ALIVE_TIMEOUT);
    builder
}
