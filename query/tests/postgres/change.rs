//! Do changes leave the same records?

use super::compare::{Outcome, ours, same_rows, theirs};
use super::dice::Dice;
use super::query::{Column, Maker};
use super::report::Report;
use super::server::Postgres;
use super::tables::{self, Kind, TABLES, Table};
use super::{setting, with_databases};

/// Statements that are compared unless said otherwise.
const CHANGES: u64 = 60;

/// Puts generated changes to both, and compares what they return and what they leave.
pub fn compare(server: &mut Postgres) {
    let seed = setting("PIESKIEO_SEED", 1);
    let count = setting("PIESKIEO_CHANGES", CHANGES);
    eprintln!("seed {seed}, {count} changes");
    for text in tables::setup(seed).iter().chain(&unique()) {
        server.ask(text).expect("the tables");
    }
    with_databases(seed, |clients| {
        let mut report = Report::new("changes");
        // The last has the other unique indexes already.
        for (client, made) in clients.iter().zip([0, 0, tables::UNIQUE.len()]) {
            for text in unique().iter().skip(made) {
                client.rows(text);
            }
        }
        for number in 0..count {
            let text = change(Dice::new(seed ^ 0x5eed, number));
            let expected = theirs(server.ask(&text));
            let mut agreed = true;
            for client in clients {
                let given = ours(client.ask(&text));
                agreed &= report.add(&text, &given, &expected, false);
            }
            for table in TABLES {
                let text = format!("SELECT * FROM {}", table.name);
                let Outcome::Rows(expected, _) = theirs(server.ask(&text)) else { continue };
                for client in clients {
                    let Outcome::Rows(given, _) = ours(client.ask(&text)) else { continue };
                    let same = same_rows(&given, &expected, false);
                    if agreed && !same {
                        report.add_wrong("left", format!("{} after {text}", table.name));
                    }
                    agreed &= same;
                }
            }
            if !agreed {
                again(seed, server, clients);
            }
        }
        report.finish();
    });
}

/// The unique indexes that a conflict can name.
fn unique() -> Vec<String> {
    let named = "CREATE UNIQUE INDEX t3_a_ts ON t3 (a, ts)";
    tables::UNIQUE.iter().copied().chain([named]).map(str::to_owned).collect()
}

/// Fills the tables anew.
fn again(seed: u64, server: &mut Postgres, clients: &[super::Client]) {
    let fill = tables::setup(seed).into_iter().filter(|text| text.starts_with("INSERT"));
    let empty = TABLES.iter().map(|table| format!("DELETE FROM {}", table.name));
    for text in empty.chain(fill) {
        server.ask(&text).expect("the tables");
        for client in clients {
            client.rows(&text);
        }
    }
}

fn change(dice: Dice) -> String {
    let mut maker = Maker::new(dice);
    let table = &TABLES[maker.dice.below(4)];
    let text = match maker.dice.below(10) {
        0..=2 => insert(&mut maker, table),
        3 => insert_query(&mut maker, table),
        4..=6 => update(&mut maker, table),
        7 => update_from(&mut maker, table),
        8 => delete(&mut maker, table),
        _ => delete_using(&mut maker, table),
    };
    if !maker.dice.chance(60) {
        return text;
    }
    maker.columns = columns(table, "");
    // A conflict and a joined change have more than one table in scope.
    let kind = *maker.dice.pick(tables::KINDS);
    let plain = !text.contains(" FROM t") && !text.contains(" USING ");
    let list = match maker.dice.below(3) {
        0 if plain => "*".to_owned(),
        1 if plain => format!("{}, {} AS e", table.columns[0].0, maker.expression(kind, 1)),
        _ => format!("{}.{}", table.name, table.columns[1].0),
    };
    format!("{text} RETURNING {list}")
}

/// The columns of a table, behind a prefix.
fn columns(table: &Table, prefix: &str) -> Vec<Column> {
    let column = |(name, _, kind): &(&str, &str, Kind)| Column {
        text: format!("{prefix}{name}"),
        kind: *kind,
    };
    table.columns.iter().map(column).collect()
}

