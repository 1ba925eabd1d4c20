//! How is an edge key cut into its source's key and a name?
//!
//! The key of an edge table is (`src`, `_id BIGINT`), so an edge key is the bytes of its source's
//! key followed by 8 bytes that compare like the `_id`. The name is those 8, big-endian.

use std::sync::Arc;

use crate::key::Key;

/// What tells the edges of one source apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeName(pub u64);

const NAME_BYTES: usize = 8;

/// First bytes of the keys that lists beside an image have.
pub(super) const OUT: u8 = 1;
pub(super) const INTO: u8 = 2;

/// What may differ from an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed<'a> {
    /// An edge that leaves a node of this shard: its key.
    Out(&'a [u8]),
    /// An edge that arrives at a node of this shard: its entry among the mirrors, which is the
    /// target's key, the edge's, and the edge's length.
    Into(&'a [u8]),
}

impl<'a> Changed<'a> {
    /// Returns the key that a list has of it.
    pub fn key(self) -> Arc<[u8]> {
        let (first, bytes) = match self {
            Self::Out(edge) => (OUT, edge),
            Self::Into(entry) => (INTO, entry),
        };
        let mut key = Vec::with_capacity(1 + bytes.len());
        key.push(first);
        key.extend_from_slice(bytes);
        key.into()
    }

    /// Returns what a key of a list means; `None` for one that was never in a list.
    pub fn of(key: &'a [u8]) -> Option<Self> {
        match key.split_first()? {
            (&OUT, edge) => Some(Self::Out(edge)),
            (&INTO, entry) => Some(Self::Into(entry)),
            _ => None,
        }
    }
}

/// Returns the name of an edge of this source.
///
/// **Panics** when `edge` is not the key of an edge that starts at `source`.
pub fn name_of(source: &Key, edge: &Key) -> EdgeName {
    let name = edge.bytes().strip_prefix(source.bytes());
    let name = name.and_then(|name| <[u8; NAME_BYTES]>::try_from(name).ok());
    let name = name.expect("an edge key is its source's key and the 8 bytes of its _id");
    EdgeName(u64::from_be_bytes(name))
}

/// Returns the key of an edge. It lives with its source, hence has the same slot.
pub fn edge_key(source: &Key, name: EdgeName) -> Key {
    let mut bytes = Vec::with_capacity(source.bytes().len() + NAME_BYTES);
    bytes.extend_from_slice(source.bytes());
    bytes.extend_from_slice(&name.0.to_be_bytes());
    Key::from_encoded(bytes.into(), source.slot())
}
