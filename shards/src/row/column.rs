//! How does one column of many rows become an Arrow array?
//!
//! One loop per type over the rows, straight into the array's buffers: no `Value` in between.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BinaryViewBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, BooleanArray, FixedSizeBinaryArray, PrimitiveArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder};

use super::layout::{Field, RowLayout};
use super::view::{RowView, corrupt, text};
use crate::error::Error;
use crate::value::ColumnType;

/// Returns one column of these rows as an array.
///
/// **Errors**: `Corrupt` when a column's bytes are not of its type.
/// **Cost**: one pass; texts and documents are copied once.
pub fn column_array(
    rows: &[RowView<'_>],
    layout: &RowLayout,
    column: usize,
) -> Result<ArrayRef, Error> {
    let field = &layout.fields[column];
    let source = Source { rows, field, column };
    Ok(match &field.ty {
        ColumnType::Bool => source.booleans()?,
        ColumnType::Int => Arc::new(source.numbers::<Int32Type, 4>(i32::from_le_bytes)?),
        ColumnType::Date => Arc::new(source.numbers::<Date32Type, 4>(i32::from_le_bytes)?),
        ColumnType::Float => Arc::new(source.numbers::<Float32Type, 4>(f32::from_le_bytes)?),
        ColumnType::BigInt => Arc::new(source.numbers::<Int64Type, 8>(i64::from_le_bytes)?),
        ColumnType::Double => Arc::new(source.numbers::<Float64Type, 8>(f64::from_le_bytes)?),
        ColumnType::Timestamp | ColumnType::TimestampTz => Arc::new(
            source
                .numbers::<TimestampMicrosecondType, 8>(i64::from_le_bytes)?
                .with_data_type(field.ty.arrow()),
        ),
        ColumnType::Numeric { .. } => Arc::new(
            source
                .numbers::<Decimal128Type, 16>(i128::from_le_bytes)?
                .with_data_type(field.ty.arrow()),
        ),
        ColumnType::Uuid => source.uuids()?,
        ColumnType::Text => source.texts()?,
        ColumnType::Bytea => source.byte_strings()?,
        ColumnType::Json => source.documents()?,
        ColumnType::Vector(dim) => source.vectors(*dim as usize)?,
    })
}

/// One column of some rows.
struct Source<'a> {
    rows: &'a [RowView<'a>],
    field: &'a Field,
    column: usize,
}

impl Source<'_> {
    fn nulls(&self) -> Option<NullBuffer> {
        let mut nulls = NullBufferBuilder::new(self.rows.len());
        for row in self.rows {
            nulls.append(!row.is_null(self.column));
        }
        nulls.finish()
    }

    fn numbers<T, const N: usize>(
        &self,
        read: impl Fn([u8; N]) -> T::Native,
    ) -> Result<PrimitiveArray<T>, Error>
    where
        T: ArrowPrimitiveType,
    {
        let nulls = self.nulls();
        let mut values = Vec::with_capacity(self.rows.len());
        match &nulls {
            None => {
                for row in self.rows {
                    values.push(read(row.fixed::<N>(self.field)?));
                }
            }
            Some(nulls) => {
                for (row, valid) in self.rows.iter().zip(nulls.iter()) {
                    let zero = T::Native::default();
                    values.push(if valid { read(row.fixed::<N>(self.field)?) } else { zero });
                }
            }
        }
        Ok(PrimitiveArray::new(values.into(), nulls))
    }

    fn booleans(&self) -> Result<ArrayRef, Error> {
        let nulls = self.nulls();
        let mut values = BooleanBufferBuilder::new(self.rows.len());
        for row in self.rows {
            values.append(!row.is_null(self.column) && row.fixed::<1>(self.field)? != [0]);
        }
        Ok(Arc::new(BooleanArray::new(values.finish(), nulls)))
    }

    fn uuids(&self) -> Result<ArrayRef, Error> {
        let nulls = self.nulls();
        let mut values = Vec::with_capacity(self.rows.len() * 16);
        for row in self.rows {
            let is_null = row.is_null(self.column);
            values.extend_from_slice(&if is_null { [0; 16] } else { row.fixed(self.field)? });
        }
        let array = FixedSizeBinaryArray::try_new(16, Buffer::from_vec(values), nulls);
        Ok(Arc::new(array.map_err(|error| Error::Internal(format!("build array: {error}")))?))
    }

    fn texts(&self) -> Result<ArrayRef, Error> {
        let mut builder = StringBuilder::with_capacity(self.rows.len(), self.variable_bytes()?);
        for row in self.rows {
            if row.is_null(self.column) {
                builder.append_null();
            } else {
                builder.append_value(text(row.variable(self.field)?)?);
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn byte_strings(&self) -> Result<ArrayRef, Error> {
        let mut builder = BinaryBuilder::with_capacity(self.rows.len(), self.variable_bytes()?);
        for row in self.rows {
            if row.is_null(self.column) {
                builder.append_null();
            } else {
                builder.append_value(row.variable(self.field)?);
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn documents(&self) -> Result<ArrayRef, Error> {
        let mut builder = BinaryViewBuilder::with_capacity(self.rows.len());
        for row in self.rows {
            if row.is_null(self.column) {
                builder.append_null();
            } else {
                builder.append_value(row.variable(self.field)?);
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn vectors(&self, dim: usize) -> Result<ArrayRef, Error> {
        let nulls = self.nulls();
        let mut elements = Vec::with_capacity(self.rows.len() * dim);
        for row in self.rows {
            if row.is_null(self.column) {
                elements.resize(elements.len() + dim, 0.0);
                continue;
            }
            let bytes = row.variable(self.field)?;
            if bytes.len() != dim * 4 {
                return Err(corrupt("a vector of another dimension"));
            }
            elements.extend(super::view::floats(bytes));
        }
        Ok(Arc::new(crate::value::vector_array(elements, nulls, dim)?))
    }

    /// Sums the column's bytes, so that the buffer is allocated once and never above the 2 GiB
    /// that 32-bit offsets reach.
    fn variable_bytes(&self) -> Result<usize, Error> {
        let mut total = 0;
        for row in self.rows.iter().filter(|row| !row.is_null(self.column)) {
            total += row.variable(self.field)?.len();
        }
        if total > i32::MAX as usize {
            return Err(Error::TooLarge("a batch of rows holds more than 2 GiB of text".into()));
        }
        Ok(total)
    }
}
