//! How do indexes that are no trees get into images, and out of them?

use std::sync::Arc;

use pieskieo_io::segment::Codec;

use super::build::{Entry, Row};
use super::changes::{ChangedKeys, Changes};
use super::indexes::Indexes;
use super::install::Store;
use super::table::TableStore;
use crate::error::Error;
use crate::ids::{RecordId, TableId, Timestamp};
use crate::storage::ImageName;
use crate::tree::Reach;
use crate::{graph, text, vector};

/// An image waits while one vector in this many is not linked: the links are what it is for.
const PENDING_SHARE: usize = 8;
/// Nodes whose links are checked in one step.
const CHECKED_NODES: usize = 1024;

/// An image being written.
pub(crate) enum Writing {
    Vector(vector::Portrayal),
    Text(text::Portrayal),
    Edges(graph::Portrayal),
}

/// An image being read.
pub(crate) enum Reading {
    Vector(Box<vector::Revival>),
    Text(Box<text::Revival>),
    Edges(Box<graph::Revival>),
}

/// What a checkpoint lists of an index.
pub(crate) struct Changed {
    /// The index.
    pub name: ImageName,
    /// Keys whose records may differ.
    pub keys: ChangedKeys,
    /// Whether they are beside the image that was just finished.
    pub is_new: bool,
}

impl Store {
    /// Returns an index that needs an image, or a new one.
    pub(crate) fn image_due(&self, entries_min: usize) -> Option<ImageName> {
        self.tables.iter().find_map(|(table, store)| store.image_due(*table, entries_min))
    }

    /// Begins an image and returns its head; `None` when the index is gone.
    pub(crate) fn begin_image(&mut self, name: ImageName) -> Option<(Vec<u8>, Writing)> {
        let indexes = &mut self.tables.get_mut(&name.table)?.indexes;
        indexes.changes_mut(name)?.begin();
        let Some(index) = name.index else {
            let (head, portrayal) = indexes.edges.as_ref()?.adjacency.begin_image();
            return Some((head, Writing::Edges(portrayal)));
        };
        if let Some(column) = indexes.vector.get_mut(&index) {
            let (head, portrayal) = column.index.begin_image();
            return Some((head, Writing::Vector(portrayal)));
        }
        let (head, portrayal) = indexes.text.get_mut(&index)?.index.begin_image();
        Some((head, Writing::Text(portrayal)))
    }

    /// Returns the next block of an image; `Some(None)` after the last, `None` when the index is
    /// gone.
    ///
    /// **Cost**: copies about 256 KiB.
    pub(crate) fn image_block(
        &self,
        name: ImageName,
        writing: &mut Writing,
    ) -> Option<Option<Vec<u8>>> {
        let table = self.tables.get(&name.table)?;
        let key_of = |record: RecordId| &**table.names.key(record);
        match writing {
            Writing::Vector(portrayal) => {
                let column = table.indexes.vector.get(&name.index?)?;
                Some(column.index.image_block(portrayal, key_of))
            }
            Writing::Text(portrayal) => {
                let columns = table.indexes.text.get(&name.index?)?;
                Some(columns.index.image_block(portrayal, key_of))
            }
            Writing::Edges(portrayal) => {
                Some(table.indexes.edges.as_ref()?.adjacency.image_block(portrayal))
            }
        }
    }

    /// Ends an image; `is_whole`: it was finished.
    pub(crate) fn end_image(&mut self, name: ImageName, is_whole: bool) {
        let Some(table) = self.tables.get_mut(&name.table) else { return };
        table.indexes.release(name);
        if let Some(changes) = table.indexes.changes_mut(name)
            && !is_whole
        {
            changes.give_up();
        }
    }

