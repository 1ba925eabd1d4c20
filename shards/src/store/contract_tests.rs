//! Does every kind of index answer as a full scan of the records would?
//!
//! Random commits, staged writes, collections and index changes run against a store and against
//! a list of versions; after each step every access path is compared with what the list says, at
//! the newest snapshot and at an old one, with and without a transaction's own writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, BooleanArray, RecordBatch};
use pieskieo_io::sim::{SimOptions, World};
use proptest::prelude::*;

use super::rig::Rig;
use crate::Error;
use crate::catalog::{Altered, Catalog, Column, Index, IndexKind, Table, TableKind, TextField};
use crate::ids::{ColumnId, IndexId, TableId, Timestamp, TxnId};
use crate::key::{Key, KeyBounds, KeyForm, KeyRange};
use crate::request::{
    Access, Direction, Expect, ReadView, RowFilter, ScanColumn, ScanSpec, Write, WriteOp,
};
use crate::row;
use crate::text::{TextNode, TextQuery};
use crate::value::{ColumnType, Value};
use crate::vector::Metric;

const NODE: TableId = TableId(1);
const EDGE: TableId = TableId(2);
const ORDERED: IndexId = IndexId(1);
const VECTOR: IndexId = IndexId(2);
const TEXT: IndexId = IndexId(3);
const TXN: TxnId = TxnId(9);
const WORDS: [&str; 4] = ["ash", "birch", "cedar", "dogwood"];

/// One node record: `(id, a, words, v)`; `a` and `v` may be null.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    a: Option<i64>,
    words: Vec<usize>,
    v: Option<(i8, i8)>,
}

/// A record's versions as `(begin, end, row)`.
type History<R> = BTreeMap<i64, Vec<(u64, u64, R)>>;

fn column(id: u32, name: &str, ty: ColumnType, not_null: bool) -> Column {
    Column {
        id: ColumnId(id),
        name: name.into(),
        ty,
        not_null,
        default: None,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
        comment: None,
    }
}

fn indexes() -> Vec<Arc<Index>> {
    let index =
        |id, name: &str, kind| Arc::new(Index { id, name: name.into(), kind, comment: None });
    let vector = IndexKind::Vector {
        column: 3,
        metric: Metric::L2,
        m: 8,
        ef_construction: 64,
        ef_search: 64,
    };
    let fields = vec![TextField { column: 2, path: Vec::new() }];
    vec![
        index(ORDERED, "by_a", IndexKind::Ordered { columns: vec![1, 0] }),
        index(VECTOR, "by_v", vector),
        index(TEXT, "by_words", IndexKind::Text { fields, stem: false }),
    ]
}

fn node_table(indexes: Vec<Arc<Index>>) -> Arc<Table> {
    Arc::new(Table {
        id: NODE,
        name: "node".into(),
        kind: TableKind::Relation,
        columns: vec![
            column(1, "id", ColumnType::BigInt, true),
            column(2, "a", ColumnType::BigInt, false),
            column(3, "words", ColumnType::Text, false),
            column(4, "v", ColumnType::Vector(2), false),
        ],
        key: vec![0],
        routing: 1,
        indexes,
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    })
}

fn edge_table() -> Arc<Table> {
    Arc::new(Table {
        id: EDGE,
        name: "edge".into(),
        kind: TableKind::Edge { source: NODE, target: NODE },
        columns: vec![
            column(1, "src", ColumnType::BigInt, true),
            column(2, "dst", ColumnType::BigInt, true),
            column(3, "_id", ColumnType::BigInt, true),
        ],
        key: vec![0, 2],
        routing: 1,
        indexes: Vec::new(),
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    })
}

fn catalog(indexed: bool) -> Arc<Catalog> {
    let mut catalog = Catalog::empty(1);
    let indexes = if indexed { indexes() } else { Vec::new() };
    catalog.tables.insert(NODE, node_table(indexes));
    catalog.tables.insert(EDGE, edge_table());
    Arc::new(catalog)
}

fn node_key(id: i64) -> Key {
    Key::for_node(&ColumnType::BigInt, &Value::BigInt(id)).expect("a key")
}

fn text_of(node: &Node) -> String {
    node.words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ")
}

fn node_write(id: i64, node: Option<&Node>) -> Write {
    let op = match node {
        None => WriteOp::Delete,
        Some(node) => {
            let vector = |(x, y): (i8, i8)| Value::Vector([f32::from(x), f32::from(y)].into());
            let values = [
                Value::BigInt(id),
                node.a.map_or(Value::Null, Value::BigInt),
                Value::Text(text_of(node).into()),
                node.v.map_or(Value::Null, vector),
            ];
            WriteOp::Put(row::encode(&node_table(Vec::new()), &values).expect("a row"))
        }
    };
    Write { table: NODE, key: node_key(id), op, expect: Expect::Any }
}

