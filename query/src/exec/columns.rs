//! Which columns does a statement see of a table?
//!
//! The declared ones, hidden ones too, then the ones the engine makes:
//!
//! | column | type | what it holds |
//! | --- | --- | --- |
//! | `_key` | Binary | the encoded primary key |
//! | `_version` | UInt64 | the commit timestamp of the version read |
//! | `_score` | Float64 | how well the text matches; null without a text search |
//!
//! `SELECT *` never shows the last three: binding writes the list of columns out.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use pieskieo_shards::catalog::Table;
use pieskieo_shards::request::ScanColumn;

/// The name of the column with the encoded key.
pub const KEY: &str = "_key";
/// The name of the column with the version.
pub const VERSION: &str = "_version";
/// The name of the column with the text score.
pub const SCORE: &str = "_score";

/// The columns of one table as plans see them.
#[derive(Clone, Debug)]
pub struct TableColumns {
    table: Arc<Table>,
    schema: SchemaRef,
}

impl TableColumns {
    /// Lists the columns of a table.
    pub fn new(table: Arc<Table>) -> Self {
        let declared = table
            .columns
            .iter()
            .map(|column| Field::new(&column.name, column.ty.arrow(), column.is_nullable()));
        let made = [
            Field::new(KEY, DataType::Binary, false),
            Field::new(VERSION, DataType::UInt64, false),
            Field::new(SCORE, DataType::Float64, true),
        ];
        let schema = Arc::new(Schema::new(declared.chain(made).collect::<Vec<_>>()));
        Self { table, schema }
    }

    /// Returns the table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Returns the Arrow schema of all columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the position of the column with this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.table.column_named(name).or_else(|| {
            let made = [KEY, VERSION, SCORE].iter().position(|made| *made == name)?;
            Some(self.table.columns.len() + made)
        })
    }

    /// Returns what a shard reads for the column at `position`.
    pub fn scan_column(&self, position: usize) -> ScanColumn {
        match position.checked_sub(self.table.columns.len()) {
            None => ScanColumn::Column(position),
            Some(0) => ScanColumn::Key,
            Some(1) => ScanColumn::Version,
            Some(_) => ScanColumn::Score,
        }
    }
}
