//! What waits?

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::time::{self, Monotonic};
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::txn::{Isolation, Lease};

use crate::coordinator::{Block, Settings};
use crate::error::Result;
use crate::postgres::Cursors;

/// A transaction that outlives its requests.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    settings: Rc<Settings>,
    /// Empty while a request works with it, and after its end.
    block: RefCell<Option<Block>>,
    begun: Cell<Monotonic>,
    /// Statements that have been run in it.
    statements: Cell<u64>,
    /// What its client reads piece by piece.
    cursors: RefCell<Cursors>,
}

/// What is told of an open transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenListing {
    /// `active` while a request works with it, `idle`, or `failed` when only going back helps.
    pub state: &'static str,
    /// How long ago it began.
    pub age: Duration,
    /// How long it has waited for its next request; `None` while one works with it.
    pub idle: Option<Duration>,
    /// Statements that have been run in it.
    pub statements: u64,
    /// What it promises about what it reads; `None` while a request works with it.
    pub isolation: Option<&'static str>,
    /// Bytes of its writes, about, when it last waited.
    pub bytes: usize,
}

impl OpenTransaction {
    /// Makes the place of a transaction that is about to begin, with settings of its own.
    pub fn new(settings: Rc<Settings>) -> Self {
        let begun = Cell::new(time::now());
        Self {
            settings,
            block: RefCell::default(),
            begun,
            statements: Cell::new(0),
            cursors: RefCell::default(),
        }
    }

    /// Returns its settings: `SET` lasts as long as it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns when it began.
    pub fn begun(&self) -> Monotonic {
        self.begun.get()
    }

    /// Says that another transaction has begun in its place.
    pub fn restart(&self) {
        self.begun.set(time::now());
    }

    /// Says that what is run from now on is the first of a transaction.
    pub fn forget_statements(&self) {
        self.statements.set(0);
    }

    /// Counts a statement that is run in it.
    pub fn note_statement(&self) {
        self.statements.set(self.statements.get() + 1);
    }

    /// Returns what is told of it, when it has waited since `since`.
    pub fn listed(&self, since: Option<Monotonic>, now: Monotonic) -> OpenListing {
        let block = self.block.borrow();
        let state = match block.as_ref() {
            None => "active",
            Some(block) if block.failed => "failed",
            Some(_) => "idle",
        };
        OpenListing {
            state,
            age: now.since(self.begun.get()),
            idle: since.map(|since| now.since(since)),
            statements: self.statements.get(),
            isolation: block.as_ref().map(Block::isolation_name),
            bytes: block.as_ref().map_or(0, Block::bytes),
        }
    }

    /// Returns the schema as it sees it, given the one in force.
    ///
    /// **Errors**: 40001 when another transaction has changed the same.
    pub fn view(&self, in_force: &Arc<Catalog>) -> Result<Arc<Catalog>> {
        match self.block.borrow_mut().as_mut() {
            Some(block) => block.draft.view(in_force),
            None => Ok(in_force.clone()),
        }
    }

    /// Takes the transaction out to work with it.
    pub fn take(&self) -> Option<Block> {
        self.block.borrow_mut().take()
    }

    /// Puts the transaction back.
    pub fn put(&self, block: Block) {
        *self.block.borrow_mut() = Some(block);
    }

    /// Returns whether it waits.
    pub fn is_open(&self) -> bool {
        self.block.borrow().is_some()
    }

    /// Returns what its client reads piece by piece.
    pub fn cursors(&self) -> &RefCell<Cursors> {
        &self.cursors
    }

    /// Returns a lease on the snapshot it reads, if reading it needs nothing of the transaction: it
    /// promises nothing of what it reads, and has written nothing and changed no schema.
    pub fn lease(&self, core: &Rc<Core>) -> Option<Lease> {
        let mut block = self.block.borrow_mut();
        let usable = |block: &&mut Block| !block.failed && block.draft.is_empty();
        let block = block.as_mut().filter(usable)?;
        if let Some(past) = &block.past {
            return Some(core.lease_of(past.view()));
        }
        let isolation = block.isolation();
        if isolation == Isolation::Serializable {
            return None;
        }
        let txn = block.txn.get_or_insert_with(|| core.begin_with(isolation));
        txn.planned_with(core.catalog().version);
        (!txn.has_writes()).then(|| core.lease_of(txn.view()))
    }

    /// Says that it is of no use any more but for going back.
    pub fn fail(&self) {
        if let Some(block) = self.block.borrow_mut().as_mut() {
            block.failed = true;
        }
    }

    /// Returns whether only going back helps.
    pub fn is_failed(&self) -> bool {
        self.block.borrow().as_ref().is_some_and(|block| block.failed)
    }

    /// Returns an estimate of the bytes of its writes.
    pub fn bytes(&self) -> usize {
        self.block.borrow().as_ref().map_or(0, Block::bytes)
    }
}
