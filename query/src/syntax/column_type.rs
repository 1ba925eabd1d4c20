//! Which type does a type name mean?

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CharLengthUnits, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo,
};
use pieskieo_shards::value::ColumnType;

use super::names::single_name;
use crate::error::{Error, Result, code};
use crate::limits::{VARCHAR_LENGTH_MAX, VECTOR_DIMENSION_MAX};
use crate::suggest;

/// Type names for "did you mean".
const TYPE_NAMES: &[&str] = &[
    "BIGINT",
    "BOOL",
    "BOOLEAN",
    "BYTEA",
    "DATE",
    "DOUBLE",
    "FLOAT",
    "INT",
    "INTEGER",
    "INTERVAL",
    "JSON",
    "JSONB",
    "NUMERIC",
    "REAL",
    "SMALLINT",
    "TEXT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "UUID",
    "VARCHAR",
    "VECTOR",
];

/// Digits of a NUMERIC without precision.
const NUMERIC_DEFAULT: ColumnType = ColumnType::Numeric { precision: 38, scale: 9 };

/// Returns the column type a type name means.
///
/// **Errors**: 42704 for a name that is no type, 0A000 for a type that is not offered, 22023 for
/// a precision or dimension out of range.
pub fn column_type(ty: &DataType) -> Result<ColumnType> {
    match ty {
        DataType::Bool | DataType::Boolean => Ok(ColumnType::Bool),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) | DataType::Int32 => {
            Ok(ColumnType::Int)
        }
        DataType::SmallInt(_) | DataType::Int2(_) | DataType::Int16 => Ok(ColumnType::SmallInt),
        DataType::BigInt(_) | DataType::Int8(_) | DataType::Int64 => Ok(ColumnType::BigInt),
        DataType::Real | DataType::Float4 | DataType::Float32 => Ok(ColumnType::Float),
        DataType::Float(info) => float(info),
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 | DataType::Float64 => {
            Ok(ColumnType::Double)
        }
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info),
        DataType::Text | DataType::String(None) => Ok(ColumnType::Text),
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length) => varchar(length.as_ref()),
        DataType::Char(_) | DataType::Character(_) => Err(Error::unsupported("type CHAR")
            .with_hint("Use VARCHAR(n) or TEXT: blanks at the end are kept and compared.")),
        DataType::Bytea => Ok(ColumnType::Bytea),
        DataType::Date => Ok(ColumnType::Date),
        DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            Ok(ColumnType::Timestamp)
        }
        DataType::Timestamp(_, _) => Ok(ColumnType::TimestampTz),
        DataType::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            match precision {
                None | Some(6) => Ok(ColumnType::Time),
                Some(_) => Err(Error::unsupported("a precision of TIME")
                    .with_hint("Leave it out: times have microseconds.")),
            }
        }
        DataType::Time(_, _) => {
            Err(Error::unsupported("type TIME WITH TIME ZONE").with_hint("Use TIMESTAMPTZ."))
        }
        DataType::Interval { fields: None, precision: None | Some(6) } => Ok(ColumnType::Interval),
        DataType::Interval { .. } => Err(Error::unsupported("fields or a precision of INTERVAL")
            .with_hint("Use INTERVAL alone.")),
        DataType::Uuid => Ok(ColumnType::Uuid),
        DataType::JSON | DataType::JSONB => Ok(ColumnType::Json),
        DataType::Array(element) => array(element),
        DataType::Custom(name, arguments) => custom(name, arguments),
        DataType::Unspecified => Err(Error::new(code::SYNTAX_ERROR, "a column needs a type")),
        other => Err(Error::unsupported(format!("type {other}"))
            .with_hint(format!("Use one of {}.", TYPE_NAMES.join(", ")))),
    }
}

fn float(info: &ExactNumberInfo) -> Result<ColumnType> {
    match info {
        ExactNumberInfo::None => Ok(ColumnType::Float),
        ExactNumberInfo::Precision(bits) if (1..=24).contains(bits) => Ok(ColumnType::Float),
        ExactNumberInfo::Precision(bits) if (25..=53).contains(bits) => Ok(ColumnType::Double),
        _ => Err(Error::new(
            code::INVALID_PARAMETER_VALUE,
            "precision of FLOAT must be between 1 and 53 bits",
        )),
    }
}

