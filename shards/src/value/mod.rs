//! What is a value, what type does it have, and how does it change its form?
//!
//! | PQL type | `Value` | Arrow type (the identity of the type above this crate) |
//! | --- | --- | --- |
//! | BOOL | `Bool` | Boolean |
//! | SMALLINT / INT / BIGINT | `SmallInt` / `Int` / `BigInt` | Int16 / Int32 / Int64 |
//! | FLOAT / DOUBLE | `Float` / `Double` | Float32 / Float64 |
//! | NUMERIC(p, s) | `Numeric`, scaled by 10^s | Decimal128(p, s) |
//! | TEXT, VARCHAR(n) | `Text` | Utf8 |
//! | BYTEA | `Bytea` | Binary |
//! | DATE | `Date`, days since 1970-01-01 | Date32 |
//! | TIMESTAMP / TIMESTAMPTZ | microseconds since 1970-01-01 (UTC for TZ) | Timestamp(us) / Timestamp(us, "+00:00") |
//! | TIME | `Time`, microseconds since midnight | Time64(us) |
//! | INTERVAL | `Interval`: months, days, microseconds | Interval(MonthDayNano) |
//! | UUID | `Uuid` | FixedSizeBinary(16) |
//! | JSON | `Json`, one binary Variant (`document::encode`) | BinaryView: used for nothing else |
//! | VECTOR(n) | `Vector` | FixedSizeList(Float32 not null, n) |
//! | T[] | `Array` | List(T) |
//!
//! | file | question it answers |
//! | --- | --- |
//! | `kind` | what is a value, and what type does it have |
//! | `order` | which of two values comes first |
//! | `interval` | how long is a span of time, and how is it read and written |
//! | `moment` | which moment is a span away from another, and which span lies between two |
//! | `array` | how is an array read and written as text |
//! | `calendar` | which day and time is a number, and how is it written |
//! | `decimal` | how is an exact decimal read, rounded and written |
//! | `parse` | which value does a text stand for |
//! | `render` | how does PostgreSQL print a value |
//! | `coerce` | which value is stored when a value of another type is assigned |
//! | `json` | how does a value come from JSON and go there |
//! | `arrow` | how does a value come from an Arrow array and go there |

mod array;
mod arrow;
mod calendar;
mod coerce;
mod decimal;
mod interval;
mod json;
mod kind;
mod moment;
mod order;
mod parse;
mod render;

#[cfg(test)]
mod tests;

pub use array::ARRAY_ELEMENTS_MAX;
pub use arrow::ColumnBuilder;
pub(crate) use arrow::{carried, list_array, vector_array};
pub use calendar::{date_of, days_of};
pub use interval::{INTERVAL_MICROS_MAX, Interval};
pub use kind::{ColumnType, Value};