/// The writes that make edge `id` lead from `id % 4` to `now` instead of `before`.
fn edge_writes(id: i64, before: Option<i64>, now: Option<i64>) -> Vec<Write> {
    let source = id % 4;
    let table = edge_table();
    let values = |dst| [Value::BigInt(source), Value::BigInt(dst), Value::BigInt(id)];
    let key = Key::of_row(&table, &values(0)).expect("a key");
    let write = |op| Write { table: EDGE, key: key.clone(), op, expect: Expect::Any };
    let mirror = |dst, present| {
        let (source, target) = (node_key(source), node_key(dst));
        write(WriteOp::Mirror { source, target, present })
    };
    let mut writes = Vec::new();
    match now {
        Some(dst) => {
            writes.push(write(WriteOp::Put(row::encode(&table, &values(dst)).expect("a row"))));
        }
        None => writes.push(write(WriteOp::Delete)),
    }
    if before != now {
        writes.extend(before.map(|dst| mirror(dst, false)));
        writes.extend(now.map(|dst| mirror(dst, true)));
    }
    writes
}

/// One step of a run.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(i64, Option<Node>)>, Vec<(i64, Option<i64>)>),
    Stage(Vec<(i64, Option<Node>)>, Vec<(i64, Option<i64>)>),
    /// Commits what is staged.
    CommitStaged,
    /// Moves the watermark, and the horizon of the past, to this many commits ago and lets so many
    /// steps of upkeep run.
    Maintain(u64, u64, usize),
    /// Drops all indexes and builds them again.
    Rebuild,
    /// Applies the last commit once more, as a replay would.
    Replay,
    /// Writes what is in memory to runs.
    Flush,
    /// Merges runs.
    Merge,
}

fn node() -> impl Strategy<Value = Node> {
    let words = prop::collection::vec(0..WORDS.len(), 0..4);
    let vector = prop::option::weighted(0.8, (-3..4_i8, -3..4_i8));
    (prop::option::weighted(0.8, 0..4_i64), words, vector).prop_map(|(a, words, v)| Node {
        a,
        words,
        v,
    })
}

/// What happens to node records and to edges; `None` deletes.
type Writes = (Vec<(i64, Option<Node>)>, Vec<(i64, Option<i64>)>);

fn writes() -> impl Strategy<Value = Writes> {
    let nodes = prop::collection::btree_map(0..12_i64, prop::option::weighted(0.75, node()), 0..4);
    let edges =
        prop::collection::btree_map(0..10_i64, prop::option::weighted(0.75, 0..4_i64), 0..3);
    (nodes, edges)
        .prop_map(|(nodes, edges)| (nodes.into_iter().collect(), edges.into_iter().collect()))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => writes().prop_map(|(nodes, edges)| Step::Commit(nodes, edges)),
        3 => writes().prop_map(|(nodes, edges)| Step::Stage(nodes, edges)),
        1 => Just(Step::CommitStaged),
        2 => (0..4_u64, 0..16_u64, 0..40_usize)
            .prop_map(|(ago, past, steps)| Step::Maintain(ago, past, steps)),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Replay),
        3 => Just(Step::Flush),
        2 => Just(Step::Merge),
    ]
}

/// The store and the list it is compared with.
struct Run {
    store: Rig,
    nodes: History<Node>,
    edges: History<i64>,
    staged_nodes: BTreeMap<i64, Option<Node>>,
    staged_edges: BTreeMap<i64, Option<i64>>,
    now: u64,
    watermark: u64,
    horizon: u64,
    last: Vec<Write>,
}

fn change<R>(history: &mut History<R>, id: i64, row: Option<R>, at: u64) {
    let versions = history.entry(id).or_default();
    if let Some(last) = versions.last_mut()
        && last.1 == u64::MAX
    {
        last.1 = at;
    }
    versions.extend(row.map(|row| (at, u64::MAX, row)));
}

fn visible<R: Clone>(
    history: &History<R>,
    staged: Option<&BTreeMap<i64, Option<R>>>,
    snapshot: u64,
) -> BTreeMap<i64, R> {
    let mut rows = BTreeMap::new();
    for (id, versions) in history {
        let at = versions.iter().find(|(begin, end, _)| *begin <= snapshot && snapshot < *end);
        rows.extend(at.map(|(_, _, row)| (*id, row.clone())));
    }
    for (id, row) in staged.into_iter().flatten() {
        rows.remove(id);
        rows.extend(row.clone().map(|row| (*id, row)));
    }
    rows
}

