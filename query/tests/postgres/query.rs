//! Which queries are there?
//!
//! Joins of one to three tables, groups, windows, set operations, `WITH`, queries inside
//! expressions. Where an answer would depend on the order rows happen to come in, the order is
//! made total.

use super::dice::Dice;
use super::tables::{KINDS, Kind, TABLES};

/// How deep queries stand inside each other.
const NESTED_MAX: usize = 2;

/// A column an expression may use, as it is written.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its text, with the alias of its table.
    pub text: String,
    /// What its values are.
    pub kind: Kind,
}

/// A generated query.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its text.
    pub text: String,
    /// Whether its rows have an order.
    pub ordered: bool,
}

/// Makes one statement.
#[derive(Debug)]
pub struct Maker {
    /// The choices.
    pub dice: Dice,
    /// Columns in scope.
    pub columns: Vec<Column>,
    /// Names that are taken.
    aliases: usize,
    /// Queries around the place that is written.
    nested: usize,
}

impl Maker {
    /// Makes the maker of one statement.
    pub fn new(dice: Dice) -> Self {
        Self { dice, columns: Vec::new(), aliases: 0, nested: 0 }
    }

    /// Whether a query may stand at this place.
    pub fn may_nest(&self) -> bool {
        self.nested < NESTED_MAX && !self.columns.is_empty()
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }

    /// Writes a table with an alias, and returns its columns.
    fn table(&mut self) -> (String, Vec<Column>) {
        // The empty table is rare.
        let table = &TABLES[if self.dice.chance(6) { 3 } else { self.dice.below(3) }];
        let alias = self.alias();
        let column = |(name, _, kind): &(&str, &str, Kind)| Column {
            text: format!("{alias}.{name}"),
            kind: *kind,
        };
        let columns = table.columns.iter().map(column).collect();
        (format!("{} AS {alias}", table.name), columns)
    }

    /// Writes an item of a FROM list: a table, or a query in brackets.
    fn item(&mut self) -> (String, Vec<Column>) {
        if self.nested >= NESTED_MAX || self.dice.chance(80) {
            return self.table();
        }
        let around = std::mem::take(&mut self.columns);
        let (text, kinds) = self.plain(2);
        self.columns = around;
        let alias = self.alias();
        let column =
            |(at, kind): (usize, &Kind)| Column { text: format!("{alias}.c{at}"), kind: *kind };
        let columns = kinds.iter().enumerate().map(column).collect();
        (format!("({text}) AS {alias}"), columns)
    }

    /// Writes a FROM list; its columns are added to the scope.
    pub fn from(&mut self) -> String {
        let (mut text, columns) = self.item();
        self.columns.extend(columns);
        for _ in 0..self.dice.below(3) {
            if self.dice.chance(12) && self.nested < NESTED_MAX {
                text = self.lateral(&text);
                continue;
            }
            let before = self.columns.clone();
            let (item, columns) = self.item();
            let join =
                *self.dice.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
            if join == "CROSS JOIN" {
                self.columns.extend(columns);
                text = format!("{text} CROSS JOIN {item}");
                continue;
            }
            let on = self.join_condition(&before, &columns, join == "FULL JOIN");
            self.columns.extend(columns);
            text = format!("{text} {join} {item} ON {on}");
        }
        text
    }

    /// Mostly an equality of two columns.
    fn join_condition(&mut self, left: &[Column], right: &[Column], only_equal: bool) -> String {
        let mut pairs = Vec::new();
        for a in left {
            for b in right.iter().filter(|b| b.kind == a.kind) {
                pairs.push(format!("{} = {}", a.text, b.text));
            }
        }
        if pairs.is_empty() {
            return (*self.dice.pick(&["true", "1 = 1"])).to_owned();
        }
        let equal = self.dice.pick(&pairs).clone();
        // PostgreSQL offers a full join for equalities only.
        if only_equal || self.dice.chance(60) {
            return equal;
        }
        let around = self.columns.clone();
        self.columns = left.iter().chain(right).cloned().collect();
        self.nested += NESTED_MAX;
        let more = self.condition(1);
        self.nested -= NESTED_MAX;
        self.columns = around;
        let word = *self.dice.pick(&["AND", "AND", "OR"]);
        format!("({equal} {word} {more})")
    }

