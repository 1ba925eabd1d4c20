//! On which shard is a record?

use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::key::Key;
use pieskieo_shards::value::{ColumnType, Value};

/// Numbers looked at for a mate: with 1,000 shards one in 1,000 is on the same.
const LOOKED_AT: u64 = 100_000;

/// The server's way to place records, asked of the engine's own code.
#[derive(Debug)]
pub struct Placing(Catalog);

impl Placing {
    /// Places records over this many shards.
    pub fn over(shards: usize) -> Self {
        Self(Catalog::empty(u16::try_from(shards).unwrap_or(u16::MAX).max(1)))
    }

    /// Returns the shard of a record whose primary key is one `BIGINT`.
    pub fn shard(&self, id: u64) -> ShardId {
        let value = Value::BigInt(id as i64);
        let key = Key::encode(&[value], &[ColumnType::BigInt], 1);
        self.0.shard_of(key.expect("an integer is a key").slot())
    }

    /// Returns the first number from `from` on whose shard is, or is not, that of `id`. With one
    /// shard there is only the same.
    pub fn mate(&self, id: u64, from: u64, same: bool) -> u64 {
        let home = self.shard(id);
        let fits = |other: &u64| (self.shard(*other) == home) == same;
        (from..from + LOOKED_AT).find(fits).unwrap_or(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mates_are_where_they_should_be() {
        let placing = Placing::over(2);
        for id in 0..100 {
            let near = placing.mate(id, id + 1, true);
            let far = placing.mate(id, id + 1, false);
            assert_eq!(placing.shard(id), placing.shard(near));
            assert_ne!(placing.shard(id), placing.shard(far));
        }
    }
}
