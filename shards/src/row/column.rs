//! How does one column of many rows become an Arrow array?
//!
//! One loop per type, straight into the array's buffers: no `Value` in between. Where rows lie in
//! pages, fixed fields are copied as they lie.

use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, StringArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer};

use super::array::Elements;
use super::layout::RowLayout;
use super::page::Page;
use super::view::{RowView, corrupt, exact, span};
use crate::error::Error;
use crate::value::{ColumnType, carried, list_array, vector_array};

/// Columns of neighbouring rows.
pub trait Pages {
    /// Returns a column's page; `None` when the rows were written before it was added.
    fn page(&self, column: usize) -> Option<Page<'_>>;
}

/// Some rows.
#[derive(Clone, Copy)]
pub enum Stretch<'a> {
    /// One row.
    Row(RowView<'a>),
    /// Neighbours in pages.
    Packed {
        /// Their columns.
        pages: &'a dyn Pages,
        /// The first.
        from: usize,
        /// Behind the last.
        to: usize,
    },
    /// Some of the neighbours in pages.
    Picked {
        /// Their columns.
        pages: &'a dyn Pages,
        /// Which, in order.
        rows: &'a [u32],
    },
}

impl Stretch<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Row(_) => 1,
            Self::Packed { from, to, .. } => to - from,
            Self::Picked { rows, .. } => rows.len(),
        }
    }
}

/// Returns one column of these rows as an array.
///
/// **Errors**: `Corrupt` when a column's bytes are not of its type.
/// **Cost**: one pass; texts and documents are copied once.
pub fn column_array(
    rows: &[Stretch<'_>],
    layout: &RowLayout,
    column: usize,
) -> Result<ArrayRef, Error> {
    let field = &layout.fields[column];
    let count = rows.iter().map(Stretch::len).sum();
    let source = Source { rows, layout, column, count };
    Ok(match &field.ty {
        ColumnType::Bool => source.booleans()?,
        ColumnType::SmallInt => Arc::new(source.numbers::<Int16Type, 2>(i16::from_le_bytes)?),
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
        ColumnType::Time => {
            Arc::new(source.numbers::<Time64MicrosecondType, 8>(i64::from_le_bytes)?)
        }
        ColumnType::Interval => {
            Arc::new(source.numbers::<IntervalMonthDayNanoType, 16>(|field| carried(&span(field)))?)
        }
        ColumnType::Uuid => source.uuids()?,
        ColumnType::Text | ColumnType::Varchar(_) => source.texts()?,
        ColumnType::Bytea => source.byte_strings()?,
        ColumnType::Json => source.documents()?,
        ColumnType::Vector(dim) => source.vectors(*dim as usize)?,
        ColumnType::Array(element) => source.arrays(element)?,
    })
}

/// One column of some rows.
struct Source<'a> {
    rows: &'a [Stretch<'a>],
    layout: &'a RowLayout,
    column: usize,
    count: usize,
}

