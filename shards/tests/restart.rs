//! Does a real process on real files keep its data over a restart, and how fast is that?
//!
//! `PIESKIEO_LOAD_ROWS=1000000 cargo test -p pieskieo-shards --release --test restart --
//! --nocapture` prints rates worth reading; the default size only checks. `PIESKIEO_LOAD_VECTORS`
//! and `PIESKIEO_LOAD_EDGES` do the same for a vector index and an adjacency, read from their
//! images and filled from records.

#[allow(dead_code, reason = "the scenarios of the simulator use the rest")]
#[path = "sim/model.rs"]
mod model;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use pieskieo_io::rt::{self, RuntimeOptions};
use pieskieo_io::time;
use pieskieo_io::wal::WalOptions;
use pieskieo_shards::Error;
use pieskieo_shards::actor::{Boot, BootOptions, Core, StorageOptions};
use pieskieo_shards::catalog::{Catalog, Column, Index, IndexKind, Table};
use pieskieo_shards::ids::{CatalogVersion, ColumnId, IndexId};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ReadView, Write, WriteOp};
use pieskieo_shards::row;
use pieskieo_shards::txn::EdgeWrite;
use pieskieo_shards::value::{ColumnType, Value};
use pieskieo_shards::vector::Metric;

use crate::model::{
    ACCOUNTS, KNOWS, TRANSFERS, create_schema, key, node, put, read_all, schema, verify,
};

const CORES: u16 = 2;
const CLIENTS: i64 = 64;
const BATCH: i64 = 500;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn life<Fut>(path: &Path, main: impl Fn(Rc<Core>) -> Fut + Send + Clone + 'static)
where
    Fut: Future<Output = Result<(), Error>> + 'static,
{
    life_with(path, StorageOptions::default(), main);
}

fn life_with<Fut>(
    path: &Path,
    storage: StorageOptions,
    main: impl Fn(Rc<Core>) -> Fut + Send + Clone + 'static,
) where
    Fut: Future<Output = Result<(), Error>> + 'static,
{
    let wal = WalOptions { file_bytes: 16 << 20, ..WalOptions::default() };
    let storage = StorageOptions { flush_bytes: 256 << 10, ..storage };
    let path = path.into();
    let options = BootOptions { path, cores: CORES, shard_count: None, wal, storage };
    let boot = Arc::new(Boot::new(options).expect("there are cores"));
    let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(CORES) };
    let running = rt::start(options, move |id| {
        let (boot, main) = (boot.clone(), main.clone());
        async move {
            let core = Core::open(boot.take(id)?).await?;
            main(core.clone()).await?;
            core.close().await
        }
    });
    let running = match running {
        Ok(running) => running,
        Err(error) => panic!("this machine cannot run the real back end: {error}"),
    };
    for result in running.join().expect("no core panics") {
        result.expect("no core fails");
    }
}

fn rate(core: &Core, what: &str, count: i64, since: time::Monotonic) {
    let seconds = since.elapsed().as_secs_f64();
    eprintln!("core {}: {what}: {count} in {seconds:.3} s, {:.0}/s", core.id().0, {
        count as f64 / seconds
    });
}

/// Inserts this core's share of the rows in transactions of several shards.
async fn load(core: &Rc<Core>, rows: i64) -> Result<(), Error> {
    let (cores, mine) = (i64::from(CORES), i64::from(core.id().0));
    let started = time::now();
    let ids: Vec<i64> = (0..rows).filter(|id| id % cores == mine).collect();
    for ids in ids.chunks(BATCH as usize) {
        let mut txn = core.begin();
        let writes = ids.iter().map(|&id| put(core, TRANSFERS, &[id, id, id, 1], Expect::Absent));
        txn.write(writes.collect())?;
        txn.commit().await?;
    }
    rate(core, "rows loaded in batches", rows / cores, started);
    Ok(())
}

