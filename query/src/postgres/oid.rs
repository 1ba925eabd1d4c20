//! Which number names which type?
//!
//! PostgreSQL's numbers for PostgreSQL's types: its clients have them built in. Numbers below
//! 16,384 are PostgreSQL's own; a vector has one above, as any type of an extension has.

use arrow_schema::{DataType, Field};
use pieskieo_shards::value::ColumnType;

use super::own_type::carries;
use crate::result::column_type;

/// A type as PostgreSQL's catalog has it.
#[derive(Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: &'static str,
    /// The number of the type of its arrays.
    pub array: u32,
    /// Bytes of a value; -1 when they differ.
    pub bytes: i16,
    /// PostgreSQL's letter for the family it belongs to.
    pub category: char,
}

const fn of(oid: u32, name: &'static str, array: u32, bytes: i16, category: char) -> BuiltIn {
    BuiltIn { oid, name, array, bytes, category }
}

/// Types that columns, parameters and the relations of `pg_catalog` have.
pub static KNOWN: &[BuiltIn] = &[
    of(16, "bool", 1000, 1, 'B'),
    of(17, "bytea", 1001, -1, 'U'),
    of(18, "char", 1002, 1, 'Z'),
    of(19, "name", 1003, 64, 'S'),
    of(20, "int8", 1016, 8, 'N'),
    of(21, "int2", 1005, 2, 'N'),
    of(22, "int2vector", 1006, -1, 'A'),
    of(23, "int4", 1007, 4, 'N'),
    of(24, "regproc", 1008, 4, 'N'),
    of(25, "text", 1009, -1, 'S'),
    of(26, "oid", 1028, 4, 'N'),
    of(28, "xid", 1011, 4, 'U'),
    of(30, "oidvector", 1013, -1, 'A'),
    of(114, "json", 199, -1, 'U'),
    of(194, "pg_node_tree", 0, -1, 'Z'),
    of(700, "float4", 1021, 4, 'N'),
    of(701, "float8", 1022, 8, 'N'),
    of(705, "unknown", 0, -2, 'X'),
    of(1033, "aclitem", 1034, 12, 'U'),
    of(1042, "bpchar", 1014, -1, 'S'),
    of(1043, "varchar", 1015, -1, 'S'),
    of(1082, "date", 1182, 4, 'D'),
    of(1083, "time", 1183, 8, 'D'),
    of(1114, "timestamp", 1115, 8, 'D'),
    of(1184, "timestamptz", 1185, 8, 'D'),
    of(1186, "interval", 1187, 16, 'T'),
    of(1700, "numeric", 1231, -1, 'N'),
    of(2205, "regclass", 2210, 4, 'N'),
    of(2206, "regtype", 2211, 4, 'N'),
    of(2249, "record", 2287, -1, 'P'),
    of(2278, "void", 0, 4, 'P'),
    of(2950, "uuid", 2951, 16, 'U'),
    of(3802, "jsonb", 3807, -1, 'U'),
    of(4089, "regnamespace", 4090, 4, 'N'),
    of(VECTOR, "vector", VECTOR_ARRAY, -1, 'U'),
];

/// Name of what a field says of a type that we have not: PostgreSQL's number for it.
pub const NUMBER_KEY: &str = "pieskieo.postgres";

/// The number of `vector`.
const VECTOR: u32 = 16_400;
const VECTOR_ARRAY: u32 = 16_401;
const TEXT: u32 = 25;
const RECORD: u32 = 2249;
/// What PostgreSQL adds to a limit that it keeps with a type.
const MODIFIER_HEAD: i32 = 4;

/// Returns every type there is.
pub fn known() -> &'static [BuiltIn] {
    KNOWN
}

/// Returns a type by its number; not one of arrays.
pub fn by_oid(oid: u32) -> Option<&'static BuiltIn> {
    KNOWN.iter().find(|known| known.oid == oid)
}

/// Returns the PostgreSQL type of a column's values; of an array, that of its elements.
pub fn built_in(ty: &ColumnType) -> &'static BuiltIn {
    by_oid(element_oid(ty)).unwrap_or(&KNOWN[0])
}

/// A column of an answer, as a client is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireColumn {
    /// Its name.
    pub name: String,
    /// The number of its type.
    pub oid: u32,
    /// Bytes of its values; -1 when they differ.
    pub bytes: i16,
    /// What the type is limited to, as PostgreSQL writes it; -1 = nothing.
    pub modifier: i32,
    /// Its type; `None` for records and the like, which are sent as texts.
    pub ty: Option<ColumnType>,
}

impl WireColumn {
    /// Returns the column that carries an Arrow type.
    pub fn of_arrow(name: &str, carried: &DataType) -> Self {
        let ty = match carried {
            // Row numbers and counts: PostgreSQL's are BIGINT.
            DataType::UInt64 => Some(ColumnType::BigInt),
            DataType::Null => Some(ColumnType::Text),
            other => column_type(other),
        };
        let name = name.to_owned();
        match ty {
            Some(ty) => Self { name, ..Self::of_type(ty) },
            None => {
                let oid = match carried {
                    DataType::Struct(_) => RECORD,
                    _ => TEXT,
                };
                Self { name, oid, bytes: -1, modifier: -1, ty: None }
            }
        }
    }

    /// Returns the column that carries a field, which may say that it is of a type we have not.
    pub fn of_field(name: &str, field: &Field) -> Self {
        let plain = Self::of_arrow(name, field.data_type());
        let said = field.metadata().get(NUMBER_KEY).and_then(|number| number.parse().ok());
        plain.known_as(said)
    }

