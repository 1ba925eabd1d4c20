//! Records come and go one by one and by whole ranges of keys: what was emptied stays empty.

use pieskieo_shards::Error;
use pieskieo_shards::catalog::Table;
use pieskieo_shards::ids::TableId;
use pieskieo_shards::request::Expect;

use super::below;
use crate::ledger::{Content, Draft};
use crate::model::table;

const EVENTS: TableId = TableId(1);
const COUNT: i64 = 60;
/// Records written together.
const TOGETHER: i64 = 6;

pub fn tables() -> Vec<Table> {
    vec![table(EVENTS, "events", &["id", "number"])]
}

pub fn first(draft: &mut Draft) -> Result<(), Error> {
    (0..COUNT).try_for_each(|id| draft.put(EVENTS, &[id, 0], Expect::Absent))
}

pub async fn step(draft: &mut Draft) -> Result<(), Error> {
    let first = below(COUNT - TOGETHER);
    match below(5) {
        0 => draft.erase(EVENTS, first, Some(first + 1 + below(COUNT / 2))).await,
        1 => draft.erase(EVENTS, first, None).await,
        2 => draft.delete(EVENTS, &[first], Expect::Any),
        _ => {
            let number = draft.id();
            (first..first + TOGETHER)
                .try_for_each(|id| draft.put(EVENTS, &[id, number], Expect::Any))
        }
    }
}

pub fn check(content: &Content) {
    assert!(content.rows(EVENTS).all(|row| (0..COUNT).contains(&row[0])));
}
