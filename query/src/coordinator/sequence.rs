//! How are numbers of sequences handed out?
//!
//! A core takes a block of numbers in a small transaction of its own and hands them out from
//! memory. A block is durable before its first number is seen, so no number is ever handed out
//! twice; what a core has not handed out when it stops is lost, and so is what a transaction took
//! that rolls back. Numbers of different cores are not in the order of time.
//!
//! Calls in a statement are replaced by their numbers before it is bound: taking a number waits,
//! and evaluating an expression cannot. So are those that show and change settings, and those of
//! `member_call`, which belong to the session and not to the plan.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SetExpr, UnaryOperator, Value as Literal, VisitMut,
    visit_expressions, visit_expressions_mut,
};
use futures::lock::Mutex;
use pieskieo_io::{rt, time};
use pieskieo_shards::actor::Core;
use pieskieo_shards::catalog::{Catalog, SequenceShape, Table, TableKind};
use pieskieo_shards::ids::{TableId, Timestamp};
use pieskieo_shards::key::Key;
use pieskieo_shards::request::{Expect, ReadView, ScanColumn, Write, WriteOp};
use pieskieo_shards::row;
use pieskieo_shards::value::Value;

use super::member_call;
use super::request::Request;
use super::setting::set as set_setting;
use crate::bind::{arguments, called_sequence, is_setting_function, sequence_function};
use crate::error::{Error, Result, code};
use crate::exec::fetch::fetch;
use crate::exec::scope::{Scope, Stop};
use crate::syntax::{InsertSource, Name, OnConflict, Setting, Statement};

/// How often a block is asked for while other cores ask too. Each time one of them gets it.
const ATTEMPTS_MAX: usize = 1_000;

/// Numbers that one statement may take.
const NUMBERS_MAX: usize = 1 << 20;

/// The blocks of one core.
#[derive(Debug, Default)]
pub struct Sequences {
    blocks: RefCell<BTreeMap<TableId, VecDeque<Block>>>,
    /// Held by whoever takes a block, so that the others on this core wait for it and take none.
    turns: RefCell<BTreeMap<TableId, Rc<Mutex<()>>>>,
}

/// Numbers that are this core's to hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    next: i64,
    increment: i64,
    left: usize,
}

impl Block {
    fn pop(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        let number = self.next;
        self.next = number.wrapping_add(self.increment);
        Some(number)
    }
}

impl Sequences {
    /// Takes so many numbers.
    ///
    /// **Cost**: a commit when this core has too few left.
    /// **Errors**: 2200H when the sequence has too few left, 54000 for too many at once.
    pub async fn take(
        &self,
        core: &Rc<Core>,
        (catalog, sequence): (&Arc<Catalog>, TableId),
        count: usize,
    ) -> Result<Vec<i64>> {
        if count > NUMBERS_MAX {
            let message = "the statement takes too many numbers of a sequence";
            return Err(Error::new(code::PROGRAM_LIMIT, message)
                .with_detail(format!("It may take {NUMBERS_MAX}.")));
        }
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            self.pop_into(sequence, &mut numbers, count);
            if numbers.len() == count {
                break;
            }
            let turn = self.turns.borrow_mut().entry(sequence).or_default().clone();
            let turn = turn.lock().await;
            self.pop_into(sequence, &mut numbers, count);
            if numbers.len() < count {
                let block = lease(core, catalog, sequence, count - numbers.len()).await?;
                self.blocks.borrow_mut().entry(sequence).or_default().push_back(block);
                self.pop_into(sequence, &mut numbers, count);
            }
            drop(turn);
        }
        Ok(numbers)
    }

    fn pop_into(&self, sequence: TableId, numbers: &mut Vec<i64>, count: usize) {
        let mut blocks = self.blocks.borrow_mut();
        let Some(blocks) = blocks.get_mut(&sequence) else { return };
        while numbers.len() < count {
            let Some(first) = blocks.front_mut() else { return };
            match first.pop() {
                Some(number) => numbers.push(number),
                None => drop(blocks.pop_front()),
            }
        }
    }

    /// Makes a sequence go on elsewhere. Other cores still hand out what they have taken.
    ///
    /// **Errors**: 22003 for a number outside its range.
    pub async fn set(
        &self,
        core: &Rc<Core>,
        (catalog, sequence): (&Arc<Catalog>, TableId),
        (number, called): (i64, bool),
    ) -> Result<()> {
        let (table, shape) = shape_of(catalog, sequence)?;
        if !(shape.min..=shape.max).contains(&number) {
            let message = format!("{number} is out of range for sequence \"{}\"", table.name);
            return Err(Error::new(code::NUMERIC_OUT_OF_RANGE, message)
                .with_detail(format!("It counts from {} to {}.", shape.min, shape.max)));
        }
        let next = if called { after(shape, number, 1) } else { Some(number) };
        for _ in 0..ATTEMPTS_MAX {
            let state = read(core, catalog, table).await?;
            if write(core, catalog, table, &state, next).await? {
                self.blocks.borrow_mut().remove(&sequence);
                return Ok(());
            }
        }
        Err(contended(table))
    }
}

