//! How is a record laid out in bytes?
//!
//! ```text
//! offset     bytes            content
//! 0          1                version of this layout, 1
//! 1          1                0
//! 2          2                column count n, u16 little-endian
//! 4          ceil(n / 8)      null bitmap: bit c % 8 of byte c / 8 is set when column c is null
//! ..         sum of widths    fixed part, one field per column in order:
//!                               BOOL 1, INT FLOAT DATE 4, BIGINT DOUBLE TIMESTAMP(TZ) 8,
//!                               NUMERIC UUID 16, all little-endian (UUID as it is);
//!                               TEXT BYTEA JSON VECTOR 4: the end of the column's bytes in the
//!                               variable part; they start where those of the variable column
//!                               before it end
//! ..         the last end     variable part: text as UTF-8, bytes, one Variant
//!                               (`document::encode`), vector elements as f32 little-endian
//! ```
//!
//! A null has a field of zeros, or of the preceding end. A row written before a column was added
//! has fewer columns than the table; those read as what the catalog says of them, or null. Every access is checked against the
//! length, so damaged bytes give `Corrupt`, never a panic.
//!
//! | file | question it answers |
//! | --- | --- |
//! | `layout` | where in a row is each column |
//! | `encode` | how do values become a row |
//! | `view` | how is one column of a row read |
//! | `field` | what is one column's part of a row, on its own |
//! | `page` | how does a column of many rows lie in one piece |
//! | `rank` | which number grows with a value |
//! | `column` | how does one column of many rows become an Arrow array |

mod column;
mod encode;
mod field;
mod layout;
mod page;
mod rank;
mod view;

#[cfg(test)]
mod tests;

pub use column::{Pages, Stretch, column_array};
#[cfg(test)]
pub(crate) use encode::encode_values;
pub use encode::{ROW_BYTES_MAX, encode};
pub use field::{field_of, value_of_field};
pub use layout::RowLayout;
pub use page::{Page, assemble};
pub use rank::{has_rank, rank_of_field, rank_of_float, rank_of_integer};
pub use view::RowView;
