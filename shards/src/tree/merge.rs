//! How do several runs become one sequence without what nobody can see?
//!
//! Of a key, all versions younger than the watermark stay, and the one that holds at the
//! watermark, unless its range was emptied by then. A deletion that holds at the watermark goes too where nothing older lies below.

use std::collections::VecDeque;
use std::rc::Rc;

use pieskieo_io::rt;
use pieskieo_io::segment::{Codec, SegmentId};

use super::erased::{Erasure, hidden_since};
use super::files::Files;
use super::group::Group;
use super::levels::Plan;
use super::memory::Memory;
use super::run::{Run, RunFacts};
use super::seal::RunWriter;
use super::version::{Content, Row};
use crate::error::Error;
use crate::ids::Timestamp;
use crate::row::RowLayout;

/// Groups an input reads at once: at 8 KiB each about a MiB of memory per input.
const READ_GROUPS: u32 = 128;
/// Versions between two looks at the preemption flag.
const VERSIONS_PER_STEP: usize = 32;

/// Writes frozen memory into runs of level 0 and returns them. `is_all`: nothing older exists.
///
/// **Errors**: `Storage` when the disk fails or is full; nothing was changed then.
pub(crate) async fn flush(
    files: &Files,
    layout: &RowLayout,
    memory: &Memory,
    (watermark, erased): (Timestamp, &[Erasure]),
    is_all: bool,
) -> Result<Vec<RunFacts>, Error> {
    let mut output = Output::new(files, layout, Codec::Lz4, (watermark, erased), is_all);
    match flush_into(&mut output, memory).await {
        Ok(()) => Ok(output.into_runs()),
        Err(error) => Err(output.discard(error).await),
    }
}

async fn flush_into(output: &mut Output<'_>, memory: &Memory) -> Result<(), Error> {
    let mut since_yield = 0;
    for (key, chain) in &memory.chains {
        for version in chain.iter().rev() {
            let content = match &version.row {
                Some(row) => Content::Row(Row::Bytes(row)),
                None => Content::Deleted,
            };
            output.push(key, version.begin, content).await?;
        }
        since_yield += 1;
        if since_yield >= VERSIONS_PER_STEP {
            since_yield = 0;
            rt::yield_if_needed().await;
        }
    }
    output.finish_run().await
}

/// Carries out a merge and returns the new runs.
///
/// **Cost**: reads and writes every byte of the inputs, past the cache.
/// **Errors**: `Storage`, `Corrupt`; the inputs are as they were.
pub(crate) async fn merge(
    files: &Files,
    layout: &RowLayout,
    plan: &Plan,
    (watermark, erased): (Timestamp, &[Erasure]),
) -> Result<Vec<RunFacts>, Error> {
    let mut runs = plan.inputs.iter().flatten();
    let covers = |run: &Run| erased.iter().any(|e| e.begin <= watermark && e.covers(run));
    if runs.all(|run| covers(run)) {
        // Nobody sees any of it.
        return Ok(Vec::new());
    }
    let codec = if plan.level >= 2 { Codec::Zstd } else { Codec::Lz4 };
    let mut output = Output::new(files, layout, codec, (watermark, erased), plan.is_bottom);
    match merge_into(&mut output, plan).await {
        Ok(()) => Ok(output.into_runs()),
        Err(error) => Err(output.discard(error).await),
    }
}

async fn merge_into(output: &mut Output<'_>, plan: &Plan) -> Result<(), Error> {
    let mut inputs = Vec::with_capacity(plan.inputs.len());
    for runs in &plan.inputs {
        let mut input = Input::new(runs);
        input.settle().await?;
        inputs.push(input);
    }
    let mut since_yield = 0;
    while let Some(first) = first(&inputs) {
        let input = &inputs[first];
        let Some(group) = input.group.clone() else { break };
        let row = input.row;
        let content = if group.is_deletion(row) {
            Content::Deleted
        } else {
            Content::Row(Row::Packed(&group, row))
        };
        output.push(&input.key, group.begin(row), content).await?;
        inputs[first].advance().await?;
        since_yield += 1;
        if since_yield >= VERSIONS_PER_STEP {
            since_yield = 0;
            rt::yield_if_needed().await;
        }
    }
    output.finish_run().await
}

