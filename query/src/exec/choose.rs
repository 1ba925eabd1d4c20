//! Which conditions of a statement choose the way a table is read?
//!
//! In this order: equality on the whole primary key (or a list of keys), a text search, the
//! ordered index or primary key with the most leading columns bound, every record.
//!
//! Conditions that the way answers exactly are taken out of the filter; ranges stay in it, which
//! costs little and keeps comparisons of odd values (NaN) in one place.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use pieskieo_shards::catalog::{Catalog, IndexKind, Table, TextField};
use pieskieo_shards::ids::{IndexId, ShardId};
use pieskieo_shards::key::{Key, KeyBounds, KeyForm, KeyRange};
use pieskieo_shards::text::TextQuery;
use pieskieo_shards::value::{ColumnType, Value};

use super::path::{Matching, ScanPath};
use crate::error::{Error, Result};
use crate::functions::stems;

/// Most keys read one by one; more are read by a scan with a filter.
const KEYS_MAX: usize = 10_000;

/// The way a table is read.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// How records are found.
    pub path: ScanPath,
    /// Where they can be.
    pub shards: Vec<ShardId>,
    /// Conditions that are left to check.
    pub rest: Vec<Expr>,
    /// Ways that give records in an order, of which a sort may want one.
    pub ways: Ways,
}

/// The ways to read a table in an order. All of its conditions are left to check, whichever is
/// taken.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// How narrow the range is that was chosen.
    pub chosen: Rank,
    /// Each that there is.
    pub all: Arc<[Way]>,
}

/// How narrow a range is: columns with one value, then closed ends of the next.
pub type Rank = (usize, usize);

/// A way to read a table in an order.
#[derive(Clone, Debug)]
pub struct Way {
    /// The ordered index; `None` = the records themselves.
    pub index: Option<IndexId>,
    /// What is read of it.
    pub range: KeyRange,
    /// How narrow that is. As many of the columns as its first number says have one value.
    pub rank: Rank,
    /// Positions of the columns that order it. It has no two records with the same values of all.
    pub columns: Vec<usize>,
}

/// What the conditions say about one column.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// `= value`, and which condition says so.
    equal: Option<(Value, usize)>,
    /// `IN (values)`, and which condition says so.
    any_of: Option<(Vec<Value>, usize)>,
    lower: Option<Bound<Value>>,
    upper: Option<Bound<Value>>,
}

/// Chooses the way to read `table` for rows that pass all of `filters`.
///
/// **Errors**: a text query that cannot be read.
pub fn choose(
    catalog: &Catalog,
    table: &Table,
    filters: &[Expr],
    wants_score: bool,
) -> Result<Chosen> {
    let asked = collect(table, filters);
    if !wants_score && let Some((keys, used)) = whole_keys(table, &asked) {
        let path = ScanPath::Keys(keys);
        let shards = path.shards(catalog);
        let rest = without(filters, &used);
        return Ok(Chosen { path, shards, rest, ways: Ways::default() });
    }
    if let Some((matching, used)) = text_search(table, filters)? {
        let path = ScanPath::Matching(matching);
        let shards = path.shards(catalog);
        let rest = without(filters, &[used]);
        return Ok(Chosen { path, shards, rest, ways: Ways::default() });
    }
    if wants_score {
        let name = &table.name;
        let message = format!("SCORE() needs a text search of \"{name}\" in the WHERE clause");
        return Err(Error::new(crate::error::code::UNDEFINED_OBJECT, message).with_hint(format!(
            "Add MATCHES(column, 'words') and CREATE INDEX ... ON {name} USING text (column)."
        )));
    }
    let ways = ways(table, &asked);
    let (path, chosen) = best_range(&ways);
    let shards = match routed(catalog, table, &asked) {
        Some(shard) => vec![shard],
        None => path.shards(catalog),
    };
    let ways = Ways { chosen, all: ways.into() };
    Ok(Chosen { path, shards, rest: filters.to_vec(), ways })
}