fn numeric(info: &ExactNumberInfo) -> Result<ColumnType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(NUMERIC_DEFAULT),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    let digits = u8::try_from(precision).ok().filter(|digits| (1..=38).contains(digits));
    let places = i8::try_from(scale).ok().filter(|places| *places >= 0);
    match (digits, places) {
        (Some(precision), Some(scale)) if i64::from(precision) >= i64::from(scale) => {
            Ok(ColumnType::Numeric { precision, scale })
        }
        _ => Err(Error::new(
            code::INVALID_PARAMETER_VALUE,
            format!("NUMERIC({precision}, {scale}) is out of range"),
        )
        .with_hint("Use a precision of 1 to 38 and a scale of 0 to the precision.")),
    }
}

fn varchar(length: Option<&CharacterLength>) -> Result<ColumnType> {
    let length = match length {
        None | Some(CharacterLength::Max) => return Ok(ColumnType::Text),
        Some(CharacterLength::IntegerLength { unit: Some(CharLengthUnits::Octets), .. }) => {
            return Err(Error::unsupported("a length in bytes").with_hint("Use VARCHAR(n)."));
        }
        Some(CharacterLength::IntegerLength { length, .. }) => *length,
    };
    match u32::try_from(length) {
        Ok(length) if (1..=VARCHAR_LENGTH_MAX).contains(&length) => Ok(ColumnType::Varchar(length)),
        _ => Err(Error::new(
            code::INVALID_PARAMETER_VALUE,
            format!("VARCHAR({length}) is out of range"),
        )
        .with_detail(format!("The limit varchar_length_max is {VARCHAR_LENGTH_MAX}."))),
    }
}

fn array(element: &ArrayElemTypeDef) -> Result<ColumnType> {
    let ty = match element {
        ArrayElemTypeDef::SquareBracket(ty, None) | ArrayElemTypeDef::AngleBracket(ty) => ty,
        ArrayElemTypeDef::SquareBracket(_, Some(_)) => {
            return Err(Error::unsupported("an array type with a length")
                .with_hint("Leave the length out: arrays are as long as their values."));
        }
        ArrayElemTypeDef::Parenthesis(_) | ArrayElemTypeDef::None => {
            return Err(Error::new(code::SYNTAX_ERROR, "an array type needs a type of elements")
                .with_hint("Write, for example, INT[]."));
        }
    };
    column_type(ty)?.array_of().ok_or_else(|| {
        Error::unsupported(format!("an array of {ty}"))
            .with_hint("Use JSON for arrays of arrays or documents, VECTOR(n) for numbers.")
    })
}

fn custom(
    name: &datafusion::sql::sqlparser::ast::ObjectName,
    arguments: &[String],
) -> Result<ColumnType> {
    let name = single_name(name)?;
    let upper = name.text.to_uppercase();
    match upper.as_str() {
        "VECTOR" => vector(arguments, name.position),
        "TIMESTAMPTZ" => Ok(ColumnType::TimestampTz),
        "BPCHAR" => Err(Error::unsupported("type BPCHAR")
            .with_hint("Use VARCHAR(n) or TEXT.")
            .at(name.position)),
        "SERIAL" | "BIGSERIAL" | "SMALLSERIAL" => {
            Err(Error::unsupported(format!("type {upper} outside of CREATE"))
                .with_hint("Use SMALLINT, INT or BIGINT.")
                .at(name.position))
        }
        "HALFVEC" | "SPARSEVEC" | "BIT" => Err(Error::unsupported(format!("type {upper}"))
            .with_hint("Use VECTOR(n).")
            .at(name.position)),
        _ => {
            let error = Error::new(
                code::UNDEFINED_OBJECT,
                format!("type \"{}\" does not exist", name.text),
            )
            .at(name.position);
            Err(match suggest::nearest(&upper, TYPE_NAMES.iter().copied()) {
                Some(meant) => error.with_hint(format!("Did you mean {meant}?")),
                None => error.with_hint(format!("Use one of {}.", TYPE_NAMES.join(", "))),
            })
        }
    }
}

fn vector(arguments: &[String], position: usize) -> Result<ColumnType> {
    let [dimension] = arguments else {
        return Err(Error::new(code::SYNTAX_ERROR, "type VECTOR needs a dimension")
            .with_hint("Write VECTOR(n), for example VECTOR(384).")
            .at(position));
    };
    match dimension.parse::<u32>() {
        Ok(dimension) if (1..=VECTOR_DIMENSION_MAX).contains(&dimension) => {
            Ok(ColumnType::Vector(dimension))
        }
        _ => Err(Error::new(
            code::INVALID_PARAMETER_VALUE,
            format!("VECTOR({dimension}) is out of range"),
        )
        .with_detail(format!("The limit vector_dimension_max is {VECTOR_DIMENSION_MAX}."))
        .at(position)),
    }
}
