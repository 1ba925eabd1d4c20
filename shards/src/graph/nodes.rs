//! Which number has a node?

use std::collections::HashMap;

use ahash::RandomState;

use crate::key::Key;

/// A node within one table of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Keys and their numbers, given in order of appearance.
pub struct Nodes {
    keys: Vec<Key>,
    numbers: HashMap<Key, NodeId, RandomState>,
}

impl Nodes {
    /// Returns an empty table.
    pub fn new() -> Self {
        // Fixed seeds: the order of the map never shows.
        let seeds = RandomState::with_seeds(0x7065_7363, 0x6965_6b6f, 0x6772_6170, 0x6e6f_6465);
        Self { keys: Vec::new(), numbers: HashMap::with_hasher(seeds) }
    }

    /// Returns the number of a key, giving it the next one if it is new.
    pub fn intern(&mut self, key: &Key) -> NodeId {
        if let Some(known) = self.numbers.get(key) {
            return *known;
        }
        let next = u32::try_from(self.keys.len()).expect("a table has fewer than 2^32 nodes");
        self.keys.push(key.clone());
        self.numbers.insert(key.clone(), NodeId(next));
        NodeId(next)
    }

    /// Returns the number of a key that has one.
    pub fn find(&self, key: &Key) -> Option<NodeId> {
        self.numbers.get(key).copied()
    }

    /// Returns the key with this number.
    pub fn key(&self, node: NodeId) -> &Key {
        &self.keys[node.0 as usize]
    }

    /// Returns how many numbers were given.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the bytes held (the map's and the keys' shares are estimates).
    pub fn memory_bytes(&self) -> usize {
        // Each key's bytes stand behind two counters and an allocator's header of 8 bytes.
        let bytes: usize = self.keys.iter().map(|key| key.bytes().len() + 24).sum();
        bytes
            + self.keys.capacity() * size_of::<Key>()
            + self.numbers.capacity() * (size_of::<(Key, NodeId)>() + 1) * 8 / 7
    }
}

/// Returns a number that compares like keys do, except that it may be equal for different keys.
/// Kept beside a number, it saves most comparisons the way to the keys.
pub fn prefix(key: &Key) -> u64 {
    let mut first = [0; 8];
    let count = key.bytes().len().min(first.len());
    first[..count].copy_from_slice(&key.bytes()[..count]);
    u64::from_be_bytes(first)
}
