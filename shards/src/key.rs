//! How is a key turned into bytes that sort like the values, and which slot does it fall into?
//!
//! One column after the other, each in a form whose bytes compare like its values:
//!
//! ```text
//! BOOL                     1 byte, 0 or 1
//! INT, DATE                4 bytes big-endian, sign bit flipped
//! SMALLINT                 2 bytes big-endian, sign bit flipped
//! BIGINT, TIMESTAMP(TZ),
//! TIME                     8 bytes big-endian, sign bit flipped
//! NUMERIC                  16 bytes big-endian of value * 10^scale, sign bit flipped
//! FLOAT, DOUBLE            4 or 8 bytes big-endian; negative: all bits flipped, else the sign
//!                          bit; -0 is written as +0, every NaN as one NaN above all numbers
//! TEXT, BYTEA              the bytes, 00 written as 00 FF, then 00 01
//! UUID                     16 bytes
//! INTERVAL                 16 bytes big-endian of the microseconds it is compared by, sign bit
//!                          flipped
//! arrays                   per element 01 and its form, or 02 for a null; then 00
//! ```
//!
//! Primary keys hold no nulls. The same encoding with a leading byte per column (01 = a value
//! follows, 02 = null, so that nulls come last) serves the ordered indexes.
//!
//! The slot is a frozen hash of the leading routing columns' bytes: FNV-1a over 64 bits, then the
//! finalizer of MurmurHash3 so that the low bits depend on all, modulo [`SLOT_COUNT`].

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::catalog::Table;
use crate::error::Error;
use crate::ids::{SLOT_COUNT, Slot};
use crate::value::{ColumnType, Interval, Value};

/// Most bytes an encoded key may have: a key is copied into every index entry.
pub const KEY_BYTES_MAX: usize = 8 * 1024;

/// Encoded bytes inside an ordered map. Up to 24 lie in the map's own nodes, so that a descent
/// compares without following a pointer per key.
pub(crate) type MapKey = SmallVec<[u8; 24]>;

const END: u8 = 0;
const PRESENT: u8 = 1;
const NULL: u8 = 2;
const SIGN_16: u16 = 1 << 15;
const SIGN_32: u32 = 1 << 31;
const SIGN_64: u64 = 1 << 63;
const SIGN_128: u128 = 1 << 127;

/// An encoded key: bytes that compare like the values they encode, and the slot they fall into.
///
/// Two keys are equal exactly when their bytes are equal. A node key and the `src` of an edge
/// that starts there have the same bytes up to the end of `src`, hence the same slot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    bytes: Arc<[u8]>,
    slot: Slot,
}

/// A range of encoded keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First bytes included; `None` = from the start.
    pub from: Option<Vec<u8>>,
    /// First bytes excluded; `None` = to the end. A prefix `p` is `from p to successor(p)`.
    pub to: Option<Vec<u8>>,
    /// Whether the order is descending.
    pub descending: bool,
}

/// Which of the two encodings a range is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// Primary keys: no nulls.
    Primary,
    /// Ordered indexes: each column is preceded by a byte that says whether it is null.
    Indexed,
}

/// What a range asks of the columns of a key: the leading ones equal, the next one bounded.
#[derive(Clone, Copy, Debug)]
pub struct KeyBounds<'a> {
    /// Values of the leading columns; may be empty.
    pub equal: &'a [Value],
    /// Lower bound of the column after them.
    pub lower: Bound<&'a Value>,
    /// Upper bound of the same column.
    pub upper: Bound<&'a Value>,
}

impl Key {
    /// Encodes the values of a whole primary key; the first `routing` of them decide the slot.
    ///
    /// **Errors**: `InvalidValue` for a null, for a value that does not fit its type, for types
    /// that have no order (JSON, vectors) and for keys above [`KEY_BYTES_MAX`].
    pub fn encode(values: &[Value], types: &[ColumnType], routing: usize) -> Result<Self, Error> {
        if values.len() != types.len() {
            return Err(Error::Internal(format!(
                "a key of {} columns got {} values",
                types.len(),
                values.len()
            )));
        }
        let mut bytes = Vec::with_capacity(values.len() * 9);
        let mut routed = 0;
        for (position, (value, ty)) in values.iter().zip(types).enumerate() {
            push(&mut bytes, value, ty)?;
            if position + 1 == routing {
                routed = bytes.len();
            }
        }
        check_len(&bytes)?;
        let slot = slot_of(&bytes[..routed]);
        Ok(Self { bytes: bytes.into(), slot })
    }