    fn lateral(&mut self, before: &str) -> String {
        let around = self.columns.clone();
        self.nested += 1;
        let (inner, columns) = self.table();
        self.columns.extend(columns.clone());
        let condition = self.condition(1);
        let total = self.dice.chance(50);
        let (list, kinds): (Vec<String>, Vec<Kind>) = if total {
            (vec!["count(*) AS c0".to_owned()], vec![Kind::Int])
        } else {
            let list = columns.iter().enumerate().map(|(at, c)| format!("{} AS c{at}", c.text));
            (list.collect(), columns.iter().map(|c| c.kind).collect())
        };
        self.nested -= 1;
        self.columns = around;
        let alias = self.alias();
        let query = format!("SELECT {} FROM {inner} WHERE {condition}", list.join(", "));
        let added = kinds.iter().enumerate();
        let added = added.map(|(at, kind)| Column { text: format!("{alias}.c{at}"), kind: *kind });
        self.columns.extend(added.collect::<Vec<_>>());
        if self.dice.chance(50) {
            format!("{before} LEFT JOIN LATERAL ({query}) AS {alias} ON true")
        } else {
            format!("{before} CROSS JOIN LATERAL ({query}) AS {alias}")
        }
    }

    /// Writes a query without order whose columns are `c0`, `c1`, …, of the returned kinds.
    fn plain(&mut self, width: usize) -> (String, Vec<Kind>) {
        self.nested += 1;
        let kinds: Vec<Kind> = (0..width).map(|_| *self.dice.pick(KINDS)).collect();
        let text = self.plain_of(&kinds);
        self.nested -= 1;
        (text, kinds)
    }

    /// Writes a query of these kinds, in a scope of its own.
    fn plain_of(&mut self, kinds: &[Kind]) -> String {
        let around = std::mem::take(&mut self.columns);
        let from = self.from();
        let mut list = Vec::new();
        for (at, kind) in kinds.iter().enumerate() {
            list.push(format!("{} AS c{at}", self.expression(*kind, 1)));
        }
        let distinct = if self.dice.chance(20) { "DISTINCT " } else { "" };
        let mut text = format!("SELECT {distinct}{} FROM {from}", list.join(", "));
        if self.dice.chance(60) {
            text = format!("{text} WHERE {}", self.condition(2));
        }
        self.columns = around;
        text
    }

    /// Writes a query that stands for a value of a kind: an aggregate of rows that may depend on
    /// the row around.
    pub fn scalar(&mut self, kind: Kind) -> String {
        let around = self.columns.clone();
        self.nested += 1;
        let (inner, columns) = self.table();
        let own = columns.clone();
        self.columns.extend(columns);
        let condition = self.condition(1);
        self.columns = own;
        let value = self.leaf(kind);
        self.columns = around;
        self.nested -= 1;
        let name = match kind {
            Kind::Bool => *self.dice.pick(&["bool_and", "bool_or"]),
            Kind::Int if self.dice.chance(40) => "count",
            _ => *self.dice.pick(&["min", "max"]),
        };
        format!("(SELECT {name}({value}) FROM {inner} WHERE {condition})")
    }