    /// Takes what a checkpoint lists, of every index that has an image. `finished`: those whose new
    /// image the checkpoint names.
    pub(crate) fn take_changes(&mut self, finished: &[ImageName]) -> Vec<Changed> {
        let mut changed = Vec::new();
        for (table, store) in &mut self.tables {
            for name in store.indexes.image_names(*table) {
                let Some(changes) = store.indexes.changes_mut(name) else { continue };
                let new = if finished.contains(&name) { changes.take_new() } else { None };
                let is_new = new.is_some();
                if let Some(keys) = new.or_else(|| changes.take()) {
                    changed.push(Changed { name, keys, is_new });
                }
            }
        }
        changed
    }

    /// Begins to read an image.
    ///
    /// **Errors**: `Corrupt` when it is not one of this index.
    pub(crate) fn begin_reading(&self, name: ImageName, head: &[u8]) -> Result<Reading, Error> {
        let gone = || Error::Corrupt("the image is of an index that is not there".into());
        let table = self.tables.get(&name.table).ok_or_else(gone)?;
        let Some(index) = name.index else {
            table.indexes.edges.as_ref().ok_or_else(gone)?;
            return Ok(Reading::Edges(Box::new(graph::Revival::begin(head)?)));
        };
        if let Some(column) = table.indexes.vector.get(&index) {
            let revival = vector::Revival::begin(*column.index.options(), head)?;
            return Ok(Reading::Vector(Box::new(revival)));
        }
        let columns = table.indexes.text.get(&index).ok_or_else(gone)?;
        let revival = text::Revival::begin(columns.index.options().clone(), head)?;
        Ok(Reading::Text(Box::new(revival)))
    }

    /// Takes a block of an image in, without the entries of `changed`.
    ///
    /// **Errors**: `Corrupt`.
    pub(crate) fn read_block(
        &mut self,
        name: ImageName,
        reading: &mut Reading,
        block: &[u8],
        changed: &ChangedKeys,
    ) -> Result<(), Error> {
        let Some(table) = self.tables.get_mut(&name.table) else { return Ok(()) };
        let names = &mut table.names;
        let mut known = |key: &[u8]| {
            let is_changed = changed.contains(key);
            (!is_changed).then(|| match names.find(key) {
                Some(record) => record,
                None => names.intern(&Arc::from(key)),
            })
        };
        match reading {
            Reading::Vector(revival) => revival.take(block, &mut known),
            Reading::Text(revival) => revival.take(block, &mut known),
            Reading::Edges(revival) => revival.take(block, changed),
        }
    }

    /// Puts an index that was read in the place of the empty one.
    ///
    /// **Errors**: `Corrupt` when something is missing; nothing has changed then.
    pub(crate) fn finish_reading(
        &mut self,
        name: ImageName,
        reading: Reading,
    ) -> Result<(), Error> {
        let Some(table) = self.tables.get_mut(&name.table) else { return Ok(()) };
        let id = name.index.unwrap_or_default();
        match reading {
            Reading::Vector(revival) => {
                let index = revival.finish()?;
                if let Some(column) = table.indexes.vector.get_mut(&id) {
                    column.index = index;
                }
            }
            Reading::Text(revival) => {
                let index = revival.finish()?;
                if let Some(columns) = table.indexes.text.get_mut(&id) {
                    columns.index = index;
                }
            }
            Reading::Edges(revival) => {
                let adjacency = revival.finish()?;
                if let Some(edges) = &mut table.indexes.edges {
                    edges.adjacency = adjacency;
                }
            }
        }
        Ok(())
    }

    /// Says that an index is what its image and its lists say.
    pub(crate) fn imaged(&mut self, name: ImageName, listed: u64, lists: u32) {
        let table = self.tables.get_mut(&name.table);
        if let Some(changes) = table.and_then(|table| table.indexes.changes_mut(name)) {
            changes.restore(listed, lists);
        }
    }

    /// Returns the current mirrors with these entries.
    ///
    /// **Errors**: as [`Store::current_rows`].
    pub(crate) fn current_mirrors(
        &self,
        reach: Reach<'_>,
        table: TableId,
        entries: &[&[u8]],
    ) -> Result<Vec<Entry>, Error> {
        let Some(edges) = &self.table(table)?.indexes.edges else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut lacks = false;
        for entry in entries {
            match edges.mirrors.get(reach, entry, Timestamp::MAX) {
                Err(Error::NotLoaded) => lacks = true,
                version => {
                    let current = version?.filter(|version| version.row.is_some());
                    found.extend(current.map(|version| (entry.to_vec(), version.begin)));
                }
            }
        }
        if lacks { Err(Error::NotLoaded) } else { Ok(found) }
    }