/// Returns the input whose version is next; of equal ones the newer input's.
fn first(inputs: &[Input<'_>]) -> Option<usize> {
    let mut best: Option<(usize, &[u8], Timestamp)> = None;
    for (number, input) in inputs.iter().enumerate() {
        let Some(group) = &input.group else { continue };
        let begin = group.begin(input.row);
        let is_first = best.is_none_or(|(_, key, best_begin)| {
            input.key.as_slice().cmp(key).then_with(|| best_begin.cmp(&begin)).is_lt()
        });
        if is_first {
            best = Some((number, &input.key, begin));
        }
    }
    best.map(|(number, _, _)| number)
}

/// A sequence of runs being read.
struct Input<'a> {
    runs: &'a [Rc<Run>],
    /// Groups read and not reached yet.
    ahead: VecDeque<Group>,
    next_group: u32,
    group: Option<Rc<Group>>,
    row: usize,
    key: Vec<u8>,
}

impl<'a> Input<'a> {
    fn new(runs: &'a [Rc<Run>]) -> Self {
        Self { runs, ahead: VecDeque::new(), next_group: 0, group: None, row: 0, key: Vec::new() }
    }

    async fn advance(&mut self) -> Result<(), Error> {
        self.row += 1;
        self.settle().await
    }

    /// Makes sure that `group`, `row` and `key` say what is next.
    async fn settle(&mut self) -> Result<(), Error> {
        if self.group.as_ref().is_none_or(|group| self.row >= group.rows()) {
            self.row = 0;
            self.group = self.next_group().await?.map(Rc::new);
        }
        if let Some(group) = &self.group {
            group.key_into(self.row, &mut self.key);
        }
        Ok(())
    }

    async fn next_group(&mut self) -> Result<Option<Group>, Error> {
        if let Some(group) = self.ahead.pop_front() {
            return Ok(Some(group));
        }
        while let Some(run) = self.runs.first() {
            let count = READ_GROUPS.min(run.group_count() - self.next_group);
            if count > 0 {
                let groups = run.read(self.next_group, count).await?;
                self.next_group += groups.len() as u32;
                self.ahead.extend(groups);
                return Ok(self.ahead.pop_front());
            }
            self.runs = &self.runs[1..];
            self.next_group = 0;
        }
        Ok(None)
    }
}

/// Runs being written.
struct Output<'l> {
    files: &'l Files,
    layout: &'l RowLayout,
    codec: Codec,
    watermark: Timestamp,
    erased: &'l [Erasure],
    is_bottom: bool,
    writer: Option<RunWriter<'l>>,
    done: Vec<RunFacts>,
    /// Every file that was begun.
    begun: Vec<SegmentId>,
    key: Vec<u8>,
    has_key: bool,
    last: Timestamp,
    /// The version that holds at the watermark has been seen: the rest of the key is invisible.
    is_settled: bool,
}

impl<'l> Output<'l> {
    fn new(
        files: &'l Files,
        layout: &'l RowLayout,
        codec: Codec,
        (watermark, erased): (Timestamp, &'l [Erasure]),
        is_bottom: bool,
    ) -> Self {
        Self {
            files,
            layout,
            codec,
            watermark,
            erased,
            is_bottom,
            writer: None,
            done: Vec::new(),
            begun: Vec::new(),
            key: Vec::new(),
            has_key: false,
            last: Timestamp(0),
            is_settled: false,
        }
    }

    async fn push(
        &mut self,
        key: &[u8],
        begin: Timestamp,
        content: Content<'_>,
    ) -> Result<(), Error> {
        if !self.has_key || self.key != key {
            self.key.clear();
            self.key.extend_from_slice(key);
            (self.has_key, self.is_settled) = (true, false);
            // Between keys only: a key has all its versions in one run of a level.
            if self
                .writer
                .as_ref()
                .is_some_and(|writer| writer.stored_bytes() >= self.files.shape().run_bytes)
            {
                self.finish_run().await?;
            }
        } else if self.is_settled || begin == self.last {
            return Ok(());
        }
        self.last = begin;
        if hidden_since(self.erased.iter(), key, begin, self.watermark).is_some() {
            // So is all of the key that is older.
            self.is_settled = true;
            return Ok(());
        }
        if begin <= self.watermark {
            self.is_settled = true;
            if self.is_bottom && matches!(content, Content::Deleted) {
                return Ok(());
            }
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let (id, writer) = self.files.create(self.layout, self.codec).await?;
                self.begun.push(id);
                self.writer.insert(writer)
            }
        };
        writer.push(key, begin, content).await
    }

    async fn finish_run(&mut self) -> Result<(), Error> {
        if let Some(writer) = self.writer.take() {
            self.done.push(writer.finish().await?);
        }
        Ok(())
    }

    /// Returns the runs, all of them finished.
    fn into_runs(self) -> Vec<RunFacts> {
        self.done
    }

    /// Removes what was written before an error, and returns that.
    async fn discard(self, error: Error) -> Error {
        if let Some(writer) = self.writer {
            writer.discard().await;
        }
        self.files.remove_all(&self.begun).await;
        error
    }
}
