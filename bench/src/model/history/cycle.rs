//! Which circles are there, and what are they called?

use std::collections::{BTreeMap, VecDeque};

use super::anomaly::Class;
use super::graph::{Edge, Graph, Kind};

/// Which edges a circle may have besides its first.
#[derive(Clone, Copy)]
struct Rule {
    first: fn(Kind) -> bool,
    rest: fn(Kind) -> bool,
    /// No two overwritten reads follow each other.
    apart: bool,
}

const RULES: [Rule; 5] = [
    Rule { first: is_write, rest: is_write, apart: false },
    Rule { first: |kind| kind == Kind::WriteRead, rest: is_known, apart: false },
    Rule { first: Kind::is_read_write, rest: is_known, apart: false },
    Rule { first: Kind::is_read_write, rest: |_| true, apart: true },
    Rule { first: Kind::is_read_write, rest: |_| true, apart: false },
];

fn is_write(kind: Kind) -> bool {
    matches!(kind, Kind::WriteWrite | Kind::RealTime)
}

fn is_known(kind: Kind) -> bool {
    !kind.is_read_write()
}

/// Returns the shortest circle found of each class, without real time if there is one.
pub(super) fn cycles(graph: &Graph) -> Vec<(Class, Vec<Edge>)> {
    let mut found: BTreeMap<(Class, bool), Vec<Edge>> = BTreeMap::new();
    for realtime in [false, true] {
        let part = components(graph, realtime);
        for rule in RULES {
            for source in 0..graph.len() {
                for edge in graph.from(source) {
                    let inside = part[edge.source] == part[edge.target];
                    let real = edge.kind == Kind::RealTime;
                    if !inside || real || !(rule.first)(edge.kind) {
                        continue;
                    }
                    let Some(cycle) = close(graph, &part, *edge, rule, realtime) else { continue };
                    let real = cycle.iter().any(|edge| edge.kind == Kind::RealTime);
                    let best = found.entry((class(&cycle), real)).or_insert_with(|| cycle.clone());
                    if cycle.len() < best.len() {
                        *best = cycle;
                    }
                }
            }
        }
    }
    found.into_iter().map(|((class, _), cycle)| (class, cycle)).collect()
}

/// Names a circle by what it is made of.
fn class(cycle: &[Edge]) -> Class {
    let overwritten = |edge: &Edge| edge.kind.is_read_write();
    let count = cycle.iter().filter(|edge| overwritten(edge)).count();
    let next = cycle.iter().cycle().skip(1);
    let adjacent = cycle.iter().zip(next).any(|(one, two)| overwritten(one) && overwritten(two));
    let searched = cycle.iter().any(|edge| edge.kind == Kind::ReadWrite { search: true });
    match count {
        0 if cycle.iter().any(|edge| edge.kind == Kind::WriteRead) => Class::G1c,
        0 => Class::G0,
        1 => Class::GSingle,
        _ if !adjacent => Class::GNonadjacent,
        _ if searched => Class::G2,
        _ => Class::G2Item,
    }
}

/// Returns the shortest circle that begins with an edge.
fn close(
    graph: &Graph,
    part: &[usize],
    first: Edge,
    rule: Rule,
    realtime: bool,
) -> Option<Vec<Edge>> {
    // Where a path stands, and whether its last edge was an overwritten read.
    type Place = (usize, bool);
    let is_overwritten = |edge: &Edge| rule.apart && edge.kind.is_read_write();
    let start: Place = (first.target, is_overwritten(&first));
    let mut came: BTreeMap<Place, (Place, Edge)> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(place) = waiting.pop_front() {
        for edge in graph.from(place.0) {
            let next: Place = (edge.target, is_overwritten(edge));
            let usable = (rule.rest)(edge.kind)
                && (realtime || edge.kind != Kind::RealTime)
                && part[edge.target] == part[first.source]
                && !(place.1 && next.1);
            if !usable || next == start || came.contains_key(&next) {
                continue;
            }
            came.insert(next, (place, *edge));
            if edge.target == first.source && !(next.1 && is_overwritten(&first)) {
                let mut path = Vec::new();
                let mut at = next;
                while at != start {
                    let (before, edge) = came[&at];
                    path.push(edge);
                    at = before;
                }
                path.push(first);
                path.reverse();
                return Some(path);
            }
            waiting.push_back(next);
        }
    }
    None
}

/// Numbers transactions so that two have the same number when each comes before the other.
///
/// **Source**: Tarjan, "Depth-first search and linear graph algorithms", 1972, without recursion.
fn components(graph: &Graph, realtime: bool) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let count = graph.len();
    let (mut order, mut low) = (vec![NONE; count], vec![NONE; count]);
    let mut part = vec![NONE; count];
    let (mut next_order, mut next_part) = (0, 0);
    let mut open: Vec<usize> = Vec::new();
    for root in 0..count {
        // A transaction, and how many of its edges were followed.
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        while order[root] == NONE || !path.is_empty() {
            let Some((at, followed)) = path.pop() else { break };
            if followed == 0 && order[at] == NONE {
                (order[at], low[at]) = (next_order, next_order);
                next_order += 1;
                open.push(at);
            }
            let Some(edge) = graph.from(at).get(followed) else {
                if low[at] == order[at] {
                    while let Some(member) = open.pop() {
                        part[member] = next_part;
                        if member == at {
                            break;
                        }
                    }
                    next_part += 1;
                }
                if let Some((before, _)) = path.last() {
                    low[*before] = low[*before].min(low[at]);
                }
                continue;
            };
            path.push((at, followed + 1));
            let target = edge.target;
            if edge.kind == Kind::RealTime && !realtime {
                continue;
            }
            if order[target] == NONE {
                path.push((target, 0));
            } else if part[target] == NONE {
                low[at] = low[at].min(order[target]);
            }
        }
    }
    part
}
