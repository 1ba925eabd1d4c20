//! Which error codes are there, and what does each mean?
//!
//! Codes follow PostgreSQL's SQLSTATE list, because its drivers decide by them what to retry.
//! `PQL.md` prints this table; a test compares the two.

use super::Kind;

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// SQLSTATE, five characters.
    pub code: &'static str,
    /// Stable slug.
    pub name: &'static str,
    /// Who can remedy it.
    pub kind: Kind,
    /// One sentence for the reader of the table.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($ident:ident = $code:literal, $name:literal, $kind:ident, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $ident: &Code = &Code {
                code: $code,
                name: $name,
                kind: Kind::$kind,
                meaning: $meaning,
            };
        )*

        /// Every code, by SQLSTATE.
        pub const ALL: &[&Code] = &[$($ident),*];
    };
}

codes! {
    OUTCOME_UNKNOWN = "08007", "outcome_unknown", Unavailable,
        "The log failed while committing; whether the change is there shows after recovery.";
    PROTOCOL_VIOLATION = "08P01", "protocol_violation", FixRequest,
        "The request itself cannot be read, whatever statement it carries.";
    FEATURE_NOT_SUPPORTED = "0A000", "feature_not_supported", FixRequest,
        "The statement is understood, but this server does not offer it.";
    CARDINALITY_VIOLATION = "21000", "cardinality_violation", FixRequest,
        "A query that stands for a value has several rows.";
    DATA_EXCEPTION = "22000", "data_exception", FixRequest,
        "A value does not fit where it is put, such as a vector of another dimension.";
    VALUE_TOO_LONG = "22001", "value_too_long", FixRequest,
        "A text or bytes value is longer than allowed.";
    NUMERIC_OUT_OF_RANGE = "22003", "numeric_value_out_of_range", FixRequest,
        "A number does not fit its type.";
    SEQUENCE_LIMIT = "2200H", "sequence_generator_limit_exceeded", FixRequest,
        "A sequence has reached its end.";
    NULL_NOT_ALLOWED = "22004", "null_value_not_allowed", FixRequest,
        "A function was given a null that it cannot take.";
    INVALID_DATETIME = "22007", "invalid_datetime_format", FixRequest,
        "A date or time cannot be read.";
    DATETIME_OVERFLOW = "22008", "datetime_field_overflow", FixRequest,
        "A date, time or interval is out of range.";
    DIVISION_BY_ZERO = "22012", "division_by_zero", FixRequest,
        "A number was divided by zero.";
    REGULAR_EXPRESSION = "2201B", "invalid_regular_expression", FixRequest,
        "A regular expression cannot be read, or is too large.";
    LOGARITHM_ARGUMENT = "2201E", "invalid_argument_for_logarithm", FixRequest,
        "A logarithm of zero or of a negative number was asked for.";
    POWER_ARGUMENT = "2201F", "invalid_argument_for_power_function", FixRequest,
        "A root or power has no real value.";
    BUCKET_ARGUMENT = "2201G", "invalid_argument_for_width_bucket_function", FixRequest,
        "The bounds or the count of width_bucket() make no buckets.";
    INVALID_CHARACTER = "22021", "character_not_in_repertoire", FixRequest,
        "A text is not UTF-8, or holds a zero byte.";
    INVALID_PARAMETER_VALUE = "22023", "invalid_parameter_value", FixRequest,
        "A setting, option or argument is outside its range.";
    ESCAPE_SEQUENCE = "22025", "invalid_escape_sequence", FixRequest,
        "What ESCAPE names is no single character.";
    JSON_SUBSCRIPT = "22033", "invalid_sql_json_subscript", FixRequest,
        "An index of a JSON path is no number, or outside of its array.";
    JSON_NOT_NUMERIC = "22036", "non_numeric_sql_json_item", FixRequest,
        "A method of a JSON path wants a number.";
    JSON_SINGLETON = "22038", "singleton_sql_json_item_required", FixRequest,
        "A JSON path gave several values, or one of another type, where one is wanted.";
    JSON_ARRAY_NOT_FOUND = "22039", "sql_json_array_not_found", FixRequest,
        "A JSON path wants an array.";
    JSON_MEMBER_NOT_FOUND = "2203A", "sql_json_member_not_found", FixRequest,
        "A JSON path wants a field that is not there.";
    JSON_NUMBER_NOT_FOUND = "2203B", "sql_json_number_not_found", FixRequest,
        "A JSON path wants a number.";
    JSON_OBJECT_NOT_FOUND = "2203C", "sql_json_object_not_found", FixRequest,
        "A JSON path wants an object.";
    ARRAY_SUBSCRIPT = "2202E", "array_subscript_error", FixRequest,
        "An index is outside of its array.";
    INVALID_TEXT = "22P02", "invalid_text_representation", FixRequest,
        "A text cannot be read as the wanted type.";
    INVALID_BINARY = "22P03", "invalid_binary_representation", FixRequest,
        "Bytes cannot be read as the wanted type.";
    BAD_COPY = "22P04", "bad_copy_file_format", FixRequest,
        "The data of a COPY are not of the form that was said.";
    NOT_NULL_VIOLATION = "23502", "not_null_violation", FixRequest,
        "A column that must not be null got no value.";
    FOREIGN_KEY_VIOLATION = "23503", "foreign_key_violation", FixRequest,
        "A record refers, or would refer, to a record that does not exist.";
    UNIQUE_VIOLATION = "23505", "unique_violation", FixRequest,
        "A record with this key, or with these values of a unique constraint, exists.";
    CHECK_VIOLATION = "23514", "check_violation", FixRequest,
        "A row breaks a condition of its table.";
    ACTIVE_TRANSACTION = "25001", "active_sql_transaction", FixRequest,
        "The statement cannot run inside a transaction.";
    READ_ONLY_TRANSACTION = "25006", "read_only_sql_transaction", FixRequest,
        "A write was sent where only reads are allowed.";
    NO_ACTIVE_TRANSACTION = "25P01", "no_active_sql_transaction", FixRequest,
        "The transaction has ended, or none was begun.";
    IN_FAILED_TRANSACTION = "25P02", "in_failed_sql_transaction", FixRequest,
        "An earlier statement of the transaction failed.";
    TRANSACTION_TIMEOUT = "25P03", "idle_in_transaction_session_timeout", FixRequest,
        "The transaction was left alone for too long, or lasted too long, and was rolled back.";
    UNDEFINED_STATEMENT = "26000", "invalid_sql_statement_name", FixRequest,
        "The connection has no prepared statement of this name.";
    INVALID_AUTHORIZATION = "28000", "invalid_authorization_specification", Denied,
        "The user is unknown or the password is wrong.";
    INVALID_PASSWORD = "28P01", "invalid_password", Denied,
        "The password is wrong, or the user unknown.";
    UNDEFINED_CURSOR = "34000", "invalid_cursor_name", FixRequest,
        "The connection has no portal or cursor of this name.";
    INVALID_SAVEPOINT = "3B001", "invalid_savepoint_specification", FixRequest,
        "No such savepoint in this transaction.";
    UNDEFINED_DATABASE = "3D000", "invalid_catalog_name", FixRequest,
        "No such database.";
    UNDEFINED_SCHEMA = "3F000", "invalid_schema_name", FixRequest,
        "No such schema.";
    SERIALIZATION_FAILURE = "40001", "serialization_failure", Retry,
        "A concurrent transaction changed what this one read or wrote; send it again.";
    DEADLOCK = "40P01", "deadlock_detected", Retry,
        "Sessions wait for each other's locks in a circle; this one has given up.";
    INSUFFICIENT_PRIVILEGE = "42501", "insufficient_privilege", Denied,
        "The user may not do this.";
    SYNTAX_ERROR = "42601", "syntax_error", FixRequest,
        "The text is not a statement.";
    INVALID_NAME = "42602", "invalid_name", FixRequest,
        "A name is not allowed, for example because it is too long.";
    DUPLICATE_COLUMN = "42701", "duplicate_column", FixRequest,
        "A column is named twice.";
    AMBIGUOUS_COLUMN = "42702", "ambiguous_column", FixRequest,
        "A name without a table could mean columns of several tables.";
    UNDEFINED_COLUMN = "42703", "undefined_column", FixRequest,
        "No such column.";
    UNDEFINED_OBJECT = "42704", "undefined_object", FixRequest,
        "No such type, index, sequence, setting or operator class.";
    DUPLICATE_OBJECT = "42710", "duplicate_object", FixRequest,
        "A constraint with this name exists.";
    DUPLICATE_ALIAS = "42712", "duplicate_alias", FixRequest,
        "Two items of a FROM list have the same name.";
    GROUPING_ERROR = "42803", "grouping_error", FixRequest,
        "A column is neither grouped nor inside an aggregate.";
    DATATYPE_MISMATCH = "42804", "datatype_mismatch", FixRequest,
        "Two types do not go together here.";
    WRONG_OBJECT_TYPE = "42809", "wrong_object_type", FixRequest,
        "The object exists but is of another kind, such as a table where an edge is needed.";
    INVALID_FOREIGN_KEY = "42830", "invalid_foreign_key", FixRequest,
        "A foreign key refers to columns that are no key.";
    UNDEFINED_FUNCTION = "42883", "undefined_function", FixRequest,
        "No such function or operator for these argument types.";
    GENERATED_ALWAYS = "428C9", "generated_always", FixRequest,
        "A column that is always numbered was given a value.";
    UNDEFINED_TABLE = "42P01", "undefined_table", FixRequest,
        "No such table, collection or edge.";
    UNDEFINED_PARAMETER = "42P02", "undefined_parameter", FixRequest,
        "A parameter such as $2 has no value.";
    DUPLICATE_CURSOR = "42P03", "duplicate_cursor", FixRequest,
        "A portal or cursor with this name is open.";
    DUPLICATE_STATEMENT = "42P05", "duplicate_prepared_statement", FixRequest,
        "A prepared statement with this name exists.";
    DUPLICATE_TABLE = "42P07", "duplicate_table", FixRequest,
        "A table, view, index or sequence with this name exists.";
    AMBIGUOUS_ALIAS = "42P09", "ambiguous_alias", FixRequest,
        "A function such as SCORE() could refer to several tables.";
    INVALID_TABLE_DEFINITION = "42P16", "invalid_table_definition", FixRequest,
        "The definition contradicts itself.";
    INVALID_OBJECT_DEFINITION = "42P17", "invalid_object_definition", FixRequest,
        "An index does not suit the column it is made for.";
    DISK_FULL = "53100", "disk_full", Retry,
        "The disk is full: nothing is written until there is room, reads are answered.";
    OUT_OF_MEMORY = "53200", "out_of_memory", Retry,
        "The statement needs more memory than its budget or the shard has left.";
    TOO_MANY_CONNECTIONS = "53300", "too_many_connections", Retry,
        "No more connections are accepted.";
    LIMIT_EXCEEDED = "53400", "configuration_limit_exceeded", Retry,
        "Too much work is queued, or on disk for want of memory; wait and send it again.";
    PROGRAM_LIMIT = "54000", "program_limit_exceeded", FixRequest,
        "A fixed limit of the server is exceeded; the message names it.";
    STATEMENT_TOO_COMPLEX = "54001", "statement_too_complex", FixRequest,
        "The statement is nested too deeply or has too many parts.";
    TOO_MANY_COLUMNS = "54011", "too_many_columns", FixRequest,
        "A table has more columns than allowed.";
    DEPENDENT_OBJECTS = "2BP01", "dependent_objects_still_exist", FixRequest,
        "Other objects need this one; drop them first.";
    NOT_IN_STATE = "55000", "object_not_in_prerequisite_state", FixRequest,
        "The object is not in the state that is needed, such as a sequence without a number yet.";
    OBJECT_IN_USE = "55006", "object_in_use", Retry,
        "Another request of the same transaction is being worked on.";
    CANNOT_CHANGE = "55P02", "cant_change_runtime_param", FixRequest,
        "The setting says what the server is, and cannot be changed.";
    LOCK_NOT_AVAILABLE = "55P03", "lock_not_available", Retry,
        "A lock was not free within the time of lock_timeout.";
    QUERY_CANCELED = "57014", "query_canceled", Retry,
        "The statement ran out of time or the client went away.";
    ADMIN_SHUTDOWN = "57P01", "admin_shutdown", Retry,
        "The server is stopping; connect again.";
    CANNOT_CONNECT_NOW = "57P03", "cannot_connect_now", Retry,
        "The server is starting or stopping.";
    IO_ERROR = "58030", "io_error", Unavailable,
        "The disk or the network below failed.";
    SNAPSHOT_TOO_OLD = "72000", "snapshot_too_old", FixRequest,
        "What was at this point of the past is not kept, or not any more.";
    KEY_REUSED = "IK001", "idempotency_key_reused", FixRequest,
        "The idempotency key belongs to another request.";
    KEY_IN_USE = "IK002", "idempotency_key_in_use", Retry,
        "The first request with this idempotency key is still being worked on.";
    NO_DATA_FOUND = "P0002", "no_data_found", FixRequest,
        "Nothing is at this address.";
    INTERNAL_ERROR = "XX000", "internal_error", Internal,
        "A fault of the server; please report it.";
    DATA_CORRUPTED = "XX001", "data_corrupted", Corrupt,
        "Stored bytes are not what was written; an operator must act.";
}
