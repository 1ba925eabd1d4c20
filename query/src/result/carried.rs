//! Which PQL type does an Arrow type carry?

use arrow_schema::{DataType, TimeUnit};
use pieskieo_shards::value::ColumnType;

/// Returns the column type whose values an Arrow type carries; `None` for lists of anything but
/// numbers, intervals and the like, which no column can hold.
pub fn column_type(ty: &DataType) -> Option<ColumnType> {
    Some(match ty {
        DataType::Boolean => ColumnType::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 => ColumnType::Int,
        DataType::UInt8 | DataType::UInt16 => ColumnType::Int,
        DataType::Int64 | DataType::UInt32 => ColumnType::BigInt,
        DataType::UInt64 => ColumnType::Numeric { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 => ColumnType::Float,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Numeric { precision: *precision, scale: *scale }
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Text,
        DataType::Binary | DataType::LargeBinary => ColumnType::Bytea,
        DataType::BinaryView => ColumnType::Json,
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::TimestampTz,
        DataType::Timestamp(_, None) => ColumnType::Timestamp,
        DataType::Timestamp(_, Some(_)) => ColumnType::TimestampTz,
        DataType::FixedSizeBinary(16) => ColumnType::Uuid,
        DataType::FixedSizeList(item, dim) if item.data_type() == &DataType::Float32 => {
            ColumnType::Vector(*dim as u32)
        }
        _ => return None,
    })
}
