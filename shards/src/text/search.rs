//! Which documents match, best first?
//!
//! Runs are searched one after the other; within a run, a query of plain words adds each leaf's
//! scores into one array over the run's documents, and any other query joins sorted lists. A
//! document's leaves are always added in the order of the query, so that its score has the same
//! bits whichever run, shard or path computed it.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::build::Builder;
use super::index::TextIndex;
use super::options::TextOptions;
use super::phrase::phrase;
use super::postings::{Entry, Run, count_of, union};
use super::query::{TextNode, TextQuery, TextStats};
use super::rank::Ranker;
use crate::error::Error;
use crate::ids::{RecordId, Timestamp};

/// Says for each record whether it may be part of the answer; as many booleans as records.
pub type TextFilter<'a> = dyn FnMut(&[RecordId]) -> Result<Vec<bool>, Error> + 'a;

/// Records a filter is first asked about; each further batch is twice as large.
const FILTER_BATCH_MIN: usize = 64;
/// Most records a filter is asked about at once: what a batch of rows holds.
const FILTER_BATCH_MAX: usize = 4096;

impl TextIndex {
    /// Returns this shard's share of the statistics that [`TextIndex::search`] needs, exact at
    /// the snapshot. Shares add up with [`TextStats::add`].
    ///
    /// **Cost**: for terms, one binary search per document the snapshot does not see; phrases,
    /// prefixes, fuzzy words and restricted fields are evaluated.
    pub fn stats(&self, query: &TextQuery, snapshot: Timestamp) -> TextStats {
        let fields = query.fields.as_deref();
        let mut stats = TextStats::default();
        for run in self.runs() {
            let documents = run.documents();
            let hidden = documents.invisible(snapshot);
            let hidden_words: u64 =
                hidden.iter().map(|&slot| u64::from(documents.length(slot, fields))).sum();
            stats.documents += (documents.len() - hidden.len()) as u64;
            stats.terms += documents.total(fields) - hidden_words;
            let mut counted = Vec::new();
            query.node.scoring_leaves(&mut |leaf| {
                let Some(name) = leaf.leaf_name() else { return };
                if counted.contains(&name) {
                    return;
                }
                let entries = matches_of(run, leaf, fields);
                let visible = entries.len() - count_of(&entries, &hidden);
                *stats.frequency.entry(name.clone()).or_default() += visible as u64;
                counted.push(name);
            });
        }
        stats
    }

    /// Returns the best `k` visible records that match (`None` = all), best first, equal scores
    /// by record; `stats` is the sum of all shards' [`TextIndex::stats`] for the same query and
    /// snapshot. With a filter, exactly `k` whenever `k` matching records pass it.
    ///
    /// **Units**: scores are positive; higher is better.
    /// **Errors**: only those of the filter.
    pub fn search(
        &self,
        query: &TextQuery,
        stats: &TextStats,
        k: Option<usize>,
        snapshot: Timestamp,
        filter: Option<&mut TextFilter<'_>>,
    ) -> Result<Vec<(RecordId, f64)>, Error> {
        let ranker = Ranker::new(&self.options, stats);
        let keep = if filter.is_some() { None } else { k };
        let mut hits = Hits::new(keep);
        for run in self.runs() {
            let view = View { run, fields: query.fields.as_deref(), ranker: &ranker };
            view.search(&query.node, |slot, score| {
                if hits.wants(score) && run.documents().visible(slot, snapshot) {
                    hits.push((run.documents().record(slot), score));
                }
            });
        }
        match filter {
            None => Ok(hits.finish()),
            Some(filter) => filtered(hits.finish(), k, filter),
        }
    }
}

/// Returns whether one record's texts match, for evaluation without an index. Same answer as an
/// index over these fields would give.
///
/// **Cost**: analyses the texts; allocates.
pub fn matches(query: &TextQuery, stem: bool, fields: &[Option<&str>]) -> bool {
    if fields.is_empty() || fields.iter().all(Option::is_none) {
        return false;
    }
    let mut run = Builder::open(fields.len(), stem);
    run.insert(RecordId(0), fields, Timestamp(0));
    let options = TextOptions { fields: fields.len(), stem, ..TextOptions::default() };
    let stats = TextStats::default();
    let ranker = Ranker::new(&options, &stats);
    let view = View { run: &run, fields: query.fields.as_deref(), ranker: &ranker };
    !view.evaluate(&query.node).is_empty()
}

