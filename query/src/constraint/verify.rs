//! Do entries equal records, and do references lead somewhere?

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, Foreign, Table, Unique};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::ReadView;
use pieskieo_shards::value::Value;

use super::pages::read_all;
use crate::error::Result;

/// Compares the entries of every unique constraint with the records, and looks for references that
/// lead nowhere. Returns a line per difference, none when all is well.
///
/// **Cost**: holds the unique and the referencing columns of one table at a time in memory.
/// **Errors**: a shard that does not answer.
pub async fn verify(core: &Rc<Core>) -> Result<Vec<String>> {
    let lease = core.lease();
    let view = ReadView::at(lease.snapshot());
    let catalog = core.catalog();
    let mut findings = Vec::new();
    for table in catalog.listed() {
        for (name, unique) in table.uniques() {
            let found = verify_unique(core, view, &catalog, (table, unique)).await?;
            findings.extend(found.into_iter().map(|text| format!("unique \"{name}\": {text}")));
        }
        for (name, foreign) in table.foreigns().filter(|(name, _)| table.is_validated(name)) {
            let found = verify_foreign(core, view, &catalog, (table, foreign)).await?;
            findings.extend(found.into_iter().map(|text| format!("foreign \"{name}\": {text}")));
        }
    }
    Ok(findings)
}

async fn verify_unique(
    core: &Rc<Core>,
    view: ReadView,
    catalog: &Catalog,
    (table, unique): (&Table, &Unique),
) -> Result<Vec<String>> {
    let Some(entries) = catalog.tables.get(&unique.entries) else {
        return Ok(vec!["its entries are missing".to_owned()]);
    };
    let mut expected: BTreeMap<Key, Vec<u8>> = BTreeMap::new();
    let mut findings = Vec::new();
    for (record, values) in rows(core, view, table, &unique.columns).await? {
        if values.iter().any(Value::is_null) {
            continue;
        }
        let key = Key::of_table(entries, &values)?;
        let shown = key.display(entries);
        if expected.insert(key, record).is_some() {
            findings.push(format!("two records have {shown}"));
        }
    }
    let last = [entries.columns.len() - 1];
    for (key, values) in rows(core, view, entries, &last).await? {
        let key = Key::from_bytes(&key, &entries.key_types(), entries.routing)?;
        let shown = key.display(entries);
        let holder = match values.first() {
            Some(Value::Bytea(holder)) => holder.to_vec(),
            _ => Vec::new(),
        };
        match expected.remove(&key) {
            None => findings.push(format!("an entry for {shown} without a record")),
            Some(record) if record != holder => {
                findings.push(format!("the entry for {shown} names another record"));
            }
            Some(_) => {}
        }
    }
    let lost = expected.keys().map(|key| format!("no entry for {}", key.display(entries)));
    findings.extend(lost);
    Ok(findings)
}

async fn verify_foreign(
    core: &Rc<Core>,
    view: ReadView,
    catalog: &Catalog,
    (table, foreign): (&Table, &Foreign),
) -> Result<Vec<String>> {
    let Some(target) = catalog.tables.get(&foreign.target) else {
        return Ok(vec!["the table it refers to is missing".to_owned()]);
    };
    let types: Vec<_> =
        foreign.target_columns.iter().map(|&at| target.columns[at].ty.clone()).collect();
    let key = |values: &[Value]| Key::encode(values, &types, types.len());
    let mut there = BTreeSet::new();
    for (_, values) in rows(core, view, target, &foreign.target_columns).await? {
        if !values.iter().any(Value::is_null) {
            there.insert(key(&values)?);
        }
    }
    let mut findings = Vec::new();
    for (record, values) in rows(core, view, table, &foreign.columns).await? {
        if values.iter().any(Value::is_null) || there.contains(&key(&values)?) {
            continue;
        }
        let record = Key::from_bytes(&record, &table.key_types(), table.routing)?;
        findings.push(format!("record {} refers to nothing", record.display(table)));
    }
    Ok(findings)
}

/// Reads the keys and some columns of all records of a table.
async fn rows(
    core: &Rc<Core>,
    view: ReadView,
    table: &Table,
    columns: &[usize],
) -> Result<Vec<(Vec<u8>, Vec<Value>)>> {
    let mut all = Vec::new();
    read_all(core, view, (table, columns), |key, values| {
        all.push((key.to_vec(), values));
        Ok(())
    })
    .await?;
    Ok(all)
}
