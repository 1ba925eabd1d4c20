//! How are a table's indexes kept in step with its records?

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::apply::Mirror;
use super::changes::Changes;
use super::maintain::StoreMemory;
use crate::catalog::{Index, IndexKind, Table, TableKind, TextField};
use crate::document;
use crate::error::Error;
use crate::graph::{Adjacency, Changed};
use crate::ids::{IndexId, RecordId, Timestamp};
use crate::key::Key;
use crate::ordered::{OrderedIndex, entry_of};
use crate::row::{RowLayout, RowView};
use crate::text::{TextIndex, TextOptions};
use crate::tree::Tree;
use crate::value::ColumnType;
use crate::vector::{VectorIndex, VectorOptions};

/// The indexes of one table.
#[derive(Default)]
pub(super) struct Indexes {
    pub ordered: BTreeMap<IndexId, OrderedIndex>,
    pub vector: BTreeMap<IndexId, VectorColumn>,
    pub text: BTreeMap<IndexId, TextColumns>,
    /// Of edge tables: which edges are at which nodes.
    pub edges: Option<EdgeColumns>,
    /// Indexes that lack records which could not be read, and why these could not; `None` is the
    /// adjacency. They do not answer: what they lack would be missing in silence.
    pub lost: BTreeMap<Option<IndexId>, String>,
    /// The elements of the vector being indexed.
    elements: Vec<f32>,
}

/// A vector index and the column it is over.
pub(super) struct VectorColumn {
    pub column: usize,
    pub index: VectorIndex,
    /// What its image does not have.
    pub changes: Changes,
}

/// A text index and what it is over.
pub(super) struct TextColumns {
    pub fields: Vec<TextField>,
    pub index: TextIndex,
    /// What its image does not have.
    pub changes: Changes,
}

/// The adjacency of an edge table and the columns it comes from.
pub(super) struct EdgeColumns {
    source: usize,
    target: usize,
    pub adjacency: Adjacency,
    /// What its image does not have.
    pub changes: Changes,
    /// The edges that arrive here, as entries of target and edge: their records are elsewhere.
    pub mirrors: Tree,
}

/// What happens to a record's row at a moment.
#[derive(Clone, Copy)]
pub(super) struct RowChange<'a> {
    pub id: RecordId,
    pub key: &'a Key,
    /// The row until `at`.
    pub old: Option<RowView<'a>>,
    /// The row from `at` on.
    pub new: Option<RowView<'a>>,
    pub at: Timestamp,
}

impl Indexes {
    pub fn open(table: &Table) -> Self {
        let mut indexes = Self { edges: EdgeColumns::open(table), ..Self::default() };
        for index in &table.indexes {
            indexes.add(index, table);
        }
        indexes
    }

    /// Makes an index, empty.
    pub fn add(&mut self, index: &Index, table: &Table) {
        match &index.kind {
            IndexKind::Ordered { columns } => {
                self.ordered.insert(index.id, OrderedIndex::open(columns));
            }
            IndexKind::Vector { column, .. } => {
                if let Some(options) = vector_options(index, table) {
                    let (column, changes) = (*column, Changes::default());
                    let index_of =
                        VectorColumn { column, index: VectorIndex::open(options), changes };
                    self.vector.insert(index.id, index_of);
                }
            }
            IndexKind::Text { fields, stem } => {
                let options =
                    TextOptions { fields: fields.len(), stem: *stem, ..TextOptions::default() };
                let (fields, changes) = (fields.clone(), Changes::default());
                let index_of = TextColumns { fields, index: TextIndex::open(options), changes };
                self.text.insert(index.id, index_of);
            }
        }
    }

    /// Drops an index.
    pub fn drop(&mut self, id: IndexId) {
        self.lost.remove(&Some(id));
        self.ordered.remove(&id);
        self.vector.remove(&id);
        self.text.remove(&id);
    }

    /// Carries a change of a record into every index, or into `only` one.
    pub fn change(
        &mut self,
        layout: &RowLayout,
        change: RowChange<'_>,
        only: Option<IndexId>,
    ) -> Result<(), Error> {
        let concerned = |id: &IndexId| only.is_none_or(|only| only == *id);
        for (_, index) in self.ordered.iter_mut().filter(|(id, _)| concerned(id)) {
            change_ordered(index, layout, change)?;
        }
        for (_, index) in self.vector.iter_mut().filter(|(id, _)| concerned(id)) {
            index.change(layout, change, &mut self.elements)?;
        }
        for (_, index) in self.text.iter_mut().filter(|(id, _)| concerned(id)) {
            index.change(layout, change)?;
        }
        if let (Some(edges), None) = (&mut self.edges, only) {
            edges.change(layout, change)?;
        }
        Ok(())
    }

