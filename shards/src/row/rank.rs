//! Which number grows with a value?
//!
//! Numbers and times of all widths have a *rank*, so that whoever only wants to know which of two
//! values is larger needs no types. Equal values have equal ranks.

use crate::value::ColumnType;

/// Returns whether the values of a type have ranks.
pub fn has_rank(ty: &ColumnType) -> bool {
    matches!(
        ty,
        ColumnType::SmallInt
            | ColumnType::Int
            | ColumnType::BigInt
            | ColumnType::Date
            | ColumnType::Timestamp
            | ColumnType::TimestampTz
            | ColumnType::Time
            | ColumnType::Float
            | ColumnType::Double
    )
}

/// Returns the rank of a field as rows hold it; `None` for a value without order, and for bytes that
/// are no field of the type.
pub fn rank_of_field(ty: &ColumnType, field: &[u8]) -> Option<u64> {
    match ty {
        ColumnType::SmallInt => {
            Some(rank_of_integer(i16::from_le_bytes(field.try_into().ok()?).into()))
        }
        ColumnType::Int | ColumnType::Date => {
            Some(rank_of_integer(i32::from_le_bytes(field.try_into().ok()?).into()))
        }
        ColumnType::BigInt | ColumnType::Timestamp | ColumnType::TimestampTz | ColumnType::Time => {
            Some(rank_of_integer(i64::from_le_bytes(field.try_into().ok()?)))
        }
        ColumnType::Float => rank_of_float(f32::from_le_bytes(field.try_into().ok()?).into()),
        ColumnType::Double => rank_of_float(f64::from_le_bytes(field.try_into().ok()?)),
        _ => None,
    }
}

/// Returns the rank of a whole number, of a date in days or of a time in microseconds.
pub fn rank_of_integer(value: i64) -> u64 {
    value as u64 ^ (1 << 63)
}

/// Returns the rank of a number; `None` for what is none. Both zeros have the same.
pub fn rank_of_float(value: f64) -> Option<u64> {
    if value.is_nan() {
        return None;
    }
    // Adding zero makes the negative zero a positive one.
    let bits = (value + 0.0).to_bits();
    Some(if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_in_the_order_of_their_values() {
        let integers = [i64::MIN, -1, 0, 1, i64::MAX].map(rank_of_integer);
        assert!(integers.is_sorted());
        let floats = [f64::NEG_INFINITY, -2.5, -f64::MIN_POSITIVE, 0.0, 1e-300, 1.0, f64::INFINITY];
        let floats = floats.map(|value| rank_of_float(value).unwrap());
        assert!(floats.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(rank_of_float(-0.0), rank_of_float(0.0));
        assert_eq!(rank_of_float(f64::NAN), None);
        assert_eq!(rank_of_field(&ColumnType::Float, &1.5_f32.to_le_bytes()), rank_of_float(1.5));
        assert_eq!(rank_of_field(&ColumnType::Int, &[0; 3]), None);
    }
}
