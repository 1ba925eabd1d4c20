//! Values are taken, given up and exchanged: no two records have the same.
//!
//! As `UNIQUE` does it: an entry is a record whose key is the value and which names its holder.

use std::collections::BTreeSet;

use pieskieo_shards::Error;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::TableId;
use pieskieo_shards::request::Expect;

use super::below;
use crate::ledger::{Content, Draft};
use crate::model::table;

const HOLDERS: TableId = TableId(1);
const ENTRIES: TableId = TableId(2);
const COUNT: i64 = 8;
/// Fewer than there are holders.
const VALUES: i64 = 6;

pub fn tables() -> Vec<Table> {
    let holders = table(HOLDERS, "holders", &["id", "value"]);
    vec![holders, table(ENTRIES, "entries", &["value", "holder"])]
}

pub fn first(draft: &mut Draft) -> Result<(), Error> {
    draft.put(HOLDERS, &[0, 0], Expect::Absent)?;
    draft.put(ENTRIES, &[0, 0], Expect::Absent)
}

pub async fn step(draft: &mut Draft) -> Result<(), Error> {
    let (id, value) = (below(COUNT), below(VALUES));
    let holder = draft.get(HOLDERS, &[id]).await?;
    let Some(holder) = holder else {
        draft.put(HOLDERS, &[id, value], Expect::Absent)?;
        return draft.put(ENTRIES, &[value, id], Expect::Absent);
    };
    let old = holder.values[1];
    let expect = Expect::Version(holder.version);
    match below(4) {
        0 => {
            draft.delete(HOLDERS, &[id], expect)?;
            draft.delete(ENTRIES, &[old], Expect::Any)
        }
        1 => exchange(draft, id, old, expect).await,
        _ if value == old => Ok(()),
        _ => {
            draft.put(HOLDERS, &[id, value], expect)?;
            draft.delete(ENTRIES, &[old], Expect::Any)?;
            draft.put(ENTRIES, &[value, id], Expect::Absent)
        }
    }
}

/// Gives a record the value of another one, and that one its own.
async fn exchange(draft: &mut Draft, id: i64, old: i64, expect: Expect) -> Result<(), Error> {
    let other = (id + 1 + below(COUNT - 1)) % COUNT;
    let Some(found) = draft.get(HOLDERS, &[other]).await? else { return Ok(()) };
    let value = found.values[1];
    draft.put(HOLDERS, &[id, value], expect)?;
    draft.put(HOLDERS, &[other, old], Expect::Version(found.version))?;
    draft.put(ENTRIES, &[value, id], Expect::Any)?;
    draft.put(ENTRIES, &[old, other], Expect::Any)
}

pub fn check(content: &Content) {
    let held: Vec<[i64; 2]> = content.rows(HOLDERS).map(|row| [row[1], row[0]]).collect();
    let entries: BTreeSet<[i64; 2]> = content.rows(ENTRIES).map(|row| [row[0], row[1]]).collect();
    assert_eq!(held.len(), entries.len(), "{held:?} {entries:?}");
    assert!(held.iter().all(|held| entries.contains(held)), "{held:?} {entries:?}");
}
