//! What is measured, and how hard?

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;

/// The workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `SELECT … WHERE id = $1` on random records.
    PointRead,
    /// As `PointRead`, each stream of requests in a `READ ONLY` transaction of its own.
    SnapshotRead,
    /// Durable single-record `INSERT`.
    PointWrite,
    /// Nine point reads to one `UPDATE`.
    Mixed,
    /// The ten nearest of random query vectors.
    Vector,
    /// The ten best matches of two random words.
    Text,
    /// Two hops from a random node.
    Traverse,
    /// An aggregate over the whole table.
    Scan,
    /// The sum of one column of the whole table.
    Sum,
    /// Two `UPDATE`s in one transaction, from one random account to another. Afterwards all
    /// balances are compared with what was answered.
    Transfer,
    /// `INSERT` of two records that one shard owns.
    PairNear,
    /// `INSERT` of two records that two shards own.
    PairFar,
    /// NDJSON documents into a collection.
    Bulk,
}

impl Kind {
    /// Returns whether its requests are answered when they are in the log.
    pub fn writes(self) -> bool {
        use Kind::{Bulk, Mixed, PairFar, PairNear, PointWrite, Transfer};
        matches!(self, PointWrite | Mixed | Transfer | PairNear | PairFar | Bulk)
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The server.
    pub address: SocketAddr,
    /// What is sent.
    pub kind: Kind,
    /// HTTP/2 connections.
    pub connections: usize,
    /// Requests each connection has on the way at a time.
    pub in_flight: usize,
    /// How long requests are measured; the first tenth is left out of the figures.
    pub time: Duration,
    /// Requests a second over all connections (open loop); `None` = as many as go through.
    pub rate: Option<f64>,
    /// Records the data set has.
    pub records: u64,
    /// Bytes of text in each row, for the workloads of rows; 0 = a short name.
    pub text_bytes: usize,
    /// Dimensions of vectors.
    pub dimension: usize,
    /// Seed of data and requests.
    pub seed: u64,
    /// Leaves the data set of an earlier run in place.
    pub keep: bool,
}

impl LoadOptions {
    /// Returns how many requests are on the way at a time.
    pub fn streams(&self) -> usize {
        self.connections * self.in_flight
    }
}