    /// Encodes the primary key out of a whole row, one value per column of the table.
    ///
    /// **Errors**: as [`Key::encode`].
    pub fn of_row(table: &Table, row: &[Value]) -> Result<Self, Error> {
        let mut bytes = Vec::with_capacity(table.key.len() * 9);
        let mut routed = 0;
        for (position, &column) in table.key.iter().enumerate() {
            let value = row.get(column).unwrap_or(&Value::Null);
            let declared = &table.columns[column];
            if *value == Value::Null {
                return Err(null_in_key(table, &declared.name));
            }
            push(&mut bytes, value, &declared.ty)?;
            if position + 1 == table.routing {
                routed = bytes.len();
            }
        }
        check_len(&bytes)?;
        let slot = slot_of(&bytes[..routed]);
        Ok(Self { bytes: bytes.into(), slot })
    }

    /// Encodes a primary key of `table` from the values of its key columns, in key order.
    ///
    /// **Errors**: as [`Key::encode`].
    pub fn of_table(table: &Table, values: &[Value]) -> Result<Self, Error> {
        Self::encode(values, &table.key_types(), table.routing)
    }

    /// Encodes the key of a node: equal to the key of the record, and to the `src` or `dst`
    /// columns of the edges at it.
    ///
    /// **Errors**: as [`Key::encode`].
    pub fn for_node(ty: &ColumnType, value: &Value) -> Result<Self, Error> {
        let mut bytes = Vec::with_capacity(9);
        push(&mut bytes, value, ty)?;
        check_len(&bytes)?;
        let slot = slot_of(&bytes);
        Ok(Self { bytes: bytes.into(), slot })
    }

    /// Takes over bytes that an encoder of this module made, with the slot stored beside them.
    pub fn from_encoded(bytes: Arc<[u8]>, slot: Slot) -> Self {
        Self { bytes, slot }
    }

    /// Takes over bytes that an encoder of this module made and computes their slot.
    ///
    /// **Errors**: `Corrupt` when the bytes are not a key of these types.
    pub fn from_bytes(bytes: &[u8], types: &[ColumnType], routing: usize) -> Result<Self, Error> {
        let mut rest = bytes;
        let mut routed = 0;
        for (position, ty) in types.iter().enumerate() {
            rest = pull(rest, ty)?.1;
            if position + 1 == routing {
                routed = bytes.len() - rest.len();
            }
        }
        if !rest.is_empty() {
            return Err(corrupt("bytes after the last column"));
        }
        Ok(Self { bytes: bytes.into(), slot: slot_of(&bytes[..routed]) })
    }

    /// Returns the values of the key.
    ///
    /// **Errors**: `Corrupt` when the bytes are not a key of these types.
    pub fn decode(&self, types: &[ColumnType]) -> Result<Vec<Value>, Error> {
        decode(&self.bytes, types)
    }

    /// Returns the memory-comparable bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes as a shared buffer.
    pub fn shared_bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// Returns the slot, computed from the routing columns.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Returns the key as a person would write it: `(id)=(1)`.
    pub fn display(&self, table: &Table) -> String {
        let names: Vec<&str> =
            table.key.iter().map(|&column| table.columns[column].name.as_str()).collect();
        let types = table.key_types();
        let values = match self.decode(&types) {
            Ok(values) => values,
            Err(_) => return format!("({})=({self:?})", names.join(", ")),
        };
        let texts: Vec<String> =
            values.iter().zip(&types).map(|(value, ty)| value.render(ty)).collect();
        format!("({})=({})", names.join(", "), texts.join(", "))
    }
}

impl KeyRange {
    /// Returns the range of all keys.
    pub fn all(descending: bool) -> Self {
        Self { from: None, to: None, descending }
    }

    /// Returns the range of the keys that start with these bytes.
    pub fn prefix(prefix: &[u8], descending: bool) -> Self {
        let from = (!prefix.is_empty()).then(|| prefix.to_vec());
        Self { from, to: successor(prefix), descending }
    }