    /// Writes a question to a query: EXISTS, IN, ANY, ALL.
    pub fn asked(&mut self, depth: usize) -> String {
        let kind = *self.dice.pick(&[Kind::Int, Kind::Text, Kind::Date]);
        let left = self.expression(kind, depth.min(1));
        let around = self.columns.clone();
        self.nested += 1;
        let (inner, columns) = self.table();
        let own = columns.clone();
        self.columns.extend(columns);
        let condition = self.condition(1);
        self.columns = own;
        let value = self.leaf(kind);
        self.columns = around;
        self.nested -= 1;
        let not = *self.dice.pick(&["", "NOT "]);
        match self.dice.below(4) {
            0 => format!("({not}EXISTS (SELECT 1 FROM {inner} WHERE {condition}))"),
            1 => {
                let op = *self.dice.pick(&["=", "<>", "<", ">="]);
                let word = *self.dice.pick(&["ANY", "ALL"]);
                format!("({left} {op} {word} (SELECT {value} FROM {inner} WHERE {condition}))")
            }
            _ => format!("({left} {not}IN (SELECT {value} FROM {inner} WHERE {condition}))"),
        }
    }

    /// Writes a whole query.
    pub fn query(mut self) -> Query {
        match self.dice.below(20) {
            0..=6 => self.rows(),
            7..=11 => self.groups(),
            12..=14 => self.windows(),
            15..=16 => self.sets(),
            17 => self.distinct_on(),
            18 => self.with(),
            _ => self.recursive(),
        }
    }

    /// Adds an order over all columns, and perhaps a limit.
    fn finish(&mut self, text: String, width: usize) -> Query {
        if self.dice.chance(50) {
            return Query { text, ordered: false };
        }
        let mut keys = Vec::new();
        for at in 1..=width {
            let way = ["", " ASC", " DESC", " NULLS FIRST", " DESC NULLS LAST"];
            keys.push(format!("{at}{}", self.dice.pick(&way)));
        }
        let mut text = format!("{text} ORDER BY {}", keys.join(", "));
        if self.dice.chance(50) {
            text = format!("{text} LIMIT {}", self.dice.below(8));
            if self.dice.chance(40) {
                text = format!("{text} OFFSET {}", self.dice.below(5));
            }
        }
        Query { text, ordered: true }
    }

    fn rows(mut self) -> Query {
        let width = 1 + self.dice.below(3);
        let kinds: Vec<Kind> = (0..width).map(|_| *self.dice.pick(KINDS)).collect();
        let from = self.from();
        let mut list = Vec::new();
        for (at, kind) in kinds.iter().enumerate() {
            list.push(format!("{} AS c{at}", self.expression(*kind, 2)));
        }
        let distinct = if self.dice.chance(15) { "DISTINCT " } else { "" };
        let mut text = format!("SELECT {distinct}{} FROM {from}", list.join(", "));
        if self.dice.chance(70) {
            text = format!("{text} WHERE {}", self.condition(3));
        }
        self.finish(text, width)
    }

    /// Writes an aggregate whose answer does not depend on the order of its rows.
    fn aggregate(&mut self) -> String {
        let kind = *self.dice.pick(KINDS);
        let value = |maker: &mut Self, kind| maker.expression(kind, 1);
        let distinct = if self.dice.chance(25) { "DISTINCT " } else { "" };
        let text = match self.dice.below(10) {
            0 => "count(*)".to_owned(),
            1 => format!("count({distinct}{})", value(self, kind)),
            2 | 3 => {
                let kind = *self.dice.pick(&[Kind::Int, Kind::Numeric]);
                format!("sum({distinct}{})", value(self, kind))
            }
            4 => {
                let kind = *self.dice.pick(&[Kind::Int, Kind::Numeric, Kind::Double]);
                format!("avg({distinct}{})", value(self, kind))
            }
            5 if kind != Kind::Bool => format!("min({})", value(self, kind)),
            6 if kind != Kind::Bool => format!("max({})", value(self, kind)),
            7 => {
                let name = *self.dice.pick(&["bool_and", "bool_or", "every"]);
                format!("{name}({})", value(self, Kind::Bool))
            }
            8 => {
                let value = value(self, Kind::Text);
                format!("string_agg({distinct}{value}, ',' ORDER BY {value})")
            }
            9 => {
                let names = ["stddev", "stddev_pop", "variance", "var_pop", "stddev_samp"];
                format!("{}({})", self.dice.pick(&names), value(self, Kind::Double))
            }
            _ => "count(*)".to_owned(),
        };
        if self.dice.chance(20) {
            return format!("{text} FILTER (WHERE {})", self.condition(1));
        }
        text
    }

