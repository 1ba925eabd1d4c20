//! What can be reached in a graph, and by which paths?

use std::collections::{BTreeMap, VecDeque};

/// Which way edges are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From source to target.
    Out,
    /// From target to source.
    In,
    /// Both ways.
    Both,
}

/// A graph as a list of edges; an edge's number is its place.
pub struct Graph {
    edges: Vec<(i64, i64)>,
}

impl Graph {
    /// Takes edges, each (source, target).
    pub fn new(edges: Vec<(i64, i64)>) -> Self {
        Self { edges }
    }

    /// Returns the edges at a node with the node at their other end, by number; a loop once.
    pub fn around(&self, node: i64, way: Way) -> Vec<(usize, i64)> {
        let mut found = Vec::new();
        for (number, (source, target)) in self.edges.iter().enumerate() {
            if way != Way::In && *source == node {
                found.push((number, *target));
            } else if way != Way::Out && *target == node {
                found.push((number, *source));
            }
        }
        found
    }

    /// Returns every node within `depth_max` edges of `start` with its smallest depth; `start`
    /// has depth 0.
    pub fn depths(&self, start: i64, way: Way, depth_max: u32) -> BTreeMap<i64, u32> {
        let mut depths = BTreeMap::from([(start, 0)]);
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let depth = depths[&node];
            if depth == depth_max {
                continue;
            }
            for (_, other) in self.around(node, way) {
                depths.entry(other).or_insert_with(|| {
                    queue.push_back(other);
                    depth + 1
                });
            }
        }
        depths
    }

    /// Returns every trail (no edge twice) of `min..=max` edges from `start`, as its last node
    /// and the numbers of its edges, in depth-first order.
    pub fn trails(&self, start: i64, way: Way, min: usize, max: usize) -> Vec<(i64, Vec<usize>)> {
        let mut found = Vec::new();
        self.extend(start, way, (min, max), &mut Vec::new(), &mut found);
        found
    }

    fn extend(
        &self,
        node: i64,
        way: Way,
        (min, max): (usize, usize),
        trail: &mut Vec<usize>,
        found: &mut Vec<(i64, Vec<usize>)>,
    ) {
        if trail.len() >= min {
            found.push((node, trail.clone()));
        }
        if trail.len() == max {
            return;
        }
        for (number, other) in self.around(node, way) {
            if !trail.contains(&number) {
                trail.push(number);
                self.extend(other, way, (min, max), trail, found);
                trail.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Graph, Way};
    use std::collections::BTreeMap;

    #[test]
    fn a_small_graph_is_walked_as_drawn() {
        // 1 -> 2 -> 3 -> 1, 1 => 2 again, 3 -> 3.
        let graph = Graph::new(vec![(1, 2), (2, 3), (3, 1), (1, 2), (3, 3)]);
        assert_eq!(graph.depths(1, Way::Out, 9), BTreeMap::from([(1, 0), (2, 1), (3, 2)]));
        assert_eq!(graph.depths(1, Way::Out, 1), BTreeMap::from([(1, 0), (2, 1)]));
        assert_eq!(graph.depths(2, Way::In, 9), BTreeMap::from([(2, 0), (1, 1), (3, 2)]));
        assert_eq!(graph.around(3, Way::Both), [(1, 2), (2, 1), (4, 3)]);
        let trails = graph.trails(1, Way::Out, 2, 3);
        let expected = [
            (3, vec![0, 1]),
            (1, vec![0, 1, 2]),
            (3, vec![0, 1, 4]),
            (3, vec![3, 1]),
            (1, vec![3, 1, 2]),
            (3, vec![3, 1, 4]),
        ];
        assert_eq!(trails, expected);
        assert_eq!(graph.trails(9, Way::Out, 0, 3), [(9, vec![])]);
    }
}
