//! Which way do a scan's records come, and from which shards?

use std::sync::{Arc, OnceLock};

use pieskieo_shards::catalog::{Catalog, Table};
use pieskieo_shards::ids::{IndexId, ShardId};
use pieskieo_shards::key::{Key, KeyRange};
use pieskieo_shards::request::Access;
use pieskieo_shards::text::{TextQuery, TextStats};
use pieskieo_shards::vector::Metric;

use super::scope::Scope;
use crate::error::Error;

/// How a scan finds its records, before it is known at which snapshot.
#[derive(Clone, Debug)]
pub enum ScanPath {
    /// Every record.
    All,
    /// The records with these keys, each read from its owner.
    Keys(Vec<Key>),
    /// A range of primary keys.
    KeyRange(KeyRange),
    /// A range of an ordered index.
    Index {
        /// The index.
        index: IndexId,
        /// The range over its columns.
        range: KeyRange,
    },
    /// The nearest `k` of every shard.
    Nearest(Nearest),
    /// The records that match a text query.
    Matching(Matching),
}

/// A search for the nearest vectors.
#[derive(Clone, Debug)]
pub struct Nearest {
    /// Position of the vector column in the table.
    pub column: usize,
    /// The index that is walked; `None` = every vector is compared.
    pub index: Option<IndexId>,
    /// The distance.
    pub metric: Metric,
    /// The vector searched for.
    pub query: Arc<[f32]>,
    /// How many of each shard.
    pub k: usize,
}

/// A search for texts.
#[derive(Clone, Debug)]
pub struct Matching {
    /// The text index.
    pub index: IndexId,
    /// What is searched for.
    pub query: Arc<TextQuery>,
    /// How many of each shard; `None` = all that match.
    pub k: Option<usize>,
    /// Statistics summed over all shards, gathered when the statement starts.
    pub stats: Arc<OnceLock<Arc<TextStats>>>,
}

impl ScanPath {
    /// Returns what is asked of one shard.
    ///
    /// **Errors**: internal, when the statistics of a text search were not gathered.
    pub fn access(&self, table: &Table, shard: ShardId, scope: &Scope) -> Result<Access, Error> {
        Ok(match self {
            Self::All => Access::All,
            Self::Keys(keys) => {
                let owned = |key: &&Key| scope.catalog.shard_of(key.slot()) == shard;
                Access::Keys(keys.iter().filter(owned).cloned().collect())
            }
            Self::KeyRange(range) => Access::KeyRange(range.clone()),
            Self::Index { index, range } => Access::Index { index: *index, range: range.clone() },
            Self::Nearest(nearest) => Access::Nearest {
                column: table.columns[nearest.column].id,
                index: nearest.index,
                metric: nearest.metric,
                query: nearest.query.clone(),
                k: nearest.k,
                ef: scope.ef_search,
            },
            Self::Matching(matching) => Access::Matching {
                index: matching.index,
                query: matching.query.clone(),
                stats: matching
                    .stats
                    .get()
                    .cloned()
                    .ok_or_else(|| Error::internal("a text search without statistics"))?,
                k: matching.k,
            },
        })
    }

    /// Returns the shards that can hold such records, in order.
    pub fn shards(&self, catalog: &Catalog) -> Vec<ShardId> {
        match self {
            Self::Keys(keys) => {
                let mut shards: Vec<ShardId> =
                    keys.iter().map(|key| catalog.shard_of(key.slot())).collect();
                shards.sort_unstable();
                shards.dedup();
                shards
            }
            _ => (0..catalog.shard_count).map(ShardId).collect(),
        }
    }

    /// Describes the path for EXPLAIN.
    pub fn describe(&self, table: &Table) -> String {
        let name = |id: &IndexId| {
            table.index(*id).map_or_else(|| id.to_string(), |index| index.name.clone())
        };
        match self {
            Self::All => "all records".into(),
            Self::Keys(keys) => format!("{} by primary key", keys.len()),
            Self::KeyRange(range) => format!("primary key range{}", bounds(range)),
            Self::Index { index, range } => {
                format!("index {}, range{}", name(index), bounds(range))
            }
            Self::Nearest(Nearest { index: Some(index), k, metric, .. }) => {
                format!("vector index {}, {metric:?}, nearest {k} per shard", name(index))
            }
            Self::Nearest(Nearest { index: None, k, metric, .. }) => {
                format!("every vector compared, {metric:?}, nearest {k} per shard")
            }
            Self::Matching(Matching { index, query, k, .. }) => {
                let best = k.map_or_else(String::new, |k| format!(", best {k} per shard"));
                format!("text index {}, \"{}\"{best}", name(index), query.source)
            }
        }
    }
}

fn bounds(range: &KeyRange) -> String {
    let ends = match (&range.from, &range.to) {
        (Some(_), Some(_)) => " with both ends",
        (Some(_), None) => " from a key on",
        (None, Some(_)) => " up to a key",
        (None, None) => " without ends",
    };
    if range.descending { format!("{ends}, backwards") } else { ends.to_owned() }
}
