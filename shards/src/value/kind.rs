//! What is a value, and what type does it have?

use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    BigInt,
    /// 32-bit IEEE 754.
    Float,
    /// 64-bit IEEE 754.
    Double,
    /// Exact decimal. `NUMERIC` alone is `NUMERIC(38, 9)`.
    Numeric {
        /// Total digits, 1..=38.
        precision: u8,
        /// Digits after the point, 0..=precision.
        scale: i8,
    },
    /// UTF-8 text.
    Text,
    /// Bytes.
    Bytea,
    /// Calendar day.
    Date,
    /// Date and time of day without zone, microseconds.
    Timestamp,
    /// Instant, microseconds.
    TimestampTz,
    /// 128-bit identifier.
    Uuid,
    /// JSON document, binary Variant encoding.
    Json,
    /// f32 vector of this dimension, 1..=16,384.
    Vector(u32),
}

/// One value, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// `ColumnType::Bool`.
    Bool(bool),
    /// `ColumnType::Int`.
    Int(i32),
    /// `ColumnType::BigInt`.
    BigInt(i64),
    /// `ColumnType::Float`.
    Float(f32),
    /// `ColumnType::Double`.
    Double(f64),
    /// `ColumnType::Numeric`: the value times 10^scale of its column.
    Numeric(i128),
    /// `ColumnType::Text`.
    Text(Arc<str>),
    /// `ColumnType::Bytea`.
    Bytea(Arc<[u8]>),
    /// `ColumnType::Date`: days since 1970-01-01.
    Date(i32),
    /// `ColumnType::Timestamp`: microseconds since 1970-01-01T00:00.
    Timestamp(i64),
    /// `ColumnType::TimestampTz`: microseconds since 1970-01-01T00:00Z.
    TimestampTz(i64),
    /// `ColumnType::Uuid`.
    Uuid([u8; 16]),
    /// `ColumnType::Json`: one binary Variant as `document::encode` lays it out.
    Json(Arc<[u8]>),
    /// `ColumnType::Vector`.
    Vector(Arc<[f32]>),
}

impl ColumnType {
    /// Returns the Arrow type that carries this type in plans and results.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Text => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Json => DataType::BinaryView,
            Self::Vector(dim) => DataType::FixedSizeList(
                Arc::new(Field::new("item", DataType::Float32, false)),
                *dim as i32,
            ),
        }
    }
}

impl std::fmt::Display for ColumnType {
    /// Writes the type as PQL spells it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => f.write_str("BOOL"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Numeric { precision, scale } => write!(f, "NUMERIC({precision}, {scale})"),
            Self::Text => f.write_str("TEXT"),
            Self::Bytea => f.write_str("BYTEA"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
            Self::Uuid => f.write_str("UUID"),
            Self::Json => f.write_str("JSON"),
            Self::Vector(dim) => write!(f, "VECTOR({dim})"),
        }
    }
}
