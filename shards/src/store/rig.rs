//! How is a store driven in a test, without a shard around it?
//!
//! The plain methods expect that everything is in memory. The others run within the simulator,
//! write runs and read them again.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::FutureExt;
use pieskieo_io::file::Dir;
use pieskieo_io::wal::{Lsn, StreamId};

use super::build::Walk;
use super::reads::Others;
use super::{Cursor, PastEdges, PastStats, Shown, Store};
use crate::Error;
use crate::catalog::Catalog;
use crate::ids::{IndexId, ShardId, TableId, Timestamp, TxnId};
use crate::key::Key;
use crate::request::{Direction, Neighbor, ReadView, Write};
use crate::storage::TreeName;
use crate::text::{TextQuery, TextStats};
use crate::tree::{Cache, Files, Pins, Reach, Shape, flush, load, merge};

/// The snapshot that sees exactly what is current.
const LATEST: Timestamp = Timestamp(u64::MAX - 1);

/// A store and its files.
pub(super) struct Rig {
    store: Store,
    files: Option<Files>,
}

impl Deref for Rig {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("everything is in memory")
}

/// Tries until nothing is missing.
async fn loaded<T>(
    cache: &Rc<RefCell<Cache>>,
    mut work: impl FnMut(Reach<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let pins = RefCell::new(Pins::default());
    loop {
        match work(Reach { cache, pins: &pins }) {
            Err(Error::NotLoaded) => load(cache, &pins).await?,
            done => return done,
        }
    }
}

impl Rig {
    pub fn open(catalog: Arc<Catalog>) -> Self {
        Self { store: Store::open(ShardId(0), catalog), files: None }
    }

    /// Gives the store a folder, groups of a few rows and a cache of a few groups. Within the
    /// simulator.
    pub async fn on_disk(mut self) -> Self {
        let dir = Dir::create("/segments").await.expect("a folder");
        let shape = Shape { group_bytes: 256, run_bytes: 6 << 10, level_bytes: 24 << 10 };
        self.files = Some(Files::new(dir, [7; 16], StreamId(0), 1, shape));
        self.store.cache().borrow_mut().resize(8 << 10);
        self
    }

    pub async fn apply_loading(&mut self, write: &Write, commit: Timestamp) {
        let Self { store, .. } = self;
        let writes = std::slice::from_ref(write);
        let cache = store.cache().clone();
        let before = loaded(&cache, |reach| store.before(reach, writes)).await.expect("readable");
        self.store.apply(write, before.into_iter().next().flatten(), commit);
    }

    pub async fn stage_loading(
        &mut self,
        txn: TxnId,
        writes: Vec<Write>,
        snapshot: Timestamp,
    ) -> Result<(), Error> {
        let cache = self.store.cache().clone();
        loaded(&cache, |reach| self.store.stage(reach, txn, &writes, snapshot)).await
    }

    pub async fn next_loading(
        &self,
        cursor: &mut Cursor,
        rows_max: usize,
    ) -> Result<Option<RecordBatch>, Error> {
        loop {
            match self.store.next_batch(cursor, rows_max) {
                Err(Error::NotLoaded) => load(self.store.cache(), cursor.pins()).await?,
                next => return next,
            }
        }
    }

    pub async fn stats_loading(
        &self,
        table: TableId,
        index: IndexId,
        query: &TextQuery,
        view: ReadView,
    ) -> TextStats {
        if view.past {
            let mut counting = PastStats::new(table, index, Arc::new(query.clone()), view);
            let cache = self.store.cache();
            while !loaded(cache, |reach| counting.step(&self.store, reach)).await.expect("counted")
            {
            }
            return counting.stats;
        }
        let stats = loaded(self.store.cache(), |reach| {
            self.store.text_stats(reach, table, index, query, view)
        });
        stats.await.expect("statistics")
    }

    pub async fn expand_loading(
        &self,
        edge: TableId,
        direction: Direction,
        nodes: &[Key],
        view: ReadView,
    ) -> Vec<Neighbor> {
        if !view.past {
            return self.store.expand(edge, direction, nodes, view).expect("neighbors");
        }
        let mut walk = PastEdges::new(edge, direction, nodes.to_vec(), view);
        let cache = self.store.cache();
        while !loaded(cache, |reach| walk.step(&self.store, reach)).await.expect("neighbors") {}
        walk.found
    }

    pub async fn install_loading(&mut self, next: Arc<Catalog>) {
        let cache = self.store.cache().clone();
        for build in self.store.install(next) {
            let done = self.store.index_recent(&build).expect("readable");
            let mut walk = Walk::default();
            while let Some(rows) = loaded(&cache, |reach| {
                self.store.walk(reach, build.table, Timestamp::MAX, &mut walk)
            })
            .await
            .expect("readable")
            {
                self.store.index_rows(&build, &rows, &done).expect("readable");
            }
        }
    }

    pub async fn verify_loading(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for table in self.store.to_be_verified() {
            let mut shown = self.store.to_be_shown(table).expect("the table");
            let mut walk = Walk::default();
            let cache = self.store.cache();
            while let Some(rows) =
                loaded(cache, |reach| self.store.walk(reach, table, LATEST, &mut walk))
                    .await
                    .expect("readable")
            {
                shown.rows.extend(rows);
            }
            let Shown { entries, mirrors, .. } = &mut shown;
            let trees = entries.iter_mut().map(|(index, held)| (Some(*index), held));
            for (index, held) in trees.chain([(None, mirrors)]) {
                let mut walk = Walk::default();
                let name = (table, index);
                while let Some(entries) =
                    loaded(cache, |reach| self.store.walk_entries(reach, name, LATEST, &mut walk))
                        .await
                        .expect("readable")
                {
                    held.extend(entries.into_iter().map(|(entry, _)| entry));
                }
            }
            findings.extend(self.store.verify(table, &shown, LATEST));
        }
        findings
    }

    /// Writes what is in memory to runs.
    pub async fn flush(&mut self) {
        let files = self.files.as_ref().expect("a folder");
        let frozen = self.store.freeze(Lsn(0));
        let mut runs = Vec::new();
        for frozen in &frozen {
            let upto = self.collectable(frozen.tree);
            let (_, erased) = self.store.regarded(frozen.tree, upto);
            let upto = (upto, erased.as_slice());
            let written = flush(files, &frozen.layout, &frozen.memory, upto, frozen.is_all).await;
            for facts in written.expect("written") {
                runs.push((frozen.tree, Rc::new(files.open(facts).await.expect("a run"))));
            }
        }
        let limits = (self.store.watermark, self.store.horizon);
        self.store.flushed(&frozen, runs, |tree| collectable(limits, tree));
        let erasures = self.store.all_erasures();
        self.store.checkpointed(Lsn(0), &erasures);
    }

    /// Returns up to where a tree may forget.
    fn collectable(&self, tree: TreeName) -> Timestamp {
        collectable((self.store.watermark, self.store.horizon), tree)
    }

    /// Merges runs as long as that is due.
    pub async fn merge(&mut self) {
        let files = self.files.as_ref().expect("a folder");
        let (level_bytes, horizon) = (files.shape().level_bytes, self.store.horizon);
        let horizon = horizon.min(self.store.watermark);
        while let Some((tree, plan)) = self.store.plan_merge(level_bytes, horizon) {
            let layout = self.store.tree_layout(tree).expect("the tree");
            let upto = self.collectable(tree);
            let (regarded, erased) = self.store.regarded(tree, upto);
            let written = merge(files, &layout, &plan, (upto, &erased)).await;
            let mut runs = Vec::new();
            for facts in written.expect("merged") {
                runs.push(Rc::new(files.open(facts).await.expect("a run")));
            }
            self.store.merged(tree, &plan, (runs, regarded));
        }
    }

    pub fn apply(&mut self, write: &Write, commit: Timestamp) {
        now(self.apply_loading(write, commit));
    }

    pub fn check(&self, write: &Write, snapshot: Timestamp) -> Result<(), Error> {
        let before = now(loaded(self.store.cache(), |reach| {
            self.store.before(reach, std::slice::from_ref(write))
        }))?;
        self.store.check(write, before[0].as_ref(), snapshot)
    }

    pub fn stage(
        &mut self,
        txn: TxnId,
        writes: Vec<Write>,
        snapshot: Timestamp,
    ) -> Result<(), Error> {
        now(self.stage_loading(txn, writes, snapshot))
    }

    pub fn validate(
        &self,
        txn: TxnId,
        snapshot: Timestamp,
        others: &Others<'_>,
    ) -> Result<(), Error> {
        now(loaded(self.store.cache(), |reach| self.store.validate(reach, txn, snapshot, others)))
    }

    pub fn install(&mut self, next: Arc<Catalog>) {
        now(self.install_loading(next));
    }

    pub fn verify(&self) -> Vec<String> {
        now(self.verify_loading())
    }
}

fn collectable((watermark, horizon): (Timestamp, Timestamp), tree: TreeName) -> Timestamp {
    if tree.part.keeps_past() { horizon.min(watermark) } else { watermark }
}
