//! Which objects are there, by number and by name?

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pieskieo_shards::catalog::{Catalog, ConstraintKind, Index, IndexKind, Table, TableKind};
use pieskieo_shards::value::ColumnType;

use super::super::relation::{CATALOG, INFORMATION, Relation, all};
use super::super::rule::{has_key, key_name};
use super::definition;
use super::number::{self, Part};
use crate::postgres::{BuiltIn, known, oid};

/// What has a row in `pg_class`.
#[derive(Debug)]
pub struct Class {
    /// Its number.
    pub number: i64,
    /// The number of its schema.
    pub schema: i64,
    /// Its name.
    pub name: String,
    /// PostgreSQL's letter for its kind.
    pub kind: &'static str,
    /// What it is.
    pub body: Body,
}

/// What a class is.
#[derive(Debug)]
pub enum Body {
    /// A table, view or sequence.
    Stored(Arc<Table>),
    /// The index of a primary key.
    Key(Arc<Table>),
    /// Any other index.
    Index(Arc<Table>, Arc<Index>),
    /// A relation of the system.
    System(&'static Relation),
}

/// A constraint.
#[derive(Debug)]
pub struct Constraint {
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: Arc<Table>,
    /// Its place among the table's; `None` = the primary key.
    pub at: Option<usize>,
    /// PostgreSQL's letter for its kind.
    pub kind: &'static str,
    /// How it would be written in CREATE TABLE.
    pub definition: String,
}

/// The objects of one catalog.
#[derive(Debug)]
pub struct Objects {
    /// What has a row in `pg_class`: ours by id, then the system's.
    pub classes: Vec<Class>,
    /// Constraints, by table.
    pub constraints: Vec<Constraint>,
    classes_at: HashMap<i64, usize>,
    constraints_at: HashMap<i64, usize>,
}

impl Objects {
    /// Gathers the objects of a catalog.
    ///
    /// **Cost**: in proportion to the catalog; texts of definitions among it.
    pub fn of(catalog: &Catalog) -> Self {
        let mut classes = Vec::new();
        let mut constraints = Vec::new();
        let mut taken = HashSet::new();
        for table in catalog.tables.values() {
            let Some(kind) = kind_of(table) else { continue };
            add_table(table, kind, &mut classes);
            if kind == "r" {
                add_constraints(catalog, table, &mut taken, &mut constraints);
            }
        }
        for (at, relation) in all().enumerate() {
            classes.push(system_class(relation, at));
        }
        let classes_at = classes.iter().enumerate().map(|(at, class)| (class.number, at)).collect();
        let constraints_at = constraints.iter().enumerate().map(|(at, one)| (one.number, at));
        let constraints_at = constraints_at.collect();
        Self { classes, constraints, classes_at, constraints_at }
    }

    /// Returns the class with a number.
    pub fn class(&self, number: i64) -> Option<&Class> {
        self.classes_at.get(&number).map(|at| &self.classes[*at])
    }

    /// Returns the constraint with a number.
    pub fn constraint(&self, number: i64) -> Option<&Constraint> {
        self.constraints_at.get(&number).map(|at| &self.constraints[*at])
    }

    /// Returns the view with the rule of a number.
    pub fn rule(&self, number: i64) -> Option<&Class> {
        self.classes.iter().find(|class| match &class.body {
            Body::Stored(table) => number::of_table(table.id, Part::Rule) == number,
            _ => false,
        })
    }

    /// Returns the class that a name means, with or without a schema before it.
    pub fn class_named(&self, written: &str) -> Option<&Class> {
        let parts = parts_of(written)?;
        let find = |schema: i64, name: &str| {
            self.classes.iter().find(|class| class.schema == schema && class.name == name)
        };
        match parts.as_slice() {
            [name] => {
                find(number::CATALOG_SCHEMA, name).or_else(|| find(number::PUBLIC_SCHEMA, name))
            }
            [schema, name] => find(schema_number(schema)?, name),
            _ => None,
        }
    }

    /// Returns whether a class's name alone finds it.
    pub fn is_visible(&self, class: &Class) -> bool {
        match class.schema {
            number::CATALOG_SCHEMA => true,
            number::PUBLIC_SCHEMA => super::super::implied(&class.name).is_none(),
            _ => false,
        }
    }

    /// Returns a class's name as it must be written to be found.
    pub fn shown(&self, class: &Class) -> String {
        let name = definition::quoted(&class.name);
        match self.is_visible(class) {
            true => name,
            false => format!("{}.{name}", schema_name(class.schema).unwrap_or_default()),
        }
    }
}

impl Constraint {
    /// Returns what COMMENT ON says of it.
    pub fn comment(&self) -> Option<&str> {
        self.table.constraints[self.at?].comment.as_deref()
    }
}

impl Class {
    /// Returns the table it is, or is about; `None` for the system's.
    pub fn table(&self) -> Option<&Arc<Table>> {
        match &self.body {
            Body::Stored(table) | Body::Key(table) | Body::Index(table, _) => Some(table),
            Body::System(_) => None,
        }
    }