    /// Returns an error for an index that lacks records.
    ///
    /// **Errors**: `Corrupt` naming what is damaged.
    pub fn check_whole(&self, index: Option<IndexId>) -> Result<(), Error> {
        match self.lost.get(&index) {
            None => Ok(()),
            Some(cause) => Err(Error::Corrupt(format!("an index lacks records: {cause}"))),
        }
    }

    /// Returns whether there is nothing to keep in step.
    pub fn is_empty(&self) -> bool {
        self.ordered.is_empty() && self.edges.is_none() && !self.numbers()
    }

    /// Returns whether some index knows records by number.
    pub fn numbers(&self) -> bool {
        !self.vector.is_empty() || !self.text.is_empty()
    }

    /// Adds or removes the in-side of an edge.
    pub fn mirror(&mut self, mirror: Mirror<'_>, at: Timestamp) {
        let Some(edges) = &mut self.edges else { return };
        let Mirror { edge, source, target, present } = mirror;
        let entry = entry_of(target.bytes(), edge.bytes());
        // What recovery learns last, because an outcome was not logged, may be older than what the
        // log says after it.
        if edges.mirrors.hot(&entry).is_some_and(|(newer, _)| newer > at) {
            return;
        }
        // Ended first even when it is to be there: a mirror replayed twice stays one.
        edges.adjacency.remove_in(target, source, edge, at);
        if edges.changes.is_noting() {
            edges.changes.note(&Changed::Into(&entry).key());
        }
        if present {
            edges.adjacency.insert_in(target, source, edge, at);
            edges.mirrors.put(&entry, at, Arc::from([]));
        } else {
            edges.mirrors.delete(&entry, at);
        }
    }

    /// Returns the trees.
    pub fn trees(&self) -> impl Iterator<Item = &Tree> {
        let ordered = self.ordered.values().map(|index| &index.tree);
        ordered.chain(self.edges.iter().map(|edges| &edges.mirrors))
    }

    /// Drops versions in the trees that nobody sees, of the past or not; returns whether there is more to do.
    pub fn collect_trees(
        &mut self,
        watermark: Timestamp,
        horizon: Timestamp,
        budget: &mut dyn FnMut() -> bool,
    ) -> bool {
        let mut ordered = self.ordered.values_mut();
        ordered.any(|index| index.tree.collect(watermark, budget))
            || self.edges.as_mut().is_some_and(|edges| edges.mirrors.collect(horizon, budget))
    }

    /// Forgets what ended at or before the watermark in the indexes that know by themselves.
    pub fn collect(&mut self, watermark: Timestamp) {
        for vector in self.vector.values_mut() {
            vector.index.collect(watermark);
        }
        for text in self.text.values_mut() {
            text.index.collect(watermark);
        }
        if let Some(edges) = &mut self.edges {
            edges.adjacency.collect(watermark);
        }
    }

    /// Moves what indexes have put aside to where searches are fast; returns whether more is to
    /// do.
    pub fn fold(&mut self, budget: &mut dyn FnMut() -> bool) -> bool {
        self.vector.values_mut().any(|vector| vector.index.fold(budget))
            || self.text.values_mut().any(|text| text.index.fold(budget))
            || self.edges.as_mut().is_some_and(|edges| edges.adjacency.fold(budget))
    }

    /// Returns how many vectors wait to be folded.
    pub fn vectors_pending(&self) -> usize {
        self.vector.values().map(|vector| vector.index.pending()).sum()
    }

    /// Returns the bytes of what has no tree.
    pub fn memory(&self) -> StoreMemory {
        let vectors: usize = self.vector.values().map(|vector| vector.index.memory_bytes()).sum();
        let text: usize = self.text.values().map(|text| text.index.memory_bytes()).sum();
        let graph = self.edges.as_ref().map_or(0, |edges| edges.adjacency.memory_bytes());
        StoreMemory {
            vectors: vectors as u64,
            text: text as u64,
            graph: graph as u64,
            ..StoreMemory::default()
        }
    }
}

impl VectorColumn {
    fn change(
        &mut self,
        layout: &RowLayout,
        change: RowChange<'_>,
        elements: &mut Vec<f32>,
    ) -> Result<(), Error> {
        let column = self.column;
        if let (Some(old), Some(new)) = (&change.old, &change.new)
            && old.raw(layout, column)? == new.raw(layout, column)?
        {
            return Ok(());
        }
        self.changes.note(change.key.shared_bytes());
        if change.old.is_some() {
            self.index.remove(change.id, change.at);
        }
        elements.clear();
        if let Some(new) = &change.new
            && new.vector_into(layout, column, elements)?
        {
            self.index.insert(change.id, elements, change.at);
        }
        Ok(())
    }
}