    /// Returns the range of the keys within `bounds`; `types` are those of the key's columns.
    ///
    /// A bound on one side of an indexed column leaves its nulls out, as comparisons do; with no
    /// bound on either side they are included.
    ///
    /// **Errors**: as [`Key::encode`]; in particular a bound that does not fit the column's type
    /// is `InvalidValue`, and the caller decides what such a comparison means.
    pub fn of(
        bounds: KeyBounds<'_>,
        types: &[ColumnType],
        form: KeyForm,
        descending: bool,
    ) -> Result<Self, Error> {
        let mut prefix = Vec::new();
        for (value, ty) in bounds.equal.iter().zip(types) {
            push_formed(&mut prefix, value, ty, form)?;
        }
        let ty = types.get(bounds.equal.len());
        let with = |value: &Value| -> Result<Vec<u8>, Error> {
            let ty = ty.ok_or_else(|| Error::Internal("a bound beyond the last column".into()))?;
            let mut bytes = prefix.clone();
            push_formed(&mut bytes, value, ty, form)?;
            Ok(bytes)
        };
        let bounded = !matches!((bounds.lower, bounds.upper), (Bound::Unbounded, Bound::Unbounded));
        let from = match bounds.lower {
            Bound::Included(value) => Some(with(value)?),
            Bound::Excluded(value) => match successor(&with(value)?) {
                Some(bytes) => Some(bytes),
                // The largest value there is: nothing is above it.
                None => return Ok(Self { from: None, to: Some(Vec::new()), descending }),
            },
            Bound::Unbounded => (!prefix.is_empty()).then(|| prefix.clone()),
        };
        let to = match bounds.upper {
            Bound::Included(value) => successor(&with(value)?),
            Bound::Excluded(value) => Some(with(value)?),
            Bound::Unbounded if bounded && form == KeyForm::Indexed => {
                let mut bytes = prefix.clone();
                bytes.push(NULL);
                Some(bytes)
            }
            Bound::Unbounded => successor(&prefix),
        };
        Ok(Self { from, to, descending })
    }

    /// Returns whether a key with these bytes is in the range.
    pub fn contains(&self, bytes: &[u8]) -> bool {
        self.from.as_deref().is_none_or(|from| from <= bytes)
            && self.to.as_deref().is_none_or(|to| bytes < to)
    }

    /// Returns whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => from >= to,
            (None, Some(to)) => to.is_empty(),
            (_, None) => false,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(")?;
        for byte in self.bytes.iter() {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ")")
    }
}

/// Returns the first byte string that is above every string starting with `prefix`; `None` when
/// there is none.
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut bytes = prefix[..=last].to_vec();
    bytes[last] += 1;
    Some(bytes)
}

/// Returns the slot of these routing bytes. Frozen: it decides which shard owns a record.
pub fn slot_of(bytes: &[u8]) -> Slot {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    Slot((hash % u64::from(SLOT_COUNT)) as u16)
}

/// Appends the form an ordered index stores: a byte that says whether the value is null, then
/// the value.
///
/// **Errors**: as [`Key::encode`], except that nulls are fine.
pub fn push_indexed(out: &mut Vec<u8>, value: &Value, ty: &ColumnType) -> Result<(), Error> {
    if *value == Value::Null {
        out.push(NULL);
        return Ok(());
    }
    out.push(PRESENT);
    push(out, value, ty)
}

/// Returns the values of encoded primary-key bytes.
///
/// **Errors**: `Corrupt` when the bytes are not a key of these types.
pub fn decode(bytes: &[u8], types: &[ColumnType]) -> Result<Vec<Value>, Error> {
    let mut rest = bytes;
    let mut values = Vec::with_capacity(types.len());
    for ty in types {
        let (value, after) = pull(rest, ty)?;
        values.push(value);
        rest = after;
    }
    if rest.is_empty() { Ok(values) } else { Err(corrupt("bytes after the last column")) }
}

fn push_formed(
    out: &mut Vec<u8>,
    value: &Value,
    ty: &ColumnType,
    form: KeyForm,
) -> Result<(), Error> {
    match form {
        KeyForm::Primary => push(out, value, ty),
        KeyForm::Indexed => push_indexed(out, value, ty),
    }
}

