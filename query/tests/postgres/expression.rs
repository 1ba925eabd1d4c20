//! Which expressions are there?
//!
//! Of every kind, over the columns in scope, with operands of the right kinds: most statements
//! must be answered, not refused. Divisors are never zero here, so that no answer depends on which
//! condition is looked at first; what fails is asked about in `constant`.

use super::dice::Dice;
use super::query::Maker;
use super::tables::{Kind, literal};

/// Operators that compare.
const COMPARE: &[&str] = &["=", "<>", "<", "<=", ">", ">="];

impl Maker {
    /// Writes an expression of a kind.
    pub fn expression(&mut self, kind: Kind, depth: usize) -> String {
        let leaf = depth == 0 || self.dice.chance(25);
        if leaf {
            return self.leaf(kind);
        }
        let depth = depth - 1;
        match self.dice.below(10) {
            0 => self.case(kind, depth),
            1 => {
                let name = if self.dice.chance(70) { "coalesce" } else { "nullif" };
                format!("{name}({}, {})", self.expression(kind, depth), self.leaf(kind))
            }
            2 if kind != Kind::Bool => {
                let name = *self.dice.pick(&["greatest", "least"]);
                format!("{name}({}, {})", self.expression(kind, depth), self.leaf(kind))
            }
            3 if self.may_nest() => self.scalar(kind),
            _ => match kind {
                Kind::Int => self.int(depth),
                Kind::Double => self.double(depth),
                Kind::Numeric => self.numeric(depth),
                Kind::Text => self.text(depth),
                Kind::Bool => self.condition(depth),
                Kind::Date => self.date(depth),
                Kind::Time => self.time(depth),
            },
        }
    }

    /// A column, a literal or null.
    pub fn leaf(&mut self, kind: Kind) -> String {
        let columns: Vec<&str> = self
            .columns
            .iter()
            .filter(|column| column.kind == kind)
            .map(|column| column.text.as_str())
            .collect();
        if columns.is_empty() || self.dice.chance(30) {
            if self.dice.chance(5) {
                return format!("CAST(NULL AS {})", type_name(kind));
            }
            return literal(&mut self.dice, kind);
        }
        (*self.dice.pick(&columns)).to_owned()
    }

    fn case(&mut self, kind: Kind, depth: usize) -> String {
        let mut text = "CASE".to_owned();
        let simple = self.dice.chance(30);
        let of = *self.dice.pick(&[Kind::Int, Kind::Text, Kind::Date]);
        if simple {
            text = format!("CASE {}", self.leaf(of));
        }
        for _ in 0..1 + self.dice.below(2) {
            let when = if simple { self.leaf(of) } else { self.condition(depth) };
            text = format!("{text} WHEN {when} THEN {}", self.expression(kind, depth));
        }
        if self.dice.chance(70) {
            text = format!("{text} ELSE {}", self.expression(kind, depth));
        }
        format!("{text} END")
    }

    fn int(&mut self, depth: usize) -> String {
        let a = self.expression(Kind::Int, depth);
        match self.dice.below(14) {
            0..=2 => format!("({a} + {})", self.expression(Kind::Int, depth)),
            3 | 4 => format!("({a} - {})", self.expression(Kind::Int, depth)),
            5 => format!("({} * {})", self.leaf(Kind::Int), self.leaf(Kind::Int)),
            6 => format!("({a} / {})", 1 + self.dice.below(4)),
            7 => format!("({a} % {})", 2 + self.dice.below(4)),
            8 => format!("abs({a})"),
            9 => format!("length({})", self.expression(Kind::Text, depth)),
            10 => {
                let part = *self.dice.pick(&["year", "month", "day", "dow", "doy", "quarter"]);
                format!("CAST(extract({part} FROM {}) AS INT)", self.expression(Kind::Date, depth))
            }
            11 => format!("position('b' IN {})", self.expression(Kind::Text, depth)),
            12 => format!("(- {a})"),
            _ => {
                let (x, y) = (self.leaf(Kind::Date), self.leaf(Kind::Date));
                format!("({x} - {y})")
            }
        }
    }

    fn double(&mut self, depth: usize) -> String {
        let a = self.expression(Kind::Double, depth);
        match self.dice.below(10) {
            0 | 1 => format!("({a} + {})", self.expression(Kind::Double, depth)),
            2 => format!("({a} - {})", self.expression(Kind::Double, depth)),
            3 => format!("({a} * {})", self.leaf(Kind::Double)),
            4 => format!("({a} / CAST(4 AS DOUBLE PRECISION))"),
            5 => format!("sqrt(abs({a}))"),
            6 => format!("{}({a})", self.dice.pick(&["floor", "ceil", "round", "trunc", "sign"])),
            7 => format!("CAST({} AS DOUBLE PRECISION)", self.expression(Kind::Int, depth)),
            8 => format!("CAST({} AS DOUBLE PRECISION)", self.expression(Kind::Numeric, depth)),
            _ => format!("(- {a})"),
        }
    }

