//! Which values do columns have that were not given?
//!
//! Defaults are read once per statement. Numbers of sequences are taken for all its rows before
//! the first row is completed, because taking them waits for a log.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, visit_expressions_mut};
use pieskieo_shards::catalog::{Table, TableKind};
use pieskieo_shards::document;
use pieskieo_shards::ids::TableId;
use pieskieo_shards::value::{ColumnType, Value};

use super::request::Request;
use super::sequence::number;
use crate::bind::{called_sequence, default_sequences, sequence_function};
use crate::error::{Error, Result, code};
use crate::plan::constant::Constants;
use crate::syntax::parse_expression;

/// The defaults of one table's columns.
pub struct Defaults {
    table: Arc<Table>,
    /// Of each column, its default and the sequences whose numbers one evaluation takes.
    columns: Vec<Option<(Expr, Vec<TableId>)>>,
    /// Numbers taken and not used yet.
    numbers: RefCell<BTreeMap<TableId, VecDeque<i64>>>,
}

impl Defaults {
    /// Reads the defaults of a table.
    ///
    /// **Errors**: internal, for a default that cannot be read.
    pub fn new(request: &Request<'_>, table: &Arc<Table>) -> Result<Self> {
        let read = |default: &String| {
            let sequences = default_sequences(request.catalog(), default)?;
            Ok((parse_expression(default)?, sequences))
        };
        let columns = table.columns.iter().map(|column| column.default.as_ref().map(read));
        let columns = columns.map(Option::transpose).collect::<Result<_>>()?;
        Ok(Self { table: table.clone(), columns, numbers: RefCell::default() })
    }

    /// Takes the numbers that the defaults of so many rows need; `missing` says for a column how
    /// many rows have no value.
    ///
    /// **Errors**: 2200H at a sequence's end.
    pub async fn reserve(
        &self,
        request: &mut Request<'_>,
        missing: impl Fn(usize) -> usize,
    ) -> Result<()> {
        let mut wanted: BTreeMap<TableId, usize> = BTreeMap::new();
        for (position, column) in self.columns.iter().enumerate() {
            let sequences = column.iter().flat_map(|(_, sequences)| sequences);
            for sequence in sequences {
                *wanted.entry(*sequence).or_default() += missing(position);
            }
        }
        for (sequence, count) in wanted {
            let taken = request.take_numbers(sequence, count).await?;
            self.numbers.borrow_mut().entry(sequence).or_default().extend(taken);
        }
        Ok(())
    }

    /// As [`Defaults::reserve`], for rows of which some values are given.
    ///
    /// **Errors**: as [`Defaults::reserve`].
    pub async fn reserve_for(
        &self,
        request: &mut Request<'_>,
        rows: &[Vec<Option<Value>>],
    ) -> Result<()> {
        if self.columns.iter().flatten().all(|(_, sequences)| sequences.is_empty()) {
            return Ok(());
        }
        let missing = |position: usize| rows.iter().filter(|row| row[position].is_none()).count();
        self.reserve(request, missing).await
    }

    /// Returns the value of a column that was not given.
    ///
    /// **Errors**: a default that cannot be evaluated.
    pub fn value(&self, request: &Request<'_>, position: usize) -> Result<Value> {
        let column = &self.table.columns[position];
        if column.generated {
            let id = request.core().generate_id();
            return Ok(match column.ty {
                ColumnType::BigInt => Value::BigInt(id),
                _ => Value::Text(format!("{id:016x}").into()),
            });
        }
        match &self.columns[position] {
            Some((default, sequences)) if sequences.is_empty() => {
                request.constants().value(default, &column.ty)
            }
            Some((default, _)) => {
                let default = self.numbered(request, default.clone())?;
                request.constants().value(&default, &column.ty)
            }
            None => Ok(undeclared(&self.table, position)?),
        }
    }

    /// Puts numbers in the places of calls of nextval.
    fn numbered(&self, request: &Request<'_>, mut default: Expr) -> Result<Expr> {
        let mut numbers = self.numbers.borrow_mut();
        let replaced = visit_expressions_mut(&mut default, |expr| {
            let Some((_, function)) = sequence_function(expr) else {
                return ControlFlow::Continue(());
            };
            let next = called_sequence(request.catalog(), function).and_then(|sequence| {
                let next = numbers.get_mut(&sequence.id).and_then(VecDeque::pop_front);
                next.ok_or_else(|| Error::internal("a row without a number of its sequence"))
            });
            match next {
                Ok(next) => {
                    *expr = number(next);
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        });
        match replaced {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(default),
        }
    }
}

/// What a column without a default gets: null, or an empty document.
fn undeclared(table: &Table, position: usize) -> Result<Value> {
    let document = table.kind == TableKind::Collection && position + 1 == table.columns.len();
    if document {
        return Ok(Value::Json(document::encode("{}")?));
    }
    Ok(Value::Null)
}

/// Returns the default of a column that no sequence numbers.
///
/// **Errors**: a default that cannot be evaluated.
pub fn plain_default(constants: Constants<'_>, table: &Table, position: usize) -> Result<Value> {
    let column = &table.columns[position];
    match &column.default {
        Some(default) => constants.value(&parse_expression(default)?, &column.ty),
        None => Ok(undeclared(table, position)?),
    }
}

/// Refuses a value for a column that is always numbered.
///
/// **Errors**: 428C9.
pub fn check_not_given(table: &Table, position: usize) -> Result<()> {
    let column = &table.columns[position];
    if !column.always {
        return Ok(());
    }
    let message = format!("column \"{}\" takes no value but its next number", column.name);
    Err(Error::new(code::GENERATED_ALWAYS, message)
        .with_detail("It is an identity column defined as GENERATED ALWAYS.")
        .with_hint("Leave the column out, or write OVERRIDING SYSTEM VALUE."))
}
