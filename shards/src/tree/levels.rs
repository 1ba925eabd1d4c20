//! Which runs make up a tree, and which should be merged next?
//!
//! Level 0 holds what was flushed, newest first; its runs overlap. In each level below, runs are
//! in order of their keys, share no key, and hold older versions than the levels above: the first
//! version a look-up meets from above that is old enough is the one.
//!
//! **Source**: O'Neil et al., "The Log-Structured Merge-Tree" (1996); levels and scores as
//! LevelDB's `doc/impl.md`, "Compactions".

use std::rc::Rc;

use super::limits::{LEVEL_FACTOR, LEVEL_ZERO_RUNS, LEVELS_MAX};
use super::run::Run;

/// The runs of a tree at a moment. Never changed: an edit makes a new one.
#[derive(Clone, Default)]
pub(crate) struct Levels {
    levels: Vec<Vec<Rc<Run>>>,
}

/// A merge to be done.
pub(crate) struct Plan {
    /// Runs to be merged: sequences of runs that share no key, in order; newer ones first.
    pub inputs: Vec<Vec<Rc<Run>>>,
    /// Level the result belongs to.
    pub level: usize,
    /// Whether nothing below that level overlaps: deletions need not be kept.
    pub is_bottom: bool,
}

impl Levels {
    /// Returns level 0, newest first.
    pub fn overlapping(&self) -> &[Rc<Run>] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Returns the levels below level 0, from above; each in order of its keys.
    pub fn sorted(&self) -> impl Iterator<Item = &[Rc<Run>]> {
        self.levels.iter().skip(1).map(Vec::as_slice)
    }

    /// Returns every run with its level.
    pub fn runs(&self) -> impl Iterator<Item = (usize, &Rc<Run>)> {
        let levels = self.levels.iter().enumerate();
        levels.flat_map(|(level, runs)| runs.iter().map(move |run| (level, run)))
    }

    /// Returns whether there is no run.
    pub fn is_empty(&self) -> bool {
        self.levels.iter().all(Vec::is_empty)
    }

    /// Returns the levels without some runs and with others. Runs put into level 0 are newer than
    /// all there.
    ///
    /// **Panics**: when two runs of a lower level would share a key.
    pub fn edited(&self, removed: &[Rc<Run>], added: Vec<(usize, Rc<Run>)>) -> Self {
        let mut next = self.clone();
        for level in &mut next.levels {
            level.retain(|run| !removed.iter().any(|gone| gone.id() == run.id()));
        }
        for (level, run) in added {
            assert!(level < LEVELS_MAX, "a tree has {LEVELS_MAX} levels");
            if next.levels.len() <= level {
                next.levels.resize_with(level + 1, Vec::new);
            }
            let runs = &mut next.levels[level];
            if level == 0 {
                let at = runs.partition_point(|other| other.id() > run.id());
                runs.insert(at, run);
            } else {
                let at = runs.partition_point(|other| other.facts.first < run.facts.first);
                runs.insert(at, run);
            }
        }
        for level in next.levels.iter().skip(1) {
            let is_apart = |pair: &[Rc<Run>]| pair[0].facts.last < pair[1].facts.first;
            assert!(level.windows(2).all(is_apart), "runs of one level share no key");
        }
        next
    }

    /// Returns whether a group of some run was found to be damaged: a merge would fail, or lose
    /// what the rest of the run still has.
    pub fn is_damaged(&self) -> bool {
        self.levels.iter().flatten().any(|run| run.is_damaged())
    }

    /// Returns the most urgent merge, if one is due. `cursor` remembers where in each level the
    /// last one took its run, so that all keys have their turn. `level_bytes`: the size of level 1.
    pub fn plan(&self, cursor: &mut [Vec<u8>; LEVELS_MAX], level_bytes: u64) -> Option<Plan> {
        let zero = self.overlapping();
        let mut best = (zero.len() as f64 / LEVEL_ZERO_RUNS as f64, 0);
        for (level, runs) in self.levels.iter().enumerate().skip(1) {
            let bytes: u64 = runs.iter().map(|run| run.file_bytes()).sum();
            let target = level_bytes * LEVEL_FACTOR.pow(level as u32 - 1);
            let score = bytes as f64 / target as f64;
            if score > best.0 && level + 1 < LEVELS_MAX {
                best = (score, level);
            }
        }
        if best.0 < 1.0 {
            return None;
        }
        let level = best.1;
        let upper = if level == 0 { zero.to_vec() } else { self.turn(level, cursor)? };
        self.downwards(level, upper)
    }

    /// Returns a merge that writes a run anew of which that is wanted, if there is one. Those of
    /// level 0 go down together.
    pub fn plan_of(&self, is_wanted: impl Fn(&Run) -> bool) -> Option<Plan> {
        let (level, run) = self.runs().find(|(_, run)| is_wanted(run))?;
        if level == 0 {
            return self.downwards(0, self.overlapping().to_vec());
        }
        let facts = &run.facts;
        let is_bottom = self.is_bottom(level, &facts.first, &facts.last);
        Some(Plan { inputs: vec![vec![run.clone()]], level, is_bottom })
    }

    /// Returns the merge of runs of a level into the one below it.
    fn downwards(&self, level: usize, upper: Vec<Rc<Run>>) -> Option<Plan> {
        let first = upper.iter().map(|run| run.facts.first.as_slice()).min()?.to_vec();
        let last = upper.iter().map(|run| run.facts.last.as_slice()).max()?.to_vec();
        let mut inputs: Vec<Vec<Rc<Run>>> = upper.into_iter().map(|run| vec![run]).collect();
        inputs.push(self.within(level + 1, &first, &last));
        let is_bottom = self.is_bottom(level + 1, &first, &last);
        Some(Plan { inputs, level: level + 1, is_bottom })
    }

    /// Returns whether no run below a level has a key between two.
    fn is_bottom(&self, level: usize, first: &[u8], last: &[u8]) -> bool {
        (level + 1..self.levels.len()).all(|below| self.within(below, first, last).is_empty())
    }

    /// Returns the run of a level whose turn it is.
    fn turn(&self, level: usize, cursor: &mut [Vec<u8>; LEVELS_MAX]) -> Option<Vec<Rc<Run>>> {
        let runs = &self.levels[level];
        let next = runs.iter().find(|run| run.facts.first > cursor[level]);
        let run = next.or_else(|| runs.first())?.clone();
        cursor[level].clone_from(&run.facts.first);
        Some(vec![run])
    }

    fn within(&self, level: usize, first: &[u8], last: &[u8]) -> Vec<Rc<Run>> {
        let Some(runs) = self.levels.get(level) else { return Vec::new() };
        let overlaps = |run: &&Rc<Run>| {
            run.facts.first.as_slice() <= last && first <= run.facts.last.as_slice()
        };
        runs.iter().filter(overlaps).cloned().collect()
    }
}
