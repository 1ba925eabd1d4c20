//! How are whole numbers summed, and intervals averaged?
//!
//! DataFusion's sum of whole numbers begins again where its type ends, and it has no average of
//! intervals. Here whole numbers are summed in 128 bits, which no number of rows leaves, and the
//! end is looked at when the sum is given: neither order nor shards decide whether it fits.
//! Everything else is DataFusion's.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, NullBufferBuilder,
};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Operator,
    ReversedUDAF, Signature, StatisticsArgs, Volatility,
};
use pieskieo_shards::value::{ColumnBuilder, ColumnType, Interval, Value};

use super::string::refused;
use crate::error::code;
use crate::exec::here::external;

/// What a sum is kept in between.
const STATE: DataType = DataType::Decimal128(38, 0);

/// Returns what stands in the place of DataFusion's aggregate with this name, if anything does.
pub fn instead_of(inner: &Arc<AggregateUDF>) -> Option<Arc<AggregateUDF>> {
    let kind = match inner.name() {
        "sum" => Kind::Sum,
        "avg" => Kind::Average,
        _ => return None,
    };
    let signature = Signature::user_defined(Volatility::Immutable);
    let made = Instead { kind, inner: inner.clone(), signature };
    Some(Arc::new(AggregateUDF::new_from_impl(made)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Average,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Instead {
    kind: Kind,
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl Instead {
    /// Whether an aggregate with a result of this type is ours.
    fn is_ours(&self, returns: &DataType) -> bool {
        match self.kind {
            Kind::Sum => returns == &DataType::Int64,
            Kind::Average => matches!(returns, DataType::Interval(_)),
        }
    }
}

impl AggregateUDFImpl for Instead {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [ty] = types else {
            return plan_err!("Function '{}' failed to match any signature", self.name());
        };
        let coerced = match (self.kind, ty) {
            (_, DataType::Decimal128(..) | DataType::Decimal256(..)) => ty.clone(),
            (_, DataType::Interval(_) | DataType::Duration(_)) => ty.clone(),
            (Kind::Sum, ty) if ty.is_signed_integer() => DataType::Int64,
            (Kind::Sum, ty) if ty.is_unsigned_integer() => DataType::UInt64,
            (_, ty) if ty.is_numeric() || ty == &DataType::Null => DataType::Float64,
            _ => return plan_err!("Function '{}' failed to match any signature", self.name()),
        };
        Ok(vec![coerced])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.kind, types) {
            (Kind::Average, [ty @ DataType::Interval(_)]) => Ok(ty.clone()),
            _ => self.inner.return_type(types),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match (self.is_ours(args.return_field.data_type()), self.kind) {
            (false, _) => self.inner.accumulator(args),
            (true, Kind::Average) => Ok(Box::new(AverageSpan::default())),
            (true, Kind::Sum) if args.is_distinct => Ok(Box::new(DistinctSum::default())),
            (true, Kind::Sum) => Ok(Box::new(WholeSum::default())),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |name: &str, ty: DataType| Arc::new(Field::new(name, ty, true));
        let whole = || DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
        match (self.is_ours(args.return_field.data_type()), self.kind) {
            (false, _) => self.inner.state_fields(args),
            (true, Kind::Average) => Ok(vec![
                field("sum", ColumnType::Interval.arrow()),
                field("count", DataType::Int64),
            ]),
            (true, Kind::Sum) if args.is_distinct => Ok(vec![field("values", whole())]),
            (true, Kind::Sum) => Ok(vec![field("sum", STATE)]),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match self.is_ours(args.return_field.data_type()) {
            true => self.kind == Kind::Sum && !args.is_distinct,
            false => self.inner.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match self.is_ours(args.return_field.data_type()) {
            true => Ok(Box::new(WholeSums::default())),
            false => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        match self.is_ours(args.return_field.data_type()) {
            true => self.accumulator(args),
            false => self.inner.create_sliding_accumulator(args),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn simplify_expr_op_literal(
        &self,
        _: &AggregateFunction,
        _: &Expr,
        _: Operator,
        _: &Expr,
        _: bool,
    ) -> Result<Option<Expr>> {
        // `sum(x) + n * count(x)` would be looked at in parts that need not fit.
        Ok(None)
    }

    fn value_from_stats(&self, _: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        None
    }
}

/// Returns a sum as what the statement sees.
fn given(sum: i128) -> Result<i64> {
    i64::try_from(sum).map_err(|_| refused(code::NUMERIC_OUT_OF_RANGE, "bigint out of range"))
}

/// The sum of one group.
#[derive(Debug, Default)]
struct WholeSum {
    sum: i128,
    count: u64,
}

impl WholeSum {
    fn whole(values: &[ArrayRef]) -> &Int64Array {
        values[0].as_primitive::<Int64Type>()
    }
}

impl Accumulator for WholeSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in Self::whole(values).iter().flatten() {
            self.sum += i128::from(value);
            self.count += 1;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for value in states[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum += value;
            self.count += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in Self::whole(values).iter().flatten() {
            self.sum -= i128::from(value);
            self.count -= 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = (self.count > 0).then_some(self.sum);
        Ok(vec![ScalarValue::Decimal128(sum, 38, 0)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = if self.count > 0 { Some(given(self.sum)?) } else { None };
        Ok(ScalarValue::Int64(sum))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sum of the different values of one group.
#[derive(Debug, Default)]
struct DistinctSum {
    values: BTreeSet<i64>,
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.extend(WholeSum::whole(values).iter().flatten());
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.values.extend(list.as_primitive::<Int64Type>().iter().flatten());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> =
            self.values.iter().map(|value| ScalarValue::Int64(Some(*value))).collect();
        let list = ScalarValue::new_list_nullable(&values, &DataType::Int64);
        Ok(vec![ScalarValue::List(list)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.values.iter().map(|value| i128::from(*value)).sum();
        let sum = if self.values.is_empty() { None } else { Some(given(sum)?) };
        Ok(ScalarValue::Int64(sum))
    }

    fn size(&self) -> usize {
        // A value and its part of a node of the tree; an estimate.
        size_of_val(self) + self.values.len() * 16
    }
}

/// The sums of many groups.
#[derive(Debug, Default)]
struct WholeSums {
    sums: Vec<i128>,
    /// Whether a group had a value.
    seen: Vec<bool>,
}

impl WholeSums {
    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.seen.resize(groups, false);
    }

    fn take(&mut self, emit: EmitTo) -> (Vec<i128>, Vec<bool>) {
        (emit.take_needed(&mut self.sums), emit.take_needed(&mut self.seen))
    }
}

/// Calls a function with the rows that are not null and that the filter leaves.
fn kept(array: &dyn Array, filter: Option<&BooleanArray>, mut each: impl FnMut(usize)) {
    let passes = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
    for row in 0..array.len() {
        if array.is_valid(row) && passes(row) {
            each(row);
        }
    }
}

fn nulls(seen: &[bool]) -> Option<datafusion::arrow::buffer::NullBuffer> {
    let mut nulls = NullBufferBuilder::new(seen.len());
    seen.iter().for_each(|seen| nulls.append(*seen));
    nulls.finish()
}

impl GroupsAccumulator for WholeSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.grow(count);
        let values = WholeSum::whole(values);
        if values.null_count() == 0 && filter.is_none() {
            for (value, group) in values.values().iter().zip(groups) {
                self.sums[*group] += i128::from(*value);
                self.seen[*group] = true;
            }
            return Ok(());
        }
        kept(values, filter, |row| {
            self.sums[groups[row]] += i128::from(values.value(row));
            self.seen[groups[row]] = true;
        });
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.grow(count);
        let values = states[0].as_primitive::<Decimal128Type>();
        kept(values, None, |row| {
            self.sums[groups[row]] += values.value(row);
            self.seen[groups[row]] = true;
        });
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let (sums, seen) = self.take(emit);
        let sums = sums.into_iter().map(given).collect::<Result<Vec<i64>>>()?;
        Ok(Arc::new(Int64Array::new(sums.into(), nulls(&seen))))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, seen) = self.take(emit);
        let sums = Decimal128Array::new(sums.into(), nulls(&seen));
        Ok(vec![Arc::new(sums.with_data_type(STATE))])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = WholeSum::whole(values);
        let mut seen = vec![false; values.len()];
        kept(values, filter, |row| seen[row] = true);
        let sums: Vec<i128> = values.values().iter().map(|value| i128::from(*value)).collect();
        let sums = Decimal128Array::new(sums.into(), nulls(&seen));
        Ok(vec![Arc::new(sums.with_data_type(STATE))])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.seen.capacity()
    }
}

/// The average of the spans of one group.
#[derive(Debug)]
struct AverageSpan {
    sum: Interval,
    count: i64,
}

impl Default for AverageSpan {
    fn default() -> Self {
        Self { sum: Interval { months: 0, days: 0, micros: 0 }, count: 0 }
    }
}

fn span_out_of_range() -> datafusion::error::DataFusionError {
    refused(code::DATETIME_OVERFLOW, "interval out of range")
}

/// Returns a span as the planner's value.
fn as_scalar(span: Option<Interval>) -> Result<ScalarValue> {
    let mut out = ColumnBuilder::new(&ColumnType::Interval, 1);
    match span {
        Some(span) => out.append(&Value::Interval(span)).map_err(external)?,
        None => out.append_null(),
    }
    ScalarValue::try_from_array(&out.finish().map_err(external)?, 0)
}

impl AverageSpan {
    fn add(&mut self, spans: &ArrayRef, sign: i64, counts: Option<&Int64Array>) -> Result<()> {
        for row in (0..spans.len()).filter(|row| spans.is_valid(*row)) {
            let value = Value::from_array(spans, row, &ColumnType::Interval).map_err(external)?;
            let Value::Interval(span) = value else { continue };
            let span = if sign < 0 { span.negated() } else { Some(span) };
            let sum = span.and_then(|span| self.sum.plus(span));
            self.sum = sum.ok_or_else(span_out_of_range)?;
            self.count += sign * counts.map_or(1, |counts| counts.value(row));
        }
        Ok(())
    }
}

impl Accumulator for AverageSpan {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], 1, None)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], -1, None)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add(&states[0], 1, Some(states[1].as_primitive::<Int64Type>()))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = as_scalar((self.count > 0).then_some(self.sum))?;
        Ok(vec![sum, ScalarValue::Int64(Some(self.count))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return as_scalar(None);
        }
        let average = self.sum.times(1.0 / self.count as f64);
        as_scalar(Some(average.ok_or_else(span_out_of_range)?))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
