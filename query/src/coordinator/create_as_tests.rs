//! Is a change of the schema refused that a view would not survive?

use pieskieo_shards::catalog::TableKind;

use super::*;
use crate::bind::{IndexDefaults, define};
use crate::syntax::{Statement, parse};

fn catalog(engine: &Engine, text: &str) -> Catalog {
    let mut catalog = Catalog::empty(1);
    for parsed in parse(text).expect("a text that can be read") {
        catalog = match &parsed.statement {
            Statement::CreateAs(create) => {
                made((engine, &[]), &catalog, create).expect("a definition").0
            }
            statement => {
                let next = define(&catalog, statement, IndexDefaults::default());
                next.expect("a definition").expect("a change")
            }
        };
    }
    catalog
}

#[track_caller]
fn check(change: impl FnOnce(&mut Table), refused: Option<&str>) {
    let engine = Engine::get(1).expect("an engine");
    let text = "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT);
        CREATE VIEW v AS SELECT id, a FROM t; CREATE VIEW w AS SELECT a + 1 AS c FROM v";
    let current = catalog(&engine, text);
    let mut next = current.clone();
    let id = current.table_named("t").expect("the table").id;
    change(Arc::make_mut(next.tables.get_mut(&id).expect("the table")));
    let result = check_views(&engine, &current, &Arc::new(next));
    match (result, refused) {
        (Ok(()), None) => {}
        (Err(error), Some(detail)) => {
            assert_eq!(error.code, code::DEPENDENT_OBJECTS.code);
            assert!(error.message.contains("\"v\""), "{error:?}");
            assert!(error.detail.clone().unwrap_or_default().contains(detail), "{error:?}");
        }
        (result, _) => panic!("{result:?}"),
    }
}

#[test]
fn a_column_that_a_view_reads_does_not_go() {
    check(|table| drop(table.columns.remove(1)), Some("column \"a\" does not exist"));
}

#[test]
fn a_column_that_no_view_reads_may_go() {
    check(|table| drop(table.columns.remove(2)), None);
}

#[test]
fn a_column_that_a_view_reads_keeps_its_type() {
    check(|table| table.columns[1].ty = ColumnType::Text, Some("other types"));
    check(|table| table.columns[2].ty = ColumnType::Text, None);
}

#[test]
fn names_may_change() {
    check(|table| table.name = "other".to_owned(), None);
    check(|table| table.columns[1].name = "other".to_owned(), None);
}

#[test]
fn what_a_query_fills_is_not_seen_before() {
    let engine = Engine::get(1).expect("an engine");
    let made = catalog(&engine, "CREATE MATERIALIZED VIEW m AS SELECT 1 AS one");
    assert!(made.table_named("m").is_none());
    let id = *made.tables.keys().next().expect("it is there");
    let seen = filled(&made, id, Timestamp(7)).expect("nothing was dropped").expect("it is there");
    assert!(matches!(seen.tables[&id].kind, TableKind::Materialized { .. }));
    assert!(emptied(&made, id).expect("it is there").tables.is_empty());
}