impl TextColumns {
    fn change(&mut self, layout: &RowLayout, change: RowChange<'_>) -> Result<(), Error> {
        let texts = |row: &Option<RowView<'_>>| {
            row.as_ref().map(|row| texts_of(&self.fields, row, layout)).transpose()
        };
        let (old, new) = (texts(&change.old)?, texts(&change.new)?);
        if old == new {
            return Ok(());
        }
        self.changes.note(change.key.shared_bytes());
        // A record without texts is inserted too: that ends what was there, even if it began at
        // this very moment, when `remove` would leave it.
        let new = new.unwrap_or_else(|| vec![None; self.fields.len()]);
        let fields: Vec<Option<&str>> = new.iter().map(Option::as_deref).collect();
        self.index.insert(change.id, &fields, change.at);
        Ok(())
    }
}

impl EdgeColumns {
    fn open(table: &Table) -> Option<Self> {
        if !matches!(table.kind, TableKind::Edge { .. }) {
            return None;
        }
        let source = *table.key.first()?;
        let target = table.column_named("dst")?;
        let mirrors = Tree::open(RowLayout::of_types(std::iter::empty()));
        let (adjacency, changes) = (Adjacency::open(), Changes::default());
        Some(Self { source, target, adjacency, changes, mirrors })
    }

    /// Returns the keys of the nodes an edge leads from and to.
    pub fn ends(&self, row: &RowView<'_>, layout: &RowLayout) -> Result<(Key, Key), Error> {
        let node =
            |column: usize| Key::for_node(layout.column_type(column), &row.value(layout, column)?);
        Ok((node(self.source)?, node(self.target)?))
    }

    /// Returns the type of the key of target nodes.
    pub fn target_types(&self, layout: &RowLayout) -> [ColumnType; 1] {
        [layout.column_type(self.target).clone()]
    }

    fn change(&mut self, layout: &RowLayout, change: RowChange<'_>) -> Result<(), Error> {
        let ends =
            |row: &Option<RowView<'_>>| row.as_ref().map(|row| self.ends(row, layout)).transpose();
        let (old, new) = (ends(&change.old)?, ends(&change.new)?);
        if old == new {
            return Ok(());
        }
        if self.changes.is_noting() {
            self.changes.note(&Changed::Out(change.key.bytes()).key());
        }
        if let Some((source, target)) = old {
            self.adjacency.remove_out(&source, &target, change.key, change.at);
        }
        if let Some((source, target)) = new {
            self.adjacency.insert_out(&source, &target, change.key, change.at);
        }
        Ok(())
    }
}

/// Returns the texts a text index takes from a row, one per field.
pub(super) fn texts_of(
    fields: &[TextField],
    row: &RowView<'_>,
    layout: &RowLayout,
) -> Result<Vec<Option<String>>, Error> {
    fields
        .iter()
        .map(|field| {
            if *layout.column_type(field.column) != ColumnType::Json {
                return Ok(row.text(layout, field.column)?.map(str::to_owned));
            }
            let bytes = row.raw(layout, field.column)?;
            Ok(document::text_at(bytes, &field.path).map(Cow::into_owned))
        })
        .collect()
}

/// Returns the options of a vector index; `None` when its column is no vector, which `CREATE
/// INDEX` refuses.
pub(super) fn vector_options(index: &Index, table: &Table) -> Option<VectorOptions> {
    let IndexKind::Vector { column, metric, m, ef_construction, ef_search } = &index.kind else {
        return None;
    };
    let ColumnType::Vector(dim) = table.columns.get(*column)?.ty else { return None };
    let options = VectorOptions {
        m: *m,
        ef_construction: *ef_construction,
        ef_search: *ef_search,
        ..VectorOptions::new(dim as usize, *metric)
    };
    options.checked().ok()
}

fn change_ordered(
    index: &mut OrderedIndex,
    layout: &RowLayout,
    change: RowChange<'_>,
) -> Result<(), Error> {
    if let (Some(old), Some(new)) = (&change.old, &change.new)
        && index.same(old, new, layout)?
    {
        return Ok(());
    }
    if let Some(old) = &change.old {
        index.remove(old, layout, change.key.bytes(), change.at)?;
    }
    if let Some(new) = &change.new {
        index.insert(new, layout, change.key.bytes(), change.at)?;
    }
    Ok(())
}
