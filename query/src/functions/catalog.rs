//! What do PostgreSQL's programs ask of the server beside its catalog?
//!
//! There is one user, who may do everything: what depends on users is the same for all objects.
//! What depends on objects is asked in `described`. **Source**: PostgreSQL 15, "System Information Functions".

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, Int64Array, Int64Builder, ListBuilder, StringArray,
    StringBuilder, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::Result;

use super::function::{Arity, Call, Function};
use crate::postgres::known;

/// Names of the functions that say whether a name alone finds an object: all do.
const VISIBLE: &[&str] = &[
    "pg_collation_is_visible",
    "pg_conversion_is_visible",
    "pg_function_is_visible",
    "pg_opclass_is_visible",
    "pg_operator_is_visible",
    "pg_opfamily_is_visible",
    "pg_statistics_obj_is_visible",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_type_is_visible",
];

/// Names of the functions that say whether the user may do something: it may.
const ALLOWED: &[&str] = &[
    "has_any_column_privilege",
    "has_column_privilege",
    "has_database_privilege",
    "has_function_privilege",
    "has_schema_privilege",
    "has_sequence_privilege",
    "has_table_privilege",
    "has_type_privilege",
    "pg_has_role",
];

/// Names of the functions that give the comment of what databases share: there are none.
const COMMENTS: &[&str] = &["shobj_description"];

/// Names of functions about kinds of object that there are none of, and of what is not kept: sizes of
/// tables, times of scans. They answer null, PostgreSQL's word for "not there". With the types of
/// their answers and how many arguments they take.
const NOTHING: &[(&str, DataType, usize, usize)] = &[
    ("pg_database_size", DataType::Int64, 1, 1),
    ("pg_get_function_arg_default", DataType::Utf8, 2, 2),
    ("pg_get_function_arguments", DataType::Utf8, 1, 1),
    ("pg_get_function_identity_arguments", DataType::Utf8, 1, 1),
    ("pg_get_function_result", DataType::Utf8, 1, 1),
    ("pg_get_functiondef", DataType::Utf8, 1, 1),
    ("pg_get_partition_constraintdef", DataType::Utf8, 1, 1),
    ("pg_get_partkeydef", DataType::Utf8, 1, 1),
    ("pg_get_statisticsobjdef", DataType::Utf8, 1, 1),
    ("pg_get_statisticsobjdef_columns", DataType::Utf8, 1, 1),
    ("pg_get_triggerdef", DataType::Utf8, 1, 2),
    ("pg_indexes_size", DataType::Int64, 1, 1),
    ("pg_relation_filenode", DataType::Int64, 1, 1),
    ("pg_relation_size", DataType::Int64, 1, 2),
    ("pg_stat_get_numscans", DataType::Int64, 1, 1),
    ("pg_table_size", DataType::Int64, 1, 1),
    ("pg_tablespace_size", DataType::Int64, 1, 1),
    ("pg_total_relation_size", DataType::Int64, 1, 1),
];

/// The list function behind `pg_partition_ancestors`.
const PARTITION_ANCESTORS: &str = "pg_partition_ancestors";