impl<'a> Source<'a> {
    fn page(&self, pages: &'a dyn Pages) -> Page<'a> {
        pages.page(self.column).unwrap_or_else(|| Page::missing(self.layout, self.column))
    }

    /// Visits the field of each row, `None` for a null.
    fn each(
        &self,
        mut visit: impl FnMut(Option<&'a [u8]>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.rows.iter().try_for_each(|stretch| self.each_of(stretch, &mut visit))
    }

    fn each_of(
        &self,
        stretch: &Stretch<'a>,
        visit: &mut impl FnMut(Option<&'a [u8]>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match stretch {
            Stretch::Row(row) if row.is_null(self.column) => visit(None),
            Stretch::Row(row) => visit(Some(row.raw(self.layout, self.column)?)),
            Stretch::Packed { pages, from, to } => {
                let page = self.page(*pages);
                (*from..*to).try_for_each(|row| visit(page.cell(row)))
            }
            Stretch::Picked { pages, rows } => {
                let page = self.page(*pages);
                rows.iter().try_for_each(|row| visit(page.cell(*row as usize)))
            }
        }
    }

    fn numbers<T, const N: usize>(
        &self,
        read: impl Fn([u8; N]) -> T::Native,
    ) -> Result<PrimitiveArray<T>, Error>
    where
        T: ArrowPrimitiveType,
    {
        let mut nulls = NullBufferBuilder::new(self.count);
        let mut values: Vec<T::Native> = Vec::with_capacity(self.count);
        let zero = T::Native::default();
        for stretch in self.rows {
            match stretch {
                Stretch::Row(row) => {
                    let is_null = row.is_null(self.column);
                    nulls.append(!is_null);
                    values.push(if is_null {
                        zero
                    } else {
                        read(exact::<N>(row.raw(self.layout, self.column)?)?)
                    });
                }
                Stretch::Packed { pages, from, to } => match self.page(*pages) {
                    Page::Fixed { width, nulls: None, fields } if width == N => {
                        let fields = &fields[from * N..to * N];
                        let (fields, _) = fields.as_chunks::<N>();
                        values.extend(fields.iter().map(|field| read(*field)));
                        nulls.append_n_non_nulls(to - from);
                    }
                    page => {
                        for row in *from..*to {
                            let field = page.cell(row).map(exact::<N>).transpose()?;
                            nulls.append(field.is_some());
                            values.push(field.map_or(zero, &read));
                        }
                    }
                },
                Stretch::Picked { pages, rows } => match self.page(*pages) {
                    Page::Fixed { width, nulls: None, fields } if width == N => {
                        let (fields, _) = fields.as_chunks::<N>();
                        values.extend(rows.iter().map(|row| read(fields[*row as usize])));
                        nulls.append_n_non_nulls(rows.len());
                    }
                    page => {
                        for row in *rows {
                            let field = page.cell(*row as usize).map(exact::<N>).transpose()?;
                            nulls.append(field.is_some());
                            values.push(field.map_or(zero, &read));
                        }
                    }
                },
            }
        }
        Ok(PrimitiveArray::new(values.into(), nulls.finish()))
    }

    fn booleans(&self) -> Result<ArrayRef, Error> {
        let mut nulls = NullBufferBuilder::new(self.count);
        let mut values = BooleanBufferBuilder::new(self.count);
        self.each(|field| {
            nulls.append(field.is_some());
            let field = field.map(exact::<1>).transpose()?;
            values.append(field.is_some_and(|field| field != [0]));
            Ok(())
        })?;
        Ok(Arc::new(BooleanArray::new(values.finish(), nulls.finish())))
    }

    fn uuids(&self) -> Result<ArrayRef, Error> {
        let mut nulls = NullBufferBuilder::new(self.count);
        let mut values = Vec::with_capacity(self.count * 16);
        self.each(|field| {
            nulls.append(field.is_some());
            let field = field.map(exact::<16>).transpose()?;
            values.extend_from_slice(&field.unwrap_or([0; 16]));
            Ok(())
        })?;
        let array = FixedSizeBinaryArray::try_new(16, Buffer::from_vec(values), nulls.finish());
        Ok(Arc::new(array.map_err(|error| Error::Internal(format!("build array: {error}")))?))
    }

    fn texts(&self) -> Result<ArrayRef, Error> {
        let (ends, bytes, nulls) = self.strings()?;
        // Looks at all bytes at once, and whether each text ends where a character does.
        let texts = StringArray::try_new(ends, bytes, nulls);
        Ok(Arc::new(texts.map_err(|_| corrupt("a text that is not UTF-8"))?))
    }

    fn byte_strings(&self) -> Result<ArrayRef, Error> {
        let (ends, bytes, nulls) = self.strings()?;
        let strings = BinaryArray::try_new(ends, bytes, nulls);
        Ok(Arc::new(strings.map_err(|error| Error::Internal(format!("build array: {error}")))?))
    }

    /// The bytes of all rows, where each row's end, and which are null.
    fn strings(&self) -> Result<(OffsetBuffer<i32>, Buffer, Option<NullBuffer>), Error> {
        let mut bytes = Vec::with_capacity(self.variable_bytes()?);
        let mut ends = Vec::with_capacity(self.count + 1);
        ends.push(0_i32);
        let mut nulls = NullBufferBuilder::new(self.count);
        for stretch in self.rows {
            let page = match stretch {
                Stretch::Packed { pages, .. } => self.page(*pages),
                _ => Page::Null,
            };
            if let Stretch::Packed { from, to, .. } = stretch
                && let Some((piece, piece_ends)) = page.piece(*from, *to)
            {
                let before = bytes.len();
                bytes.extend_from_slice(piece);
                // `variable_bytes` has seen that all of them fit.
                ends.extend(piece_ends.map(|end| (before + end) as i32));
                nulls.append_n_non_nulls(to - from);
                continue;
            }
            self.each_of(stretch, &mut |field| {
                nulls.append(field.is_some());
                bytes.extend_from_slice(field.unwrap_or_default());
                ends.push(bytes.len() as i32);
                Ok(())
            })?;
        }
        Ok((OffsetBuffer::new(ends.into()), Buffer::from_vec(bytes), nulls.finish()))
    }

    fn documents(&self) -> Result<ArrayRef, Error> {
        let mut builder = BinaryViewBuilder::with_capacity(self.count);
        self.each(|field| {
            builder.append_option(field);
            Ok(())
        })?;
        Ok(Arc::new(builder.finish()))
    }

    fn vectors(&self, dim: usize) -> Result<ArrayRef, Error> {
        let mut nulls = NullBufferBuilder::new(self.count);
        let mut elements = Vec::with_capacity(self.count * dim);
        self.each(|field| {
            nulls.append(field.is_some());
            match field {
                None => elements.resize(elements.len() + dim, 0.0),
                Some(bytes) if bytes.len() == dim * 4 => {
                    elements.extend(super::view::floats(bytes))
                }
                Some(_) => return Err(corrupt("a vector of another dimension")),
            }
            Ok(())
        })?;
        Ok(Arc::new(vector_array(elements, nulls.finish(), dim)?))
    }

    /// The elements of all rows are one column whose rows lie in pages, a page per array.
    fn arrays(&self, element: &ColumnType) -> Result<ArrayRef, Error> {
        let mut nulls = NullBufferBuilder::new(self.count);
        let mut ends = vec![0_i32];
        let mut total = 0;
        let mut pages = Vec::with_capacity(self.count);
        self.each(|field| {
            nulls.append(field.is_some());
            if let Some(field) = field {
                let elements = Elements::read(field, element)?;
                total += elements.count;
                pages.push(elements);
            }
            ends.push(i32::try_from(total).map_err(|_| {
                Error::TooLarge("a batch of rows holds more than 2^31 elements".into())
            })?);
            Ok(())
        })?;
        let layout = RowLayout::of_types(std::iter::once(element));
        let stretches: Vec<Stretch<'_>> =
            pages.iter().map(|pages| Stretch::Packed { pages, from: 0, to: pages.count }).collect();
        let elements = column_array(&stretches, &layout, 0)?;
        list_array(elements, ends, nulls.finish())
    }

    /// Sums the column's bytes, so that the buffer is allocated once and never above the 2 GiB
    /// that 32-bit offsets reach.
    fn variable_bytes(&self) -> Result<usize, Error> {
        let mut total = 0;
        self.each(|field| {
            total += field.map_or(0, <[u8]>::len);
            Ok(())
        })?;
        if total > i32::MAX as usize {
            return Err(Error::TooLarge("a batch of rows holds more than 2 GiB of text".into()));
        }
        Ok(total)
    }
}