fn insert(maker: &mut Maker, table: &Table) -> String {
    let mut rows = Vec::new();
    for _ in 0..1 + maker.dice.below(3) {
        let key = maker.dice.below(40);
        rows.push(tables::row(&mut maker.dice, table, key));
    }
    format!("INSERT INTO {} VALUES {}{}", table.name, rows.join(", "), conflict(maker, table))
}

/// What happens to rows that are there.
fn conflict(maker: &mut Maker, table: &Table) -> String {
    let keyed = table.columns[0].1.contains("KEY");
    if !keyed || maker.dice.chance(35) {
        return String::new();
    }
    let key = table.columns[0].0;
    let key = if table.name == "t3" && maker.dice.chance(30) { "a, ts" } else { key };
    if maker.dice.chance(40) {
        let named = maker.dice.chance(50);
        let target = if named { format!(" ({key})") } else { String::new() };
        return format!(" ON CONFLICT{target} DO NOTHING");
    }
    let (name, _, kind) = table.columns[1];
    maker.columns = columns(table, &format!("{}.", table.name));
    maker.columns.extend(columns(table, "excluded."));
    let value = maker.expression(kind, 1);
    let condition = if maker.dice.chance(30) {
        format!(" WHERE {}", maker.condition(1))
    } else {
        String::new()
    };
    format!(" ON CONFLICT ({key}) DO UPDATE SET {name} = {value}{condition}")
}

fn insert_query(maker: &mut Maker, table: &Table) -> String {
    let keyed = table.columns[0].1.contains("KEY");
    maker.columns = columns(&TABLES[0], "q.");
    let mut list = Vec::new();
    for (at, (_, _, kind)) in table.columns.iter().enumerate() {
        list.push(match kind {
            Kind::Int if at == 0 && keyed => format!("q.id + {}", maker.dice.below(40)),
            Kind::Text if at == 0 && keyed => "'k' || q.id".to_owned(),
            kind => maker.expression(*kind, 1),
        });
    }
    let condition = maker.condition(2);
    let query = format!("SELECT {} FROM t1 AS q WHERE {condition}", list.join(", "));
    format!("INSERT INTO {} {query}{}", table.name, conflict(maker, table))
}

fn assignments(maker: &mut Maker, table: &Table) -> String {
    let at = 1 + maker.dice.below(table.columns.len() - 1);
    let (name, _, kind) = table.columns[at];
    let mut text = format!("{name} = {}", maker.expression(kind, 2));
    if at + 1 < table.columns.len() && maker.dice.chance(40) {
        let (name, _, kind) = table.columns[at + 1];
        text = format!("{text}, {name} = {}", maker.expression(kind, 1));
    }
    if maker.dice.chance(8) && table.name == "t1" {
        text = format!("{text}, id = id + {}", maker.dice.below(30));
    }
    text
}

fn update(maker: &mut Maker, table: &Table) -> String {
    maker.columns = columns(table, "");
    let set = assignments(maker, table);
    let condition = maker.condition(2);
    format!("UPDATE {} SET {set} WHERE {condition}", table.name)
}

/// Each record meets one at most of the other table: else any of several would do.
fn update_from(maker: &mut Maker, table: &Table) -> String {
    maker.columns = columns(table, &format!("{}.", table.name));
    let (number, _, _) = table
        .columns
        .iter()
        .find(|(_, _, kind)| *kind == Kind::Int)
        .copied()
        .unwrap_or(table.columns[0]);
    maker.columns.extend(columns(&TABLES[0], "o."));
    let (name, _, kind) = table.columns[1];
    let value = maker.expression(kind, 1);
    let condition = maker.condition(1);
    let (own, set) = (table.name, format!("{name} = {value}"));
    format!("UPDATE {own} SET {set} FROM t1 AS o WHERE o.id = {own}.{number} AND {condition}")
}

fn delete(maker: &mut Maker, table: &Table) -> String {
    maker.columns = columns(table, "");
    format!("DELETE FROM {} WHERE {} AND {}", table.name, maker.condition(2), maker.condition(1))
}

fn delete_using(maker: &mut Maker, table: &Table) -> String {
    let own = table.name;
    maker.columns = columns(table, &format!("{own}."));
    maker.columns.extend(columns(&TABLES[2], "o."));
    let condition = maker.condition(2);
    format!("DELETE FROM {own} USING t3 AS o WHERE o.a = {own}.a AND {condition}")
        .replace("t2.a", "t2.k")
}