/// Commits single rows from many clients at once.
async fn commit_singles(core: &Rc<Core>, each: i64) -> Result<(), Error> {
    let started = time::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let core = core.clone();
            rt::spawn(rt::Queue::Net, "client", async move {
                for number in 0..each {
                    let id = (i64::from(core.id().0) * CLIENTS + client) * each + number;
                    let mut txn = core.begin();
                    txn.write(vec![put(&core, ACCOUNTS, &[id, id], Expect::Absent)])?;
                    txn.commit().await?;
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for client in clients {
        client.await?;
    }
    rate(core, "single commits", CLIENTS * each, started);
    Ok(())
}

#[test]
fn everything_is_there_after_a_restart() {
    let rows = std::env::var("PIESKIEO_LOAD_ROWS").ok().and_then(|text| text.parse().ok());
    let rows: i64 = rows.unwrap_or(4_000);
    let each = (rows / 1000).clamp(2, 500);
    let name = format!("pieskieo-restart-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    life(&folder.0, move |core| async move {
        create_schema(&core).await?;
        load(&core, rows).await?;
        commit_singles(&core, each).await
    });
    life(&folder.0, move |core| async move {
        if core.id().0 != 0 {
            return Ok(());
        }
        for stats in core.stats().await? {
            let rate = stats.replayed * 1000 / stats.replay_ms.max(1);
            eprintln!("{}: {} replayed in {} ms, {rate}/s", stats.shard, stats.replayed, {
                stats.replay_ms
            });
        }
        let view = ReadView::at(core.snapshot());
        let transfers = read_all(&core, TRANSFERS, view.snapshot).await?;
        assert_eq!(transfers.len() as i64, rows);
        let accounts = read_all(&core, ACCOUNTS, view.snapshot).await?;
        assert_eq!(accounts.len() as i64, i64::from(CORES) * CLIENTS * each);
        verify(&core).await
    });
}

const DIM: usize = 128;

/// The schema with a table of vectors in the place of the accounts.
fn vectors(current: &Catalog) -> Catalog {
    let mut next = schema(current);
    let mut table = Table::clone(&next.tables[&ACCOUNTS]);
    let ty = ColumnType::Vector(DIM as u32);
    let id = ColumnId(2);
    table.columns[1] = Column { id, name: "place".into(), ty, ..table.columns[1].clone() };
    let (metric, m, ef_construction, ef_search) = (Metric::L2, 16, 200, 64);
    let kind = IndexKind::Vector { column: 1, metric, m, ef_construction, ef_search };
    table.indexes =
        vec![Arc::new(Index { id: IndexId(1), name: "places".into(), kind, comment: None })];
    next.version = CatalogVersion(current.version.0 + 1);
    next.tables.insert(ACCOUNTS, Arc::new(table));
    next
}

async fn load_vectors(core: &Rc<Core>, count: i64) -> Result<(), Error> {
    let catalog = core.change_catalog(|current| Ok(vectors(current))).await?;
    let table = &catalog.tables[&ACCOUNTS];
    let mut state = 1_u32;
    let mut element = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    for first in (0..count).step_by(BATCH as usize) {
        let ids = first..count.min(first + BATCH);
        let writes = ids.map(|id| {
            let elements: Vec<f32> = (0..DIM).map(|_| element()).collect();
            let values = [Value::BigInt(id), Value::Vector(elements.into())];
            let key = Key::of_table(table, &values[..1]).expect("integers are keys");
            let op = WriteOp::Put(row::encode(table, &values).expect("a row"));
            Write { table: ACCOUNTS, key, op, expect: Expect::Absent }
        });
        let mut txn = core.begin();
        txn.write(writes.collect())?;
        txn.commit().await?;
    }
    Ok(())
}

/// Writes edges, a few for each source, from this core's share of the sources.
async fn load_edges(core: &Rc<Core>, count: i64) -> Result<(), Error> {
    let (cores, mine) = (i64::from(CORES), i64::from(core.id().0));
    let numbers: Vec<i64> = (0..count).filter(|number| number % cores == mine).collect();
    for numbers in numbers.chunks(BATCH as usize) {
        let mut txn = core.begin();
        for number in numbers {
            let (source, target) = (number / EDGES_PER_NODE, number * 7_919 % count);
            txn.write_edge(EdgeWrite {
                table: KNOWS,
                key: key(core, KNOWS, &[source, *number]),
                source: node(source),
                target_before: None,
                target_after: Some(node(target)),
                row: Some(model::row(core, KNOWS, &[source, target, *number])),
                expect: Expect::Absent,
            })?;
        }
        txn.commit().await?;
    }
    Ok(())
}

const EDGES_PER_NODE: i64 = 8;

#[test]
fn an_adjacency_is_read_and_not_built_again() {
    let count = std::env::var("PIESKIEO_LOAD_EDGES").ok().and_then(|text| text.parse().ok());
    let count: i64 = count.unwrap_or(6_000);
    let name = format!("pieskieo-edges-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    life(&folder.0, move |core| async move {
        create_schema(&core).await?;
        load_edges(&core, count).await?;
        wait_linked(&core, u64::from(CORES)).await
    });
    // The first of these reads images, the second none.
    for (image_entries_min, what) in [(1024, "read"), (usize::MAX, "built again")] {
        let storage = StorageOptions { image_entries_min, ..StorageOptions::default() };
        let started = time::now();
        life_with(&folder.0, storage, move |core| async move {
            if core.id().0 != 0 {
                return Ok(());
            }
            let open = started.elapsed();
            for stats in core.stats().await? {
                let is_rebuilt = image_entries_min == usize::MAX;
                assert_eq!(stats.indexes_rebuilt, u64::from(is_rebuilt));
                let (ms, bytes, all) = (stats.image_ms, stats.image_bytes, stats.replay_ms);
                eprintln!("{what}: shard {}, {bytes} bytes in {ms} of {all} ms", stats.shard);
            }
            eprintln!("{what}: {count} edges, open after {open:?}");
            verify(&core).await
        });
    }
}

/// Waits until every vector is linked, and `images` indexes have an image.
async fn wait_linked(core: &Rc<Core>, images: u64) -> Result<(), Error> {
    loop {
        let stats = core.stats().await?;
        let pending: u64 = stats.iter().map(|stats| stats.vectors_pending).sum();
        if pending == 0 && stats.iter().map(|stats| stats.images).sum::<u64>() >= images {
            return Ok(());
        }
        rt::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[test]
fn a_vector_index_is_read_and_not_built_again() {
    let count = std::env::var("PIESKIEO_LOAD_VECTORS").ok().and_then(|text| text.parse().ok());
    let count: i64 = count.unwrap_or(3_000);
    let name = format!("pieskieo-vectors-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    life(&folder.0, move |core| async move {
        if core.id().0 == 0 {
            load_vectors(&core, count).await?;
            wait_linked(&core, u64::from(CORES)).await?;
        }
        Ok(())
    });
    // The first of these reads images, the second none.
    for (image_entries_min, what) in [(1024, "read"), (usize::MAX, "built again")] {
        let storage = StorageOptions { image_entries_min, ..StorageOptions::default() };
        let started = time::now();
        life_with(&folder.0, storage, move |core| async move {
            if core.id().0 != 0 {
                return Ok(());
            }
            let open = started.elapsed();
            wait_linked(&core, 0).await?;
            for stats in core.stats().await? {
                let (ms, bytes) = (stats.image_ms, stats.image_bytes);
                eprintln!("{what}: shard {}, image of {bytes} bytes in {ms} ms", stats.shard);
                let is_rebuilt = image_entries_min == usize::MAX;
                assert_eq!(stats.indexes_rebuilt, u64::from(is_rebuilt));
            }
            eprintln!("{what}: open after {open:?}, every vector linked after {:?}", {
                started.elapsed()
            });
            verify(&core).await
        });
    }
}
