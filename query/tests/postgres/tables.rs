//! Which tables and rows do generated statements speak of?
//!
//! Small ones, with many nulls and duplicates: with and without a key, one empty.

use super::dice::Dice;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Double,
    Numeric,
    Text,
    Bool,
    Date,
    Time,
}

/// All kinds.
pub const KINDS: &[Kind] =
    &[Kind::Int, Kind::Double, Kind::Numeric, Kind::Text, Kind::Bool, Kind::Date, Kind::Time];

/// A table of the tests.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Columns, their types and kinds.
    pub columns: &'static [(&'static str, &'static str, Kind)],
    /// How many rows.
    pub rows: usize,
}

/// All tables. The first column of those with a key is that key.
pub const TABLES: &[Table] = &[
    Table {
        name: "t1",
        columns: &[
            ("id", "INT PRIMARY KEY", Kind::Int),
            ("a", "INT", Kind::Int),
            ("b", "BIGINT", Kind::Int),
            ("x", "DOUBLE PRECISION", Kind::Double),
            ("n", "NUMERIC(10, 2)", Kind::Numeric),
            ("s", "TEXT", Kind::Text),
            ("f", "BOOLEAN", Kind::Bool),
            ("d", "DATE", Kind::Date),
            ("ts", "TIMESTAMP", Kind::Time),
        ],
        rows: 24,
    },
    Table {
        name: "t2",
        columns: &[
            ("k", "INT", Kind::Int),
            ("s", "TEXT", Kind::Text),
            ("x", "DOUBLE PRECISION", Kind::Double),
            ("n", "NUMERIC(8, 3)", Kind::Numeric),
            ("d", "DATE", Kind::Date),
        ],
        rows: 30,
    },
    Table {
        name: "t3",
        columns: &[
            ("s", "TEXT PRIMARY KEY", Kind::Text),
            ("a", "INT", Kind::Int),
            ("ts", "TIMESTAMP", Kind::Time),
            ("f", "BOOLEAN", Kind::Bool),
        ],
        rows: 9,
    },
    Table {
        name: "t4",
        columns: &[
            ("a", "INT", Kind::Int),
            ("s", "TEXT", Kind::Text),
            ("n", "NUMERIC(10, 2)", Kind::Numeric),
        ],
        rows: 0,
    },
];

/// Indexes over them, that must not change any answer.
pub const ORDERED: &[&str] = &[
    "CREATE INDEX t1_a ON t1 (a)",
    "CREATE INDEX t1_s_n ON t1 (s, n)",
    "CREATE INDEX t1_ts ON t1 (ts)",
    "CREATE INDEX t2_k ON t2 (k)",
    "CREATE INDEX t2_d_s ON t2 (d, s)",
    "CREATE INDEX t3_a ON t3 (a)",
    "CREATE INDEX t4_a ON t4 (a)",
];

/// Unique indexes: over columns that have no value twice, or that begin with the key.
pub const UNIQUE: &[&str] = &[
    "CREATE UNIQUE INDEX t1_a_id ON t1 (a, id)",
    "CREATE UNIQUE INDEX t1_s_id ON t1 (s, id)",
    "CREATE UNIQUE INDEX t3_a_s ON t3 (a, s)",
    "CREATE UNIQUE INDEX t4_a_s ON t4 (a, s)",
];

/// Words texts are made of.
pub const WORDS: &[&str] =
    &["a", "B", "", "abc", "Abc", "Zürich", " x ", "10", "a%b", "under_score", "hello world"];

/// Writes a value of a kind.
pub fn literal(dice: &mut Dice, kind: Kind) -> String {
    match kind {
        Kind::Int => match dice.below(10) {
            0 => "1000000".to_owned(),
            1 => format!("(-{})", 1 + dice.below(5)),
            _ => dice.below(8).to_string(),
        },
        Kind::Double => {
            let tenths = ["0.5", "1.5", "2.5", "-2.5", "0", "3.25", "100.125", "-0.1", "1e10"];
            format!("CAST('{}' AS DOUBLE PRECISION)", dice.pick(&tenths))
        }
        Kind::Numeric => {
            (*dice.pick(&["0.5", "1.25", "2.50", "10.00", "(-3.75)", "0.01", "7.0"])).to_owned()
        }
        Kind::Text => format!("'{}'", dice.pick(WORDS)),
        Kind::Bool => (*dice.pick(&["true", "false"])).to_owned(),
        Kind::Date => format!("DATE '2024-{:02}-{:02}'", 1 + dice.below(3), 1 + dice.below(28)),
        Kind::Time => {
            let (month, day) = (1 + dice.below(3), 1 + dice.below(28));
            let clock = *dice.pick(&["00:00:00", "12:00:00", "23:59:59.5", "06:30:15"]);
            format!("TIMESTAMP '2024-{month:02}-{day:02} {clock}'")
        }
    }
}

/// Writes a row of a table.
pub fn row(dice: &mut Dice, table: &Table, key: usize) -> String {
    let mut values = Vec::new();
    for (at, (_, ty, kind)) in table.columns.iter().enumerate() {
        values.push(match kind {
            Kind::Int if at == 0 && ty.contains("KEY") => key.to_string(),
            Kind::Text if at == 0 && ty.contains("KEY") => format!("'k{key}'"),
            _ if dice.chance(20) => "NULL".to_owned(),
            kind => literal(dice, *kind),
        });
    }
    format!("({})", values.join(", "))
}

/// Returns the statements that make the tables and their rows, without indexes.
pub fn setup(seed: u64) -> Vec<String> {
    let mut statements = Vec::new();
    for (number, table) in TABLES.iter().enumerate() {
        let columns: Vec<String> =
            table.columns.iter().map(|(name, ty, _)| format!("{name} {ty}")).collect();
        statements.push(format!("CREATE TABLE {} ({})", table.name, columns.join(", ")));
        let mut dice = Dice::new(seed, number as u64);
        let rows: Vec<String> = (0..table.rows).map(|key| row(&mut dice, table, key)).collect();
        if !rows.is_empty() {
            statements.push(format!("INSERT INTO {} VALUES {}", table.name, rows.join(", ")));
        }
    }
    statements
}
