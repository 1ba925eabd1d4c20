//! Do indexes that are read from images equal their records, whatever happened in between?

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{
    Altered, Catalog, Column, Index, IndexKind, Table, TableKind, TextField,
};
use pieskieo_shards::ids::{CatalogVersion, ColumnId, IndexId, TableId};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Access, Expect, Write, WriteOp};
use pieskieo_shards::row::encode;
use pieskieo_shards::txn::EdgeWrite;
use pieskieo_shards::value::{ColumnType, Value};
use pieskieo_shards::vector::Metric;

use crate::harness::{DATA, Machine, Plan, for_each_seed, for_few_seeds};
use crate::model::{key, node, read, row, verify};

const ITEMS: TableId = TableId(1);
/// Edges between items.
const LINKS: TableId = TableId(2);
const DIM: usize = 3;
/// Keys there are.
const KEYS: i64 = 40;

fn column(id: u32, name: &str, ty: ColumnType) -> Column {
    Column {
        id: ColumnId(id),
        name: name.into(),
        ty,
        not_null: id == 1,
        default: None,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
        comment: None,
    }
}

fn index(next: &mut Catalog, name: &str) -> Arc<Index> {
    let id = next.index_next;
    next.index_next = IndexId(id.0 + 1);
    let metric = Metric::L2;
    let kind = if name == "vectors" {
        IndexKind::Vector { column: 1, metric, m: 3, ef_construction: 8, ef_search: 4 }
    } else {
        let fields = vec![TextField { column: 2, path: Vec::new() }];
        IndexKind::Text { fields, stem: false }
    };
    Arc::new(Index { id, name: name.into(), kind, comment: None })
}

fn schema(current: &Catalog) -> Catalog {
    let mut next = current.clone();
    next.version = CatalogVersion(current.version.0 + 1);
    next.table_next = TableId(3);
    let columns = vec![
        column(1, "id", ColumnType::BigInt),
        column(2, "place", ColumnType::Vector(DIM as u32)),
        column(3, "body", ColumnType::Text),
    ];
    let indexes = ["vectors", "texts"].map(|name| index(&mut next, name)).to_vec();
    let table = Table {
        id: ITEMS,
        name: "items".into(),
        kind: TableKind::Relation,
        columns,
        key: vec![0],
        routing: 1,
        indexes,
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    };
    next.tables.insert(ITEMS, Arc::new(table));
    let links = Table {
        id: LINKS,
        name: "links".into(),
        kind: TableKind::Edge { source: ITEMS, target: ITEMS },
        columns: ["src", "dst", "_id"]
            .iter()
            .zip(1..)
            .map(|(name, id)| Column { not_null: true, ..column(id, name, ColumnType::BigInt) })
            .collect(),
        key: vec![0, 2],
        routing: 1,
        indexes: Vec::new(),
        constraints: Vec::new(),
        referrers: Vec::new(),
        comment: None,
        rewrite: None,
        since: None,
    };
    next.tables.insert(LINKS, Arc::new(links));
    next
}

/// Drops an index, or makes one with a name that is free again.
fn next(current: &Catalog) -> Catalog {
    let mut next = current.clone();
    next.version = CatalogVersion(current.version.0 + 1);
    let mut table = Table::clone(&current.tables[&ITEMS]);
    let name = ["vectors", "texts"][below(2) as usize];
    match table.indexes.iter().position(|index| index.name == name) {
        Some(at) => drop(table.indexes.remove(at)),
        None => table.indexes.push(index(&mut next, name)),
    }
    next.tables.insert(ITEMS, Arc::new(table));
    next
}

fn below(bound: u64) -> u64 {
    time::random_u64() % bound
}

