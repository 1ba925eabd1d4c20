//! What was tried, and what was answered?

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Accounts of the transfers.
pub const ACCOUNT_COUNT: i64 = 32;
/// What each account begins with.
pub const BALANCE: i64 = 1_000_000;
/// Nodes of the graph: enough that pairs of them are rarely drawn twice.
pub const NODE_COUNT: i64 = 1000;

/// A write, with all that is needed to recognise it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// One row.
    Single { id: i64, body: String },
    /// Several rows in one statement, `id` to `id + rows - 1`.
    Batch { id: i64, rows: i64 },
    /// One edge.
    Edge { source: i64, target: i64 },
    /// Two rows under an idempotency key, without a primary key that would show a repetition.
    Keyed { id: i64 },
    /// Two updates and a row in one transaction.
    Transfer { id: i64, from: i64, to: i64, amount: i64 },
}

/// What was answered to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It must be there.
    Acknowledged,
    /// It must not be there.
    Refused,
    /// It is there as a whole or not at all.
    Unknown,
}

/// The writes of one life of the server.
#[derive(Debug, Default)]
pub struct Journal {
    /// Number of the life, from 1.
    pub cycle: i64,
    /// Every write with its answer, in the order of the answers.
    pub attempts: RefCell<Vec<(Write, Outcome)>>,
    /// Set when the server is about to be killed.
    pub is_over: Cell<bool>,
    next: Cell<i64>,
    edges: RefCell<BTreeSet<(i64, i64)>>,
}

impl Journal {
    /// Returns an empty journal of this life.
    pub fn new(cycle: i64) -> Self {
        Self { cycle, ..Self::default() }
    }

    /// Returns `count` numbers nobody else gets, the first of them.
    pub fn take_ids(&self, count: i64) -> i64 {
        let first = self.next.get();
        self.next.set(first + count);
        self.cycle * 10_000_000 + first
    }

    /// Returns whether nobody else writes this edge in this life.
    pub fn take_edge(&self, source: i64, target: i64) -> bool {
        self.edges.borrow_mut().insert((source, target))
    }

    /// Remembers what was answered.
    pub fn record(&self, write: Write, outcome: Outcome) {
        self.attempts.borrow_mut().push((write, outcome));
    }
}

/// What a table must hold from one life, after its unknown writes were looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows.
    pub count: i64,
    /// Sum of their `id`s.
    pub sum: i64,
}

impl Tally {
    /// Counts a row.
    pub fn add(&mut self, id: i64) {
        self.count += 1;
        self.sum += id;
    }
}

/// What the server must hold from all lives that were checked.
#[derive(Debug)]
pub struct Model {
    /// Rows written one by one, by life.
    pub singles: BTreeMap<i64, Tally>,
    /// Rows written several at a time, by life.
    pub batches: BTreeMap<i64, Tally>,
    /// Rows written under idempotency keys, by life.
    pub keyed: BTreeMap<i64, Tally>,
    /// Transfers, by life.
    pub ledger: BTreeMap<i64, Tally>,
    /// Balances by account.
    pub balances: Vec<i64>,
    /// Edges as source and target.
    pub edges: BTreeSet<(i64, i64)>,
}

impl Model {
    /// Returns what the server holds before the first life.
    pub fn new() -> Self {
        Self {
            singles: BTreeMap::new(),
            batches: BTreeMap::new(),
            keyed: BTreeMap::new(),
            ledger: BTreeMap::new(),
            balances: vec![BALANCE; ACCOUNT_COUNT as usize],
            edges: BTreeSet::new(),
        }
    }
}

/// Random decisions that a seed repeats.
#[derive(Debug)]
pub struct Dice {
    generator: RefCell<ChaCha12Rng>,
}

impl Dice {
    /// Returns the dice of this seed.
    pub fn new(seed: u64) -> Self {
        Self { generator: RefCell::new(ChaCha12Rng::seed_from_u64(seed)) }
    }

    /// Returns a number below `bound`, which must not be zero.
    pub fn below(&self, bound: i64) -> i64 {
        assert!(bound > 0, "something to choose from");
        (self.generator.borrow_mut().next_u64() % bound as u64) as i64
    }
}