/// Returns the range of primary keys that are those of the rows that pass all of `filters`, no more
/// and no less; `None` when there is none, or it takes the rows to know.
pub fn exact_range(table: &Table, filters: &[Expr]) -> Option<KeyRange> {
    let ends = |asked: &Asked| {
        [asked.equal.is_some(), asked.lower.is_some(), asked.upper.is_some()].map(usize::from)
    };
    let asked = collect(table, filters);
    // Each condition must have left its trace: of two about one end, one would be lost.
    let mut traces = 0;
    for filter in filters {
        let alone = collect(table, std::slice::from_ref(filter));
        let (_, asked) = alone.iter().next().filter(|_| alone.len() == 1)?;
        let both = usize::from(matches!(filter, Expr::Between(_))) + 1;
        let found: usize = ends(asked).iter().sum();
        if asked.any_of.is_some() || found != both {
            return None;
        }
        traces += found;
    }
    let left: usize = asked.values().flat_map(&ends).sum();
    let equal = table
        .key
        .iter()
        .take_while(|column| asked.get(column).is_some_and(|asked| ends(asked) == [1, 0, 0]));
    let equal = equal.count();
    let next = table
        .key
        .get(equal)
        .filter(|column| asked.get(column).is_some_and(|asked| asked.equal.is_none()));
    let columns = equal + next.iter().count();
    // Floating-point numbers have values that compare in odd ways.
    let is_plain = |column: &usize| {
        let ty = &table.columns[*column].ty;
        !matches!(ty, ColumnType::Float | ColumnType::Double | ColumnType::Array(_))
    };
    if left != traces || columns != asked.len() || !table.key[..columns].iter().all(is_plain) {
        return None;
    }
    if filters.is_empty() {
        return Some(KeyRange { from: None, to: None, descending: false });
    }
    range_over(table, &asked, &table.key, KeyForm::Primary).map(|(_, range)| range)
}

/// Returns the shards that can hold rows that pass all of `filters`.
pub fn shards_of(catalog: &Catalog, table: &Table, filters: &[Expr]) -> Vec<ShardId> {
    match routed(catalog, table, &collect(table, filters)) {
        Some(shard) => vec![shard],
        None => (0..catalog.shard_count).map(ShardId).collect(),
    }
}

fn without(filters: &[Expr], used: &[usize]) -> Vec<Expr> {
    let kept = filters.iter().enumerate().filter(|(position, _)| !used.contains(position));
    kept.map(|(_, filter)| filter.clone()).collect()
}

/// Returns the value a literal stands for in a column of type `ty`; `None` when comparing them
/// needs a cast, or the literal is null.
pub fn literal_value(literal: &ScalarValue, ty: &ColumnType) -> Option<Value> {
    let same = match (literal.data_type(), ty.arrow()) {
        (DataType::Utf8View | DataType::LargeUtf8, DataType::Utf8) => true,
        (DataType::LargeBinary, DataType::Binary) => true,
        (given, wanted) => given == wanted,
    };
    if literal.is_null() || !same {
        return None;
    }
    // What is compared is not stored: no limit of a length may change it.
    let plain = match ty {
        ColumnType::Array(_) => ColumnType::of_arrow(&ty.arrow())?,
        ty => ty.plain().clone(),
    };
    Value::from_array(literal.to_array().ok()?.as_ref(), 0, &plain).ok()
}

fn collect(table: &Table, filters: &[Expr]) -> HashMap<usize, Asked> {
    let mut asked: HashMap<usize, Asked> = HashMap::new();
    for (position, filter) in filters.iter().enumerate() {
        match filter {
            Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => {
                if let Some((column, values)) = alternatives(table, filter) {
                    asked.entry(column).or_default().any_of = Some((values, position));
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                note_comparison(table, &mut asked, (left, *op, right), position);
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let Some(column) = column_of(table, expr) else { continue };
                let ty = &table.columns[column].ty;
                let values: Option<Vec<Value>> = list
                    .iter()
                    .map(|item| match item {
                        Expr::Literal(literal, _) => literal_value(literal, ty),
                        _ => None,
                    })
                    .collect();
                if let Some(values) = values.filter(|values| values.len() <= KEYS_MAX) {
                    asked.entry(column).or_default().any_of = Some((values, position));
                }
            }
            Expr::Between(Between { expr, negated: false, low, high }) => {
                let (low, high) = (low.as_ref(), high.as_ref());
                note_comparison(table, &mut asked, (expr, Operator::GtEq, low), position);
                note_comparison(table, &mut asked, (expr, Operator::LtEq, high), position);
            }
            _ => {}
        }
    }
    asked
}

/// Reads `column = value OR column = value …`, which is what a short IN is planned as.
fn alternatives(table: &Table, filter: &Expr) -> Option<(usize, Vec<Value>)> {
    let mut found: Option<(usize, Vec<Value>)> = None;
    let mut open = vec![filter];
    while let Some(expr) = open.pop() {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
        match op {
            Operator::Or => open.extend([left.as_ref(), right.as_ref()]),
            Operator::Eq => {
                let (column, literal) = match (left.as_ref(), right.as_ref()) {
                    (Expr::Column(_), Expr::Literal(literal, _)) => (left, literal),
                    (Expr::Literal(literal, _), Expr::Column(_)) => (right, literal),
                    _ => return None,
                };
                let column = column_of(table, column)?;
                let value = literal_value(literal, &table.columns[column].ty)?;
                let (known, values) = found.get_or_insert((column, Vec::new()));
                if *known != column || values.len() >= KEYS_MAX {
                    return None;
                }
                values.push(value);
            }
            _ => return None,
        }
    }
    found
}

fn column_of(table: &Table, expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column(Column { name, .. }) => table.column_named(name),
        _ => None,
    }
}

