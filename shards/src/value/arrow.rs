//! How does a value come from an Arrow array and go there?

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder,
    FixedSizeBinaryBuilder, Float32Builder, Float64Builder, Int16Builder, Int32Builder,
    Int64Builder, IntervalMonthDayNanoBuilder, StringBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, ListArray};
use arrow_buffer::{
    IntervalMonthDayNano, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer,
};
use arrow_schema::{ArrowError, DataType, Field, IntervalUnit, TimeUnit};

use super::array::check_count;
use super::interval::Interval;
use super::kind::{ColumnType, Value};
use crate::error::Error;

/// Collects values of one type into an Arrow array.
pub struct ColumnBuilder {
    ty: ColumnType,
    inner: Inner,
}

enum Inner {
    Bool(BooleanBuilder),
    SmallInt(Int16Builder),
    Int(Int32Builder),
    BigInt(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Numeric(Decimal128Builder),
    Text(StringBuilder),
    Bytea(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Time(Time64MicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Json(BinaryViewBuilder),
    Vector { elements: Vec<f32>, nulls: NullBufferBuilder, dim: usize },
    Array { elements: Box<ColumnBuilder>, ends: Vec<i32>, count: usize, nulls: NullBufferBuilder },
}

impl ColumnBuilder {
    /// Makes a builder with room for `capacity` values.
    pub fn new(ty: &ColumnType, capacity: usize) -> Self {
        let inner = match ty {
            ColumnType::Bool => Inner::Bool(BooleanBuilder::with_capacity(capacity)),
            ColumnType::SmallInt => Inner::SmallInt(Int16Builder::with_capacity(capacity)),
            ColumnType::Int => Inner::Int(Int32Builder::with_capacity(capacity)),
            ColumnType::BigInt => Inner::BigInt(Int64Builder::with_capacity(capacity)),
            ColumnType::Float => Inner::Float(Float32Builder::with_capacity(capacity)),
            ColumnType::Double => Inner::Double(Float64Builder::with_capacity(capacity)),
            ColumnType::Numeric { .. } => Inner::Numeric(
                Decimal128Builder::with_capacity(capacity).with_data_type(ty.arrow()),
            ),
            ColumnType::Text | ColumnType::Varchar(_) => {
                Inner::Text(StringBuilder::with_capacity(capacity, 0))
            }
            ColumnType::Bytea => Inner::Bytea(BinaryBuilder::with_capacity(capacity, 0)),
            ColumnType::Date => Inner::Date(Date32Builder::with_capacity(capacity)),
            ColumnType::Timestamp | ColumnType::TimestampTz => Inner::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(capacity).with_data_type(ty.arrow()),
            ),
            ColumnType::Time => Inner::Time(Time64MicrosecondBuilder::with_capacity(capacity)),
            ColumnType::Interval => {
                Inner::Interval(IntervalMonthDayNanoBuilder::with_capacity(capacity))
            }
            ColumnType::Uuid => Inner::Uuid(FixedSizeBinaryBuilder::with_capacity(capacity, 16)),
            ColumnType::Json => Inner::Json(BinaryViewBuilder::with_capacity(capacity)),
            ColumnType::Vector(dim) => Inner::Vector {
                elements: Vec::with_capacity(capacity * *dim as usize),
                nulls: NullBufferBuilder::new(capacity),
                dim: *dim as usize,
            },
            ColumnType::Array(element) => Inner::Array {
                elements: Box::new(Self::new(element, capacity)),
                ends: vec![0],
                count: 0,
                nulls: NullBufferBuilder::new(capacity),
            },
        };
        Self { ty: ty.clone(), inner }
    }

    /// Appends one value; a value of another type is cast as for assignment.
    ///
    /// **Errors**: `InvalidValue` when the value does not fit the builder's type.
    pub fn append(&mut self, value: &Value) -> Result<(), Error> {
        match (&mut self.inner, value) {
            (_, Value::Null) => self.append_null(),
            (Inner::Bool(b), Value::Bool(v)) => b.append_value(*v),
            (Inner::SmallInt(b), Value::SmallInt(v)) => b.append_value(*v),
            (Inner::Int(b), Value::Int(v)) => b.append_value(*v),
            (Inner::BigInt(b), Value::BigInt(v)) => b.append_value(*v),
            (Inner::Float(b), Value::Float(v)) => b.append_value(*v),
            (Inner::Double(b), Value::Double(v)) => b.append_value(*v),
            (Inner::Numeric(b), Value::Numeric(v)) => b.append_value(*v),
            (Inner::Text(b), Value::Text(v)) => b.append_value(v),
            (Inner::Bytea(b), Value::Bytea(v)) => b.append_value(v),
            (Inner::Date(b), Value::Date(v)) => b.append_value(*v),
            (Inner::Timestamp(b), Value::Timestamp(v) | Value::TimestampTz(v)) => {
                b.append_value(*v);
            }
            (Inner::Time(b), Value::Time(v)) => b.append_value(*v),
            (Inner::Interval(b), Value::Interval(v)) => b.append_value(carried(v)),
            (Inner::Uuid(b), Value::Uuid(v)) => {
                b.append_value(v).map_err(|error| internal(&error))?;
            }
            (Inner::Json(b), Value::Json(v)) => {
                b.try_append_value(v).map_err(|error| internal(&error))?;
            }
            (Inner::Vector { elements, nulls, dim }, Value::Vector(v)) if v.len() == *dim => {
                elements.extend_from_slice(v);
                nulls.append_non_null();
            }
            (Inner::Array { elements, ends, count, nulls }, Value::Array(items)) => {
                items.iter().try_for_each(|item| elements.append(item))?;
                *count += items.len();
                let end = i32::try_from(*count);
                ends.push(end.map_err(|_| {
                    Error::TooLarge("a batch of rows holds more than 2^31 elements".into())
                })?);
                nulls.append_non_null();
            }
            _ => {
                let cast = value.clone().coerce(&self.ty)?;
                return self.append(&cast);
            }
        }
        Ok(())
    }

    /// Appends a null.
    pub fn append_null(&mut self) {
        match &mut self.inner {
            Inner::Bool(b) => b.append_null(),
            Inner::SmallInt(b) => b.append_null(),
            Inner::Int(b) => b.append_null(),
            Inner::BigInt(b) => b.append_null(),
            Inner::Float(b) => b.append_null(),
            Inner::Double(b) => b.append_null(),
            Inner::Numeric(b) => b.append_null(),
            Inner::Text(b) => b.append_null(),
            Inner::Bytea(b) => b.append_null(),
            Inner::Date(b) => b.append_null(),
            Inner::Timestamp(b) => b.append_null(),
            Inner::Time(b) => b.append_null(),
            Inner::Interval(b) => b.append_null(),
            Inner::Uuid(b) => b.append_null(),
            Inner::Json(b) => b.append_null(),
            Inner::Vector { elements, nulls, dim } => {
                elements.resize(elements.len() + *dim, 0.0);
                nulls.append_null();
            }
            Inner::Array { ends, nulls, .. } => {
                ends.push(ends.last().copied().unwrap_or_default());
                nulls.append_null();
            }
        }
    }

    /// Returns the array of everything appended.
    ///
    /// **Errors**: `Internal` when Arrow refuses the parts.
    pub fn finish(self) -> Result<ArrayRef, Error> {
        Ok(match self.inner {
            Inner::Bool(mut b) => Arc::new(b.finish()),
            Inner::SmallInt(mut b) => Arc::new(b.finish()),
            Inner::Int(mut b) => Arc::new(b.finish()),
            Inner::BigInt(mut b) => Arc::new(b.finish()),
            Inner::Float(mut b) => Arc::new(b.finish()),
            Inner::Double(mut b) => Arc::new(b.finish()),
            Inner::Numeric(mut b) => Arc::new(b.finish()),
            Inner::Text(mut b) => Arc::new(b.finish()),
            Inner::Bytea(mut b) => Arc::new(b.finish()),
            Inner::Date(mut b) => Arc::new(b.finish()),
            Inner::Timestamp(mut b) => Arc::new(b.finish()),
            Inner::Time(mut b) => Arc::new(b.finish()),
            Inner::Interval(mut b) => Arc::new(b.finish()),
            Inner::Uuid(mut b) => Arc::new(b.finish()),
            Inner::Json(mut b) => Arc::new(b.finish()),
            Inner::Vector { elements, mut nulls, dim } => {
                Arc::new(vector_array(elements, nulls.finish(), dim)?)
            }
            Inner::Array { elements, ends, mut nulls, .. } => {
                list_array(elements.finish()?, ends, nulls.finish())?
            }
        })
    }
}

/// Makes the array of a vector column. `elements`: `[row, dim]`, zeros where null.
pub(crate) fn vector_array(
    elements: Vec<f32>,
    nulls: Option<arrow_buffer::NullBuffer>,
    dim: usize,
) -> Result<FixedSizeListArray, Error> {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(elements));
    FixedSizeListArray::try_new(item, dim as i32, values, nulls).map_err(|error| internal(&error))
}

/// Makes the array of a column of arrays. `ends`: 0, then where each row's elements end.
pub(crate) fn list_array(
    elements: ArrayRef,
    ends: Vec<i32>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Error> {
    let item = Arc::new(Field::new("item", elements.data_type().clone(), true));
    let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
    let list = ListArray::try_new(item, ends, elements, nulls).map_err(|error| internal(&error))?;
    Ok(Arc::new(list))
}

/// Returns a span as Arrow carries it.
pub(crate) fn carried(span: &Interval) -> IntervalMonthDayNano {
    IntervalMonthDayNano::new(span.months, span.days, span.micros.saturating_mul(1_000))
}

impl Value {
    /// Returns the value at `row` of an array, cast to `ty` as for assignment. Takes every Arrow
    /// type that values are carried in, and the integer and text types expressions produce.
    ///
    /// **Errors**: `InvalidValue` when the value does not fit `ty`, `Internal` for an Arrow type
    /// no value is carried in.
    pub fn from_array(array: &dyn Array, row: usize, ty: &ColumnType) -> Result<Self, Error> {
        if array.is_null(row) {
            return Ok(Self::Null);
        }
        let value = match array.data_type() {
            DataType::Null => return Ok(Self::Null),
            DataType::Boolean => Self::Bool(array.as_boolean().value(row)),
            DataType::Int8 => Self::SmallInt(array.as_primitive::<Int8Type>().value(row).into()),
            DataType::Int16 => Self::SmallInt(array.as_primitive::<Int16Type>().value(row)),
            DataType::Int32 => Self::Int(array.as_primitive::<Int32Type>().value(row)),
            DataType::Int64 => Self::BigInt(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => Self::SmallInt(array.as_primitive::<UInt8Type>().value(row).into()),
            DataType::UInt16 => Self::Int(array.as_primitive::<UInt16Type>().value(row).into()),
            DataType::UInt32 => Self::BigInt(array.as_primitive::<UInt32Type>().value(row).into()),
            DataType::UInt64 => {
                let number = array.as_primitive::<UInt64Type>().value(row);
                return Self::Numeric(number.into())
                    .coerce_from(&ColumnType::Numeric { precision: 20, scale: 0 }, ty);
            }
            DataType::Float32 => Self::Float(array.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => Self::Double(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(precision, scale) => {
                let from = ColumnType::Numeric { precision: *precision, scale: *scale };
                let scaled = array.as_primitive::<Decimal128Type>().value(row);
                return Self::Numeric(scaled).coerce_from(&from, ty);
            }
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>().value(row)),
            DataType::List(_) => return Self::from_list(&array.as_list::<i32>().value(row), ty),
            DataType::LargeList(_) => {
                return Self::from_list(&array.as_list::<i64>().value(row), ty);
            }
            _ => return Self::from_array_of_bytes(array, row)?.coerce(ty),
        };
        value.coerce(ty)
    }

    /// The types whose values are not one number.
    fn from_array_of_bytes(array: &dyn Array, row: usize) -> Result<Self, Error> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string::<i32>().value(row).into()),
            DataType::LargeUtf8 => Self::Text(array.as_string::<i64>().value(row).into()),
            DataType::Utf8View => Self::Text(array.as_string_view().value(row).into()),
            DataType::Binary => Self::Bytea(array.as_binary::<i32>().value(row).into()),
            DataType::LargeBinary => Self::Bytea(array.as_binary::<i64>().value(row).into()),
            DataType::BinaryView => Self::Json(array.as_binary_view().value(row).into()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                if zone.is_some() { Self::TimestampTz(micros) } else { Self::Timestamp(micros) }
            }
            DataType::Timestamp(_, zone) => {
                let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                return Self::from_other(array, row, micros);
            }
            DataType::FixedSizeBinary(16) => {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(array.as_fixed_size_binary().value(row));
                Self::Uuid(bytes)
            }
            DataType::FixedSizeList(..) => {
                Self::vector_from(&array.as_fixed_size_list().value(row))?
            }
            DataType::Time64(TimeUnit::Microsecond) => {
                Self::Time(array.as_primitive::<Time64MicrosecondType>().value(row))
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                return Self::from_other(array, row, DataType::Time64(TimeUnit::Microsecond));
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                let span = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let micros = (span.nanoseconds + 500 * span.nanoseconds.signum()) / 1_000;
                Self::Interval(Interval { months: span.months, days: span.days, micros })
            }
            DataType::Interval(_) | DataType::Duration(_) => {
                let unit = DataType::Interval(IntervalUnit::MonthDayNano);
                return Self::from_other(array, row, unit);
            }
            other => return Err(Error::Internal(format!("no value is carried in {other}"))),
        })
    }