/// The record of a sequence as it was read; the number that comes next, if any is left.
struct State {
    version: Option<Timestamp>,
    next: Option<i64>,
}

fn shape_of(catalog: &Catalog, sequence: TableId) -> Result<(&Arc<Table>, &SequenceShape)> {
    let table = catalog.tables.get(&sequence);
    match table.map(|table| (table, &table.kind)) {
        Some((table, TableKind::Sequence(shape))) => Ok((table, shape)),
        _ => Err(Error::new(code::UNDEFINED_OBJECT, "the sequence does not exist any more")),
    }
}

/// Returns the number so many steps behind another; `None` = beyond the end.
fn after(shape: &SequenceShape, number: i64, steps: usize) -> Option<i64> {
    let next = i128::from(number) + i128::from(shape.increment) * steps as i128;
    if (i128::from(shape.min)..=i128::from(shape.max)).contains(&next) {
        return i64::try_from(next).ok();
    }
    let first = if shape.increment > 0 { shape.min } else { shape.max };
    shape.cycle.then_some(first)
}

/// Returns how many numbers there are from one to the end, that one included.
fn left(shape: &SequenceShape, next: i64) -> usize {
    let end = if shape.increment > 0 { shape.max } else { shape.min };
    let steps = (i128::from(end) - i128::from(next)) / i128::from(shape.increment);
    usize::try_from(steps + 1).unwrap_or(usize::MAX)
}

/// Takes a block of at least one number, as large as the sequence's cache or as is wanted.
async fn lease(
    core: &Rc<Core>,
    catalog: &Arc<Catalog>,
    sequence: TableId,
    wanted: usize,
) -> Result<Block> {
    let (table, shape) = shape_of(catalog, sequence)?;
    for attempt in 1..=ATTEMPTS_MAX {
        let state = read(core, catalog, table).await?;
        let next = match (state.version, state.next) {
            (None, _) => shape.start,
            (Some(_), Some(next)) => next,
            (Some(_), None) => return Err(exhausted(table, shape)),
        };
        let count = wanted.max(shape.cache as usize).min(left(shape, next));
        if write(core, catalog, table, &state, after(shape, next, count)).await? {
            return Ok(Block { next, increment: shape.increment, left: count });
        }
        // A little, longer each time, so that contenders spread out.
        let most = 50 << attempt.min(8);
        rt::sleep(Duration::from_micros(time::random_u64() % most)).await;
    }
    Err(contended(table))
}

fn exhausted(table: &Table, shape: &SequenceShape) -> Error {
    let (end, word) =
        if shape.increment > 0 { (shape.max, "maximum") } else { (shape.min, "minimum") };
    let message = format!("sequence \"{}\" has reached its {word} value {end}", table.name);
    Error::new(code::SEQUENCE_LIMIT, message)
        .with_hint("Create a sequence with CYCLE or a wider range, or use setval().")
}

