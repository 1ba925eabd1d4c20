//! How is an edge key cut into its source's key and a name?
//!
//! The key of an edge table is (`src`, `_id BIGINT`), so an edge key is the bytes of its source's
//! key followed by 8 bytes that compare like the `_id`. The name is those 8, big-endian.

use crate::key::Key;

/// What tells the edges of one source apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeName(pub u64);

const NAME_BYTES: usize = 8;

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