/// Returns the documents of a run that a leaf occurs in, ascending.
fn matches_of<'a>(run: &'a dyn Run, leaf: &TextNode, fields: Option<&[usize]>) -> Cow<'a, [Entry]> {
    match leaf {
        TextNode::Term(term) => match run.postings(term) {
            Some(postings) => postings.within(fields),
            None => Cow::Borrowed(&[]),
        },
        TextNode::Phrase(terms) => Cow::Owned(phrase(run, terms, fields)),
        TextNode::Prefix(prefix) => {
            let documents = run.documents().len();
            Cow::Owned(union(&run.prefixed(prefix), fields, documents))
        }
        TextNode::Fuzzy { term, distance } => {
            let documents = run.documents().len();
            Cow::Owned(union(&run.near(term, *distance), fields, documents))
        }
        TextNode::Any(_) | TextNode::All(_) | TextNode::Prefer(..) | TextNode::Without(..) => {
            Cow::Borrowed(&[])
        }
    }
}

/// A document of a run and its score so far.
type Scored = (u32, f64);

/// One run as one search sees it. Matches of invisible documents are still among its results.
struct View<'a> {
    run: &'a dyn Run,
    fields: Option<&'a [usize]>,
    ranker: &'a Ranker<'a>,
}

impl View<'_> {
    /// Calls `take` with every match, by slot.
    fn search(&self, node: &TextNode, mut take: impl FnMut(u32, f64)) {
        match node {
            TextNode::Any(nodes) if nodes.iter().all(|node| node.leaf_name().is_some()) => {
                self.add_up(nodes, take);
            }
            _ => self.evaluate(node).into_iter().for_each(|(slot, score)| take(slot, score)),
        }
    }

    /// Adds the leaves' scores into an array over the documents.
    fn add_up(&self, leaves: &[TextNode], mut take: impl FnMut(u32, f64)) {
        let lists: Vec<_> =
            leaves.iter().map(|leaf| matches_of(self.run, leaf, self.fields)).collect();
        if lists.iter().all(|list| list.is_empty()) {
            return;
        }
        let documents = self.run.documents();
        let mut scores = vec![0.0f64; documents.len()];
        for (leaf, entries) in leaves.iter().zip(&lists) {
            let weight = self.ranker.weight(leaf);
            for entry in entries.iter() {
                let length = documents.length(entry.slot, self.fields);
                scores[entry.slot as usize] += self.ranker.score(weight, entry.count, length);
            }
        }
        for (slot, score) in (0u32..).zip(scores) {
            if score > 0.0 {
                take(slot, score);
            }
        }
    }

    /// Returns the matches of any node with their scores, by slot.
    fn evaluate(&self, node: &TextNode) -> Vec<Scored> {
        match node {
            TextNode::Any(nodes) => {
                let parts: Vec<_> = nodes.iter().map(|node| self.evaluate(node)).collect();
                parts.into_iter().reduce(either).unwrap_or_default()
            }
            TextNode::All(nodes) => {
                let mut sum: Option<Vec<Scored>> = None;
                for node in nodes {
                    let part = self.evaluate(node);
                    let joined = match sum {
                        None => part,
                        Some(sum) => both(&sum, &part),
                    };
                    if joined.is_empty() {
                        return joined;
                    }
                    sum = Some(joined);
                }
                sum.unwrap_or_default()
            }
            TextNode::Prefer(first, second) => {
                let mut sum = self.evaluate(first);
                let extra = self.evaluate(second);
                let mut extra = extra.iter().peekable();
                for (slot, score) in &mut sum {
                    while extra.next_if(|(other, _)| other < slot).is_some() {}
                    if let Some((_, more)) = extra.next_if(|(other, _)| other == slot) {
                        *score += more;
                    }
                }
                sum
            }
            TextNode::Without(first, second) => {
                let mut kept = self.evaluate(first);
                let dropped = self.evaluate(second);
                let mut dropped = dropped.iter().peekable();
                kept.retain(|(slot, _)| {
                    while dropped.next_if(|(other, _)| other < slot).is_some() {}
                    dropped.peek().is_none_or(|(other, _)| other != slot)
                });
                kept
            }
            TextNode::Term(_)
            | TextNode::Phrase(_)
            | TextNode::Prefix(_)
            | TextNode::Fuzzy { .. } => self.evaluate_leaf(node),
        }
    }

    fn evaluate_leaf(&self, leaf: &TextNode) -> Vec<Scored> {
        let weight = self.ranker.weight(leaf);
        let documents = self.run.documents();
        let score = |entry: &Entry| {
            let length = documents.length(entry.slot, self.fields);
            (entry.slot, self.ranker.score(weight, entry.count, length))
        };
        matches_of(self.run, leaf, self.fields).iter().map(score).collect()
    }
}