fn contended(table: &Table) -> Error {
    let message = format!("taking numbers of sequence \"{}\" kept losing to others", table.name);
    Error::new(code::SERIALIZATION_FAILURE, message).with_hint("Raise its CACHE.")
}

fn key(table: &Table) -> Result<Key> {
    Ok(Key::of_table(table, &[Value::Int(1)])?)
}

async fn read(core: &Rc<Core>, catalog: &Arc<Catalog>, table: &Arc<Table>) -> Result<State> {
    let lease = core.lease();
    let scope = Scope {
        view: ReadView::at(lease.snapshot()),
        catalog: catalog.clone(),
        ef_search: None,
        stop: Stop::new(None),
    };
    let columns = [ScanColumn::Version, ScanColumn::Column(1)];
    let found = fetch(core, &scope, table, &columns, &[key(table)?]).await?;
    let Some(row) = found.rows[0].map(|row| row as usize) else {
        return Ok(State { version: None, next: None });
    };
    let version = Timestamp(found.columns[0].as_primitive::<UInt64Type>().value(row));
    let next = found.columns[1].as_primitive::<Int64Type>();
    let next = next.is_valid(row).then(|| next.value(row));
    Ok(State { version: Some(version), next })
}

/// Commits the next number; `false` = somebody else was faster.
async fn write(
    core: &Rc<Core>,
    catalog: &Catalog,
    table: &Table,
    state: &State,
    next: Option<i64>,
) -> Result<bool> {
    let values = [Value::Int(1), next.map_or(Value::Null, Value::BigInt)];
    let op = WriteOp::Put(row::encode(table, &values)?);
    let expect = state.version.map_or(Expect::Absent, Expect::Version);
    let mut txn = core.begin();
    txn.planned_with(catalog.version);
    txn.write(vec![Write { table: table.id, key: key(table)?, op, expect }])?;
    match txn.commit().await.map_err(Error::from) {
        Ok(_) => Ok(true),
        Err(error)
            if [code::SERIALIZATION_FAILURE.code, code::UNIQUE_VIOLATION.code]
                .contains(&error.code) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Returns a number as it is written in a statement.
pub fn number(number: i64) -> Expr {
    let digits = Expr::value(Literal::Number(number.unsigned_abs().to_string(), false));
    if number >= 0 {
        return digits;
    }
    if number == i64::MIN {
        return Expr::value(Literal::Number(number.to_string(), false));
    }
    Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(digits) }))
}