    fn numeric(&mut self, depth: usize) -> String {
        let a = self.expression(Kind::Numeric, depth);
        match self.dice.below(10) {
            0 | 1 => format!("({a} + {})", self.expression(Kind::Numeric, depth)),
            2 => format!("({a} - {})", self.expression(Kind::Numeric, depth)),
            3 => format!("({} * {})", self.leaf(Kind::Numeric), self.leaf(Kind::Numeric)),
            4 => format!("round({a}, {})", self.dice.below(3)),
            5 => format!("abs({a})"),
            6 => format!("CAST({} AS NUMERIC(12, 2))", self.expression(Kind::Int, depth)),
            7 => format!("({a} + {})", self.expression(Kind::Int, depth)),
            8 => format!("{}({a})", self.dice.pick(&["floor", "ceil", "round", "trunc"])),
            _ => format!("(- {a})"),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let a = self.expression(Kind::Text, depth);
        match self.dice.below(16) {
            0 | 1 => format!("({a} || {})", self.expression(Kind::Text, depth)),
            2 => format!("upper({a})"),
            3 => format!("lower({a})"),
            4 => format!("substring({a} FROM {} FOR {})", self.dice.below(4), self.dice.below(4)),
            5 => format!("{}({a}, {})", self.dice.pick(&["left", "right"]), self.dice.below(4)),
            6 => format!("trim({a})"),
            7 => format!("replace({a}, 'b', {})", self.leaf(Kind::Text)),
            8 => format!("CAST({} AS TEXT)", self.expression(Kind::Int, depth)),
            9 => format!("CAST({} AS TEXT)", self.expression(Kind::Date, depth)),
            10 => format!("{}({a}, 6, '*')", self.dice.pick(&["lpad", "rpad"])),
            11 => format!("reverse({a})"),
            12 => format!("split_part({a}, 'b', {})", 1 + self.dice.below(2)),
            13 => format!("concat({a}, {})", self.expression(Kind::Text, depth)),
            14 => format!("repeat({a}, {})", self.dice.below(3)),
            _ => format!("({a} || {})", self.expression(Kind::Int, depth)),
        }
    }

    fn date(&mut self, depth: usize) -> String {
        let a = self.expression(Kind::Date, depth);
        match self.dice.below(4) {
            0 => format!("({a} + {})", self.dice.below(40)),
            1 => format!("({a} - {})", self.dice.below(40)),
            2 => format!("CAST({} AS DATE)", self.expression(Kind::Time, depth)),
            _ => a,
        }
    }

    fn time(&mut self, depth: usize) -> String {
        let a = self.expression(Kind::Time, depth);
        match self.dice.below(5) {
            0 => {
                let part = *self.dice.pick(&["day", "month", "hour", "year", "minute"]);
                format!("date_trunc('{part}', {a})")
            }
            1 => format!("CAST({} AS TIMESTAMP)", self.expression(Kind::Date, depth)),
            2 => {
                let sign = *self.dice.pick(&["+", "-"]);
                let span = *self.dice.pick(&["1 day", "2 hours", "1 month", "90 minutes"]);
                format!("({a} {sign} INTERVAL '{span}')")
            }
            _ => a,
        }
    }

    /// Writes something that is true, false or null.
    pub fn condition(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.comparison(0);
        }
        let below = depth - 1;
        match self.dice.below(20) {
            0..=3 => {
                let word = *self.dice.pick(&["AND", "OR"]);
                format!("({} {word} {})", self.condition(below), self.condition(below))
            }
            4 => format!("(NOT {})", self.condition(below)),
            5..=8 => self.comparison(below),
            9 => {
                let kind = self.kind();
                let not = *self.dice.pick(&["", "NOT "]);
                format!("({} IS {not}NULL)", self.expression(kind, below))
            }
            10 => {
                let kind = self.kind();
                let not = *self.dice.pick(&["", "NOT "]);
                let (a, b) = (self.expression(kind, below), self.expression(kind, below));
                format!("({a} IS {not}DISTINCT FROM {b})")
            }
            11 => self.among(below),
            12 => {
                let kind = self.orderable();
                let not = *self.dice.pick(&["", "NOT "]);
                let a = self.expression(kind, below);
                format!("({a} {not}BETWEEN {} AND {})", self.leaf(kind), self.leaf(kind))
            }
            13 => {
                let patterns = ["a%", "%b%", "_b_", "%", "", "a\\%b", "%\\_%", "Z%"];
                let word = *self.dice.pick(&["LIKE", "NOT LIKE", "ILIKE"]);
                let pattern = *self.dice.pick(&patterns);
                format!("({} {word} '{pattern}')", self.expression(Kind::Text, below))
            }
            14 => {
                let word = *self.dice.pick(&["TRUE", "FALSE", "UNKNOWN", "NOT TRUE", "NOT FALSE"]);
                format!("({} IS {word})", self.condition(below))
            }
            15 => self.leaf(Kind::Bool),
            _ if self.may_nest() => self.asked(below),
            _ => self.comparison(below),
        }
    }