impl Run {
    async fn new() -> Self {
        let mut store = Rig::open(catalog(true)).on_disk().await;
        store.serve();
        store.set_horizon(Timestamp(0));
        Self {
            store,
            nodes: BTreeMap::new(),
            edges: BTreeMap::new(),
            staged_nodes: BTreeMap::new(),
            staged_edges: BTreeMap::new(),
            now: 1,
            watermark: 0,
            horizon: 0,
            last: Vec::new(),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Commit(nodes, edges) => self.commit(nodes, edges).await,
            Step::Stage(nodes, edges) => {
                let mut writes = Vec::new();
                for (id, node) in nodes {
                    writes.push(node_write(id, node.as_ref()));
                    self.staged_nodes.insert(id, node);
                }
                let before = visible(&self.edges, Some(&self.staged_edges), self.now);
                for (id, dst) in edges {
                    writes.extend(edge_writes(id, before.get(&id).copied(), dst));
                    self.staged_edges.insert(id, dst);
                }
                let staged = self.store.stage_loading(TXN, writes, Timestamp(self.now)).await;
                staged.expect("no check can fail");
            }
            Step::CommitStaged => {
                self.now += 1;
                self.last = self.store.unstage(TXN);
                for write in &self.last {
                    self.store.apply_loading(write, Timestamp(self.now)).await;
                }
                for (id, node) in std::mem::take(&mut self.staged_nodes) {
                    change(&mut self.nodes, id, node, self.now);
                }
                for (id, dst) in std::mem::take(&mut self.staged_edges) {
                    change(&mut self.edges, id, dst, self.now);
                }
            }
            Step::Maintain(ago, past, mut steps) => {
                self.watermark = self.watermark.max(self.now.saturating_sub(ago));
                self.store.set_watermark(Timestamp(self.watermark));
                self.horizon = self.horizon.max(self.watermark.saturating_sub(past));
                self.store.set_horizon(Timestamp(self.horizon));
                self.store.maintain(&mut || {
                    steps = steps.saturating_sub(1);
                    steps > 0
                });
            }
            Step::Rebuild => {
                self.store.install_loading(catalog(false)).await;
                self.store.install_loading(catalog(true)).await;
            }
            Step::Flush => self.store.flush().await,
            Step::Merge => self.store.merge().await,
            Step::Replay => {
                for write in &self.last {
                    self.store.apply_loading(write, Timestamp(self.now)).await;
                }
            }
        }
    }

    /// Commits; a transaction that staged edges would lose a race on them, so it is given up.
    async fn commit(&mut self, nodes: Vec<(i64, Option<Node>)>, edges: Vec<(i64, Option<i64>)>) {
        if !edges.is_empty() {
            self.store.unstage(TXN);
            self.staged_nodes.clear();
            self.staged_edges.clear();
        }
        let before = visible(&self.edges, None, self.now);
        self.now += 1;
        self.last.clear();
        for (id, node) in nodes {
            self.last.push(node_write(id, node.as_ref()));
            change(&mut self.nodes, id, node, self.now);
        }
        for (id, dst) in edges {
            if dst.is_some() || before.contains_key(&id) {
                self.last.extend(edge_writes(id, before.get(&id).copied(), dst));
                change(&mut self.edges, id, dst, self.now);
            }
        }
        for write in &self.last {
            // Half of the nodes are written twice in the same commit: only the last counts.
            if write.table == NODE && write.key.slot().0 % 2 == 0 {
                let decoy = Node { a: Some(1), words: vec![0, 2], v: Some((1, 1)) };
                let number = write.key.decode(&[ColumnType::BigInt]).expect("a node");
                let Value::BigInt(id) = number[0] else { panic!("{number:?}") };
                let decoy = node_write(id, Some(&decoy));
                self.store.apply_loading(&decoy, Timestamp(self.now)).await;
            }
            self.store.apply_loading(write, Timestamp(self.now)).await;
        }
    }

    async fn compare(&self) {
        let past = |snapshot| (snapshot, None, true);
        for (snapshot, txn, past) in [
            (self.now, None, false),
            (self.watermark.max(self.now - 1), None, false),
            (self.now, Some(TXN), false),
            past(self.horizon),
            past((self.horizon + self.now) / 2),
            past(self.now),
        ] {
            let staged = txn.map(|_| &self.staged_nodes);
            let nodes = visible(&self.nodes, staged, snapshot);
            let edges = visible(&self.edges, txn.map(|_| &self.staged_edges), snapshot);
            let reader = Reader {
                store: &self.store,
                view: ReadView { txn, past, ..ReadView::at(Timestamp(snapshot)) },
            };
            reader.compare_orders(&nodes).await;
            reader.compare_nearest(&nodes).await;
            reader.compare_matching(&nodes).await;
            reader.compare_edges(&edges).await;
        }
        assert_eq!(self.store.verify_loading().await, Vec::<String>::new());
    }
}

