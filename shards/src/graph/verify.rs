//! Does the adjacency say what the records say?

use std::collections::BTreeSet;

use super::adjacency::Adjacency;
use super::encode::edge_key;
use super::nodes::NodeId;
use crate::ids::Timestamp;
use crate::key::Key;
use crate::request::Direction;

/// Findings reported before the rest is only counted.
const FINDINGS_MAX: usize = 20;

impl Adjacency {
    /// Compares one side at a snapshot with the edges that should be there, each as (source,
    /// target, edge key): `Out` with the edges whose source is on this shard, `In` with those
    /// whose target is. Returns one sentence per difference; empty means they agree.
    ///
    /// **Cost**: holds both sets of keys in memory.
    pub fn verify(
        &self,
        direction: Direction,
        edges: impl Iterator<Item = (Key, Key, Key)>,
        snapshot: Timestamp,
    ) -> Vec<String> {
        let expected: BTreeSet<(Key, Key, Key)> = edges.collect();
        let found = self.edges(direction, snapshot);
        let mut findings = Vec::new();
        for (source, target, edge) in expected.difference(&found) {
            findings.push(format!("edge {edge:?} from {source:?} to {target:?} is missing"));
        }
        for (source, target, edge) in found.difference(&expected) {
            findings.push(format!("edge {edge:?} from {source:?} to {target:?} has no record"));
        }
        if findings.len() > FINDINGS_MAX {
            let more = findings.len() - FINDINGS_MAX;
            findings.truncate(FINDINGS_MAX);
            findings.push(format!("{more} more differences in the adjacency"));
        }
        findings
    }

    /// Returns the edges of one or both sides at a snapshot as (source, target, edge key).
    pub fn edges(&self, direction: Direction, snapshot: Timestamp) -> BTreeSet<(Key, Key, Key)> {
        let mut found = BTreeSet::new();
        let mut links = Vec::new();
        for number in 0..self.nodes.len() as u32 {
            let node = NodeId(number);
            let key = self.nodes.key(node);
            for (leaves, side) in [(true, &self.out), (false, &self.into)] {
                let skipped = if leaves { Direction::In } else { Direction::Out };
                let Some(page) = side.page(node).filter(|_| direction != skipped) else { continue };
                links.clear();
                page.visible(&self.nodes, side.end(), node, snapshot, &mut links);
                for link in &links {
                    let other = self.nodes.key(link.other);
                    let (source, target) = if leaves { (key, other) } else { (other, key) };
                    let edge = edge_key(source, link.name);
                    found.insert((source.clone(), target.clone(), edge));
                }
            }
        }
        found
    }
}