/// Replaces the calls of functions of sequences in a statement by their values.
///
/// **Errors**: 0A000 where a call would be made once per row, 55000 for currval before nextval,
/// 42704, 2200H.
pub async fn resolve(request: &mut Request<'_>, statement: &mut Statement) -> Result<()> {
    match statement {
        Statement::Query(query) => resolve_query(request, query).await,
        Statement::Explain(explain) => Box::pin(resolve(request, &mut explain.statement)).await,
        Statement::Insert(insert) => {
            match &mut insert.source {
                InsertSource::Values(rows) => {
                    for expr in rows.iter_mut().flatten().flatten() {
                        resolve_in(request, expr, Times::Once).await?;
                    }
                }
                InsertSource::Query(query) => resolve_query(request, query).await?,
                InsertSource::Defaults => {}
            }
            if let Some(OnConflict::DoUpdate { assignments, filter, .. }) = &mut insert.on_conflict
            {
                let values = assignments.iter_mut().filter_map(|one| one.value.as_mut());
                for expr in values.chain(filter) {
                    resolve_in(request, expr, Times::PerRow).await?;
                }
            }
            Ok(())
        }
        Statement::Update(update) => {
            let values = update.assignments.iter_mut().filter_map(|one| one.value.as_mut());
            for expr in values.chain(&mut update.filter) {
                resolve_in(request, expr, Times::PerRow).await?;
            }
            Ok(())
        }
        Statement::Delete(delete) => match &mut delete.filter {
            Some(filter) => resolve_in(request, filter, Times::PerRow).await,
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Puts a number in the place of every call, for a statement that is looked at and not run.
pub fn stand_in(statement: &mut Statement) {
    let zero = |tree: &mut Expr| replace(tree);
    match statement {
        Statement::Query(query) => {
            name_calls(query);
            replace(query.as_mut());
        }
        Statement::Explain(explain) => stand_in(&mut explain.statement),
        Statement::Insert(insert) => {
            match &mut insert.source {
                InsertSource::Values(rows) => {
                    rows.iter_mut().flatten().flatten().for_each(zero);
                }
                InsertSource::Query(query) => replace(query.as_mut()),
                InsertSource::Defaults => {}
            }
            if let Some(OnConflict::DoUpdate { assignments, filter, .. }) = &mut insert.on_conflict
            {
                let values = assignments.iter_mut().filter_map(|one| one.value.as_mut());
                values.chain(filter).for_each(zero);
            }
        }
        Statement::Update(update) => {
            let values = update.assignments.iter_mut().filter_map(|one| one.value.as_mut());
            values.chain(&mut update.filter).for_each(zero);
        }
        Statement::Delete(delete) => delete.filter.iter_mut().for_each(zero),
        _ => {}
    }
}

fn replace<T: VisitMut>(tree: &mut T) {
    let _: ControlFlow<()> = visit_expressions_mut(tree, |expr| {
        if let Some((name, function)) = sequence_function(expr) {
            if let Some(other) = member_call::stand_in(&name, function) {
                *expr = other;
                return ControlFlow::Continue(());
            }
            *expr = match is_setting_function(&name) {
                true => Expr::value(Literal::SingleQuotedString(String::new())),
                false => number(0),
            };
        }
        ControlFlow::Continue(())
    });
}

/// Gives calls in a SELECT list names: what stands for one has none of its own. Returns whether
/// the list is computed once.
fn name_calls(query: &mut Query) -> bool {
    if query.with.is_none()
        && let SetExpr::Select(select) = query.body.as_mut()
        && select.from.is_empty()
    {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && let Some((name, _)) = sequence_function(expr)
            {
                let alias = Ident::new(name);
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        return true;
    }
    false
}

/// How often a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    PerRow,
}

async fn resolve_query(request: &mut Request<'_>, query: &mut Query) -> Result<()> {
    let times = if name_calls(query) { Times::Once } else { Times::PerRow };
    resolve_in(request, query, times).await
}

/// Values are computed in the order of the calls, then put in their places in the same order.
async fn resolve_in<T: VisitMut + datafusion::sql::sqlparser::ast::Visit>(
    request: &mut Request<'_>,
    tree: &mut T,
    times: Times,
) -> Result<()> {
    let mut calls: Vec<Expr> = Vec::new();
    let _: ControlFlow<()> = visit_expressions(tree, |expr| {
        calls.extend(sequence_function(expr).is_some().then(|| expr.clone()));
        ControlFlow::Continue(())
    });
    let mut values = VecDeque::with_capacity(calls.len());
    for call in &calls {
        let other = match setting_value(request, call, times)? {
            None => member_call::value(request, call, times).await?,
            text => text,
        };
        values.push_back(match other {
            Some(value) => value,
            None => number(value_of(request, call, times).await?),
        });
    }
    let _: ControlFlow<()> = visit_expressions_mut(tree, |expr| {
        if sequence_function(expr).is_some()
            && let Some(value) = values.pop_front()
        {
            *expr = value;
        }
        ControlFlow::Continue(())
    });
    Ok(())
}

/// What a function of settings gives, after it has had its effect; `None` for other functions.
fn setting_value(request: &Request<'_>, call: &Expr, times: Times) -> Result<Option<Expr>> {
    let Some((name, function)) = sequence_function(call) else { return Ok(None) };
    if !is_setting_function(&name) {
        return Ok(None);
    }
    let constants = request.constants();
    let text = pieskieo_shards::value::ColumnType::Text;
    let truth = pieskieo_shards::value::ColumnType::Bool;
    let given = arguments(function);
    let value = |at: usize, ty| given.get(at).map(|expr| constants.value(expr, ty)).transpose();
    let of = match value(0, &text)? {
        Some(Value::Text(of)) => of.to_string(),
        _ => return Ok(Some(Expr::value(Literal::Null))),
    };
    if name == "current_setting" {
        let shown = request.settings().shown(&of);
        let lenient = value(1, &truth)? == Some(Value::Bool(true));
        if shown.is_none() && !lenient {
            let message = format!("unrecognized configuration parameter \"{of}\"");
            return Err(Error::new(code::UNDEFINED_OBJECT, message));
        }
        let shown = shown.map_or(Literal::Null, Literal::SingleQuotedString);
        return Ok(Some(Expr::value(shown)));
    }
    if times == Times::PerRow {
        return Err(Error::unsupported("set_config() once per row")
            .with_hint("Call it in a SELECT without FROM."));
    }
    let (Some(new), Some(Value::Bool(is_local))) = (value(1, &text)?, value(2, &truth)?) else {
        return Err(Error::new(
            code::UNDEFINED_FUNCTION,
            "set_config() wants a name, a text and true or false",
        )
        .with_hint("Write set_config('name', 'value', false)."));
    };
    let new = match new {
        Value::Text(new) => Some(new.to_string()),
        _ => None,
    };
    let setting = Setting { name: Name { text: of.clone(), position: 0 }, value: new, is_local };
    set_setting(request.settings(), &setting)?;
    let shown = request.settings().shown(&of).unwrap_or_default();
    Ok(Some(Expr::value(Literal::SingleQuotedString(shown))))
}

async fn value_of(request: &mut Request<'_>, call: &Expr, times: Times) -> Result<i64> {
    let Some((name, function)) = sequence_function(call) else {
        return Err(Error::internal("a call of no function of sequences"));
    };
    if name == "lastval" {
        let last = request.last_number();
        return last.ok_or_else(|| no_number("lastval() has nothing to show"));
    }
    let catalog = request.catalog().clone();
    let sequence = called_sequence(&catalog, function)?;
    if name == "currval" {
        let current = request.current_number(sequence.id);
        let message = format!("currval() of sequence \"{}\" has nothing to show", sequence.name);
        return current.ok_or_else(|| no_number(&message));
    }
    if times == Times::PerRow {
        return Err(Error::unsupported(format!("{name}() once per row"))
            .with_hint("Make it the DEFAULT of a column, or call it in VALUES."));
    }
    request.check_writable()?;
    if name == "nextval" {
        let numbers = request.take_numbers(sequence.id, 1).await?;
        return numbers.first().copied().ok_or_else(|| Error::internal("no number was taken"));
    }
    let given = arguments(function);
    let constants = request.constants();
    let whole = pieskieo_shards::value::ColumnType::BigInt;
    let wanted = given.get(1).map(|expr| constants.value(expr, &whole)).transpose()?;
    let truth = pieskieo_shards::value::ColumnType::Bool;
    let called = given.get(2).map(|expr| constants.value(expr, &truth)).transpose()?;
    match (wanted, called.unwrap_or(Value::Bool(true))) {
        (Some(Value::BigInt(number)), Value::Bool(called)) => {
            request.set_number(sequence.id, (number, called)).await?;
            Ok(number)
        }
        _ => Err(Error::new(code::UNDEFINED_FUNCTION, "setval() wants a sequence and a number")
            .with_hint("Write setval('name', 10) or setval('name', 10, false).")),
    }
}

fn no_number(message: &str) -> Error {
    Error::new(code::NOT_IN_STATE, message)
        .with_detail("It shows what nextval() gave in the same transaction.")
        .with_hint("Call nextval() first, or use INSERT ... RETURNING.")
}
