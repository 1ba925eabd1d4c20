//! How is a key turned into bytes that sort like the values, and which slot does it fall into?

use std::fmt;
use std::sync::Arc;

use crate::ids::Slot;

/// An encoded key: bytes that compare like the values they encode, and the slot they fall into.
///
/// Two keys are equal exactly when their bytes are equal. A node key and the `src` of an edge
/// that starts there have the same bytes up to the end of `src`, hence the same slot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    bytes: Arc<[u8]>,
    slot: Slot,
}

/// A range of encoded keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First bytes included; `None` = from the start.
    pub from: Option<Vec<u8>>,
    /// First bytes excluded; `None` = to the end. A prefix `p` is `from p to successor(p)`.
    pub to: Option<Vec<u8>>,
    /// Whether the order is descending.
    pub descending: bool,
}

impl Key {
    /// Returns the memory-comparable bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the slot, computed from the routing columns.
    pub fn slot(&self) -> Slot {
        self.slot
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(")?;
        for byte in self.bytes.iter() {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ")")
    }
}
