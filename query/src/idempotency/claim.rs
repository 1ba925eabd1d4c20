//! Which idempotency keys are being worked with?
//!
//! The core that owns a key knows, in memory: a claim ends with its request and with the process.
//! A commit goes on when its client goes away and the claim ends; whoever comes then is decided
//! between in the table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use pieskieo_io::rt::{self, Queue};
use pieskieo_io::time;
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::ShardId;

use super::IdempotencyKey;
use super::table::owner;
use crate::error::{Error, Result, code};
use crate::open::visit;

/// The keys a core owns that are being worked with, each with the number of its claim. Bounded by
/// the requests under way.
#[derive(Debug, Default)]
pub(crate) struct Claims(RefCell<BTreeMap<String, u64>>);

/// The right to be the one request that works with a key. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    core: Rc<Core>,
    shard: ShardId,
    key: String,
    number: u64,
}

impl Claims {
    /// Returns whether the claim holds the key now.
    fn take(&self, key: &str, number: u64) -> bool {
        let mut held = self.0.borrow_mut();
        if held.contains_key(key) {
            return false;
        }
        held.insert(key.to_owned(), number);
        true
    }

    fn end(&self, key: &str, number: u64) {
        let mut held = self.0.borrow_mut();
        if held.get(key) == Some(&number) {
            held.remove(key);
        }
    }
}

impl Claim {
    /// Takes the right to work with a key.
    ///
    /// **Errors**: `IK002` while another request has it.
    pub async fn take(core: &Rc<Core>, table: &Table, key: &IdempotencyKey) -> Result<Self> {
        let shard = owner(core, table, key)?;
        let (text, number) = (key.text().to_owned(), time::random_u64());
        // It is there before the key is asked for: a client that goes away in between ends it.
        let claim = Self { core: core.clone(), shard, key: text.clone(), number };
        if visit(core, shard, move |registry| registry.claims().take(&text, number)).await? {
            return Ok(claim);
        }
        let message = "the first request with this idempotency key is still being worked on";
        Err(Error::new(code::KEY_IN_USE, message)
            .with_hint("Send it again after a moment: it will get the first answer."))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let (core, shard, number) = (self.core.clone(), self.shard, self.number);
        let key = std::mem::take(&mut self.key);
        drop(rt::spawn(Queue::Query, "end a claim", async move {
            // A core that cannot be told any more has forgotten all claims.
            visit(&core, shard, move |registry| registry.claims().end(&key, number)).await.ok();
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_claim_and_only_its_holder_ends_it() {
        let claims = Claims::default();
        assert!(claims.take("a", 1));
        assert!(!claims.take("a", 2));
        assert!(claims.take("b", 2));
        claims.end("a", 2);
        assert!(!claims.take("a", 3));
        claims.end("a", 1);
        assert!(claims.take("a", 3));
        claims.end("a", 1);
        assert!(!claims.take("a", 1));
    }
}
