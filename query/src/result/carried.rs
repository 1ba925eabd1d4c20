//! Which PQL type does an Arrow type carry?

use arrow_schema::DataType;
use pieskieo_shards::value::ColumnType;

/// Returns the column type whose values an Arrow type carries; `None` for arrays of arrays,
/// records and the like, which no column can hold.
pub fn column_type(ty: &DataType) -> Option<ColumnType> {
    ColumnType::of_arrow(ty)
}
