//! How much may one client ask for?
//!
//! Every bound has a name, so that an error can say which one was met and what its value is.

use std::time::Duration;

/// Bytes of a request body that is read whole. A bulk load streams and is not bound by it.
/// Cost: held in memory once per request.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// Bytes of a refused body that are still read, so that the client can read the answer.
pub const DISCARD_BYTES_MAX: usize = 64 << 20;
/// Bytes of one NDJSON line.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// Bytes of all header fields together, as HTTP/2 counts them.
pub const HEADER_LIST_BYTES_MAX: u32 = 32 << 10;
/// Header fields of an HTTP/1.1 request.
pub const HEADERS_MAX: usize = 100;
/// Streams open at once on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 256;
/// Streams a client may reset before they are processed (rapid reset).
pub const RESET_STREAMS_MAX: usize = 100;
/// Nesting of a JSON body.
pub const JSON_DEPTH_MAX: usize = 128;
/// Connections held by one core; the next one is answered by closing it.
pub const CONNECTIONS_PER_CORE_MAX: usize = 2_000;
/// Requests being worked on by one core; the next one is answered 503.
pub const REQUESTS_PER_CORE_MAX: usize = 4_096;
/// Bytes of one chunk of a streamed answer.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of an answer below which compressing it costs more than it saves.
pub const COMPRESS_BYTES_MIN: usize = 1_400;
/// Rejected records a bulk load describes; the rest are only counted.
pub const BULK_ERRORS_MAX: usize = 10;
/// Results of a structured search when the request does not say how many.
pub const RESULTS_DEFAULT: usize = 10;
/// Results of a structured search or traversal.
pub const RESULTS_MAX: usize = 10_000;
/// Records sent to the shards in one step of a bulk load.
pub const BULK_RECORDS: usize = 2_000;
/// Bytes of records sent to the shards in one step of a bulk load.
pub const BULK_BYTES: usize = 8 << 20;
/// Time a client has to send its request head.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(10);
/// Time a client has to send a whole body that is read at once.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(60);
/// Time a TLS handshake may take.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Silence on an HTTP/2 connection after which it is probed.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// Time a probe may stay unanswered.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause after a failed accept, so that running out of descriptors does not spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time open connections have to end at shutdown.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
/// How often a draining core looks whether they have.
pub const DRAIN_STEP: Duration = Duration::from_millis(10);
/// Bytes of a message of PostgreSQL's protocol before its client is known.
pub const LOGIN_BYTES_MAX: usize = 64 << 10;
/// Time a client of PostgreSQL's protocol has until it is known.
pub const LOGIN_TIME_MAX: Duration = Duration::from_secs(30);
/// Time a client may take nothing of an answer that is sent to it.
pub const SEND_TIME_MAX: Duration = Duration::from_secs(300);
/// Time a connection that ends is waited for.
pub const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);
/// Prepared statements of one connection.
pub const PREPARED_MAX: usize = 10_000;
/// Bytes of texts of one connection's prepared statements.
pub const PREPARED_BYTES_MAX: usize = 4 << 20;
/// Portals of one connection.
pub const PORTALS_MAX: usize = 1_000;
/// Bytes of parameters of one connection's portals.
pub const PORTAL_BYTES_MAX: usize = 64 << 20;
/// Pairs of names and values in a startup message.
pub const STARTUP_PARAMETERS_MAX: usize = 100;
/// Bytes a client may send ahead on one HTTP/2 stream.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// Bytes a client may send ahead on one HTTP/2 connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

const _: () = assert!(CHUNK_BYTES < BODY_BYTES_MAX, "a chunk is a part of an answer");
