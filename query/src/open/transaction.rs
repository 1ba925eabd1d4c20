//! What waits?

use std::cell::{Cell, RefCell};

use pieskieo_io::time::{self, Monotonic};

use crate::coordinator::{Block, Settings};

/// A transaction that outlives its requests.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    settings: Settings,
    /// Empty while a request works with it, and after its end.
    block: RefCell<Option<Block>>,
    begun: Cell<Monotonic>,
}

impl OpenTransaction {
    /// Makes the place of a transaction that is about to begin, with settings of its own.
    pub fn new(settings: Settings) -> Self {
        Self { settings, block: RefCell::default(), begun: Cell::new(time::now()) }
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

    /// Says that it is of no use any more but for going back.
    pub fn fail(&self) {
        if let Some(block) = self.block.borrow_mut().as_mut() {
            block.failed = true;
        }
    }

    /// Returns an estimate of the bytes of its writes.
    pub fn bytes(&self) -> usize {
        self.block.borrow().as_ref().map_or(0, Block::bytes)
    }
}