    /// Returns the statement that would make an index; `None` for what is none.
    pub fn index_definition(&self) -> Option<String> {
        match &self.body {
            Body::Key(table) => Some(definition::key_index(&self.name, table)),
            Body::Index(table, index) => {
                Some(definition::index(table, index, is_unique(table, index)))
            }
            Body::Stored(_) | Body::System(_) => None,
        }
    }

    /// Returns what an index is over, one text for each column.
    pub fn index_parts(&self) -> Vec<String> {
        match &self.body {
            Body::Key(table) => {
                table.key.iter().map(|&at| definition::quoted(&table.columns[at].name)).collect()
            }
            Body::Index(table, index) => definition::index_parts(table, index),
            Body::Stored(_) | Body::System(_) => Vec::new(),
        }
    }

    /// Returns the positions in the table of an index's columns.
    pub fn index_columns(&self) -> Vec<usize> {
        match &self.body {
            Body::Key(table) => table.key.clone(),
            Body::Index(_, index) => definition::index_columns(index),
            Body::Stored(_) | Body::System(_) => Vec::new(),
        }
    }

    /// Returns the number of the way an index, or a table's records, are kept; 0 for others.
    pub fn access(&self) -> i64 {
        match &self.body {
            Body::Key(_) => number::BTREE,
            Body::Index(_, index) => match index.kind {
                IndexKind::Ordered { .. } => number::BTREE,
                IndexKind::Vector { .. } => number::HNSW,
                IndexKind::Text { .. } => number::TEXT_INDEX,
            },
            Body::Stored(_) if matches!(self.kind, "r" | "m") => number::HEAP,
            Body::Stored(_) => 0,
            Body::System(_) if self.kind == "r" => number::HEAP,
            Body::System(_) => 0,
        }
    }

    /// Returns what COMMENT ON says of it.
    pub fn comment(&self) -> Option<&str> {
        match &self.body {
            Body::Stored(table) => table.comment.as_deref(),
            Body::Index(_, index) => index.comment.as_deref(),
            Body::Key(_) | Body::System(_) => None,
        }
    }
}

/// PostgreSQL's letter for a table's kind; `None` for what is hidden.
fn kind_of(table: &Table) -> Option<&'static str> {
    match &table.kind {
        TableKind::View(_) => Some("v"),
        TableKind::Sequence(_) => Some("S"),
        _ if table.is_hidden() => None,
        TableKind::Materialized { .. } => Some("m"),
        _ => Some("r"),
    }
}

fn add_table(table: &Arc<Table>, kind: &'static str, classes: &mut Vec<Class>) {
    let mut add = |number, name: String, kind, body| {
        classes.push(Class { number, schema: number::PUBLIC_SCHEMA, name, kind, body });
    };
    let whole = number::of_table(table.id, Part::Whole);
    add(whole, table.name.clone(), kind, Body::Stored(table.clone()));
    if !matches!(kind, "r" | "m") {
        return;
    }
    if kind == "r" && has_key(table) {
        let number = number::of_table(table.id, Part::KeyIndex);
        add(number, key_name(table), "i", Body::Key(table.clone()));
    }
    for index in &table.indexes {
        let number = number::of_index(index.id, Part::Whole);
        add(number, index.name.clone(), "i", Body::Index(table.clone(), index.clone()));
    }
}

fn system_class(relation: &'static Relation, at: usize) -> Class {
    let number = match relation.number {
        0 => number::SYSTEM_RELATIONS + i64::try_from(at).unwrap_or(0),
        known => i64::from(known),
    };
    // PostgreSQL's views have numbers from 12,000 on.
    let kind = if (1..12_000).contains(&relation.number) { "r" } else { "v" };
    let schema = schema_number(relation.schema).unwrap_or(0);
    Class { number, schema, name: relation.name.to_owned(), kind, body: Body::System(relation) }
}

