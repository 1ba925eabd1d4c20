//! Children are born, move and go, parents go: every child has its parent.
//!
//! As `FOREIGN KEY` does it: who writes a reference has read what it leads to, who removes a
//! parent has read the index over the references; both reads are validated.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use pieskieo_shards::Error;
use pieskieo_shards::catalog::{Index, IndexKind, Table};
use pieskieo_shards::ids::{IndexId, TableId};
use pieskieo_shards::key::{KeyBounds, KeyForm, KeyRange};
use pieskieo_shards::request::{Access, Expect};
use pieskieo_shards::value::{ColumnType, Value};

use super::below;
use crate::content::read_rows;
use crate::ledger::{Content, Draft};
use crate::model::{Found, table};

const PARENTS: TableId = TableId(1);
const CHILDREN: TableId = TableId(2);
const BY_PARENT: IndexId = IndexId(1);
const PARENT_COUNT: i64 = 4;
const CHILD_COUNT: i64 = 12;

pub fn tables() -> Vec<Table> {
    let mut children = table(CHILDREN, "children", &["id", "parent"]);
    let kind = IndexKind::Ordered { columns: vec![1] };
    children.indexes.push(Arc::new(Index {
        id: BY_PARENT,
        name: "by_parent".into(),
        kind,
        comment: None,
    }));
    vec![table(PARENTS, "parents", &["id", "number"]), children]
}

pub fn first(draft: &mut Draft) -> Result<(), Error> {
    (0..PARENT_COUNT).try_for_each(|id| draft.put(PARENTS, &[id, 0], Expect::Absent))
}

pub async fn step(draft: &mut Draft) -> Result<(), Error> {
    let (parent, child) = (below(PARENT_COUNT), below(CHILD_COUNT));
    let number = draft.id();
    match below(6) {
        0 => remove(draft, parent, false).await,
        1 => remove(draft, parent, true).await,
        2 => draft.put(PARENTS, &[parent, number], Expect::Absent),
        3 => match draft.get(CHILDREN, &[child]).await? {
            Some(found) => draft.delete(CHILDREN, &[child], Expect::Version(found.version)),
            None => Ok(()),
        },
        _ => {
            if draft.get_validated(PARENTS, &[parent]).await?.is_none() {
                return Ok(());
            }
            let found = draft.get(CHILDREN, &[child]).await?;
            let expect = found.map_or(Expect::Absent, |found| Expect::Version(found.version));
            draft.put(CHILDREN, &[child, parent], expect)
        }
    }
}

/// Removes a parent: with its children, or only if it has none.
async fn remove(draft: &mut Draft, parent: i64, cascades: bool) -> Result<(), Error> {
    let Some(found) = draft.get(PARENTS, &[parent]).await? else { return Ok(()) };
    let children = children_of(draft, parent).await?;
    if !cascades && !children.is_empty() {
        return Ok(());
    }
    for child in children {
        draft.delete(CHILDREN, &child.values[..1], Expect::Version(child.version))?;
    }
    draft.delete(PARENTS, &[parent], Expect::Version(found.version))
}

async fn children_of(draft: &mut Draft, parent: i64) -> Result<Vec<Found>, Error> {
    let value = Value::BigInt(parent);
    let (lower, upper) = (Bound::Included(&value), Bound::Included(&value));
    let bounds = KeyBounds { equal: &[], lower, upper };
    let range = KeyRange::of(bounds, &[ColumnType::BigInt], KeyForm::Indexed, false)?;
    let core = draft.core.clone();
    let view = draft.txn.validated_view_at(core.shards());
    let mut children = Vec::new();
    for shard in core.shards() {
        let access = Access::Index { index: BY_PARENT, range: range.clone() };
        children.extend(read_rows(&core, shard, CHILDREN, access, view).await?);
    }
    Ok(children)
}

pub fn check(content: &Content) {
    let parents: BTreeSet<i64> = content.rows(PARENTS).map(|row| row[0]).collect();
    for child in content.rows(CHILDREN) {
        assert!(parents.contains(&child[1]), "child {child:?} has no parent in {parents:?}");
    }
}
