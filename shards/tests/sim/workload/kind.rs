//! Which workloads are there?

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, TableKind};
use pieskieo_shards::ids::{CatalogVersion, IndexId, TableId};
use pieskieo_shards::request::{Access, ReadView};
use pieskieo_shards::txn::Isolation;

use super::{foreign, items, ranges, rewire, shapes, transfers, unique};
use crate::content::read_rows;
use crate::ledger::{Content, Draft, Ledger, RECEIPTS, is_refusal};
use crate::model::table_of;

/// How long a client waits for a change of the schema.
const RESHAPE_MAX: Duration = Duration::from_secs(5);

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    Transfers,
    Unique,
    Foreign,
    Rewire,
    Vectors,
    Texts,
    Shapes,
    Ranges,
}

/// Milliseconds a core waits for the schema and for what is there at first.
const WAITS: u32 = 5_000;

/// Returns a random number below `bound`.
pub fn below(bound: i64) -> i64 {
    (time::random_u64() % bound as u64) as i64
}

impl Workload {
    pub const ALL: [Self; 8] = [
        Self::Transfers,
        Self::Unique,
        Self::Foreign,
        Self::Rewire,
        Self::Vectors,
        Self::Texts,
        Self::Shapes,
        Self::Ranges,
    ];

    fn schema(self, current: &Catalog) -> Catalog {
        let mut next = current.clone();
        next.version = CatalogVersion(current.version.0 + 1);
        next.table_next = TableId(RECEIPTS.0 + 1);
        next.index_next = IndexId(10);
        let kind = TableKind::Relation;
        let mut receipts = table_of(RECEIPTS, "receipts", kind, &["home", "id"], vec![0, 1]);
        receipts.routing = 1;
        let mut tables = match self {
            Self::Transfers => transfers::tables(),
            Self::Unique => unique::tables(),
            Self::Foreign => foreign::tables(),
            Self::Rewire => rewire::tables(),
            Self::Vectors => items::tables(items::Kind::Vector),
            Self::Texts => items::tables(items::Kind::Text),
            Self::Shapes => shapes::tables(),
            Self::Ranges => ranges::tables(),
        };
        tables.push(receipts);
        next.tables.extend(tables.into_iter().map(|table| (table.id, Arc::new(table))));
        next
    }

    fn first(self, draft: &mut Draft) -> Result<(), Error> {
        match self {
            Self::Transfers => transfers::first(draft),
            Self::Foreign => foreign::first(draft),
            Self::Rewire => rewire::first(draft),
            Self::Unique => unique::first(draft),
            Self::Vectors | Self::Texts => items::first(draft),
            Self::Shapes => shapes::first(draft),
            Self::Ranges => ranges::first(draft),
        }
    }

    async fn fill(self, draft: &mut Draft) -> Result<(), Error> {
        match self {
            Self::Transfers => transfers::step(draft).await,
            Self::Unique => unique::step(draft).await,
            Self::Foreign => foreign::step(draft).await,
            Self::Rewire => rewire::step(draft).await,
            Self::Vectors | Self::Texts => items::step(draft).await,
            Self::Shapes => shapes::step(draft),
            Self::Ranges => ranges::step(draft).await,
        }
    }

    /// Runs one transaction, once. What refuses it is no error.
    ///
    /// **Errors**: nobody knows whether it is committed, or nothing can be done any more.
    pub async fn step(self, core: &Rc<Core>, ledger: &Ledger) -> Result<(), Error> {
        let isolation = [Isolation::Serializable, Isolation::Snapshot][below(2) as usize];
        let mut draft = Draft::begin(core, ledger, isolation);
        let filled = self.fill(&mut draft).await;
        let staged = match filled {
            Ok(()) if below(4) == 0 => draft.txn.flush().await,
            filled => filled,
        };
        let done = match staged {
            Ok(()) => draft.commit().await,
            Err(error) => {
                draft.txn.abort().await;
                Err(error)
            }
        };
        match done {
            Err(error) if is_refusal(&error) => {
                if let Error::Conflict { winner: Some(winner), .. } = error {
                    core.visible(winner).await?;
                }
                Ok(())
            }
            done => done,
        }
    }

    /// Changes the schema, in the workload that does.
    pub async fn reshape(self, core: &Rc<Core>, ledger: &Ledger) -> Result<(), Error> {
        if self != Self::Shapes {
            return Ok(());
        }
        let change = core.change_catalog(|current| Ok(shapes::next(current)));
        // A change waits for room on a full disk.
        match rt::timeout(RESHAPE_MAX, change).await {
            Ok(Ok(next)) => ledger.acknowledge_catalog(next.version),
            Ok(Err(error)) if !is_refusal(&error) => return Err(error),
            Ok(Err(_)) | Err(_) => {}
        }
        Ok(())
    }

    /// Checks what must hold at every snapshot.
    pub async fn check(self, core: &Rc<Core>, content: &Content) -> Result<(), Error> {
        match self {
            Self::Transfers => transfers::check(content),
            Self::Unique => unique::check(content),
            Self::Foreign => foreign::check(content),
            Self::Rewire => return rewire::check(core, content).await,
            Self::Vectors => return items::check_nearest(core, content).await,
            Self::Texts => return items::check_words(core, content).await,
            Self::Shapes => shapes::check(content),
            Self::Ranges => ranges::check(content),
        }
        Ok(())
    }
}

/// Makes the schema and what is there at first on the first core; waits for it on the others.
pub async fn found(core: &Rc<Core>, workload: Workload, ledger: &Ledger) -> Result<(), Error> {
    let is_maker = core.id().0 == 0;
    let mut waits = 0..WAITS;
    // The first core may fail at it and end.
    while core.catalog().tables.is_empty() && waits.next().is_some() {
        if is_maker {
            match core.change_catalog(|current| Ok(workload.schema(current))).await {
                Ok(made) => ledger.acknowledge_catalog(made.version),
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(error),
            }
        }
        rt::sleep(Duration::from_millis(1)).await;
    }
    while !is_begun(core).await? && waits.next().is_some() {
        if is_maker {
            let mut draft = Draft::begin(core, ledger, Isolation::Serializable);
            workload.first(&mut draft)?;
            match draft.commit().await {
                Err(error) if !is_refusal(&error) => return Err(error),
                _ => {}
            }
        }
        rt::sleep(Duration::from_millis(1)).await;
    }
    if waits.next().is_none() {
        return Err(Error::Cancelled("there is nothing to work on".into()));
    }
    Ok(())
}

/// Returns whether some transaction has left its receipt. A shard that has not the schema yet has
/// none.
async fn is_begun(core: &Rc<Core>) -> Result<bool, Error> {
    let lease = core.lease();
    for shard in core.shards() {
        let view = ReadView::at(lease.snapshot());
        match read_rows(core, shard, RECEIPTS, Access::All, view).await {
            Ok(receipts) if receipts.is_empty() => {}
            Ok(_) => return Ok(true),
            Err(Error::StaleCatalog { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
