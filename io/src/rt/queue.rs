//! Which work goes first?

use std::time::Duration;

/// The queue a task runs in. Queues share the core by weight; the short ones also shorten how
/// long others may run before they are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Connections: parsing, answering.
    Net,
    /// Messages of other cores.
    Lanes,
    /// The log and everything a commit waits for.
    Commit,
    /// Statements.
    Query,
    /// Long reads of whole tables and logs.
    Scan,
    /// Index maintenance, merges: whenever nothing else wants the core.
    Maintenance,
}

impl Queue {
    /// Every queue, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Net, Self::Lanes, Self::Commit, Self::Query, Self::Scan, Self::Maintenance];

    /// Returns the queue's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Lanes => "lanes",
            Self::Commit => "commit",
            Self::Query => "query",
            Self::Scan => "scan",
            Self::Maintenance => "maintenance",
        }
    }

    /// Returns the weight: with all queues busy each gets its part of the sum.
    pub(crate) fn shares(self) -> usize {
        match self {
            Self::Net | Self::Lanes | Self::Commit => 1000,
            Self::Query => 600,
            Self::Scan => 200,
            Self::Maintenance => 50,
        }
    }

    /// Returns how long its tasks may have to wait while others run.
    pub(crate) fn latency(self) -> Duration {
        match self {
            Self::Net | Self::Scan | Self::Maintenance => Duration::from_millis(1),
            Self::Lanes | Self::Commit => Duration::from_micros(500),
            Self::Query => Duration::from_millis(5),
        }
    }
}
