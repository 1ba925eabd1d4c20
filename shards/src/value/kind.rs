//! What is a value, and what type does it have?

use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

use super::interval::Interval;

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// 16-bit signed integer.
    SmallInt,
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
    /// UTF-8 text of at most so many characters, 1..=10,485,760.
    Varchar(u32),
    /// Bytes.
    Bytea,
    /// Calendar day.
    Date,
    /// Date and time of day without zone, microseconds.
    Timestamp,
    /// Instant, microseconds.
    TimestampTz,
    /// Time of day without zone, microseconds.
    Time,
    /// Span of time.
    Interval,
    /// 128-bit identifier.
    Uuid,
    /// JSON document, binary Variant encoding.
    Json,
    /// f32 vector of this dimension, 1..=16,384.
    Vector(u32),
    /// Array of one dimension. Its elements are neither JSON nor vectors nor arrays.
    Array(Arc<ColumnType>),
}

/// One value, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// `ColumnType::Bool`.
    Bool(bool),
    /// `ColumnType::SmallInt`.
    SmallInt(i16),
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
    /// `ColumnType::Text` and `ColumnType::Varchar`.
    Text(Arc<str>),
    /// `ColumnType::Bytea`.
    Bytea(Arc<[u8]>),
    /// `ColumnType::Date`: days since 1970-01-01.
    Date(i32),
    /// `ColumnType::Timestamp`: microseconds since 1970-01-01T00:00.
    Timestamp(i64),
    /// `ColumnType::TimestampTz`: microseconds since 1970-01-01T00:00Z.
    TimestampTz(i64),
    /// `ColumnType::Time`: microseconds since midnight, up to and with 24:00.
    Time(i64),
    /// `ColumnType::Interval`.
    Interval(Interval),
    /// `ColumnType::Uuid`.
    Uuid([u8; 16]),
    /// `ColumnType::Json`: one binary Variant as `document::encode` lays it out.
    Json(Arc<[u8]>),
    /// `ColumnType::Vector`.
    Vector(Arc<[f32]>),
    /// `ColumnType::Array`: elements of its type, or nulls.
    Array(Arc<[Value]>),
}

impl ColumnType {
    /// Returns the Arrow type that carries this type in plans and results.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::SmallInt => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Text | Self::Varchar(_) => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Json => DataType::BinaryView,
            Self::Vector(dim) => DataType::FixedSizeList(
                Arc::new(Field::new("item", DataType::Float32, false)),
                *dim as i32,
            ),
            Self::Array(element) => {
                DataType::List(Arc::new(Field::new("item", element.arrow(), true)))
            }
        }
    }

    /// Returns the type whose values an Arrow type carries; `None` for arrays of arrays, records
    /// and the like, which no column can hold.
    pub fn of_arrow(ty: &DataType) -> Option<Self> {
        Some(match ty {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Self::SmallInt,
            DataType::Int32 | DataType::UInt16 => Self::Int,
            DataType::Int64 | DataType::UInt32 => Self::BigInt,
            DataType::UInt64 => Self::Numeric { precision: 20, scale: 0 },
            DataType::Float16 | DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Decimal128(precision, scale) => {
                Self::Numeric { precision: *precision, scale: *scale }
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Binary | DataType::LargeBinary => Self::Bytea,
            DataType::BinaryView => Self::Json,
            DataType::Date32 => Self::Date,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::FixedSizeBinary(16) => Self::Uuid,
            DataType::FixedSizeList(item, dim) if item.data_type() == &DataType::Float32 => {
                Self::Vector(*dim as u32)
            }
            DataType::List(item) | DataType::LargeList(item) => match item.data_type() {
                DataType::Null => Self::Array(Arc::new(Self::Text)),
                item => Self::of_arrow(item)?.array_of()?,
            },
            _ => return None,
        })
    }

    /// Returns the type of arrays of this type; `None` when there are none.
    pub fn array_of(self) -> Option<Self> {
        match self {
            Self::Json | Self::Vector(_) | Self::Array(_) => None,
            element => Some(Self::Array(Arc::new(element))),
        }
    }

    /// Returns the type without a limit that only writing has to look at: two types with the same
    /// plain one store, compare and hash their values alike.
    pub fn plain(&self) -> &Self {
        match self {
            Self::Varchar(_) => &Self::Text,
            other => other,
        }
    }

    /// Returns whether values are text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::Varchar(_))
    }

    /// Returns whether values are numbers.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Self::SmallInt
                | Self::Int
                | Self::BigInt
                | Self::Float
                | Self::Double
                | Self::Numeric { .. }
        )
    }
}

impl std::fmt::Display for ColumnType {
    /// Writes the type as PQL spells it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => f.write_str("BOOL"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Numeric { precision, scale } => write!(f, "NUMERIC({precision}, {scale})"),
            Self::Text => f.write_str("TEXT"),
            Self::Varchar(length) => write!(f, "VARCHAR({length})"),
            Self::Bytea => f.write_str("BYTEA"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
            Self::Time => f.write_str("TIME"),
            Self::Interval => f.write_str("INTERVAL"),
            Self::Uuid => f.write_str("UUID"),
            Self::Json => f.write_str("JSON"),
            Self::Vector(dim) => write!(f, "VECTOR({dim})"),
            Self::Array(element) => write!(f, "{element}[]"),
        }
    }
}