/// Joins two lists, adding the scores of documents in both.
fn either(first: Vec<Scored>, second: Vec<Scored>) -> Vec<Scored> {
    let mut sum = Vec::with_capacity(first.len().max(second.len()));
    let mut second = second.into_iter().peekable();
    for (slot, score) in first {
        while let Some(other) = second.next_if(|(other, _)| *other < slot) {
            sum.push(other);
        }
        let more = second.next_if(|(other, _)| *other == slot).map_or(0.0, |(_, more)| more);
        sum.push((slot, score + more));
    }
    sum.extend(second);
    sum
}

/// Keeps the documents in both lists, adding their scores.
fn both(first: &[Scored], second: &[Scored]) -> Vec<Scored> {
    let mut sum = Vec::with_capacity(first.len().min(second.len()));
    let mut second = second.iter().peekable();
    for (slot, score) in first {
        while second.next_if(|(other, _)| other < slot).is_some() {}
        if let Some((_, more)) = second.next_if(|(other, _)| other == slot) {
            sum.push((*slot, score + more));
        }
    }
    sum
}

/// Higher scores first, then lower records.
fn better(a: &(RecordId, f64), b: &(RecordId, f64)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The best hits so far: at most `2 * keep` are held, and cut back to `keep` when full, which
/// costs less per hit than a heap.
struct Hits {
    keep: Option<usize>,
    hits: Vec<(RecordId, f64)>,
    /// Scores below this cannot be among the best.
    floor: f64,
}

impl Hits {
    fn new(keep: Option<usize>) -> Self {
        Self { keep, hits: Vec::new(), floor: 0.0 }
    }

    fn wants(&self, score: f64) -> bool {
        score >= self.floor
    }

    fn push(&mut self, hit: (RecordId, f64)) {
        self.hits.push(hit);
        if let Some(keep) = self.keep
            && self.hits.len() >= keep.saturating_mul(2).max(64)
        {
            self.cut(keep);
        }
    }

    fn cut(&mut self, keep: usize) {
        if keep == 0 {
            self.hits.clear();
        } else if self.hits.len() > keep {
            self.hits.select_nth_unstable_by(keep - 1, better);
            self.hits.truncate(keep);
            self.floor = self.hits[keep - 1].1;
        }
    }

    fn finish(mut self) -> Vec<(RecordId, f64)> {
        if let Some(keep) = self.keep {
            self.cut(keep);
        }
        self.hits.sort_unstable_by(better);
        self.hits
    }
}

/// Asks the filter about hits, best first, until `k` have passed.
fn filtered(
    hits: Vec<(RecordId, f64)>,
    k: Option<usize>,
    filter: &mut TextFilter<'_>,
) -> Result<Vec<(RecordId, f64)>, Error> {
    let wanted = k.unwrap_or(usize::MAX);
    let mut passed = Vec::new();
    let mut rest = &hits[..];
    let mut size = wanted.clamp(FILTER_BATCH_MIN, FILTER_BATCH_MAX);
    while passed.len() < wanted && !rest.is_empty() {
        let (batch, later) = rest.split_at(size.min(rest.len()));
        let records: Vec<RecordId> = batch.iter().map(|(record, _)| *record).collect();
        let answers = filter(&records)?;
        if answers.len() != records.len() {
            return Err(Error::Internal(format!(
                "a filter gave {} answers for {} records",
                answers.len(),
                records.len()
            )));
        }
        let open = wanted - passed.len();
        let chosen = batch.iter().zip(answers).filter(|(_, pass)| *pass);
        passed.extend(chosen.map(|(hit, _)| *hit).take(open));
        rest = later;
        size = (size * 2).min(FILTER_BATCH_MAX);
    }
    Ok(passed)
}
