//! How does a refusal of the planner or of an operator reach the user?
//!
//! DataFusion's sentences are rewritten: its own name, the names of its rules and the lists of
//! valid fields mean nothing to the person who wrote the statement.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

use super::{Code, Error, code};
use crate::suggest;

/// How deep errors wrap each other before the rest is no longer looked at.
const UNWRAP_DEPTH_MAX: usize = 32;

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        convert(&error, UNWRAP_DEPTH_MAX)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        from_arrow(&error, UNWRAP_DEPTH_MAX)
    }
}

fn convert(error: &DataFusionError, depth: usize) -> Error {
    if depth == 0 {
        return Error::internal(clean(&error.to_string()));
    }
    match error {
        DataFusionError::ArrowError(error, _) => from_arrow(error, depth - 1),
        DataFusionError::SQL(error, _) => from_parser(error),
        DataFusionError::NotImplemented(text) => not_implemented(text),
        DataFusionError::Plan(text) => from_plan(text),
        DataFusionError::SchemaError(error, _) => from_schema(error),
        DataFusionError::Execution(text) => from_execution(text),
        DataFusionError::ResourcesExhausted(text) => out_of_memory(text),
        DataFusionError::External(error) => from_boxed(error.as_ref(), depth - 1),
        DataFusionError::Context(_, inner) => convert(inner, depth - 1),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let error = convert(inner, depth - 1);
            match diagnostic.span {
                Some(span) => error.at(span.start.column as usize),
                None => error,
            }
        }
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => convert(first, depth - 1),
            None => Error::internal("an empty list of errors"),
        },
        DataFusionError::Shared(inner) => convert(inner, depth - 1),
        DataFusionError::Configuration(text) => {
            Error::new(code::INVALID_PARAMETER_VALUE, clean(text))
        }
        DataFusionError::IoError(error) => from_io(error),
        other => from_execution(&other.to_string()),
    }
}

fn from_boxed(error: &(dyn std::error::Error + Send + Sync + 'static), depth: usize) -> Error {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return ours.clone();
    }
    if let Some(shard) = error.downcast_ref::<pieskieo_shards::Error>() {
        return shard.clone().into();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return convert(inner, depth);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return from_arrow(inner, depth);
    }
    from_execution(&error.to_string())
}

fn from_arrow(error: &ArrowError, depth: usize) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(code::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(text) => {
            Error::new(code::NUMERIC_OUT_OF_RANGE, "number out of range").with_detail(clean(text))
        }
        ArrowError::CastError(text) | ArrowError::ParseError(text) => from_cast(text),
        ArrowError::MemoryError(text) => out_of_memory(text),
        ArrowError::NotYetImplemented(text) => not_implemented(text),
        ArrowError::IoError(_, error) => from_io(error),
        ArrowError::ExternalError(inner) if depth > 0 => from_boxed(inner.as_ref(), depth - 1),
        ArrowError::InvalidArgumentError(text) | ArrowError::ComputeError(text) => {
            from_execution(text)
        }
        other => from_execution(&other.to_string()),
    }
}

/// What was written to disk for want of memory, or could not be.
fn from_io(error: &std::io::Error) -> Error {
    let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    ours.cloned().unwrap_or_else(|| Error::new(code::IO_ERROR, error.to_string()))
}

fn from_parser(error: &ParserError) -> Error {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            Error::new(code::SYNTAX_ERROR, clean(text))
        }
        ParserError::RecursionLimitExceeded => {
            Error::new(code::STATEMENT_TOO_COMPLEX, "the statement is nested too deeply")
        }
    }
}

