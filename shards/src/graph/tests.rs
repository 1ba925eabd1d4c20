//! Do expansions, traversals and paths agree with a walk over a list of edges?

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;

use super::{Adjacency, Bfs, Changed, Path, Paths, Reached, Revival, TraverseOptions};
use crate::Error;
use crate::ids::{Slot, Timestamp};
use crate::key::Key;
use crate::ordered::entry_of;
use crate::request::{Direction, Neighbor};

const DIRECTIONS: [Direction; 3] = [Direction::Out, Direction::In, Direction::Both];

/// An edge of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    source: u64,
    id: u64,
    target: u64,
}

fn node(number: u64) -> Key {
    Key::from_encoded(number.to_be_bytes().to_vec().into(), Slot(number as u16 % 16))
}

fn edge_of(edge: Edge) -> Key {
    let bytes = [edge.source.to_be_bytes(), edge.id.to_be_bytes()].concat();
    Key::from_encoded(bytes.into(), node(edge.source).slot())
}

fn insert(adjacency: &mut Adjacency, edge: Edge, begin: u64) {
    let (source, target, key) = (node(edge.source), node(edge.target), edge_of(edge));
    adjacency.insert_out(&source, &target, &key, Timestamp(begin));
    adjacency.insert_in(&target, &source, &key, Timestamp(begin));
}

fn remove(adjacency: &mut Adjacency, edge: Edge, end: u64) -> bool {
    let (source, target, key) = (node(edge.source), node(edge.target), edge_of(edge));
    let out = adjacency.remove_out(&source, &target, &key, Timestamp(end));
    assert_eq!(adjacency.remove_in(&target, &source, &key, Timestamp(end)), out);
    out
}

/// Returns the edges at a node, each once, as (other end, edge), by edge key.
fn around(edges: &[Edge], direction: Direction, number: u64) -> Vec<(u64, Edge)> {
    let mut found = BTreeMap::new();
    for edge in edges {
        if direction != Direction::In && edge.source == number {
            found.insert((edge.source, edge.id), (edge.target, *edge));
        }
        if direction != Direction::Out && edge.target == number {
            found.insert((edge.source, edge.id), (edge.source, *edge));
        }
    }
    found.into_values().collect()
}

fn expected(edges: &[Edge], direction: Direction, numbers: &[u64]) -> Vec<Neighbor> {
    let mut found = Vec::new();
    for (from, number) in (0..).zip(numbers) {
        for (other, edge) in around(edges, direction, *number) {
            found.push(Neighbor { from, node: node(other), edge: edge_of(edge) });
        }
    }
    found
}

#[test]
fn loops_and_parallel_edges_are_kept_apart() {
    let mut adjacency = Adjacency::open();
    let edges = [
        Edge { source: 1, id: 1, target: 1 },
        Edge { source: 1, id: 2, target: 2 },
        Edge { source: 1, id: 3, target: 2 },
        Edge { source: 2, id: 4, target: 1 },
    ];
    edges.iter().for_each(|edge| insert(&mut adjacency, *edge, 1));
    for direction in DIRECTIONS {
        let found = adjacency.expand(direction, &[node(2), node(9), node(1)], Timestamp(1));
        assert_eq!(found, expected(&edges, direction, &[2, 9, 1]), "{direction:?}");
    }
    assert_eq!(adjacency.expand(Direction::Both, &[node(1)], Timestamp(1)).len(), 4);
    assert_eq!(adjacency.degree(Direction::Both, &node(1), Timestamp(1)), 5);
    assert_eq!(adjacency.degree(Direction::Out, &node(1), Timestamp(0)), 0);
    assert_eq!((adjacency.len(), adjacency.mirror_count()), (4, 4));
}

