//! Is a history what was promised?

use super::anomaly::{Anomaly, Class};
use super::cycle::cycles;
use super::graph::Graph;
use super::transaction::Transaction;
use super::versions::Versions;

/// What a database promises about transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Every transaction reads at a snapshot that has whatever was answered before it began, and
    /// no two that ran at the same time wrote the same record.
    Snapshot,
    /// There is a serial order.
    Serializable,
    /// There is a serial order in which whoever was answered before somebody began comes first.
    StrictSerializable,
}

impl Promise {
    fn allows(self, anomaly: &Anomaly) -> bool {
        match self {
            Self::Snapshot => matches!(anomaly.class, Class::G2Item | Class::G2),
            Self::Serializable => anomaly.realtime,
            Self::StrictSerializable => false,
        }
    }
}

/// Returns what a history shows that was promised not to happen, worst first: at most one circle
/// of each class, the shortest found.
///
/// A committed append counts as lost only if somebody read its record later: let the last
/// transaction of a history read everything.
///
/// **Panics**: an element is appended to a record twice.
///
/// **Cost**: edges times logarithm while there is no circle; edges squared at worst.
pub fn check(history: &[Transaction], promise: Promise) -> Vec<Anomaly> {
    let versions = Versions::of(history);
    let mut anomalies = versions.anomalies();
    let graph = Graph::of(history, &versions);
    let circles = cycles(&graph);
    anomalies
        .extend(circles.iter().map(|(class, cycle)| Anomaly::of_cycle(*class, history, cycle)));
    anomalies.retain(|anomaly| !promise.allows(anomaly));
    anomalies.sort_by_key(|anomaly| (anomaly.class, anomaly.realtime));
    anomalies
}
