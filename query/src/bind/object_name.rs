//! Which casts turn names of the catalog's objects into numbers, and which types are PostgreSQL's
//! alone?
//!
//! | written | becomes |
//! | --- | --- |
//! | `x::regclass`, `regtype`, `regnamespace`, `regrole` | the object's number, read from a name or number |
//! | such a cast as an item of a SELECT list, or cast to a text | the object's name |
//! | `x::oid`, `xid` | BIGINT |
//! | `x::name`, `"char"`, `regproc` and the like | TEXT: functions go by their names |
//! | `int2vector`, `oidvector` | arrays |
//! | `pg_catalog.int4` | INT |
//! | `'[1, 2]'::vector` | VECTOR(2) |
//!
//! They are no types of columns: only casts know them.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, ObjectName, TimezoneInfo, Value,
};

use super::build;
use crate::functions::{
    OF_CLASS, OF_ROLE, OF_SCHEMA, OF_TYPE, TO_CLASS, TO_ROLE, TO_SCHEMA, TO_TYPE,
};
use crate::syntax::name_of;

/// A kind of object that has a name and a number: the functions that read and write its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    read: &'static str,
    write: &'static str,
}

impl Named {
    /// The number of the object that a bound expression names.
    pub fn read(self, of: Expr) -> Expr {
        build::call(self.read, vec![of])
    }

    /// The name of the object that a bound expression is the number of.
    pub fn write(self, of: Expr) -> Expr {
        build::call(self.write, vec![of])
    }
}

/// Returns the kind of object that values of a type name.
pub(super) fn named(ty: &DataType) -> Option<Named> {
    let (read, write) = match ty {
        DataType::Regclass => (TO_CLASS, OF_CLASS),
        DataType::Custom(name, _) => match of_catalog(name)?.as_str() {
            "regclass" => (TO_CLASS, OF_CLASS),
            "regtype" => (TO_TYPE, OF_TYPE),
            "regnamespace" => (TO_SCHEMA, OF_SCHEMA),
            "regrole" => (TO_ROLE, OF_ROLE),
            _ => return None,
        },
        _ => return None,
    };
    Some(Named { read, write })
}

/// Returns the kind of object that an expression casts to, in brackets or not.
pub(super) fn cast_to(expr: &Expr) -> Option<Named> {
    match expr {
        Expr::Nested(inner) => cast_to(inner),
        Expr::Cast { data_type, .. } => named(data_type),
        _ => None,
    }
}

/// Returns whether values of a type are texts.
pub(super) fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_))
}

/// Returns PostgreSQL's number for a type that casts know and columns have not; `None` for others.
pub(crate) fn own_type_number(ty: &DataType) -> Option<u32> {
    let (name, is_array) = match ty {
        DataType::Custom(name, _) => (name, false),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, None)) => match element.as_ref() {
            DataType::Custom(name, _) => (name, true),
            _ => return None,
        },
        _ => return None,
    };
    let name = of_catalog(name)?;
    let known = crate::postgres::known().iter().find(|known| known.name == name)?;
    let is_own = matches!(known.name, "oid" | "xid" | "name" | "char");
    is_own.then_some(if is_array { known.array } else { known.oid })
}

/// Returns whether a type is `vector` without its dimension.
pub(super) fn is_open_vector(ty: &DataType) -> bool {
    let DataType::Custom(name, arguments) = ty else { return false };
    let last = name.0.last().and_then(|part| part.as_ident());
    arguments.is_empty() && last.is_some_and(|name| name_of(name).text == "vector")
}

/// Returns the type of a vector that is written out, as long as it is; `None` for anything else.
pub(super) fn dimension_of(expr: &Expr) -> Option<DataType> {
    let Expr::Value(value) = expr else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    let count = text.matches(',').count() + 1;
    let name = ObjectName::from(vec![build::ident("vector")]);
    Some(DataType::Custom(name, vec![count.to_string()]))
}

/// Returns our type for one that PostgreSQL's programs cast to and no column has; `None` for all
/// others.
pub(super) fn plain(ty: &DataType) -> Option<DataType> {
    let name = match ty {
        DataType::Custom(name, arguments) if arguments.is_empty() => name,
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, None)) => {
            let element = match named(element) {
                Some(_) => DataType::BigInt(None),
                None => plain(element)?,
            };
            return Some(array(element));
        }
        _ => return None,
    };
    let name = of_catalog(name)?;
    if let Some(element) = name.strip_prefix('_') {
        return scalar(element).map(array);
    }
    match name.as_str() {
        "int2vector" => Some(array(DataType::SmallInt(None))),
        "oidvector" => Some(array(DataType::BigInt(None))),
        name => scalar(name),
    }
}

fn array(element: DataType) -> DataType {
    DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None))
}

fn scalar(name: &str) -> Option<DataType> {
    Some(match name {
        "bool" => DataType::Boolean,
        "bytea" => DataType::Bytea,
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Int(None),
        "int8" | "oid" | "xid" | "cid" | "xid8" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "date" => DataType::Date,
        "time" => DataType::Time(None, TimezoneInfo::None),
        "timestamp" => DataType::Timestamp(None, TimezoneInfo::None),
        "timestamptz" => DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
        "interval" => DataType::Interval { fields: None, precision: None },
        "uuid" => DataType::Uuid,
        "json" | "jsonb" => DataType::JSONB,
        "text" | "varchar" | "name" | "char" | "cstring" | "unknown" | "aclitem" => DataType::Text,
        "pg_node_tree" | "refcursor" | "regproc" | "regprocedure" | "regoper" | "regoperator"
        | "regconfig" | "regdictionary" | "regcollation" => DataType::Text,
        "sql_identifier" | "character_data" | "yes_or_no" => DataType::Text,
        "cardinal_number" => DataType::Int(None),
        _ => return None,
    })
}

/// The last part of a type's name, if what stands before it is a schema of PostgreSQL's.
fn of_catalog(name: &ObjectName) -> Option<String> {
    let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let (last, schema) = match parts.as_slice() {
        [last] => (last, None),
        [schema, last] => (last, Some(name_of(schema).text)),
        _ => return None,
    };
    let known = schema.is_none_or(|schema| matches!(&*schema, "pg_catalog" | "information_schema"));
    known.then(|| name_of(last).text)
}