#[test]
fn packing_forgets_what_nobody_can_see() {
    let mut adjacency = Adjacency::open();
    let edges: Vec<Edge> =
        (0..5000).map(|id| Edge { source: id % 100, id, target: id * 7 % 100 }).collect();
    edges.iter().for_each(|edge| insert(&mut adjacency, *edge, 1 + edge.id));
    for edge in edges.iter().filter(|edge| edge.id % 2 == 0) {
        assert!(remove(&mut adjacency, *edge, 6000));
        assert!(!remove(&mut adjacency, *edge, 6001), "an edge ends once");
    }
    let loose = adjacency.memory_bytes();
    adjacency.collect(Timestamp(6000));
    let mut calls = 0;
    while adjacency.fold(&mut || {
        calls += 1;
        calls % 2 == 0
    }) {}
    assert!(adjacency.memory_bytes() * 2 < loose);
    assert!(!adjacency.fold(&mut || true));
    let left: Vec<Edge> = edges.iter().copied().filter(|edge| edge.id % 2 == 1).collect();
    for direction in DIRECTIONS {
        let found = adjacency.expand(direction, &[node(3), node(4)], Timestamp(6000));
        assert_eq!(found, expected(&left, direction, &[3, 4]));
    }
    assert_eq!(adjacency.len(), 2500);
}

#[test]
fn verify_names_missing_and_stray_edges() {
    let mut adjacency = Adjacency::open();
    let (a, b) = (Edge { source: 1, id: 1, target: 2 }, Edge { source: 1, id: 2, target: 2 });
    insert(&mut adjacency, a, 1);
    let keys = |edge: Edge| (node(edge.source), node(edge.target), edge_of(edge));
    for direction in [Direction::Out, Direction::In] {
        let check = |edges: Vec<_>| adjacency.verify(direction, edges.into_iter(), Timestamp(1));
        assert!(check(vec![keys(a)]).is_empty());
        assert!(check(vec![keys(a), keys(b)])[0].contains("is missing"));
        assert!(check(vec![])[0].contains("has no record"));
    }
}

