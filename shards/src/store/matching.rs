//! Which rows match a text query, and what are the statistics?

use std::sync::Arc;

use super::cursor::{Cursor, Hit, Measure, Overlay, Place, Source};
use super::indexes::{TextColumns, texts_of};
use super::install::Store;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{IndexId, RecordId, TableId, Timestamp};
use crate::request::ReadView;
use crate::row::RowView;
use crate::text::{TextIndex, TextQuery, TextStats};
use crate::tree::Reach;

/// What is asked for.
pub(super) struct Match<'a> {
    pub query: &'a TextQuery,
    pub stats: &'a TextStats,
    pub k: Option<usize>,
}

impl Store {
    /// Returns this shard's share of the statistics of a text query, as the view sees them.
    ///
    /// **Errors**: `StaleCatalog` when the table or the index is gone; `NotLoaded`.
    pub(crate) fn text_stats(
        &self,
        reach: Reach<'_>,
        table: TableId,
        index: IndexId,
        query: &TextQuery,
        view: ReadView,
    ) -> Result<TextStats, Error> {
        let overlay = self.overlay(table, view);
        let table = self.table(table)?;
        let text = table.text(index)?;
        let mut stats = text.index.stats(query, view.snapshot);
        if overlay.hidden.is_empty() && overlay.rows.is_empty() {
            return Ok(stats);
        }
        let positions: Vec<usize> = (0..overlay.rows.len()).collect();
        let staged = table.index_staged(text, &overlay, &positions)?;
        stats.add(&staged.stats(query, Timestamp(0)));
        let mut hidden: Vec<&Arc<[u8]>> = overlay.hidden.iter().collect();
        hidden.sort_unstable();
        let mut replaced = TextIndex::open(text.index.options().clone());
        for (position, key) in hidden.into_iter().enumerate() {
            if let Some(found) = table.get(reach, key, view.snapshot)?
                && let Some(row) = found.row
            {
                let id = RecordId(position as u32);
                table.index_text(text, &mut replaced, id, &row.bytes(&table.layout))?;
            }
        }
        subtract(&mut stats, &replaced.stats(query, Timestamp(0)));
        Ok(stats)
    }
}

impl Cursor {
    /// Finds the matching rows, the transaction's own among them.
    pub(super) fn open_matching(
        &mut self,
        table: &TableStore,
        reach: Reach<'_>,
        index: IndexId,
        wanted: Match<'_>,
    ) -> Result<(), Error> {
        self.measure = Measure::Score;
        let text = table.text(index)?;
        let Match { query, stats, k } = wanted;
        let found = if self.filter.is_none() {
            let more = k.map(|k| k.saturating_add(self.overlay.hidden.len()));
            text.index.search(query, stats, more, self.snapshot, None)?
        } else {
            let mut passes = |ids: &[RecordId]| self.passing(table, reach, ids);
            text.index.search(query, stats, k, self.snapshot, Some(&mut passes))?
        };
        let mut hits: Vec<Hit> = found
            .into_iter()
            .map(|(id, score)| (Place::Record(table.names.key(id).clone()), score))
            .filter(|(place, _)| !self.is_hidden(place))
            .map(|(place, measure)| Hit { place, measure })
            .collect();
        let positions = self.passing_staged(table)?;
        let staged = table.index_staged(text, &self.overlay, &positions)?;
        let found = staged.search(query, stats, k, Timestamp(0), None)?;
        hits.extend(
            found
                .into_iter()
                .map(|(id, score)| Hit { place: Place::Staged(id.0 as usize), measure: score }),
        );
        hits.sort_by(|a, b| b.measure.total_cmp(&a.measure).then(a.place.cmp(&b.place)));
        if let Some(k) = k {
            hits.truncate(k);
        }
        // The filter has been asked about every hit.
        self.filter = None;
        self.source = Source::Hits { hits, next: 0 };
        Ok(())
    }
}

impl TableStore {
    pub(super) fn text(&self, index: IndexId) -> Result<&TextColumns, Error> {
        self.indexes.check_whole(Some(index))?;
        self.indexes.text.get(&index).ok_or_else(|| self.stale())
    }

    /// Builds a passing index over staged rows; record ids are their positions.
    fn index_staged(
        &self,
        text: &TextColumns,
        overlay: &Overlay,
        positions: &[usize],
    ) -> Result<TextIndex, Error> {
        let mut index = TextIndex::open(text.index.options().clone());
        for &position in positions {
            let row = &overlay.rows[position].row;
            self.index_text(text, &mut index, RecordId(position as u32), row)?;
        }
        Ok(index)
    }

    pub(super) fn index_text(
        &self,
        text: &TextColumns,
        index: &mut TextIndex,
        id: RecordId,
        row: &[u8],
    ) -> Result<(), Error> {
        let row = RowView::new(row, &self.layout)?;
        let texts = texts_of(&text.fields, &row, &self.layout)?;
        let fields: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        index.insert(id, &fields, Timestamp(0));
        Ok(())
    }
}

fn subtract(stats: &mut TextStats, other: &TextStats) {
    stats.documents = stats.documents.saturating_sub(other.documents);
    stats.terms = stats.terms.saturating_sub(other.terms);
    for (term, count) in &other.frequency {
        if let Some(frequency) = stats.frequency.get_mut(term) {
            *frequency = frequency.saturating_sub(*count);
        }
    }
}