async fn create(core: &Rc<Core>) -> Result<(), Error> {
    if core.catalog().tables.is_empty() && core.id().0 == 0 {
        core.change_catalog(|current| Ok(schema(current))).await?;
    }
    while core.catalog().tables.is_empty() {
        rt::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// A put of a row with a random vector and text, each missing now and then, or a deletion.
fn change(core: &Core, id: i64) -> Write {
    let catalog = core.catalog();
    let table = &catalog.tables[&ITEMS];
    let key = Key::of_table(table, &[Value::BigInt(id)]).expect("integers are keys");
    if below(4) == 0 {
        return Write { table: ITEMS, key, op: WriteOp::Delete, expect: Expect::Any };
    }
    let elements: Vec<f32> = (0..DIM).map(|_| below(5) as f32).collect();
    let place = if below(6) == 0 { Value::Null } else { Value::Vector(elements.into()) };
    let words: Vec<&str> = (0..below(9))
        .map(|_| ["ash", "beech", "cedar", "date", "elm"][below(5) as usize])
        .collect();
    let body = if below(6) == 0 { Value::Null } else { Value::Text(words.join(" ").into()) };
    let row = encode(table, &[Value::BigInt(id), place, body]).expect("a row");
    Write { table: ITEMS, key, op: WriteOp::Put(row), expect: Expect::Any }
}

/// Adds, moves or removes one edge.
async fn link(core: &Rc<Core>) -> Result<(), Error> {
    let below = |count: i64| below(count as u64) as i64;
    let (source, id, target) = (below(KEYS), below(3), below(KEYS));
    let edge = key(core, LINKS, &[source, id]);
    let mut txn = core.begin();
    let (shard, access) = (core.owner(edge.slot()), Access::Keys(vec![edge.clone()]));
    let old = read(core, shard, LINKS, access, txn.view()).await?;
    let old = old.first().map(|found| (found.values[1], found.version));
    let row = (old.is_none() || below(2) == 0).then(|| row(core, LINKS, &[source, target, id]));
    txn.write_edge(EdgeWrite {
        table: LINKS,
        key: edge,
        source: node(source),
        target_before: old.as_ref().map(|(target, _)| node(*target)),
        target_after: row.as_ref().map(|_| node(target)),
        row,
        expect: old.map_or(Expect::Absent, |(_, version)| Expect::Version(version)),
    })?;
    match txn.commit().await {
        Ok(_) | Err(Error::StaleCatalog { .. } | Error::Conflict { .. }) => Ok(()),
        Err(Error::DuplicateKey { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn write(core: &Rc<Core>, count: usize) -> Result<(), Error> {
    for _ in 0..count {
        link(core).await?;
        let mut txn = core.begin();
        let keys: Vec<i64> = (0..=below(3)).map(|_| below(KEYS as u64) as i64).collect();
        txn.write(keys.into_iter().map(|id| change(core, id)).collect())?;
        match txn.commit().await {
            Ok(_) | Err(Error::StaleCatalog { .. } | Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        if below(8) == 0 {
            rt::sleep(Duration::from_millis(below(60))).await;
        }
    }
    Ok(())
}

/// Looks whether what was read is right, then changes it.
async fn life(core: Rc<Core>) -> Result<(), Error> {
    create(&core).await?;
    verify(&core).await?;
    write(&core, 60).await?;
    verify(&core).await
}

/// Images on disk, and indexes that were filled from records, over all shards.
async fn facts(core: &Rc<Core>) -> Result<(u64, u64), Error> {
    let stats = core.stats().await?;
    let images = stats.iter().map(|stats| stats.images).sum();
    Ok((images, stats.iter().map(|stats| stats.indexes_rebuilt).sum()))
}

#[test]
fn images_hold_over_restarts() {
    for_each_seed("images_hold_over_restarts", 30, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        for _ in 0..3 {
            machine.live(life);
        }
        machine.live(|core| async move { verify(&core).await });
    });
}

#[test]
fn images_hold_over_crashes() {
    for_each_seed("images_hold_over_crashes", 60, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        machine.live(life);
        for _ in 0..3 {
            machine.live_until_crash(life);
        }
        machine.live(life);
    });
}

#[test]
fn images_hold_over_a_power_cut_at_every_disk_operation() {
    for_few_seeds("images_hold_over_a_power_cut_at_every_disk_operation", 1, |seed| {
        let plan = Plan { seed, cores: 1, shards: 1 };
        let short = |core: Rc<Core>| async move {
            create(&core).await?;
            write(&core, 12).await?;
            rt::sleep(Duration::from_millis(400)).await;
            write(&core, 12).await?;
            rt::sleep(Duration::from_millis(400)).await;
            verify(&core).await
        };
        for operation in 1.. {
            let mut machine = plan.world();
            machine.world.change(|options| options.crash_at_operation = Some(operation));
            let outcome = machine.try_live(short);
            machine.world.change(|options| options.crash_at_operation = None);
            let is_crashed = matches!(outcome, pieskieo_io::sim::Outcome::Crashed);
            machine.world.crash();
            machine.live(life);
            if !is_crashed {
                assert!(operation > 20, "a life has only {operation} disk operations");
                break;
            }
        }
    });
}

#[test]
fn images_hold_while_indexes_are_dropped_and_made() {
    for_each_seed("images_hold_while_indexes_are_dropped_and_made", 30, |seed| {
        let mut machine = Plan::from_seed(seed).world();
        let life = |core: Rc<Core>| async move {
            create(&core).await?;
            verify(&core).await?;
            for _ in 0..5 {
                write(&core, 12).await?;
                if core.id().0 == 0 {
                    core.change_catalog(|current| Ok(next(current))).await?;
                }
            }
            rt::sleep(Duration::from_millis(below(300))).await;
            verify(&core).await
        };
        machine.live(life);
        machine.live_until_crash(life);
        machine.live(life);
        machine.live(life);
    });
}

/// Returns the files that are images of this kind.
fn images(machine: &Machine, kind: u8) -> Vec<PathBuf> {
    let folder = Path::new(DATA).join("segments").join("0");
    let names = machine.world.file_names(&folder).into_iter();
    let files = names.map(|name| folder.join(name));
    let is_image = |file: &PathBuf| {
        let bytes = machine.world.file_bytes(file).unwrap_or_default();
        bytes.len() > 8192 && bytes[..8] != *b"PIESKMAN" && bytes[4096..4098] == [kind, 1]
    };
    files.filter(is_image).collect()
}

async fn fill(core: Rc<Core>) -> Result<(), Error> {
    create(&core).await?;
    write(&core, 80).await?;
    rt::sleep(Duration::from_secs(2)).await;
    write(&core, 3).await
}

#[test]
fn an_image_is_read_instead_of_records() {
    let mut machine = Plan { seed: 4, cores: 1, shards: 1 }.world();
    machine.live(fill);
    machine.live(|core| async move {
        assert_eq!(facts(&core).await?, (IMAGED, 0));
        verify(&core).await
    });
}

/// Indexes that have images, the adjacency among them.
const IMAGED: u64 = 3;

#[test]
fn a_damaged_image_is_made_again_from_records() {
    for kind in 1..=IMAGED as u8 {
        for offset in [20, 4096 + 3, 4096 + 60] {
            let mut machine = Plan { seed: 4, cores: 1, shards: 1 }.world();
            machine.live(fill);
            let files = images(&machine, kind);
            assert_eq!(files.len(), 1, "{files:?}");
            assert!(machine.world.flip_bit(&files[0], offset, 3));
            machine.live(|core| async move {
                assert_eq!(facts(&core).await?.1, 1);
                verify(&core).await?;
                write(&core, 20).await?;
                rt::sleep(Duration::from_secs(2)).await;
                verify(&core).await
            });
            machine.live(|core| async move {
                assert_eq!(facts(&core).await?.1, 0);
                verify(&core).await
            });
        }
    }
}