fn from_schema(error: &SchemaError) -> Error {
    match error {
        // Names were settled before planning: this one is there, and cannot be reached.
        SchemaError::FieldNotFound { field, .. } if field.relation.is_some() => {
            let shown = shown_column(field);
            Error::unsupported(format!("a reference to \"{shown}\" from where it stands"))
                .with_hint("A query may refer to the one around it, not to one further out.")
        }
        SchemaError::FieldNotFound { field, valid_fields } => {
            let shown = shown_column(field);
            let names: Vec<&str> = valid_fields.iter().map(|valid| valid.name.as_str()).collect();
            Error::new(code::UNDEFINED_COLUMN, format!("column \"{shown}\" does not exist"))
                .with_suggestion(suggest::nearest(&field.name, names))
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            code::AMBIGUOUS_COLUMN,
            format!("column reference \"{}\" is ambiguous", field.name),
        )
        .with_hint("Put the table's name or alias before the column."),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" appears twice"))
                .with_hint("Give one of them another name with AS.")
        }
    }
}

fn shown_column(column: &Column) -> String {
    match &column.relation {
        Some(relation) => format!("{}.{}", relation.table(), column.name),
        None => column.name.clone(),
    }
}

/// Which code a sentence of the planner stands for, by what it contains; the first that fits.
const PLAN_RULES: &[(&[&str], &Code)] = &[
    (
        &[
            "must be in the group by",
            "must be in group by",
            "must appear in the group by",
            "could not be resolved from available columns",
            "aggregate functions are not allowed",
        ],
        code::GROUPING_ERROR,
    ),
    (
        &[
            "no function matches",
            "failed to coerce arguments",
            "does not support",
            "function '",
            "expects",
            "no possible",
        ],
        code::UNDEFINED_FUNCTION,
    ),
    (
        &[
            "cannot coerce",
            "cannot infer common",
            "type mismatch",
            "incompatible types",
            "cannot get result type",
            "must be boolean",
            "boolean type",
            "non-boolean",
            "differs from",
            "can't cast",
            "cannot cast",
            "unsupported cast",
            "invalid arithmetic operation",
            "same number of columns",
            "number of columns",
            "not comparable",
        ],
        code::DATATYPE_MISMATCH,
    ),
    (&["ambiguous"], code::AMBIGUOUS_COLUMN),
    (&["placeholder", "parameter"], code::UNDEFINED_PARAMETER),
    (&["projections require unique expression names", "duplicate"], code::DUPLICATE_COLUMN),
    (&["not supported", "unsupported", "not implemented", "not yet"], code::FEATURE_NOT_SUPPORTED),
];

/// Sentences of the planner, by what they contain.
fn from_plan(text: &str) -> Error {
    let text = clean(text);
    let lower = text.to_lowercase();
    let table = [("table '", "' not found"), ("table \"", "\" not found")];
    for (before, after) in table {
        if let Some(name) = between(&lower, before, after) {
            let name = name.rsplit('.').next().unwrap_or(name);
            return Error::new(code::UNDEFINED_TABLE, format!("table \"{name}\" does not exist"));
        }
    }
    if let Some(name) = between(&lower, "invalid function '", "'") {
        let suggestion = between(&lower, "did you mean '", "'").map(str::to_owned);
        return Error::new(code::UNDEFINED_FUNCTION, format!("function {name}() does not exist"))
            .with_suggestion(suggestion.as_deref());
    }
    let marker = "user-defined coercion failed with";
    let matched = lower.rsplit(marker).next().unwrap_or(&lower);
    if let Some(name) = between(matched, "function '", "' failed to match any signature") {
        let message = format!("function {name}() does not take arguments of these types");
        return Error::new(code::UNDEFINED_FUNCTION, message)
            .with_hint("Cast them to types it takes.");
    }
    for (needles, code) in PLAN_RULES {
        if needles.iter().any(|needle| lower.contains(needle)) {
            return Error::new(code, text);
        }
    }
    Error::new(code::SYNTAX_ERROR, text)
}

