//! Does a view mean the same after what it reads was renamed and widened?

use std::sync::Arc;

use pieskieo_shards::catalog::{Altered, Catalog, Column, Table, TableKind};
use pieskieo_shards::ids::{ColumnId, TableId};
use pieskieo_shards::value::ColumnType;

use crate::bind::{IndexDefaults, bind, bind_definition, define, define_made};
use crate::plan::Engine;
use crate::syntax::{Statement, parse};

fn made(text: &str) -> Catalog {
    let mut catalog = Catalog::empty(1);
    for parsed in parse(text).expect("a text that can be read") {
        catalog = match &parsed.statement {
            Statement::CreateAs(create) => {
                let definition = bind_definition(&catalog, create).expect("a query");
                let columns = create.columns.iter();
                let columns = columns.map(|name| (name.text.clone(), ColumnType::Int)).collect();
                let made = define_made(&catalog, create, (columns, definition.reads));
                made.expect("a view").catalog
            }
            statement => {
                let next = define(&catalog, statement, IndexDefaults::default());
                next.expect("a definition").expect("a change")
            }
        };
    }
    catalog
}

fn change(catalog: &mut Catalog, name: &str, change: impl FnOnce(&mut Table)) -> TableId {
    let id = catalog.table_named(name).expect("a table").id;
    change(Arc::make_mut(catalog.tables.get_mut(&id).expect("the same table")));
    id
}

#[track_caller]
fn check(catalog: Catalog, text: &str, expected: &str) {
    let parsed = parse(text).expect("a text that can be read").remove(0);
    let bound = bind(&catalog, parsed.statement).expect("names that are known");
    let Statement::Query(query) = bound else { panic!("{text} is no query") };
    assert_eq!(query.to_string().replace('"', ""), expected);
    let engine = Engine::get(1).expect("an engine");
    engine.plan(&Arc::new(catalog), *query).expect("a plan");
}

fn added(id: u32, name: &str) -> Column {
    Column {
        id: ColumnId(id),
        name: name.to_owned(),
        ty: ColumnType::Int,
        not_null: false,
        default: None,
        hidden: false,
        generated: false,
        always: false,
        altered: Altered::default(),
        comment: None,
    }
}

#[test]
fn what_another_process_has_not_finished_is_gone() {
    let mut catalog = made(&format!("{BASE} CREATE TABLE c (a) AS SELECT a FROM t"));
    let text = "CREATE TABLE c (a INT)";
    let again = |catalog: &Catalog| {
        let parsed = parse(text).expect("a text that can be read").remove(0);
        define(catalog, &parsed.statement, IndexDefaults::default())
    };
    assert_eq!(again(&catalog).expect_err("it is being made").code, "42P07");
    for table in catalog.tables.values_mut() {
        if let TableKind::Unfinished { process, .. } = &mut Arc::make_mut(table).kind {
            *process ^= 2;
        }
    }
    let next = again(&catalog).expect("its name is free").expect("a change");
    assert_eq!(next.tables.len(), catalog.tables.len(), "the other one is gone");
}

const BASE: &str = "CREATE TABLE t (id INT PRIMARY KEY, a INT);
    CREATE TABLE u (id INT PRIMARY KEY, b INT); CREATE EDGE e FROM t TO t;";

#[test]
fn new_columns_are_not_seen() {
    let mut catalog =
        made(&format!("{BASE} CREATE VIEW v (i, a, b) AS SELECT * FROM t NATURAL JOIN u"));
    change(&mut catalog, "t", |table| table.columns.push(added(2, "c")));
    change(&mut catalog, "u", |table| table.columns.push(added(2, "c")));
    check(
        catalog,
        "SELECT * FROM v",
        "SELECT v.i, v.a, v.b FROM (SELECT t.id, t.a, u.b FROM public.t AS t JOIN public.u AS u \
         USING(id)) AS v (i, a, b)",
    );
}

#[test]
fn a_renamed_table_is_found() {
    let text = format!(
        "{BASE} CREATE VIEW v (a) AS SELECT t.a FROM t;
         CREATE VIEW w (id) AS SELECT y.id FROM MATCH (x:t)-[:e]->(y)"
    );
    let mut catalog = made(&text);
    change(&mut catalog, "t", |table| table.name = "other".to_owned());
    change(&mut catalog, "e", |table| table.name = "edge".to_owned());
    check(
        catalog.clone(),
        "SELECT * FROM v",
        "SELECT v.a FROM (SELECT t.a FROM public.other AS t) AS v (a)",
    );
    let parsed = parse("SELECT * FROM w").expect("a query").remove(0);
    let bound = format!("{:?}", bind(&catalog, parsed.statement).expect("known names"));
    assert!(bound.contains("edge") && bound.contains("other"), "{bound}");
}

#[test]
fn another_table_of_the_old_name_is_not_taken() {
    let mut catalog = made(&format!("{BASE} CREATE VIEW v (a) AS SELECT a FROM t"));
    change(&mut catalog, "t", |table| table.name = "z".to_owned());
    change(&mut catalog, "u", |table| table.name = "t".to_owned());
    check(catalog, "SELECT * FROM v", "SELECT v.a FROM (SELECT a FROM public.z AS t) AS v (a)");
}

#[test]
fn a_renamed_column_keeps_its_name_in_the_view() {
    let mut catalog = made(&format!("{BASE} CREATE VIEW v (i, a) AS SELECT * FROM t AS x"));
    change(&mut catalog, "t", |table| table.columns[1].name = "new".to_owned());
    check(
        catalog,
        "SELECT * FROM v",
        "SELECT v.i, v.a FROM (SELECT x.id, x.a FROM (SELECT x.id AS id, x.new AS a FROM \
         public.t AS x) AS x) AS v (i, a)",
    );
}