    /// Returns the current records with these keys.
    ///
    /// **Errors**: `NotLoaded`, after the groups of all of them were asked for.
    pub(crate) fn current_rows(
        &self,
        reach: Reach<'_>,
        table: TableId,
        keys: &[Arc<[u8]>],
    ) -> Result<Vec<Row>, Error> {
        let table = self.table(table)?;
        let mut rows = Vec::new();
        let mut lacks = false;
        for key in keys {
            match table.get(reach, key, Timestamp::MAX) {
                Err(Error::NotLoaded) => lacks = true,
                found => {
                    if let Some(found) = found?
                        && let Some(row) = found.row
                    {
                        let row = row.bytes(&table.layout);
                        rows.push(Row { key: key.clone(), begin: found.begin, row });
                    }
                }
            }
        }
        if lacks { Err(Error::NotLoaded) } else { Ok(rows) }
    }
}

impl Writing {
    /// Returns how blocks are to be stored.
    pub(crate) fn codec(&self) -> Codec {
        match self {
            // Elements of vectors do not shrink.
            Self::Vector(_) => Codec::Plain,
            Self::Text(_) | Self::Edges(_) => Codec::Lz4,
        }
    }
}

impl Reading {
    /// Checks a part of what was read; returns whether there is more to check.
    pub(crate) fn check(&mut self) -> bool {
        match self {
            Self::Vector(revival) => revival.check(CHECKED_NODES),
            Self::Text(_) => false,
            Self::Edges(revival) => revival.check(),
        }
    }
}

impl TableStore {
    fn image_due(&self, table: TableId, entries_min: usize) -> Option<ImageName> {
        let vector = self.indexes.vector.iter().filter(|(_, column)| {
            let (entries, pending) = (column.index.len(), column.index.pending());
            column.changes.is_due(entries, entries_min) && pending * PENDING_SHARE <= entries
        });
        let text = self
            .indexes
            .text
            .iter()
            .filter(|(_, columns)| columns.changes.is_due(columns.index.len(), entries_min));
        let edges = self.indexes.edges.iter().filter(|edges| {
            let entries = edges.adjacency.len() + edges.adjacency.mirror_count();
            edges.changes.is_due(entries, entries_min)
        });
        let due = vector.map(|(index, _)| *index).chain(text.map(|(index, _)| *index));
        let mut due = due.map(Some).chain(edges.map(|_| None));
        // Of what lacks records there is no image: a start would take it for whole.
        due.find(|index| !self.indexes.lost.contains_key(index))
            .map(|index| ImageName { table, index })
    }
}

impl Indexes {
    /// Returns the indexes that may have images.
    fn image_names(&self, table: TableId) -> Vec<ImageName> {
        let indexes = self.vector.keys().chain(self.text.keys()).copied().map(Some);
        let indexes = indexes.chain(self.edges.iter().map(|_| None));
        indexes.map(|index| ImageName { table, index }).collect()
    }

    fn changes_mut(&mut self, name: ImageName) -> Option<&mut Changes> {
        let Some(index) = name.index else {
            return self.edges.as_mut().map(|edges| &mut edges.changes);
        };
        if let Some(column) = self.vector.get_mut(&index) {
            return Some(&mut column.changes);
        }
        Some(&mut self.text.get_mut(&index)?.changes)
    }

    /// Lets an index go on of which an image was written.
    fn release(&mut self, name: ImageName) {
        let index = name.index.unwrap_or_default();
        if let Some(column) = self.vector.get_mut(&index) {
            column.index.end_image();
        }
        if let Some(columns) = self.text.get_mut(&index) {
            columns.index.end_image();
        }
    }
}
