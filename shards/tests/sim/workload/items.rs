//! Records with vectors or texts change: a search finds what a scan does.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Index, IndexKind, Table, TextField};
use pieskieo_shards::ids::{ColumnId, IndexId, TableId};
use pieskieo_shards::request::{Access, Expect};
use pieskieo_shards::text::TextQuery;
use pieskieo_shards::value::ColumnType;
use pieskieo_shards::vector::Metric;

use super::below;
use crate::content::{DIM, WORDS, read_rows, text_of};
use crate::ledger::{Content, Draft};
use crate::model::table;

const ITEMS: TableId = TableId(1);
const INDEX: IndexId = IndexId(1);
const COUNT: i64 = 24;
const METRIC: Metric = Metric::L2;
/// Position of the vectors and texts.
const COLUMN: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Vector,
    Text,
}

pub fn tables(kind: Kind) -> Vec<Table> {
    let mut items = table(ITEMS, "items", &["id", "stamp", "content"]);
    items.columns[COLUMN].not_null = false;
    items.columns[COLUMN].ty = match kind {
        Kind::Vector => ColumnType::Vector(DIM as u32),
        Kind::Text => ColumnType::Text,
    };
    let kind = match kind {
        Kind::Vector => IndexKind::Vector {
            column: COLUMN,
            metric: METRIC,
            m: 3,
            ef_construction: 8,
            ef_search: 4,
        },
        Kind::Text => {
            let fields = vec![TextField { column: COLUMN, path: Vec::new() }];
            IndexKind::Text { fields, stem: false }
        }
    };
    items.indexes.push(Arc::new(Index { id: INDEX, name: "search".into(), kind, comment: None }));
    vec![items]
}

pub fn first(draft: &mut Draft) -> Result<(), Error> {
    (0..COUNT / 2).try_for_each(|id| draft.put(ITEMS, &[id, id], Expect::Absent))
}

/// Puts or deletes one to three records: edits compare, upserts do not.
pub async fn step(draft: &mut Draft) -> Result<(), Error> {
    let ids: BTreeSet<i64> = (0..=below(3)).map(|_| below(COUNT)).collect();
    for id in ids {
        let mut expect = Expect::Any;
        if below(2) == 0 {
            let found = draft.get(ITEMS, &[id]).await?;
            expect = found.map_or(Expect::Absent, |found| Expect::Version(found.version));
        }
        match below(4) {
            0 if expect != Expect::Absent => draft.delete(ITEMS, &[id], expect)?,
            _ => draft.put(ITEMS, &[id, below(10_000)], expect)?,
        }
    }
    Ok(())
}

/// Whoever asks each shard for more records than there are finds each of them once.
pub async fn check_nearest(core: &Rc<Core>, content: &Content) -> Result<(), Error> {
    let rows: BTreeSet<&[i64]> = content.rows(ITEMS).collect();
    if !content.tables.contains_key(&ITEMS) {
        return Ok(());
    }
    let query: Arc<[f32]> = (0..DIM).map(|_| below(5) as f32).collect();
    let mut count = 0;
    for shard in core.shards() {
        let access = Access::Nearest {
            column: ColumnId(COLUMN as u32 + 1),
            index: Some(INDEX),
            metric: METRIC,
            query: query.clone(),
            k: COUNT as usize + 1,
            ef: None,
        };
        for found in read_rows(core, shard, ITEMS, access, content.view).await? {
            assert!(rows.contains(&found.values[..]), "{found:?} is not there");
            count += 1;
        }
    }
    assert_eq!(count, rows.len(), "not all were found");
    Ok(())
}

/// A word finds the records that have it.
pub async fn check_words(core: &Rc<Core>, content: &Content) -> Result<(), Error> {
    if !content.tables.contains_key(&ITEMS) {
        return Ok(());
    }
    for word in WORDS {
        let query = Arc::new(TextQuery::parse(word, false)?);
        let mut found = BTreeSet::new();
        for shard in core.shards() {
            let (query, stats) = (query.clone(), Arc::default());
            let access = Access::Matching { index: INDEX, query, stats, k: None };
            let rows = read_rows(core, shard, ITEMS, access, content.view).await?;
            found.extend(rows.into_iter().map(|found| found.values));
        }
        let has = |row: &&[i64]| text_of(row[1]).is_some_and(|text| text.contains(word));
        let expected: BTreeSet<Vec<i64>> =
            content.rows(ITEMS).filter(has).map(<[i64]>::to_vec).collect();
        assert_eq!(found, expected, "searched for {word}");
    }
    Ok(())
}
