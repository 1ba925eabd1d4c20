//! Two edges exchange their ends: who points where is a permutation, from both sides.

use std::collections::BTreeSet;
use std::rc::Rc;

use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Table, TableKind};
use pieskieo_shards::ids::TableId;
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Direction, ReadView, Reply, Request};

use super::below;
use crate::ledger::{Content, Draft};
use crate::model::{node, table, table_of};

const NODES: TableId = TableId(1);
const POINTS: TableId = TableId(2);
const COUNT: i64 = 8;
/// The only edge of each node has this number.
const EDGE: i64 = 1;

pub fn tables() -> Vec<Table> {
    let kind = TableKind::Edge { source: NODES, target: NODES };
    let points = table_of(POINTS, "points", kind, &["src", "dst", "_id"], vec![0, 2]);
    vec![table(NODES, "nodes", &["id"]), points]
}

pub fn first(draft: &mut Draft) -> Result<(), Error> {
    (0..COUNT).try_for_each(|id| draft.put_edge(POINTS, [id, (id + 1) % COUNT, EDGE], None))
}

pub async fn step(draft: &mut Draft) -> Result<(), Error> {
    let one = below(COUNT);
    let two = (one + 1 + below(COUNT - 1)) % COUNT;
    let first = draft.get(POINTS, &[one, EDGE]).await?.expect("every node has its edge");
    let second = draft.get(POINTS, &[two, EDGE]).await?.expect("every node has its edge");
    draft.put_edge(POINTS, [one, second.values[1], EDGE], Some(&first))?;
    draft.put_edge(POINTS, [two, first.values[1], EDGE], Some(&second))
}

async fn ends(
    core: &Rc<Core>,
    direction: Direction,
    view: ReadView,
) -> Result<BTreeSet<(Key, Key)>, Error> {
    let mut ends = BTreeSet::new();
    for id in 0..COUNT {
        let here = node(id);
        let request = Request::Expand { edge: POINTS, direction, nodes: vec![here.clone()], view };
        let reply = core.call(core.owner(here.slot()), request).await?;
        let Reply::Neighbors(found) = reply else { panic!("expand answered {reply:?}") };
        for neighbor in found {
            let pair = match direction {
                Direction::Out => (here.clone(), neighbor.node),
                _ => (neighbor.node, here.clone()),
            };
            assert!(ends.insert(pair), "an edge was found twice");
        }
    }
    Ok(ends)
}

pub async fn check(core: &Rc<Core>, content: &Content) -> Result<(), Error> {
    let rows: Vec<&[i64]> = content.rows(POINTS).collect();
    let targets: BTreeSet<i64> = rows.iter().map(|row| row[1]).collect();
    assert!(rows.is_empty() || targets == (0..COUNT).collect(), "no permutation: {rows:?}");
    let expected: BTreeSet<(Key, Key)> =
        rows.iter().map(|row| (node(row[0]), node(row[1]))).collect();
    if content.tables.contains_key(&POINTS) {
        assert_eq!(ends(core, Direction::Out, content.view).await?, expected, "from the sources");
        assert_eq!(ends(core, Direction::In, content.view).await?, expected, "from the targets");
    }
    Ok(())
}
