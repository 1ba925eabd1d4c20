//! What does a statement answer?

use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef, TimeUnit};
use futures::stream::{Stream, StreamExt};

use pieskieo_shards::value::{ColumnType, Value};

use crate::Error;
use crate::open::Token;

/// A parameter, `$1` and on, as it came over the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    /// Null, a boolean, a number or a text stand for themselves; an array of numbers is a vector
    /// where a vector is wanted; every other array and every object is a JSON value.
    Json(serde_json::Value),
    /// A value whose type the client has said, or was told.
    Typed {
        /// The value, or null.
        value: Value,
        /// Its type.
        ty: ColumnType,
    },
}

impl From<serde_json::Value> for Param {
    fn from(value: serde_json::Value) -> Self {
        Self::Json(value)
    }
}

/// What kind of statement it was: a label for metrics, logs and clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatementKind {
    /// `SELECT`, `VALUES`, `QUERY`.
    Select,
    /// `INSERT`, bulk load included.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `CREATE`, `DROP`, `ALTER`, `TRUNCATE`.
    Schema,
    /// `SET`, `SHOW`, `RESET`.
    Setting,
    /// `BEGIN`, `COMMIT`, `ROLLBACK`.
    Transaction,
    /// `EXPLAIN`.
    Explain,
}

impl StatementKind {
    /// Every kind, in a fixed order.
    pub const ALL: [Self; 9] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Merge,
        Self::Schema,
        Self::Setting,
        Self::Transaction,
        Self::Explain,
    ];

    /// Returns the label, lower case.
    pub fn label(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Schema => "schema",
            Self::Setting => "setting",
            Self::Transaction => "transaction",
            Self::Explain => "explain",
        }
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// The name, an alias or a made-up one.
    pub name: String,
    /// The PQL type: `BIGINT`, `VECTOR(3)`, `TEXT[]`.
    pub type_name: String,
}

/// One statement's answer.
pub struct Outcome {
    /// What kind of statement it was.
    pub kind: StatementKind,
    /// The columns of `rows`; empty when the statement answers no rows.
    pub columns: Vec<ColumnInfo>,
    /// The Arrow schema of every batch of `rows`.
    pub schema: SchemaRef,
    /// The rows.
    pub rows: Rows,
    /// Records inserted, changed or deleted; `None` for statements that change no records.
    pub affected: Option<u64>,
}

/// What the statements of a request answer.
pub struct Answer {
    /// One for every statement, in order.
    pub outcomes: Vec<Outcome>,
    /// The transaction that goes on: the next request names it.
    pub transaction: Option<Token>,
    /// Whether this is the stored answer to an earlier request with the same idempotency key.
    pub replayed: bool,
}

/// Rows that arrive while they are made.
pub type RowStream = Pin<Box<dyn Stream<Item = Result<RecordBatch, Error>>>>;

/// An answer's rows.
pub enum Rows {
    /// All of them, in order.
    Collected(Vec<RecordBatch>),
    /// Made on demand; dropping the stream stops the work on every shard.
    Stream(RowStream),
}

impl Outcome {
    /// Returns an answer without rows.
    pub fn without_rows(kind: StatementKind, affected: Option<u64>) -> Self {
        Self {
            kind,
            columns: Vec::new(),
            schema: Arc::new(Schema::empty()),
            rows: Rows::Collected(Vec::new()),
            affected,
        }
    }

    /// Returns an answer with these rows.
    pub fn with_rows(kind: StatementKind, schema: SchemaRef, rows: Rows) -> Self {
        Self { kind, columns: column_infos(&schema), schema, rows, affected: None }
    }
}

impl Rows {
    /// Returns the next batch, `None` after the last.
    ///
    /// **Errors**: whatever stopped the statement; nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Error>> {
        match self {
            Self::Collected(batches) if batches.is_empty() => None,
            Self::Collected(batches) => Some(Ok(batches.remove(0))),
            Self::Stream(stream) => stream.next().await,
        }
    }

    /// Returns all batches.
    ///
    /// **Errors**: whatever stopped the statement.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, Error> {
        match self {
            Self::Collected(batches) => Ok(batches),
            Self::Stream(mut stream) => {
                let mut batches = Vec::new();
                while let Some(batch) = stream.next().await {
                    batches.push(batch?);
                }
                Ok(batches)
            }
        }
    }
}

/// Returns the columns a client is told about.
pub fn column_infos(schema: &Schema) -> Vec<ColumnInfo> {
    schema
        .fields()
        .iter()
        .map(|field| ColumnInfo {
            name: field.name().clone(),
            type_name: type_name(field.data_type()),
        })
        .collect()
}

/// Returns the PQL name of the type that an Arrow type carries.
pub fn type_name(ty: &DataType) -> String {
    match ty {
        DataType::Null => "TEXT".into(),
        DataType::Boolean => "BOOL".into(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "SMALLINT".into(),
        DataType::Int32 | DataType::UInt16 => "INT".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "BIGINT".into(),
        DataType::Float16 | DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("NUMERIC({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "TEXT".into(),
        DataType::Binary | DataType::LargeBinary => "BYTEA".into(),
        DataType::BinaryView => "JSON".into(),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP".into(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMPTZ".into(),
        DataType::Time32(TimeUnit::Second | TimeUnit::Millisecond) | DataType::Time64(_) => {
            "TIME".into()
        }
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL".into(),
        DataType::FixedSizeBinary(16) => "UUID".into(),
        DataType::FixedSizeBinary(_) => "BYTEA".into(),
        DataType::FixedSizeList(item, n) if item.data_type() == &DataType::Float32 => {
            format!("VECTOR({n})")
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => format!("{}[]", type_name(item.data_type())),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::RunEndEncoded(_, value) => type_name(value.data_type()),
        DataType::Struct(_) | DataType::Map(_, _) | DataType::Union(_, _) => "RECORD".into(),
        DataType::Time32(_) => "TIME".into(),
    }
}