    fn groups(mut self) -> Query {
        let from = self.from();
        // Groups by queries are refused by none, but are rare in life.
        self.nested += NESTED_MAX;
        // PostgreSQL 15 does not null constants of subtotals: those are of columns.
        let subtotals = self.dice.chance(35);
        let keys: Vec<String> = (0..self.dice.below(4))
            .map(|_| {
                let kind = *self.dice.pick(&[Kind::Int, Kind::Text, Kind::Date, Kind::Bool]);
                if subtotals || self.dice.chance(75) {
                    self.column(kind)
                } else {
                    self.expression(kind, 1)
                }
            })
            .collect();
        let mut list = keys.clone();
        for _ in 0..1 + self.dice.below(2) {
            list.push(self.aggregate());
        }
        let mut text = format!("SELECT {} FROM {from}", list.join(", "));
        if self.dice.chance(50) {
            text = format!("{text} WHERE {}", self.condition(2));
        }
        if !keys.is_empty() {
            let all = keys.join(", ");
            let by = match self.dice.below(3) {
                _ if !subtotals => all,
                0 => format!("ROLLUP ({all})"),
                1 => format!("CUBE ({all})"),
                _ => format!("GROUPING SETS (({all}), ({}), ())", keys[0]),
            };
            text = format!("{text} GROUP BY {by}");
        }
        if self.dice.chance(30) {
            let op = *self.dice.pick(&[">", "<", "="]);
            text = format!("{text} HAVING count(*) {op} {}", self.dice.below(5));
        }
        let width = list.len();
        self.finish(text, width)
    }

    /// A column of a kind, or of any other when there is none.
    fn column(&mut self, kind: Kind) -> String {
        let fitting: Vec<&Column> = self.columns.iter().filter(|c| c.kind == kind).collect();
        if fitting.is_empty() {
            return self.columns[self.dice.below(self.columns.len())].text.clone();
        }
        self.dice.pick(&fitting).text.clone()
    }

    /// Windows over the table that has a key: the order within them is total, or does not matter.
    fn windows(mut self) -> Query {
        self.columns = TABLES[0]
            .columns
            .iter()
            .map(|(name, _, kind)| Column { text: format!("w.{name}"), kind: *kind })
            .collect();
        self.nested += NESTED_MAX;
        let mut list = vec!["w.id".to_owned()];
        for _ in 0..1 + self.dice.below(3) {
            list.push(self.window());
        }
        let mut text = format!("SELECT {} FROM t1 AS w", list.join(", "));
        if self.dice.chance(50) {
            text = format!("{text} WHERE {}", self.condition(2));
        }
        let width = list.len();
        self.finish(text, width)
    }