fn push(out: &mut Vec<u8>, value: &Value, ty: &ColumnType) -> Result<(), Error> {
    match (value, ty) {
        (Value::Bool(v), ColumnType::Bool) => out.push(u8::from(*v)),
        (Value::SmallInt(v), ColumnType::SmallInt) => {
            out.extend_from_slice(&(*v as u16 ^ SIGN_16).to_be_bytes());
        }
        (Value::Int(v), ColumnType::Int) | (Value::Date(v), ColumnType::Date) => {
            out.extend_from_slice(&(*v as u32 ^ SIGN_32).to_be_bytes());
        }
        (Value::BigInt(v), ColumnType::BigInt)
        | (Value::Timestamp(v), ColumnType::Timestamp)
        | (Value::TimestampTz(v), ColumnType::TimestampTz)
        | (Value::Time(v), ColumnType::Time) => {
            out.extend_from_slice(&(*v as u64 ^ SIGN_64).to_be_bytes());
        }
        (Value::Numeric(v), ColumnType::Numeric { .. }) => {
            out.extend_from_slice(&(*v as u128 ^ SIGN_128).to_be_bytes());
        }
        (Value::Float(v), ColumnType::Float) => {
            out.extend_from_slice(&float_bits(*v).to_be_bytes());
        }
        (Value::Double(v), ColumnType::Double) => {
            out.extend_from_slice(&double_bits(*v).to_be_bytes());
        }
        (Value::Interval(v), ColumnType::Interval) => {
            out.extend_from_slice(&(v.total() as u128 ^ SIGN_128).to_be_bytes());
        }
        (Value::Array(items), ColumnType::Array(element)) => {
            for item in items.iter() {
                push_indexed(out, item, element)?;
            }
            out.push(END);
        }
        (Value::Text(v), ColumnType::Text | ColumnType::Varchar(_)) => {
            push_escaped(out, v.as_bytes())
        }
        (Value::Bytea(v), ColumnType::Bytea) => push_escaped(out, v),
        (Value::Uuid(v), ColumnType::Uuid) => out.extend_from_slice(v),
        (Value::Null, _) => {
            return Err(Error::InvalidValue("null value in a key".into()));
        }
        (_, ColumnType::Json | ColumnType::Vector(_)) => {
            return Err(Error::InvalidValue(format!("a value of type {ty} cannot be a key")));
        }
        _ => return push(out, &value.clone().coerce(ty)?, ty),
    }
    Ok(())
}

fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(zero) = rest.iter().position(|&byte| byte == 0) {
        out.extend_from_slice(&rest[..zero]);
        out.extend_from_slice(&[0, 0xff]);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, 1]);
}

fn float_bits(value: f32) -> u32 {
    let value = if value == 0.0 { 0.0 } else { value };
    let bits = if value.is_nan() { f32::NAN.to_bits() & !SIGN_32 } else { value.to_bits() };
    if bits & SIGN_32 == 0 { bits | SIGN_32 } else { !bits }
}

fn double_bits(value: f64) -> u64 {
    let value = if value == 0.0 { 0.0 } else { value };
    let bits = if value.is_nan() { f64::NAN.to_bits() & !SIGN_64 } else { value.to_bits() };
    if bits & SIGN_64 == 0 { bits | SIGN_64 } else { !bits }
}