fn add_constraints(
    catalog: &Catalog,
    table: &Arc<Table>,
    taken: &mut HashSet<i64>,
    constraints: &mut Vec<Constraint>,
) {
    let mut add = |number, name: &str, at, kind, definition: String| {
        let (name, table) = (name.to_owned(), table.clone());
        constraints.push(Constraint { number, name, table, at, kind, definition });
    };
    if has_key(table) {
        let number = number::of_table(table.id, Part::Constraint);
        let definition = format!("PRIMARY KEY ({})", definition::listed(table, &table.key));
        add(number, &key_name(table), None, "p", definition);
    }
    for (at, one) in table.constraints.iter().enumerate() {
        let by_name = |taken: &mut HashSet<i64>| {
            let number = number::of_name(table.id, &one.name, |number| taken.contains(&number));
            taken.insert(number);
            number
        };
        let (number, kind, definition) = match &one.kind {
            ConstraintKind::Unique(unique) if unique.filling.is_some() => continue,
            ConstraintKind::Unique(unique) => {
                let columns = definition::listed(table, &unique.columns);
                let number = number::of_index(unique.index, Part::Constraint);
                (number, "u", format!("UNIQUE ({columns})"))
            }
            ConstraintKind::Check { text } => (by_name(taken), "c", format!("CHECK (({text}))")),
            ConstraintKind::Foreign(foreign) => {
                (by_name(taken), "f", definition::foreign(catalog, table, foreign))
            }
        };
        let unsure = if one.validated { "" } else { " NOT VALID" };
        add(number, &one.name, Some(at), kind, definition + unsure);
    }
}

/// Returns whether an index belongs to a unique constraint.
pub(super) fn is_unique(table: &Table, index: &Index) -> bool {
    table.uniques().any(|(_, unique)| unique.index == index.id)
}

/// Returns the place that clients know a column by, from 1; 0 for one they do not see.
pub(super) fn place_of(table: &Table, column: usize) -> i16 {
    let shown = |at: &usize| !table.columns[*at].hidden && !table.columns[*at].altered.dropped;
    if !shown(&column) {
        return 0;
    }
    i16::try_from((0..=column).filter(shown).count()).unwrap_or(i16::MAX)
}

/// The numbers and names of the schemas.
pub(super) const SCHEMAS: &[(i64, &str)] = &[
    (number::CATALOG_SCHEMA, CATALOG),
    (number::PUBLIC_SCHEMA, "public"),
    (number::INFORMATION_SCHEMA, INFORMATION),
    (number::OWN_SCHEMA, "pieskieo"),
];

/// Returns the number of a schema.
pub fn schema_number(name: &str) -> Option<i64> {
    SCHEMAS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
}

/// Returns the name of a schema.
pub fn schema_name(number: i64) -> Option<&'static str> {
    SCHEMAS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// Returns the number of the type that a name means: PostgreSQL's short name, or ours.
pub fn type_named(written: &str) -> Option<i64> {
    let lower = written.trim().to_lowercase();
    let lower = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    let lower = lower.strip_prefix("public.").unwrap_or(lower);
    let (name, is_array) = match lower.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (lower, false),
    };
    let name = name.split('(').next().unwrap_or(name).trim();
    let name = name.trim_matches('"');
    if let Some(element) = name.strip_prefix('_').filter(|_| !is_array) {
        return by_name(element).map(|known| i64::from(known.array));
    }
    let found = by_name(name)?;
    let number = if is_array { found.array } else { found.oid };
    (number != 0).then_some(i64::from(number))
}

fn by_name(name: &str) -> Option<&'static BuiltIn> {
    let standard = match name {
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" | "double" => "float8",
        "decimal" => "numeric",
        "character varying" => "varchar",
        "character" => "bpchar",
        "time without time zone" => "time",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        name => name,
    };
    known().iter().find(|known| known.name == standard)
}

/// Returns the number of a type of ours.
pub(super) fn type_of(ty: &ColumnType) -> i64 {
    i64::from(oid(ty))
}

/// Returns the parts of a name as it is written in a text: lower case unless quoted.
fn parts_of(written: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut letters = written.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        let last = parts.last_mut()?;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            letter if quoted => last.push(letter),
            letter => last.extend(letter.to_lowercase()),
        }
    }
    let whole = !quoted && parts.iter().all(|part| !part.is_empty());
    whole.then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let parts = |text: &str| parts_of(text).unwrap_or_default().join("|");
        assert_eq!(parts("T"), "t");
        assert_eq!(parts("public.\"T.x\""), "public|T.x");
        assert_eq!(parts("\"a\"\"b\""), "a\"b");
        assert_eq!(parts_of("\"a"), None);
        assert_eq!(parts_of("a."), None);
        assert_eq!(parts_of(""), None);
    }

    #[test]
    fn types_have_their_numbers() {
        for (name, number) in [
            ("int4", 23),
            ("INTEGER", 23),
            ("_int4", 1007),
            ("pg_catalog.text[]", 1009),
            ("numeric(10, 2)", 1700),
            ("vector", 16_400),
        ] {
            assert_eq!(type_named(name), Some(number), "{name}");
        }
        assert_eq!(type_named("nothing"), None);
    }

    #[test]
    fn numbers_of_the_system_are_its_own() {
        let objects = Objects::of(&Catalog::empty(1));
        assert_eq!(objects.classes.len(), objects.classes_at.len());
        assert_eq!(objects.class_named("pg_class").map(|class| class.number), Some(1259));
    }
}