/// Passes rows whose `id` is not a multiple of three.
#[derive(Debug)]
struct NotThird;

impl RowFilter for NotThird {
    fn columns(&self) -> &[ScanColumn] {
        &[ScanColumn::Column(0)]
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray, Error> {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        Ok(ids.values().iter().map(|id| Some(id % 3 != 0)).collect())
    }
}

struct Reader<'a> {
    store: &'a Rig,
    view: ReadView,
}

impl Reader<'_> {
    /// Returns ids with the measure column asked for.
    async fn read(&self, access: Access, measure: ScanColumn, filtered: bool) -> Vec<(i64, f64)> {
        let filter: Option<Arc<dyn RowFilter>> =
            if filtered { Some(Arc::new(NotThird)) } else { None };
        let spec = ScanSpec {
            table: NODE,
            access,
            columns: vec![ScanColumn::Column(0), measure],
            view: self.view,
            filter,
            limit: None,
        };
        let mut cursor = self.store.open_scan(spec).expect("a scan");
        let mut rows = Vec::new();
        while let Some(batch) = self.store.next_loading(&mut cursor, 3).await.expect("a batch") {
            let ids = batch.column(0).as_primitive::<Int64Type>();
            let measures = batch.column(1).as_primitive_opt::<Float64Type>();
            for row in 0..batch.num_rows() {
                let measure = measures.filter(|m| m.is_valid(row)).map_or(0.0, |m| m.value(row));
                rows.push((ids.value(row), measure));
            }
        }
        rows
    }

    async fn ids(&self, access: Access, filtered: bool) -> Vec<i64> {
        self.read(access, ScanColumn::Version, filtered)
            .await
            .into_iter()
            .map(|row| row.0)
            .collect()
    }

    async fn compare_orders(&self, nodes: &BTreeMap<i64, Node>) {
        let keys: Vec<i64> = nodes.keys().copied().collect();
        let passing: Vec<i64> = keys.iter().copied().filter(|id| id % 3 != 0).collect();
        let mut all = self.ids(Access::All, false).await;
        all.sort_unstable();
        assert_eq!(all, keys);
        assert_eq!(self.ids(Access::KeyRange(KeyRange::all(false)), true).await, passing);
        let backwards: Vec<i64> = keys.iter().rev().copied().collect();
        assert_eq!(self.ids(Access::KeyRange(KeyRange::all(true)), false).await, backwards);
        let wanted = (0..12).rev().map(node_key).collect();
        assert_eq!(self.ids(Access::Keys(wanted), false).await, backwards);
        let mut by_a: Vec<(bool, Option<i64>, i64)> =
            nodes.iter().map(|(id, node)| (node.a.is_none(), node.a, *id)).collect();
        by_a.sort_unstable();
        for descending in [false, true] {
            let access = Access::Index { index: ORDERED, range: KeyRange::all(descending) };
            let mut expected: Vec<i64> = by_a.iter().map(|row| row.2).collect();
            if descending {
                expected.reverse();
            }
            assert_eq!(self.ids(access, false).await, expected);
        }
        let two = Value::BigInt(2);
        let bounds = KeyBounds {
            equal: &[],
            lower: std::ops::Bound::Included(&two),
            upper: std::ops::Bound::Unbounded,
        };
        let types = [ColumnType::BigInt, ColumnType::BigInt];
        let range = KeyRange::of(bounds, &types, KeyForm::Indexed, false).expect("a range");
        let above = by_a.iter().filter(|row| row.1.is_some_and(|a| a >= 2)).map(|row| row.2);
        let expected: Vec<i64> = above.collect();
        assert_eq!(self.ids(Access::Index { index: ORDERED, range }, false).await, expected);
    }

    async fn compare_nearest(&self, nodes: &BTreeMap<i64, Node>) {
        for (k, filtered) in [(1, false), (4, false), (3, true), (100, true)] {
            let mut expected: Vec<f64> = nodes
                .iter()
                .filter(|(id, _)| !filtered || *id % 3 != 0)
                .filter_map(|(_, node)| node.v)
                .map(|(x, y)| f64::from((f32::from(x) - 1.0).hypot(f32::from(y) - 0.5)))
                .collect();
            expected.sort_by(f64::total_cmp);
            // Those without a vector come last.
            let passing = nodes.keys().filter(|id| !filtered || *id % 3 != 0).count();
            expected.resize(passing, f64::NAN);
            expected.truncate(k);
            for index in [Some(VECTOR), None] {
                let access = Access::Nearest {
                    column: ColumnId(4),
                    index,
                    metric: Metric::L2,
                    query: [1.0, 0.5].into(),
                    k,
                    ef: None,
                };
                let found = self.read(access, ScanColumn::Distance, filtered).await;
                let distances: Vec<f64> = found.iter().map(|row| row.1).collect();
                assert_eq!(distances.len(), expected.len(), "{found:?}");
                for (found, expected) in distances.iter().zip(&expected) {
                    let same = found.is_nan() && expected.is_nan();
                    let close = (found - expected).abs() < 1e-5;
                    assert!(same || close, "{distances:?} {expected:?}");
                }
                for (id, _) in found {
                    assert!(nodes.contains_key(&id) && (!filtered || id % 3 != 0));
                }
            }
        }
    }

    async fn compare_matching(&self, nodes: &BTreeMap<i64, Node>) {
        let leaf = |word: usize| TextNode::Term(WORDS[word].to_owned());
        let query = TextQuery {
            source: "ash cedar".into(),
            node: TextNode::Any(vec![leaf(0), leaf(2)]),
            fields: None,
        };
        let stats = self.store.stats_loading(NODE, TEXT, &query, self.view).await;
        // A text index counts documents that have words; an empty text is one too.
        assert_eq!(stats.documents, nodes.len() as u64);
        let words: usize = nodes.values().map(|node| node.words.len()).sum();
        assert_eq!(stats.terms, words as u64);
        let has = |node: &Node, word: usize| node.words.contains(&word);
        let holding = |word: usize| nodes.values().filter(|node| has(node, word)).count() as u64;
        assert_eq!(stats.frequency[WORDS[0]], holding(0));
        for filtered in [false, true] {
            let expected: Vec<i64> = nodes
                .iter()
                .filter(|(id, node)| (has(node, 0) || has(node, 2)) && (!filtered || *id % 3 != 0))
                .map(|(id, _)| *id)
                .collect();
            let search = |k| Access::Matching {
                index: TEXT,
                query: Arc::new(query.clone()),
                stats: Arc::new(stats.clone()),
                k,
            };
            let all = self.read(search(None), ScanColumn::Score, filtered).await;
            let mut ids: Vec<i64> = all.iter().map(|row| row.0).collect();
            ids.sort_unstable();
            assert_eq!(ids, expected);
            let best = self.read(search(Some(2)), ScanColumn::Score, filtered).await;
            let mut scores: Vec<f64> = all.iter().map(|row| row.1).collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            scores.truncate(2);
            assert_eq!(best.iter().map(|row| row.1).collect::<Vec<_>>(), scores);
        }
    }

    async fn compare_edges(&self, edges: &BTreeMap<i64, i64>) {
        let nodes: Vec<Key> = (0..4).map(node_key).collect();
        let ends = |id: i64, dst: i64| (id % 4, dst);
        for direction in [Direction::Out, Direction::In, Direction::Both] {
            let mut expected = Vec::new();
            for (id, dst) in edges {
                let (src, dst) = ends(*id, *dst);
                if direction != Direction::In {
                    expected.push((src, dst, *id));
                }
                if direction == Direction::In || (direction == Direction::Both && src != dst) {
                    expected.push((dst, src, *id));
                }
            }
            expected.sort_unstable();
            let found = self.store.expand_loading(EDGE, direction, &nodes, self.view).await;
            let number = |key: &Key, types: &[ColumnType]| match key.decode(types) {
                Ok(values) => match values.last() {
                    Some(Value::BigInt(number)) => *number,
                    other => panic!("{other:?}"),
                },
                Err(error) => panic!("{error}"),
            };
            let pair = [ColumnType::BigInt, ColumnType::BigInt];
            let mut found: Vec<(i64, i64, i64)> = found
                .iter()
                .map(|found| {
                    let node = number(&found.node, &pair[..1]);
                    (i64::from(found.from), node, number(&found.edge, &pair))
                })
                .collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{direction:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_index_answers_as_a_full_scan_would(steps in prop::collection::vec(step(), 1..40)) {
        World::new(1, SimOptions::default()).run(1, move |_| {
            let steps = steps.clone();
            async move {
                let mut run = Run::new().await;
                for step in steps {
                    run.take(step).await;
                    run.compare().await;
                }
            }
        }).finished();
    }
}