fn note_comparison(
    table: &Table,
    asked: &mut HashMap<usize, Asked>,
    (left, op, right): (&Expr, Operator, &Expr),
    position: usize,
) {
    let (column, op, literal) = match (left, right) {
        (Expr::Column(_), Expr::Literal(literal, _)) => (left, op, literal),
        (Expr::Literal(literal, _), Expr::Column(_)) => match op.swap() {
            Some(op) => (right, op, literal),
            None => return,
        },
        _ => return,
    };
    let Some(column) = column_of(table, column) else { return };
    let Some(value) = literal_value(literal, &table.columns[column].ty) else { return };
    let asked = asked.entry(column).or_default();
    match op {
        Operator::Eq => asked.equal = Some((value, position)),
        Operator::Gt => asked.lower = Some(Bound::Excluded(value)),
        Operator::GtEq => asked.lower = Some(Bound::Included(value)),
        Operator::Lt => asked.upper = Some(Bound::Excluded(value)),
        Operator::LtEq => asked.upper = Some(Bound::Included(value)),
        _ => {}
    }
}

/// The keys asked for when the conditions fix every column of the primary key.
fn whole_keys(table: &Table, asked: &HashMap<usize, Asked>) -> Option<(Vec<Key>, Vec<usize>)> {
    let mut equal = Vec::with_capacity(table.key.len());
    let mut used = Vec::with_capacity(table.key.len());
    for column in &table.key {
        let asked = asked.get(column)?;
        match (&asked.equal, &asked.any_of) {
            (Some((value, position)), _) => {
                equal.push(value.clone());
                used.push(*position);
            }
            (None, Some((values, position))) if table.key.len() == 1 => {
                let mut keys = values
                    .iter()
                    .map(|value| Key::of_table(table, std::slice::from_ref(value)).ok())
                    .collect::<Option<Vec<Key>>>()?;
                keys.sort_unstable();
                keys.dedup();
                return Some((keys, vec![*position]));
            }
            _ => return None,
        }
    }
    Some((vec![Key::of_table(table, &equal).ok()?], used))
}

/// The only shard that can hold the records, when the routing columns are fixed.
fn routed(catalog: &Catalog, table: &Table, asked: &HashMap<usize, Asked>) -> Option<ShardId> {
    let routing = &table.key[..table.routing];
    let mut values = Vec::with_capacity(routing.len());
    let mut types = Vec::with_capacity(routing.len());
    for column in routing {
        values.push(asked.get(column)?.equal.clone()?.0);
        types.push(table.columns[*column].ty.clone());
    }
    let key = Key::encode(&values, &types, routing.len()).ok()?;
    Some(catalog.shard_of(key.slot()))
}

/// All ways to read the table in an order: by its key, then by its ordered indexes.
fn ways(table: &Table, asked: &HashMap<usize, Asked>) -> Vec<Way> {
    let way = |index: Option<IndexId>, columns: &[usize], form: KeyForm| {
        let found = range_over(table, asked, columns, form);
        let (rank, range) = found.unwrap_or_else(|| ((0, 0), KeyRange::all(false)));
        // Entries of an index with the same values are in the order of their keys.
        let keys = table.key.iter().filter(|_| index.is_some());
        let columns = columns.iter().chain(keys).copied().collect();
        Way { index, range, rank, columns }
    };
    let by_key = way(None, &table.key, KeyForm::Primary);
    let indexes = table.indexes.iter().filter_map(|index| match &index.kind {
        IndexKind::Ordered { columns } => Some(way(Some(index.id), columns, KeyForm::Indexed)),
        _ => None,
    });
    std::iter::once(by_key).chain(indexes).collect()
}