/// Sentences of operators and functions while rows flow, by what they contain.
fn from_execution(text: &str) -> Error {
    let text = clean(text);
    let lower = text.to_lowercase();
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return Error::new(code::DIVISION_BY_ZERO, "division by zero");
    }
    if lower.contains("overflow") || lower.contains("out of range") {
        return Error::new(code::NUMERIC_OUT_OF_RANGE, "number out of range").with_detail(text);
    }
    if lower.contains("cannot cast") || lower.contains("can't cast") || lower.contains("parse") {
        return from_cast(&text);
    }
    if lower.contains("resources exhausted") || lower.contains("memory") {
        return out_of_memory(&text);
    }
    if lower.contains("placeholder") {
        return Error::new(code::UNDEFINED_PARAMETER, text);
    }
    if lower.contains("more than one row") {
        return Error::new(
            code::CARDINALITY_VIOLATION,
            "a subquery used as a value gave several rows",
        )
        .with_hint("Add LIMIT 1, or an aggregate such as max().");
    }
    Error::new(code::DATA_EXCEPTION, text)
}

/// `Cannot cast string 'x' to value of Int64 type` and its relatives.
fn from_cast(text: &str) -> Error {
    let text = clean(text);
    let lower = text.to_lowercase();
    let datetime = ["timestamp", "date", "time"].iter().any(|word| lower.contains(word));
    let code = if lower.contains("out of range") || lower.contains("can't cast value") {
        code::NUMERIC_OUT_OF_RANGE
    } else if datetime {
        code::INVALID_DATETIME
    } else {
        code::INVALID_TEXT
    };
    let quoted = between(&text, "string '", "'").or_else(|| between(&text, "value '", "'"));
    let message = match (quoted, between(&text, "value of ", " type")) {
        (Some(value), Some(ty)) => {
            format!("invalid input for type {}: \"{value}\"", type_name(ty))
        }
        _ => text,
    };
    Error::new(code, message)
}

/// The PQL name of an Arrow type as DataFusion prints it.
fn type_name(arrow: &str) -> &str {
    match arrow {
        "Boolean" => "BOOL",
        "Int32" => "INT",
        "Int64" => "BIGINT",
        "Float32" => "FLOAT",
        "Float64" => "DOUBLE",
        "Utf8" | "Utf8View" | "LargeUtf8" => "TEXT",
        "Date32" | "Date64" => "DATE",
        other if other.starts_with("Decimal") => "NUMERIC",
        other => other,
    }
}

fn not_implemented(text: &str) -> Error {
    let text = clean(text);
    let thing = text
        .strip_prefix("unsupported ")
        .or_else(|| text.strip_suffix(" not implemented"))
        .or_else(|| text.strip_suffix(" is not supported"))
        .unwrap_or(&text);
    Error::new(code::FEATURE_NOT_SUPPORTED, format!("not supported: {thing}"))
}

fn out_of_memory(text: &str) -> Error {
    Error::new(code::OUT_OF_MEMORY, "the statement needs more memory than is left")
        .with_detail(clean(text))
        .with_hint("Read fewer rows, or sort and group fewer of them.")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let length = text[start..].find(after)?;
    Some(&text[start..start + length])
}

/// Removes the planner's own words from a sentence.
pub(crate) fn clean(text: &str) -> String {
    const NOISE: &[&str] = &[
        "DataFusion error: ",
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Arrow error: ",
        "Schema error: ",
        "Invalid argument error: ",
        "Compute error: ",
        "Cast error: ",
        "Parser error: ",
        "External error: ",
        "Optimizer rule ",
        "sql parser error: ",
        "type_coercion\ncaused by\n",
        "caused by\n",
    ];
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let text = text.split("This issue was likely caused by a bug").next().unwrap_or(text);
    let text = text.split("\nValid fields are").next().unwrap_or(text);
    let mut cleaned = text.to_owned();
    for noise in NOISE {
        cleaned = cleaned.replace(noise, "");
    }
    let cleaned = cleaned.trim().trim_end_matches('.');
    let mut chars = cleaned.chars();
    match (chars.next(), chars.next()) {
        // A word in capitals is a keyword or an abbreviation and keeps its case.
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            let mut lowered: String = first.to_lowercase().collect();
            lowered.push_str(&cleaned[first.len_utf8()..]);
            lowered
        }
        _ => cleaned.to_owned(),
    }
}