    fn comparison(&mut self, depth: usize) -> String {
        let kind = self.orderable();
        // Numbers of different kinds are compared too.
        let other = match kind {
            Kind::Int | Kind::Double | Kind::Numeric if self.dice.chance(30) => {
                *self.dice.pick(&[Kind::Int, Kind::Double, Kind::Numeric])
            }
            Kind::Date if self.dice.chance(20) => Kind::Time,
            kind => kind,
        };
        let op = *self.dice.pick(COMPARE);
        format!("({} {op} {})", self.expression(kind, depth), self.expression(other, depth))
    }

    fn among(&mut self, depth: usize) -> String {
        let kind = self.orderable();
        let not = *self.dice.pick(&["", "NOT "]);
        let a = self.expression(kind, depth);
        let mut list: Vec<String> = (0..1 + self.dice.below(4)).map(|_| self.leaf(kind)).collect();
        if self.dice.chance(15) {
            list.push("NULL".to_owned());
        }
        format!("({a} {not}IN ({}))", list.join(", "))
    }

    fn kind(&mut self) -> Kind {
        *self.dice.pick(super::tables::KINDS)
    }

    fn orderable(&mut self) -> Kind {
        let kinds = [Kind::Int, Kind::Int, Kind::Double, Kind::Numeric, Kind::Text, Kind::Text];
        let more = [Kind::Date, Kind::Time];
        if self.dice.chance(25) { *self.dice.pick(&more) } else { *self.dice.pick(&kinds) }
    }
}

/// The name of a kind's type.
pub fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "INT",
        Kind::Double => "DOUBLE PRECISION",
        Kind::Numeric => "NUMERIC(12, 2)",
        Kind::Text => "TEXT",
        Kind::Bool => "BOOLEAN",
        Kind::Date => "DATE",
        Kind::Time => "TIMESTAMP",
    }
}

/// What [`constant`] is made of.
const INTS: &[&str] =
    &["2147483647", "(-2147483647)", "0", "1", "7", "(-7)", "9223372036854775807"];
const REALS: &[&str] = &["0.5", "1.5", "2.5", "-2.5", "1e300", "0", "-0.4", "3e9", "1e20"];
const TEXTS: &[&str] = &[
    "12",
    " 12 ",
    "1.5",
    "x",
    "",
    "true",
    "t",
    "no",
    "off",
    "1",
    "2024-01-31",
    "2024-02-30",
    "2024-01-31 12:00",
    "2024-01-31T12:00:00.25",
    "99999999999",
    "1e3",
    "-0",
    "NaN",
    "yes",
    "2024-1-5",
    "20240131",
    "infinity",
    "12:00",
    "tru",
    " true ",
];
const TYPES: &[&str] = &[
    "INT",
    "BIGINT",
    "DOUBLE PRECISION",
    "NUMERIC(10, 2)",
    "TEXT",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
    "NUMERIC(4, 1)",
    "REAL",
];

/// Writes a `SELECT` without tables whose values may fail: at the edges of types, casts of texts
/// that are none, divisors of zero.
pub fn constant(dice: &mut Dice) -> String {
    let int = |dice: &mut Dice| *dice.pick(INTS);
    let real = |dice: &mut Dice| format!("CAST('{}' AS DOUBLE PRECISION)", dice.pick(REALS));
    let decimal = |dice: &mut Dice| {
        (*dice.pick(&["0.5", "1.5", "2.5", "(-2.5)", "0.0", "99999999.99", "3.14159"])).to_owned()
    };
    let text = match dice.below(9) {
        0 => format!("{} {} {}", int(dice), dice.pick(&["+", "-", "*", "/", "%"]), int(dice)),
        1 => format!("{} {} {}", real(dice), dice.pick(&["+", "-", "*", "/"]), real(dice)),
        2 => {
            format!("{} {} {}", decimal(dice), dice.pick(&["+", "-", "*", "/", "%"]), decimal(dice))
        }
        3 => format!("CAST('{}' AS {})", dice.pick(TEXTS), dice.pick(TYPES)),
        4 => format!("CAST({} AS {})", real(dice), dice.pick(&TYPES[..5])),
        5 => format!("CAST({} AS {})", decimal(dice), dice.pick(&TYPES[..5])),
        6 => format!("CAST({} AS {})", int(dice), dice.pick(&TYPES[..6])),
        7 => {
            let of = if dice.chance(50) { real(dice) } else { decimal(dice) };
            let names = ["round", "trunc", "floor", "ceil", "abs", "sqrt", "ln", "exp", "sign"];
            format!("{}({of})", dice.pick(&names))
        }
        _ => {
            let number = if dice.chance(50) { int(dice).to_owned() } else { decimal(dice) };
            format!("power({number}, {})", dice.pick(&["2", "0.5", "0", "(-1)"]))
        }
    };
    format!("SELECT {text}")
}