    /// Makes it of a type that we have not, if that has its values.
    #[must_use]
    pub fn known_as(self, number: Option<u32>) -> Self {
        match (number, &self.ty) {
            (Some(number), Some(ty)) if carries(number, ty) => {
                let bytes = by_oid(number).map_or(-1, |known| known.bytes);
                Self { oid: number, bytes, ..self }
            }
            _ => self,
        }
    }

    /// Returns whether its values are numbers of four bytes that we carry in eight.
    pub fn is_narrow(&self) -> bool {
        by_oid(self.oid).is_some_and(|known| matches!(known.name, "oid" | "xid"))
    }

    /// As [`WireColumn::is_narrow`], of the elements of arrays.
    pub fn has_narrow_elements(&self) -> bool {
        let array = KNOWN.iter().find(|known| known.array == self.oid);
        array.is_some_and(|known| known.name == "oid") || self.oid == 30
    }

    /// Returns whether its values are lists whose text has blanks between elements and no brackets.
    pub fn is_spaced(&self) -> bool {
        by_oid(self.oid).is_some_and(|known| matches!(known.name, "int2vector" | "oidvector"))
    }

    fn of_type(ty: ColumnType) -> Self {
        let is_array = matches!(ty, ColumnType::Array(_));
        let bytes = if is_array { -1 } else { built_in(&ty).bytes };
        let (oid, modifier) = (oid(&ty), modifier(&ty));
        Self { name: String::new(), oid, bytes, modifier, ty: Some(ty) }
    }
}

/// Returns the number of a type.
pub fn oid(ty: &ColumnType) -> u32 {
    match ty {
        ColumnType::Array(element) => built_in(element).array,
        other => element_oid(other),
    }
}

fn element_oid(ty: &ColumnType) -> u32 {
    match ty {
        ColumnType::Bool => 16,
        ColumnType::SmallInt => 21,
        ColumnType::Int => 23,
        ColumnType::BigInt => 20,
        ColumnType::Float => 700,
        ColumnType::Double => 701,
        ColumnType::Numeric { .. } => 1700,
        ColumnType::Text => TEXT,
        ColumnType::Varchar(_) => 1043,
        ColumnType::Bytea => 17,
        ColumnType::Date => 1082,
        ColumnType::Timestamp => 1114,
        ColumnType::TimestampTz => 1184,
        ColumnType::Time => 1083,
        ColumnType::Interval => 1186,
        ColumnType::Uuid => 2950,
        ColumnType::Json => 3802,
        ColumnType::Vector(_) => VECTOR,
        ColumnType::Array(element) => element_oid(element),
    }
}

/// Returns what a type is limited to, as PostgreSQL writes it; -1 = nothing.
pub fn modifier(ty: &ColumnType) -> i32 {
    match ty {
        ColumnType::Numeric { precision, scale } => {
            (i32::from(*precision) << 16 | i32::from(*scale)) + MODIFIER_HEAD
        }
        ColumnType::Varchar(length) => {
            i32::try_from(*length).unwrap_or(i32::MAX - MODIFIER_HEAD) + MODIFIER_HEAD
        }
        ColumnType::Vector(dim) => i32::try_from(*dim).unwrap_or(-1),
        ColumnType::Array(element) => modifier(element),
        _ => -1,
    }
}

/// Returns the type that a client means by a number it gives a parameter. `None` says that it
/// leaves the choice to the server, or names a type whose values are read as texts.
pub fn parameter_type(oid: u32) -> Option<ColumnType> {
    let scalar = |oid| {
        Some(match oid {
            16 => ColumnType::Bool,
            17 => ColumnType::Bytea,
            // Numbers of objects are wider than INT.
            20 | 26 | 28 | 2205 | 2206 | 4089 => ColumnType::BigInt,
            21 => ColumnType::SmallInt,
            23 => ColumnType::Int,
            18 | 19 | TEXT | 1042 | 1043 => ColumnType::Text,
            114 | 3802 => ColumnType::Json,
            700 => ColumnType::Float,
            701 => ColumnType::Double,
            1082 => ColumnType::Date,
            1083 => ColumnType::Time,
            1114 => ColumnType::Timestamp,
            1184 => ColumnType::TimestampTz,
            1186 => ColumnType::Interval,
            1700 => ColumnType::Numeric { precision: 38, scale: 9 },
            2950 => ColumnType::Uuid,
            _ => return None,
        })
    };
    if let Some(ty) = scalar(oid) {
        return Some(ty);
    }
    let element = KNOWN.iter().find(|known| known.array == oid && oid != 0)?;
    scalar(element.oid)?.array_of()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_one_type_each_and_are_read_back() {
        let mut numbers: Vec<u32> = KNOWN.iter().map(|known| known.oid).collect();
        numbers.extend(KNOWN.iter().map(|known| known.array).filter(|oid| *oid != 0));
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        let types = [
            ColumnType::Bool,
            ColumnType::SmallInt,
            ColumnType::Int,
            ColumnType::BigInt,
            ColumnType::Float,
            ColumnType::Double,
            ColumnType::Text,
            ColumnType::Bytea,
            ColumnType::Date,
            ColumnType::Time,
            ColumnType::Timestamp,
            ColumnType::TimestampTz,
            ColumnType::Interval,
            ColumnType::Uuid,
        ];
        for ty in types {
            assert_eq!(parameter_type(oid(&ty)), Some(ty.clone()));
            let array = ty.array_of().unwrap();
            assert_eq!(parameter_type(oid(&array)), Some(array));
        }
        assert_eq!(parameter_type(0), None);
        assert_eq!(modifier(&ColumnType::Numeric { precision: 10, scale: 2 }), 655_366);
        assert_eq!(modifier(&ColumnType::Varchar(4)), 8);
    }
}
