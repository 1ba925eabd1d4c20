//! What does every connection of one core share?

use std::cell::Cell;
use std::rc::Rc;

use pieskieo_query::Database;

use crate::metrics::Recorder;
use crate::options::NetOptions;

/// One core's side of the front door.
pub struct Front {
    /// Opens sessions on this core.
    pub database: Database,
    /// Operator's choices.
    pub options: NetOptions,
    /// Renders what has been measured.
    pub recorder: Recorder,
    /// Requests being worked on.
    pub(crate) active: Cell<usize>,
    /// Whether recovery is done and shutdown has not begun.
    pub(crate) ready: Cell<bool>,
}

impl Front {
    /// Makes the shared state of one core; requests are refused until [`Front::set_ready`].
    pub fn new(database: Database, options: NetOptions, recorder: Recorder) -> Rc<Self> {
        Rc::new(Self { database, options, recorder, active: Cell::new(0), ready: Cell::new(false) })
    }

    /// Says whether statements may run; `/readyz` follows it.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(ready);
    }
}
