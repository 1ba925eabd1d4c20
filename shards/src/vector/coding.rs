//! When do nodes get codes, and who may be compared by them?
//!
//! Once there are some hundred nodes, a quantizer is trained on a sample of them and every node
//! gets a code; a node linked later gets its code first. When there are eight times as many nodes,
//! that is done anew. Meanwhile the codes there are go on being used, or the vectors.

use super::build::VectorIndex;
use super::codes::{Codes, Training};
use super::entries::{Entries, Place};
use super::space::Space;

/// Nodes that are enough to train on.
pub(super) const NODES_MIN: usize = 1_024;
/// Codes are made anew when there are so many times the nodes they were trained on.
const GROWTH: usize = 8;
/// Vectors taken into the sample, or coded, in one step: each is a row or two of memory traffic.
const STEP_VECTORS: usize = 8;

/// Codes in the making.
pub(super) enum Coding {
    /// A sample is taken from every so many slots.
    Sample { training: Box<Training>, next: usize, every: usize },
    /// Directions are sought.
    Train(Box<Training>),
    /// Nodes get codes.
    Code { codes: Box<Codes>, next: u32 },
}

impl VectorIndex {
    /// Returns what distances between nodes are taken from.
    pub(super) fn space(&self) -> Space<'_> {
        Space { vectors: &self.vectors, codes: self.codes.as_deref() }
    }

    pub(super) fn coding_is_due(&self) -> bool {
        self.coding.is_some() || self.linked_count >= self.coded_next
    }

    /// Does the next step towards codes.
    pub(super) fn coding_step(&mut self) {
        let coding = self.coding.take().or_else(|| self.begin_coding());
        self.coding = coding.and_then(|coding| match coding {
            Coding::Sample { training, next, every } => self.sample(training, next, every),
            Coding::Train(mut training) => Some(match training.step() {
                None => Coding::Train(training),
                Some(quantizer) => {
                    Coding::Code { codes: Box::new(Codes::open(quantizer)), next: 0 }
                }
            }),
            Coding::Code { codes, next } => self.code(codes, next),
        });
    }

    fn begin_coding(&mut self) -> Option<Coding> {
        let Some(count) = Training::sample_count(&self.options) else {
            self.coded_next = usize::MAX;
            return None;
        };
        self.coded_next = self.linked_count.saturating_mul(GROWTH);
        let every = self.linked_count.div_ceil(count).max(1);
        let training = Box::new(Training::begin(&self.options));
        Some(Coding::Sample { training, next: 0, every })
    }

    fn sample(&self, mut training: Box<Training>, mut next: usize, every: usize) -> Option<Coding> {
        let end = self.entries.slot_count();
        for _ in 0..STEP_VECTORS {
            let slot = next as u32;
            if next >= end || training.is_full() {
                // Deletions may have left nothing where it was looked.
                return (!training.is_empty()).then_some(Coding::Train(training));
            }
            if self.entries.get(slot).place == Place::Linked {
                training.take(self.vectors.row(slot));
            }
            next += every;
        }
        Some(Coding::Sample { training, next, every })
    }

    fn code(&mut self, mut codes: Box<Codes>, mut next: u32) -> Option<Coding> {
        let end = self.entries.slot_count() as u32;
        for _ in 0..STEP_VECTORS {
            if next >= end {
                self.codes = Some(codes);
                return None;
            }
            if is_node(&self.entries, next) {
                codes.put(next, self.vectors.row(next));
            }
            next += 1;
        }
        Some(Coding::Code { codes, next })
    }
}

/// Returns whether a slot is a node of the graph: those have codes.
pub(super) fn is_node(entries: &Entries, slot: u32) -> bool {
    matches!(entries.get(slot).place, Place::Linked | Place::Dead)
}
