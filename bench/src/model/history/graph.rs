//! Who came before whom?

use std::collections::BTreeSet;

use super::transaction::{Element, Outcome, RecordId, Transaction};
use super::versions::Versions;

/// Why a transaction came before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The other made the next version of a record.
    WriteWrite,
    /// The other saw a version it made.
    WriteRead,
    /// The other made the next version after the one it saw.
    ReadWrite {
        /// It saw it by a search.
        search: bool,
    },
    /// It had been answered before the other began.
    RealTime,
}

/// One transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) kind: Kind,
    /// Which record says so; 0 where none does.
    pub(super) record: RecordId,
    /// Which element says so; 0 where none does.
    pub(super) element: Element,
}

/// Edges between transactions, by where they start.
pub(super) struct Graph {
    edges: Vec<Vec<Edge>>,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WriteWrite => "ww",
            Self::WriteRead => "wr",
            Self::ReadWrite { .. } => "rw",
            Self::RealTime => "rt",
        }
    }

    pub(super) fn is_read_write(self) -> bool {
        matches!(self, Self::ReadWrite { .. })
    }
}

impl Graph {
    /// Finds who came before whom.
    pub(super) fn of(history: &[Transaction], versions: &Versions<'_>) -> Self {
        let mut graph = Self { edges: vec![Vec::new(); history.len()] };
        let mut known = BTreeSet::new();
        let mut add = |edge: Edge| {
            let between = (edge.source, edge.target, edge.kind);
            if edge.source != edge.target && known.insert(between) {
                graph.edges[edge.source].push(edge);
            }
        };
        for (record, order) in versions.orders() {
            for version in 1..order.len() {
                let next = versions.maker(record, version + 1);
                let (Some((source, _)), Some((target, element))) =
                    (versions.maker(record, version), next)
                else {
                    continue;
                };
                add(Edge { source, target, kind: Kind::WriteWrite, record, element });
            }
        }
        for sight in versions.sights() {
            let (reader, record) = (sight.reader, sight.record);
            if let Some((source, element)) = versions.maker(record, *sight.versions.start()) {
                add(Edge { source, target: reader, kind: Kind::WriteRead, record, element });
            }
            if let Some((target, element)) = versions.maker(record, sight.versions.end() + 1) {
                let kind = Kind::ReadWrite { search: sight.search };
                add(Edge { source: reader, target, kind, record, element });
            }
        }
        real_time(history, versions).into_iter().for_each(add);
        graph
    }

    /// Returns the number of transactions.
    pub(super) fn len(&self) -> usize {
        self.edges.len()
    }

    /// Returns the edges that start at a transaction.
    pub(super) fn from(&self, source: usize) -> &[Edge] {
        &self.edges[source]
    }
}

/// Returns edges from which every pair follows of which one was answered before the other began.
///
/// **Cost**: transactions times how many run at once, after sorting.
fn real_time(history: &[Transaction], versions: &Versions<'_>) -> Vec<Edge> {
    let mut begun: Vec<usize> =
        (0..history.len()).filter(|index| versions.is_committed(*index)).collect();
    begun.sort_by_key(|index| history[*index].begin);
    let mut edges = Vec::new();
    for &source in &begun {
        // When somebody who heard nothing was committed is not known.
        if history[source].outcome != Outcome::Committed {
            continue;
        }
        let end = history[source].end;
        let first = begun.partition_point(|index| history[*index].begin <= end);
        // Who began after one of these was answered comes after it.
        let mut answered = u64::MAX;
        for &target in &begun[first..] {
            if history[target].begin > answered {
                break;
            }
            if history[target].outcome == Outcome::Committed {
                answered = answered.min(history[target].end);
            }
            let (record, element) = (RecordId(0), Element(0));
            edges.push(Edge { source, target, kind: Kind::RealTime, record, element });
        }
    }
    edges
}