/// Bytes before what PostgreSQL keeps of a type's limit.
const MODIFIER_HEAD: i64 = 4;

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let mut all = vec![
        Function::new("format_type", Arity::Exactly(2), text, format_types),
        Function::new("pg_get_userbyid", Arity::Exactly(1), text, |call| {
            Ok(of_each(call, |_| Some("pieskieo".to_owned())))
        }),
        Function::new("pg_encoding_to_char", Arity::Exactly(1), text, encodings),
        Function::new("pg_is_in_recovery", Arity::Exactly(0), boolean, |_| {
            Ok(Arc::new(BooleanArray::from(vec![false])))
        }),
        // An expression is kept as it was written.
        Function::new("pg_get_expr", Arity::Between(2, 3), text, |call| {
            let texts = cast(&call.args[0], &DataType::Utf8)?;
            Ok(of_each(call, |at| Some(texts.as_string::<i32>().value(at).to_owned())))
        }),
        Function::new("pg_tablespace_location", Arity::Exactly(1), text, |call| {
            Ok(of_each(call, |_| Some(String::new())))
        }),
        Function::new("pg_char_to_encoding", Arity::Exactly(1), number, encoding_numbers),
        Function::new("getdatabaseencoding", Arity::Exactly(0), text, |_| Ok(one_text("UTF8")))
            .aliases(&["pg_client_encoding"]),
        Function::new("pg_size_pretty", Arity::Exactly(1), text, sizes),
        Function::new(PARTITION_ANCESTORS, Arity::Exactly(1), numbers_type, no_numbers),
        Function::new("pg_my_temp_schema", Arity::Exactly(0), number, |_| {
            Ok(Arc::new(Int64Array::from(vec![0])))
        }),
        Function::new("pg_is_other_temp_schema", Arity::Exactly(1), boolean, |call| {
            let rows = (0..call.rows).map(|row| (!call.is_null(0, row)).then_some(false));
            Ok(Arc::new(rows.collect::<BooleanArray>()))
        }),
        Function::new("current_schemas", Arity::Exactly(1), schemas_type, schemas),
    ];
    let of = |names: &[&'static str], arity, invoke: fn(&Call) -> Result<ArrayRef>| {
        names.iter().map(|name| Function::new(name, arity, boolean, invoke)).collect::<Vec<_>>()
    };
    all.extend(of(VISIBLE, Arity::Exactly(1), yes));
    all.extend(of(ALLOWED, Arity::Between(2, 4), yes));
    all.extend(NOTHING.iter().map(|(name, ty, least, most)| {
        let returns: super::function::Returns = match ty {
            DataType::Int64 => number,
            _ => text,
        };
        Function::new(name, Arity::Between(*least, *most), returns, |call| {
            Ok(new_null_array(&call.returns, call.rows))
        })
    }));
    all.extend(COMMENTS.iter().map(|name| {
        Function::new(name, Arity::Between(1, 2), text, |call| {
            Ok(new_null_array(&DataType::Utf8, call.rows))
        })
    }));
    all
}

fn text(_types: &[DataType]) -> Result<DataType> {
    Ok(DataType::Utf8)
}

fn number(_types: &[DataType]) -> Result<DataType> {
    Ok(DataType::Int64)
}

fn numbers_type(_types: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new("item", DataType::Int64, true))))
}

fn one_text(text: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![text]))
}

/// The tables of which a table is a part: none.
fn no_numbers(call: &Call) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(Int64Builder::new());
    (0..call.rows).for_each(|row| out.append(!call.is_null(0, row)));
    Ok(Arc::new(out.finish()))
}

fn encoding_numbers(call: &Call) -> Result<ArrayRef> {
    let names = cast(&call.args[0], &DataType::Utf8)?;
    let names = names.as_string::<i32>();
    let rows = (0..call.rows).map(|row| {
        let known = |name: &str| match name.to_ascii_lowercase().as_str() {
            "utf8" | "utf-8" | "unicode" => 6,
            "sql_ascii" => 0,
            _ => -1,
        };
        (!call.is_null(0, row)).then(|| known(names.value(call.at(0, row))))
    });
    Ok(Arc::new(rows.collect::<Int64Array>()))
}

/// Units of `pg_size_pretty`: each is 1,024 of the one before, and begins at ten thousand of it.
const UNITS: &[&str] = &["bytes", "kB", "MB", "GB", "TB", "PB"];
/// From this count on the next unit is taken.
const UNIT_MAX: f64 = 10_240.0;

fn sizes(call: &Call) -> Result<ArrayRef> {
    let sizes = cast(&call.args[0], &DataType::Float64)?;
    let sizes = sizes.as_primitive::<Float64Type>();
    Ok(of_each(call, |at| {
        let mut size = sizes.value(at);
        let mut unit = 0;
        while size.abs() >= UNIT_MAX && unit + 1 < UNITS.len() {
            size /= 1_024.0;
            unit += 1;
        }
        Some(format!("{} {}", size.round(), UNITS[unit]))
    }))
}

fn boolean(_types: &[DataType]) -> Result<DataType> {
    Ok(DataType::Boolean)
}

fn schemas_type(_types: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))))
}