/// The range with the most leading columns bound.
fn best_range(ways: &[Way]) -> (ScanPath, Rank) {
    // Of equals the first.
    let best = ways.iter().rev().max_by_key(|way| way.rank).filter(|way| way.rank > (0, 0));
    match best {
        Some(way) => (way.path(false), way.rank),
        None => (ScanPath::All, (0, 0)),
    }
}

impl Way {
    /// Returns the path of a scan that goes this way.
    pub fn path(&self, descending: bool) -> ScanPath {
        let range = KeyRange { descending, ..self.range.clone() };
        match self.index {
            None => ScanPath::KeyRange(range),
            Some(index) => ScanPath::Index { index, range },
        }
    }
}

/// Returns the range and how good it is: equal columns, then closed ends.
fn range_over(
    table: &Table,
    asked: &HashMap<usize, Asked>,
    columns: &[usize],
    form: KeyForm,
) -> Option<(Rank, KeyRange)> {
    let equal: Vec<Value> = columns
        .iter()
        .map_while(|column| asked.get(column)?.equal.clone())
        .map(|(value, _)| value)
        .collect();
    let next = columns.get(equal.len()).and_then(|column| asked.get(column));
    let lower = next.and_then(|asked| asked.lower.clone());
    let upper = next.and_then(|asked| asked.upper.clone());
    let ends = usize::from(lower.is_some()) + usize::from(upper.is_some());
    if equal.is_empty() && ends == 0 {
        return None;
    }
    let types: Vec<ColumnType> =
        columns.iter().map(|column| table.columns[*column].ty.clone()).collect();
    let bounds = KeyBounds {
        equal: &equal,
        lower: lower.as_ref().map_or(Bound::Unbounded, Bound::as_ref),
        upper: upper.as_ref().map_or(Bound::Unbounded, Bound::as_ref),
    };
    let range = KeyRange::of(bounds, &types, form, false).ok()?;
    Some(((equal.len(), ends), range))
}

/// The first text search an index can answer, and which condition it is.
fn text_search(table: &Table, filters: &[Expr]) -> Result<Option<(Matching, usize)>> {
    for (position, filter) in filters.iter().enumerate() {
        if let Expr::ScalarFunction(call) = filter
            && let Some(stem) = stems(call.func.name())
            && let Some((index, query)) = indexed_search(table, call, stem)?
        {
            let matching = Matching { index, query, k: None, stats: Arc::default() };
            return Ok(Some((matching, position)));
        }
    }
    Ok(None)
}

fn indexed_search(
    table: &Table,
    call: &ScalarFunction,
    stem: bool,
) -> Result<Option<(IndexId, Arc<TextQuery>)>> {
    let Some((Expr::Literal(words, _), texts)) = call.args.split_last() else { return Ok(None) };
    let Some(Some(words)) = words.try_as_str() else { return Ok(None) };
    let Some(wanted) =
        texts.iter().map(|text| text_field(table, text)).collect::<Option<Vec<TextField>>>()
    else {
        return Ok(None);
    };
    for index in &table.indexes {
        let IndexKind::Text { fields, stem: stemmed } = &index.kind else { continue };
        if *stemmed != stem {
            continue;
        }
        let positions: Option<Vec<usize>> =
            wanted.iter().map(|field| fields.iter().position(|have| have == field)).collect();
        let Some(positions) = positions else { continue };
        let mut query = TextQuery::parse(words, stem)?;
        if positions.len() < fields.len() {
            query = query.in_fields(positions);
        }
        return Ok(Some((index.id, Arc::new(query))));
    }
    Ok(None)
}

/// Returns the indexable text an expression reads: a column, or a path into a JSON column.
fn text_field(table: &Table, expr: &Expr) -> Option<TextField> {
    match expr {
        Expr::Column(Column { name, .. }) => {
            Some(TextField { column: table.column_named(name)?, path: Vec::new() })
        }
        Expr::ScalarFunction(call)
            if matches!(call.func.name(), "json_get" | "json_get_text" | "json_as_text") =>
        {
            let (document, steps) = call.args.split_first()?;
            let mut field = text_field(table, document)?;
            for step in steps {
                let Expr::Literal(step, _) = step else { return None };
                field.path.push(step.try_as_str()??.to_owned());
            }
            Some(field)
        }
        _ => None,
    }
}
