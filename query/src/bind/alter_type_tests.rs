//! Is what a process leaves of a rewrite gone, and is everything else as it was?

use super::super::alter::alter_table;
use super::super::define::{IndexDefaults, define};
use super::*;
use crate::syntax::{Statement, parse};

fn made(catalog: &Catalog, text: &str) -> Catalog {
    let mut catalog = catalog.clone();
    for parsed in parse(text).unwrap() {
        let next = define(&catalog, &parsed.statement, IndexDefaults::default()).unwrap();
        catalog = next.unwrap();
    }
    catalog
}

fn altered(catalog: &Catalog, text: &str) -> (Catalog, Rewriting) {
    let parsed = parse(text).unwrap().pop().unwrap();
    let Statement::AlterTable(alter) = parsed.statement else { panic!("{text}") };
    let no_default = |_: &str, _: &ColumnType| Err(Error::internal("there is none"));
    let made = alter_table(catalog, &alter, &no_default).unwrap().unwrap();
    (made.next, made.rewriting.unwrap())
}

fn tables() -> Catalog {
    let text = "CREATE TABLE p (id INT PRIMARY KEY, a INT UNIQUE, b INT);
                CREATE INDEX p_b ON p (b);
                CREATE TABLE q (id INT PRIMARY KEY, p INT REFERENCES p, self INT REFERENCES q)";
    made(&Catalog::empty(1), text)
}

#[test]
fn what_another_process_was_rewriting_is_as_it_was() {
    let before = tables();
    let (mut next, rewriting) = altered(&before, "ALTER TABLE p ALTER a TYPE TEXT");
    assert!(check_open(&next.tables[&rewriting.of]).is_err());
    for table in next.tables.values_mut() {
        let table = Arc::make_mut(table);
        if let Some(Rewrite::Source { process } | Rewrite::Copy { process, .. }) =
            &mut table.rewrite
        {
            *process ^= 2;
        }
    }
    assert!(check_open(&next.tables[&rewriting.of]).is_ok());
    let after = made(&next, "CREATE TABLE r (id INT PRIMARY KEY); DROP TABLE r");
    assert_eq!(after.tables, before.tables);
}

#[test]
fn what_could_not_be_rewritten_is_as_it_was() {
    let before = tables();
    let (next, rewriting) =
        altered(&before, "ALTER TABLE p ALTER a TYPE TEXT, ALTER b SET NOT NULL");
    assert_eq!(not_rewritten(&next, &rewriting).unwrap().tables, before.tables);
    // Nor is anything left of it with its table.
    let dropped = made(&next, "DROP TABLE q, p");
    assert!(dropped.tables.is_empty(), "{:?}", dropped.tables);
    assert!(rewritten(&dropped, &rewriting, Timestamp(1)).unwrap().is_none());
}

#[test]
fn who_referred_to_a_rewritten_table_refers_to_its_copy() {
    let (next, rewriting) = altered(&tables(), "ALTER TABLE p ALTER a TYPE TEXT");
    let after = rewritten(&next, &rewriting, Timestamp(7)).unwrap().unwrap();
    let (p, q) = (after.table_named("p").unwrap(), after.table_named("q").unwrap());
    assert_eq!((p.id, p.since, p.rewrite), (rewriting.copy, Some(Timestamp(7)), None));
    assert_eq!(p.referrers, [q.id]);
    assert!(q.foreigns().any(|(_, foreign)| foreign.target == p.id));
    let (_, unique) = p.uniques().next().unwrap();
    let entries = &after.tables[&unique.entries];
    assert_eq!((&entries.name, &entries.columns[0].ty), (&"p_a_key".to_owned(), &ColumnType::Text));
    assert!(p.index(unique.index).is_some());
    assert_eq!(after.tables.len(), tables().tables.len());
}
