//! Which statement may whom stop?
//!
//! A client stops a statement over another connection, which may arrive on any core. It names the
//! connection by its number and proves by its secret that it is the same client. The table is
//! touched when a connection begins, ends and runs a statement, and is the process's: the lock is
//! held for a look at a map.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pieskieo_io::time;
use pieskieo_query::CancelHandle;

static CONNECTIONS: Mutex<BTreeMap<i32, Entry>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicI32 = AtomicI32::new(1);

struct Entry {
    secret: i32,
    /// The statement that runs.
    running: Option<CancelHandle>,
}

/// A connection's place in the table, until it is dropped.
#[derive(Debug)]
pub struct Key {
    process: i32,
    secret: i32,
}

/// A statement's place in it, until it is dropped.
pub struct Running<'k>(&'k Key);

fn connections() -> MutexGuard<'static, BTreeMap<i32, Entry>> {
    CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Key {
    /// Gives a connection a number and a secret.
    pub fn new() -> Self {
        let secret = (time::random_u64() as u32).cast_signed();
        let mut connections = connections();
        // Numbers begin again after two billion: one that is in use is passed over.
        loop {
            let process = NEXT.fetch_add(1, Ordering::Relaxed) & i32::MAX;
            if process != 0 && !connections.contains_key(&process) {
                connections.insert(process, Entry { secret, running: None });
                return Self { process, secret };
            }
        }
    }

    /// Returns what the client must know: number and secret.
    pub fn told(&self) -> (i32, i32) {
        (self.process, self.secret)
    }

    /// Lets a statement be stopped while it runs.
    pub fn run(&self, statement: &CancelHandle) -> Running<'_> {
        self.set(Some(statement.clone()));
        Running(self)
    }

    fn set(&self, statement: Option<CancelHandle>) {
        if let Some(entry) = connections().get_mut(&self.process) {
            entry.running = statement;
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        connections().remove(&self.process);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

/// Stops what a connection runs, if the secret is right. Whoever asks is not told.
pub fn cancel(process: i32, secret: i32) {
    let connections = connections();
    let entry = connections.get(&process).filter(|entry| entry.secret == secret);
    if let Some(statement) = entry.and_then(|entry| entry.running.as_ref()) {
        statement.cancel();
    }
}