#[test]
fn limits_are_named() {
    let mut adjacency = Adjacency::open();
    for id in 0..20 {
        insert(&mut adjacency, Edge { source: 1, id, target: 1 }, 1);
    }
    let options = TraverseOptions { depth_min: 1, depth_max: u32::MAX, steps_max: 100 };
    let mut bfs = Bfs::open(&[node(1)], options);
    assert!(run_bfs(&adjacency, &mut bfs, Direction::Out).is_ok());
    let mut paths = Paths::open(&[node(1)], options);
    match run_paths(&adjacency, &mut paths, Direction::Out) {
        Err(Error::InvalidValue(message)) => {
            assert!(message.contains("100 edges (limit \"steps_max\")"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    let stray = Neighbor { from: 7, node: node(1), edge: node(1) };
    assert!(bfs.accept(&[stray]).is_err());
}

/// Answers each round in two parts, the later one first.
fn answers(adjacency: &Adjacency, direction: Direction, frontier: &[Key]) -> [Vec<Neighbor>; 2] {
    let all = adjacency.expand(direction, frontier, Timestamp(1));
    let (a, b): (Vec<_>, Vec<_>) = all.into_iter().partition(|neighbor| neighbor.from % 2 == 0);
    [b.into_iter().rev().collect(), a]
}

fn run_bfs(a: &Adjacency, bfs: &mut Bfs, direction: Direction) -> Result<Vec<Reached>, Error> {
    let mut found = bfs.advance();
    while !bfs.frontier().is_empty() {
        for part in answers(a, direction, bfs.frontier()) {
            bfs.accept(&part)?;
        }
        found.extend(bfs.advance());
    }
    Ok(found)
}

fn run_paths(a: &Adjacency, paths: &mut Paths, direction: Direction) -> Result<Vec<Path>, Error> {
    let mut found = paths.advance();
    while !paths.frontier().is_empty() {
        for part in answers(a, direction, paths.frontier()) {
            paths.accept(&part)?;
        }
        found.extend(paths.advance());
    }
    Ok(found)
}

/// Returns (start, node, depth) of everything within reach.
fn reached(
    edges: &[Edge],
    direction: Direction,
    starts: &[u64],
    options: TraverseOptions,
) -> BTreeSet<(u32, Key, u32)> {
    let mut found = BTreeSet::new();
    for (start, first) in (0..).zip(starts) {
        let mut depths = BTreeMap::from([(*first, 0u32)]);
        let mut queue = VecDeque::from([*first]);
        while let Some(number) = queue.pop_front() {
            let depth = depths[&number];
            for (other, _) in around(edges, direction, number) {
                depths.entry(other).or_insert_with(|| {
                    queue.push_back(other);
                    depth + 1
                });
            }
        }
        let wanted = options.depth_min..=options.depth_max;
        let near = depths.into_iter().filter(|(_, depth)| wanted.contains(depth));
        found.extend(near.map(|(number, depth)| (start, node(number), depth)));
    }
    found
}

/// Returns all trails by trying every edge after every trail.
fn trails(
    edges: &[Edge],
    direction: Direction,
    trail: &mut (Vec<u64>, Vec<Edge>),
    options: TraverseOptions,
    found: &mut Vec<(Vec<u64>, Vec<Edge>)>,
) {
    let length = trail.1.len() as u32;
    if length >= options.depth_min && length <= options.depth_max {
        found.push(trail.clone());
    }
    if length >= options.depth_max {
        return;
    }
    for (other, edge) in around(edges, direction, trail.0[trail.0.len() - 1]) {
        if !trail.1.contains(&edge) {
            trail.0.push(other);
            trail.1.push(edge);
            trails(edges, direction, trail, options, found);
            trail.0.pop();
            trail.1.pop();
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, u64),
    Remove(usize),
    Fold,
    Collect(u64),
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..12, 0u64..12).prop_map(|(source, target)| Step::Insert(source, target)),
        3 => any::<prop::sample::Index>().prop_map(|index| Step::Remove(index.index(1000))),
        1 => Just(Step::Fold),
        1 => (0u64..10).prop_map(Step::Collect),
    ]
}

fn some_edges(max: usize) -> impl Strategy<Value = Vec<Edge>> {
    proptest::collection::vec((0u64..12, 0u64..12), 0..max).prop_map(|pairs| {
        let edges = (0u64..).zip(pairs);
        edges.map(|(id, (source, target))| Edge { source, id: id * 7 % 31, target }).collect()
    })
}

fn loaded(edges: &[Edge]) -> Adjacency {
    let mut adjacency = Adjacency::open();
    edges.iter().for_each(|edge| insert(&mut adjacency, *edge, 1));
    adjacency
}

proptest! {
    #[test]
    fn every_snapshot_sees_its_edges(steps in proptest::collection::vec(a_step(), 0..200)) {
        let mut adjacency = Adjacency::open();
        let mut history: Vec<(Edge, u64, u64)> = Vec::new();
        let (mut now, mut watermark) = (1, 0);
        for step in steps {
            now += 1;
            match step {
                Step::Insert(source, target) => {
                    // Some edges are versions of one edge that changed its target.
                    let id = now % 40;
                    let taken = |(edge, _, end): &&(Edge, u64, u64)| {
                        (edge.source, edge.id) == (source, id) && *end == u64::MAX
                    };
                    if history.iter().find(taken).is_some() {
                        continue;
                    }
                    let edge = Edge { source, id, target };
                    insert(&mut adjacency, edge, now);
                    history.push((edge, now, u64::MAX));
                }
                Step::Remove(index) if !history.is_empty() => {
                    let index = index % history.len();
                    let current = history[index].2 == u64::MAX;
                    let same = |(edge, _, end): &(Edge, u64, u64)| {
                        *edge == history[index].0 && *end == u64::MAX
                    };
                    let again = history.iter().any(same);
                    if current || !again {
                        prop_assert_eq!(remove(&mut adjacency, history[index].0, now), current);
                    }
                    if current {
                        history[index].2 = now;
                    }
                }
                Step::Remove(_) => {}
                Step::Fold => { adjacency.fold(&mut || true); }
                Step::Collect(back) => {
                    watermark = watermark.max(now.saturating_sub(back));
                    adjacency.collect(Timestamp(watermark));
                }
            }
        }
        let numbers: Vec<u64> = (0..12).collect();
        let keys: Vec<Key> = numbers.iter().map(|number| node(*number)).collect();
        for snapshot in watermark..=now {
            let edges: Vec<Edge> = history
                .iter()
                .filter(|(_, begin, end)| (*begin..*end).contains(&snapshot))
                .map(|(edge, ..)| *edge)
                .collect();
            for direction in DIRECTIONS {
                let found = adjacency.expand(direction, &keys, Timestamp(snapshot));
                prop_assert_eq!(&found, &expected(&edges, direction, &numbers));
                if direction != Direction::Both {
                    let degree = adjacency.degree(direction, &keys[5], Timestamp(snapshot));
                    prop_assert_eq!(degree, around(&edges, direction, 5).len());
                    let all = edges.iter()
                        .map(|edge| (node(edge.source), node(edge.target), edge_of(*edge)));
                    let findings = adjacency.verify(direction, all, Timestamp(snapshot));
                    prop_assert_eq!(findings, Vec::<String>::new());
                }
            }
        }
    }

    #[test]
    fn each_node_is_reached_once_at_its_smallest_depth(
        edges in some_edges(30),
        starts in proptest::collection::vec(0u64..12, 0..4),
        depths in (0u32..3, 0u32..5),
        direction in proptest::sample::select(&DIRECTIONS[..]),
    ) {
        let adjacency = loaded(&edges);
        let options = TraverseOptions::depths(depths.0, depths.1);
        let keys: Vec<Key> = starts.iter().map(|number| node(*number)).collect();
        let mut bfs = Bfs::open(&keys, options);
        let found = run_bfs(&adjacency, &mut bfs, direction).unwrap();
        let set: BTreeSet<_> =
            found.iter().map(|r| (r.start, r.node.clone(), r.depth)).collect();
        prop_assert_eq!(set.len(), found.len());
        prop_assert_eq!(set, reached(&edges, direction, &starts, options));
        prop_assert!(found.is_sorted_by_key(|r| (r.depth, r.start, r.node.clone())));
    }

    #[test]
    fn every_trail_is_found_once(
        edges in some_edges(10),
        starts in proptest::collection::vec(0u64..12, 0..3),
        depths in (0u32..3, 0u32..5),
        direction in proptest::sample::select(&DIRECTIONS[..]),
    ) {
        let adjacency = loaded(&edges);
        let options = TraverseOptions::depths(depths.0, depths.1);
        let keys: Vec<Key> = starts.iter().map(|number| node(*number)).collect();
        let mut paths = Paths::open(&keys, options);
        let found = run_paths(&adjacency, &mut paths, direction).unwrap();
        let mut wanted = Vec::new();
        for (start, number) in (0u32..).zip(&starts) {
            let mut trail = (vec![*number], Vec::new());
            let mut own = Vec::new();
            trails(&edges, direction, &mut trail, options, &mut own);
            wanted.extend(own.into_iter().map(|(nodes, edges)| Path {
                start,
                nodes: nodes.into_iter().map(node).collect(),
                edges: edges.into_iter().map(edge_of).collect(),
            }));
        }
        wanted.sort_by_key(|path| (path.edges.len(), path.start, path.edges.clone()));
        let order = |path: &Path| (path.edges.len(), path.start, path.edges.clone());
        prop_assert!(found.iter().all(|path| path.end() == path.nodes.last()));
        prop_assert!(found.is_sorted_by_key(order));
        prop_assert_eq!(found, wanted);
    }
}

/// Notes an edge that changes while an image is written.
fn note(edge: Edge, changed: &mut BTreeSet<Arc<[u8]>>) {
    let (key, target) = (edge_of(edge), node(edge.target));
    changed.insert(Changed::Out(key.bytes()).key());
    changed.insert(Changed::Into(&entry_of(target.bytes(), key.bytes())).key());
}

/// Writes an image in small blocks; `between` runs after each.
fn image_of(
    adjacency: &mut Adjacency,
    mut between: impl FnMut(&mut Adjacency),
) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (head, mut portrayal) = adjacency.begin_image();
    portrayal.set_sizes(40, 2);
    let mut blocks = Vec::new();
    while let Some(block) = adjacency.image_block(&mut portrayal) {
        blocks.push(block);
        between(adjacency);
    }
    (head, blocks)
}

fn read_back(
    head: &[u8],
    blocks: &[Vec<u8>],
    changed: &BTreeSet<Arc<[u8]>>,
) -> Result<Adjacency, Error> {
    let mut revival = Revival::begin(head)?;
    for block in blocks {
        revival.take(block, changed)?;
    }
    revival.finish()
}

type Seen = BTreeSet<(Key, Key, Key)>;

fn seen(adjacency: &Adjacency) -> (Seen, Seen) {
    let at = Timestamp(u64::MAX - 1);
    (adjacency.edges(Direction::Out, at), adjacency.edges(Direction::In, at))
}

#[test]
fn an_image_of_nodes_without_edges_has_no_more_numbers_than_nodes() {
    let chain = |id| Edge { source: id, id, target: id + 1 };
    let edges: Vec<Edge> = (0..4000).map(chain).collect();
    let mut adjacency = loaded(&edges);
    edges[300..].iter().for_each(|edge| assert!(remove(&mut adjacency, *edge, 2)));
    let (head, blocks) = image_of(&mut adjacency, |_| {});
    let back = read_back(&head, &blocks, &BTreeSet::new()).unwrap();
    assert_eq!(back.nodes.len(), 301);
    assert_eq!(seen(&back), seen(&adjacency));
    assert_eq!((back.len(), back.mirror_count()), (300, 300));
}

#[test]
fn no_byte_of_an_image_makes_the_reader_panic() {
    let edges: Vec<Edge> =
        (0..90).map(|id| Edge { source: id % 7, id, target: id * 5 % 80 }).collect();
    let (head, blocks) = image_of(&mut loaded(&edges), |_| {});
    let none = BTreeSet::new();
    assert!(read_back(&head, &blocks[..blocks.len() - 1], &none).is_err(), "it has no end");
    assert!(read_back(&head, &blocks[1..], &none).is_err(), "it has no nodes");
    for (number, block) in blocks.iter().enumerate() {
        for at in 0..block.len() {
            for bits in [1, 0x80, 0xff] {
                let mut changed = blocks.clone();
                changed[number][at] ^= bits;
                // Checksums keep such bytes away; what is asked here is that they do no harm.
                drop(read_back(&head, &changed, &none));
            }
            let mut cut = blocks.clone();
            cut[number].truncate(at);
            assert!(read_back(&head, &cut, &none).is_err(), "block {number} cut at {at}");
        }
    }
}

proptest! {
    #[test]
    fn an_image_has_what_is_current(
        steps in proptest::collection::vec(a_step(), 0..300),
        later in proptest::collection::vec(a_step(), 0..30),
    ) {
        let mut adjacency = Adjacency::open();
        let mut current: Vec<Edge> = Vec::new();
        let mut now = 1;
        let mut play = |adjacency: &mut Adjacency, step: &Step, current: &mut Vec<Edge>| {
            now += 1;
            match step {
                Step::Insert(source, target) => {
                    let edge = Edge { source: *source, id: now, target: *target };
                    insert(adjacency, edge, now);
                    current.push(edge);
                    return Some(edge);
                }
                Step::Remove(index) if !current.is_empty() => {
                    let edge = current.swap_remove(index % current.len());
                    assert!(remove(adjacency, edge, now));
                    return Some(edge);
                }
                Step::Collect(back) => adjacency.collect(Timestamp(now.saturating_sub(*back))),
                Step::Fold => drop(adjacency.fold(&mut || true)),
                Step::Remove(_) => {}
            }
            None
        };
        for step in &steps {
            play(&mut adjacency, step, &mut current);
        }
        let mut changed = BTreeSet::new();
        let mut later = later.iter();
        let kept = current.clone();
        let (head, blocks) = image_of(&mut adjacency, |adjacency| {
            let step = later.next().unwrap_or(&Step::Fold);
            if let Some(edge) = play(adjacency, step, &mut current) {
                note(edge, &mut changed);
            }
        });
        let back = read_back(&head, &blocks, &changed).unwrap();
        // What was there at the beginning and did not change.
        let mut wanted = kept;
        wanted.retain(|edge| current.contains(edge));
        prop_assert_eq!(seen(&back), seen(&loaded(&wanted)));
        prop_assert_eq!((back.len(), back.mirror_count()), (wanted.len(), wanted.len()));
        let numbers: Vec<Key> = (0..12).map(node).collect();
        for direction in DIRECTIONS {
            let [found, _] = answers(&back, direction, &numbers);
            let [expected, _] = answers(&loaded(&wanted), direction, &numbers);
            prop_assert_eq!(found, expected);
        }
    }
}
