//! What is one column's part of a row, on its own?
//!
//! A field has the bytes the column has in a row: those of its fixed field, or its part of the
//! variable part. The catalog keeps one for each column that was added with a default.

use std::sync::Arc;

use super::encode::encode_with;
use super::layout::RowLayout;
use super::page::assemble;
use super::view::{RowView, corrupt};
use crate::error::Error;
use crate::value::{ColumnType, Value};

/// Returns the field of a value of a column of this type; `None` for a null.
///
/// **Errors**: `InvalidValue` for a value that does not fit the column.
pub fn field_of(ty: &ColumnType, value: &Value) -> Result<Option<Arc<[u8]>>, Error> {
    let layout = RowLayout::of_types(std::iter::once(ty));
    let row = encode_with(&layout, std::slice::from_ref(value), |_, error| error)?;
    let view = RowView::new(&row, &layout)?;
    if view.is_null(0) { Ok(None) } else { Ok(Some(view.raw(&layout, 0)?.into())) }
}

/// Returns the value of a field.
///
/// **Errors**: `Corrupt` for bytes that are no field of a column of this type.
pub fn value_of_field(ty: &ColumnType, field: &[u8]) -> Result<Value, Error> {
    let layout = RowLayout::of_types(std::iter::once(ty));
    if layout.width(0).is_some_and(|width| width != field.len()) {
        return Err(corrupt("a field of another width"));
    }
    let row = assemble(&layout, |_| Some(field));
    let view = RowView::new(&row, &layout)?;
    view.check(&layout)?;
    view.value(&layout, 0)
}