    fn window(&mut self) -> String {
        let kind = *self.dice.pick(&[Kind::Int, Kind::Numeric, Kind::Text, Kind::Date]);
        let value = self.expression(kind, 1);
        let number = self.expression(Kind::Int, 1);
        let call = match self.dice.below(14) {
            0 => "row_number()".to_owned(),
            1 => "rank()".to_owned(),
            2 => "dense_rank()".to_owned(),
            3 => "percent_rank()".to_owned(),
            4 => "cume_dist()".to_owned(),
            5 => format!("ntile({})", 1 + self.dice.below(4)),
            6 => format!("lag({value})"),
            7 => format!("lead({number}, {}, 0)", self.dice.below(3)),
            8 => format!("first_value({value})"),
            9 => format!("last_value({value})"),
            10 => format!("nth_value({value}, {})", 1 + self.dice.below(3)),
            11 => format!("sum({number})"),
            12 => format!("count({value})"),
            _ => format!("{}({value})", self.dice.pick(&["min", "max"])),
        };
        let mut parts = Vec::new();
        if self.dice.chance(60) {
            let kind = *self.dice.pick(&[Kind::Bool, Kind::Text, Kind::Int]);
            parts.push(format!("PARTITION BY {}", self.expression(kind, 1)));
        }
        let way = *self.dice.pick(&["", " DESC", " NULLS FIRST"]);
        parts.push(format!("ORDER BY {}{way}, w.id", self.leaf(Kind::Int)));
        if self.dice.chance(50) {
            let bounds = [
                "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
                "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                "ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING",
                "ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING",
                "ROWS 3 PRECEDING",
                "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
                "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
                "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            ];
            parts.push((*self.dice.pick(&bounds)).to_owned());
        }
        format!("{call} OVER ({})", parts.join(" "))
    }

    fn sets(mut self) -> Query {
        let width = 1 + self.dice.below(2);
        let kinds: Vec<Kind> = (0..width).map(|_| *self.dice.pick(KINDS)).collect();
        let mut text = self.plain_of(&kinds);
        for _ in 0..1 + self.dice.below(2) {
            let words =
                ["UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"];
            let word = *self.dice.pick(&words);
            text = format!("({text} {word} {})", self.plain_of(&kinds));
        }
        let text = format!("SELECT * FROM {text} AS u");
        self.finish(text, width)
    }

    fn distinct_on(mut self) -> Query {
        let (table, columns) = self.table();
        self.columns = columns;
        let key = self.leaf(Kind::Text);
        let others: Vec<String> = self.columns.iter().map(|c| c.text.clone()).collect();
        let list = others.join(", ");
        let way = *self.dice.pick(&["", " DESC", " NULLS FIRST"]);
        let mut text = format!("SELECT DISTINCT ON ({key}) {list} FROM {table}");
        if self.dice.chance(50) {
            text = format!("{text} WHERE {}", self.condition(2));
        }
        Query { text: format!("{text} ORDER BY {key}{way}, {list}"), ordered: true }
    }

    fn with(mut self) -> Query {
        let (inner, kinds) = self.plain(3);
        let column = |(at, kind): (usize, &Kind)| Column { text: format!("v.c{at}"), kind: *kind };
        self.columns = kinds.iter().enumerate().map(column).collect();
        let list = [self.expression(Kind::Int, 2), "v.c0".to_owned(), "count(*)".to_owned()];
        let condition = self.condition(2);
        let mut text = format!("WITH v AS ({inner}) ");
        if self.dice.chance(50) {
            let other = "SELECT v.c0, o.c1, o.c2 FROM v JOIN v AS o ON v.c1 = o.c1";
            text = format!("{text}{other} WHERE {condition}");
            return self.finish(text, 3);
        }
        let [first, second, count] = list;
        self.nested += NESTED_MAX;
        text = format!("{text}SELECT {second}, {count}, min({first}) FROM v GROUP BY {second}");
        self.finish(text, 3)
    }

    fn recursive(mut self) -> Query {
        let steps = 2 + self.dice.below(8);
        let step = 1 + self.dice.below(3);
        let all = *self.dice.pick(&["", " ALL"]);
        let (table, columns) = self.table();
        self.columns = columns;
        let text = self.leaf(Kind::Text);
        let condition = self.condition(1);
        let query = format!(
            "WITH RECURSIVE v (n, s) AS (SELECT 1, CAST('' AS TEXT) UNION{all} SELECT n + {step}, \
             s || '.' FROM v WHERE n < {steps}) SELECT v.n, v.s, {text} FROM v LEFT JOIN {table} \
             ON {condition}"
        );
        self.finish(query, 3)
    }
}