    /// Reads one value of a type that another one carries as well.
    fn from_other(array: &dyn Array, row: usize, ty: DataType) -> Result<Self, Error> {
        let one = arrow_cast::cast(&array.slice(row, 1), &ty).map_err(|error| internal(&error))?;
        Self::from_array_of_bytes(&one, 0)
    }

    fn from_list(items: &ArrayRef, ty: &ColumnType) -> Result<Self, Error> {
        let natural = || ColumnType::of_arrow(items.data_type()).unwrap_or(ColumnType::Text);
        let (element, to) = match ty {
            ColumnType::Vector(_) => return Self::vector_from(items)?.coerce(ty),
            ColumnType::Array(element) => (element.as_ref().clone(), None),
            _ => (natural(), Some(ty)),
        };
        check_count(items.len())?;
        let read = |row| Self::from_array(items, row, &element);
        let values = Self::Array((0..items.len()).map(read).collect::<Result<_, _>>()?);
        match to {
            None => Ok(values),
            Some(to) => values.coerce_from(&ColumnType::Array(Arc::new(element)), to),
        }
    }

    fn vector_from(items: &ArrayRef) -> Result<Self, Error> {
        let floats =
            arrow_cast::cast(items, &DataType::Float32).map_err(|error| internal(&error))?;
        if floats.null_count() > 0 {
            return Err(Error::InvalidValue("a vector must not contain nulls".into()));
        }
        Ok(Self::Vector(floats.as_primitive::<Float32Type>().values().as_ref().into()))
    }
}

fn internal(error: &ArrowError) -> Error {
    Error::Internal(format!("build array: {error}"))
}