fn pull<'a>(bytes: &'a [u8], ty: &ColumnType) -> Result<(Value, &'a [u8]), Error> {
    Ok(match ty {
        ColumnType::Bool => {
            let ([byte], rest) = take::<1>(bytes)?;
            (Value::Bool(byte != 0), rest)
        }
        ColumnType::Int | ColumnType::Date => {
            let (raw, rest) = take(bytes)?;
            let number = (u32::from_be_bytes(raw) ^ SIGN_32) as i32;
            let is_date = *ty == ColumnType::Date;
            (if is_date { Value::Date(number) } else { Value::Int(number) }, rest)
        }
        ColumnType::SmallInt => {
            let (raw, rest) = take(bytes)?;
            (Value::SmallInt((u16::from_be_bytes(raw) ^ SIGN_16) as i16), rest)
        }
        ColumnType::BigInt | ColumnType::Timestamp | ColumnType::TimestampTz | ColumnType::Time => {
            let (raw, rest) = take(bytes)?;
            let number = (u64::from_be_bytes(raw) ^ SIGN_64) as i64;
            let value = match ty {
                ColumnType::Timestamp => Value::Timestamp(number),
                ColumnType::TimestampTz => Value::TimestampTz(number),
                ColumnType::Time => Value::Time(number),
                _ => Value::BigInt(number),
            };
            (value, rest)
        }
        ColumnType::Numeric { .. } => {
            let (raw, rest) = take(bytes)?;
            (Value::Numeric((u128::from_be_bytes(raw) ^ SIGN_128) as i128), rest)
        }
        ColumnType::Float => {
            let (raw, rest) = take(bytes)?;
            let bits = u32::from_be_bytes(raw);
            let bits = if bits & SIGN_32 == 0 { !bits } else { bits ^ SIGN_32 };
            (Value::Float(f32::from_bits(bits)), rest)
        }
        ColumnType::Double => {
            let (raw, rest) = take(bytes)?;
            let bits = u64::from_be_bytes(raw);
            let bits = if bits & SIGN_64 == 0 { !bits } else { bits ^ SIGN_64 };
            (Value::Double(f64::from_bits(bits)), rest)
        }
        ColumnType::Interval => {
            let (raw, rest) = take(bytes)?;
            let total = (u128::from_be_bytes(raw) ^ SIGN_128) as i128;
            let span = Interval::of_total(total).ok_or_else(|| corrupt("a span too long"))?;
            (Value::Interval(span), rest)
        }
        ColumnType::Array(element) => return pull_array(bytes, element),
        ColumnType::Text | ColumnType::Varchar(_) => {
            let (raw, rest) = pull_escaped(bytes)?;
            let text = String::from_utf8(raw).map_err(|_| corrupt("text that is not UTF-8"))?;
            (Value::Text(text.into()), rest)
        }
        ColumnType::Bytea => {
            let (raw, rest) = pull_escaped(bytes)?;
            (Value::Bytea(raw.into()), rest)
        }
        ColumnType::Uuid => {
            let (raw, rest) = take(bytes)?;
            (Value::Uuid(raw), rest)
        }
        ColumnType::Json | ColumnType::Vector(_) => {
            return Err(corrupt("a column type that cannot be in a key"));
        }
    })
}

fn pull_array<'a>(bytes: &'a [u8], element: &ColumnType) -> Result<(Value, &'a [u8]), Error> {
    let mut items = Vec::new();
    let mut rest = bytes;
    loop {
        let (mark, after) = rest.split_first().ok_or_else(|| corrupt("an array without an end"))?;
        rest = after;
        match *mark {
            END => return Ok((Value::Array(items.into()), rest)),
            NULL => items.push(Value::Null),
            PRESENT => {
                let (item, after) = pull(rest, element)?;
                items.push(item);
                rest = after;
            }
            _ => return Err(corrupt("an unknown mark within an array")),
        }
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Error> {
    match bytes.split_first_chunk::<N>() {
        Some((head, rest)) => Ok((*head, rest)),
        None => Err(corrupt("too few bytes")),
    }
}

fn pull_escaped(bytes: &[u8]) -> Result<(Vec<u8>, &[u8]), Error> {
    let mut out = Vec::new();
    let mut rest = bytes;
    loop {
        let zero = rest.iter().position(|&byte| byte == 0);
        let Some(zero) = zero else { return Err(corrupt("text without an end")) };
        out.extend_from_slice(&rest[..zero]);
        match rest.get(zero + 1) {
            Some(1) => return Ok((out, &rest[zero + 2..])),
            Some(0xff) => out.push(0),
            _ => return Err(corrupt("an unknown escape")),
        }
        rest = &rest[zero + 2..];
    }
}

fn check_len(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > KEY_BYTES_MAX {
        return Err(Error::InvalidValue(format!(
            "a key of {} bytes is above the limit of {KEY_BYTES_MAX}",
            bytes.len()
        )));
    }
    Ok(())
}

fn null_in_key(table: &Table, column: &str) -> Error {
    Error::InvalidValue(format!(
        "null value in key column \"{column}\" of table \"{}\"",
        table.name
    ))
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(format!("decode key: {what}"))
}

#[cfg(test)]
mod tests;