/// Computes a text for every row whose first argument is not null.
fn of_each(call: &Call, text: impl Fn(usize) -> Option<String>) -> ArrayRef {
    let rows = (0..call.rows).map(|row| match call.is_null(0, row) {
        true => None,
        false => text(call.at(0, row)),
    });
    Arc::new(rows.collect::<StringArray>())
}

fn yes(call: &Call) -> Result<ArrayRef> {
    let null = |row| (0..call.args.len()).any(|arg| call.is_null(arg, row));
    let rows = (0..call.rows).map(|row| (!null(row)).then_some(true));
    Ok(Arc::new(rows.collect::<BooleanArray>()))
}

/// The schemas where names without one are looked for; with those of the system, if wanted.
fn schemas(call: &Call) -> Result<ArrayRef> {
    let implied = cast(&call.args[0], &DataType::Boolean)?;
    let implied = implied.as_boolean();
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        if call.is_null(0, row) {
            out.append(false);
            continue;
        }
        if implied.value(call.at(0, row)) {
            out.values().append_value("pg_catalog");
        }
        out.values().append_value("public");
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

fn encodings(call: &Call) -> Result<ArrayRef> {
    let numbers = cast(&call.args[0], &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    Ok(of_each(call, |at| {
        let name = match numbers.value(at) {
            0 => "SQL_ASCII",
            6 => "UTF8",
            _ => "",
        };
        Some(name.to_owned())
    }))
}

fn format_types(call: &Call) -> Result<ArrayRef> {
    let numbers = cast(&call.args[0], &DataType::Int64)?;
    let modifiers = cast(&call.args[1], &DataType::Int64)?;
    let (numbers, modifiers) =
        (numbers.as_primitive::<Int64Type>(), modifiers.as_primitive::<Int64Type>());
    let rows = (0..call.rows).map(|row| {
        let modifier = match call.is_null(1, row) {
            true => -1,
            false => modifiers.value(call.at(1, row)),
        };
        (!call.is_null(0, row)).then(|| formatted(numbers.value(call.at(0, row)), modifier))
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}

/// Returns the name of a type as the standard has it, with its limit; -1 = without.
pub fn type_shown(number: i64, modifier: i64) -> String {
    formatted(number, modifier)
}

fn formatted(number: i64, modifier: i64) -> String {
    let number = u32::try_from(number).unwrap_or(0);
    if number == 0 {
        return "-".to_owned();
    }
    if let Some(element) = known().iter().find(|known| known.array == number) {
        return format!("{}[]", formatted(element.oid.into(), modifier));
    }
    let Some(known) = known().iter().find(|known| known.oid == number) else {
        return "???".to_owned();
    };
    let limited = |name: &str, limit: String| match modifier < 0 {
        true => name.to_owned(),
        false => format!("{name}({limit})"),
    };
    let length = (modifier - MODIFIER_HEAD).to_string();
    match known.name {
        "bool" => "boolean".to_owned(),
        "int2" => "smallint".to_owned(),
        "int4" => "integer".to_owned(),
        "int8" => "bigint".to_owned(),
        "float4" => "real".to_owned(),
        "float8" => "double precision".to_owned(),
        "time" => "time without time zone".to_owned(),
        "timestamp" => "timestamp without time zone".to_owned(),
        "timestamptz" => "timestamp with time zone".to_owned(),
        "char" => "\"char\"".to_owned(),
        "varchar" => limited("character varying", length),
        "bpchar" => limited("character", length),
        "vector" => limited("vector", modifier.to_string()),
        "numeric" => {
            let packed = modifier - MODIFIER_HEAD;
            limited("numeric", format!("{},{}", packed >> 16, packed & 0xffff))
        }
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 answers, but for the vector, which is pgvector's.
    #[test]
    fn types_have_the_names_of_postgres() {
        for (number, modifier, name) in [
            (23, -1, "integer"),
            (1007, -1, "integer[]"),
            (1043, 8, "character varying(4)"),
            (1700, 655_366, "numeric(10,2)"),
            (1700, -1, "numeric"),
            (16_400, 3, "vector(3)"),
            (25, -1, "text"),
            (0, -1, "-"),
            (99_999, -1, "???"),
        ] {
            assert_eq!(formatted(number, modifier), name);
        }
    }
}
