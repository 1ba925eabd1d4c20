//! How do rows become bytes?

use arrow_array::RecordBatch;
use pieskieo_shards::value::{ColumnType, Value};

use super::fields;
use crate::error::{Error, Result};
use crate::open::Token;
use crate::outcome::Rows;
use crate::result::{column_type, json};
use crate::session::{CancelHandle, Session};
use crate::syntax::{Copy, CopyFormat, CopyHeader, CopyOptions, CopySource};

/// Rows on their way out.
pub struct CopyOut {
    rows: Rows,
    names: Vec<String>,
    options: CopyOptions,
    header: bool,
    count: u64,
}

impl CopyOut {
    /// Begins a COPY … TO STDOUT, within a transaction that is open, or at a snapshot of its own.
    ///
    /// **Errors**: those of the query.
    pub async fn begin(
        session: &Session,
        transaction: Option<Token>,
        copy: &Copy,
        cancel: &CancelHandle,
    ) -> Result<Self> {
        let text = match &copy.source {
            CopySource::Query(text) => text.clone(),
            CopySource::Table { name, columns } => {
                let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
                let list = match columns.is_empty() {
                    true => "*".to_owned(),
                    false => {
                        let names = columns.iter().map(|name| quoted(&name.text));
                        names.collect::<Vec<_>>().join(", ")
                    }
                };
                format!("SELECT {list} FROM {}", quoted(&name.text))
            }
        };
        let outcome = match transaction {
            None => session.run_one_streaming_with(&text, &[], cancel).await?,
            Some(_) => {
                let mut answer = session.run_in(transaction, &text, &[], cancel).await?;
                let last = answer.outcomes.pop();
                last.ok_or_else(|| Error::internal("a statement without an answer"))?
            }
        };
        Ok(Self {
            names: outcome.columns.iter().map(|column| column.name.clone()).collect(),
            rows: outcome.rows,
            header: copy.options.header == CopyHeader::Yes,
            options: copy.options.clone(),
            count: 0,
        })
    }

    /// Returns the columns of the data, in order.
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// Returns how many rows have been written.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the bytes of the next rows, whole lines; `None` after the last.
    ///
    /// **Errors**: whatever stopped the query; nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>>> {
        let mut out = String::new();
        if std::mem::take(&mut self.header) {
            for (place, name) in self.names.iter().enumerate() {
                if place > 0 {
                    out.push(char::from(self.options.delimiter));
                }
                let plain = CopyOptions { null: "\0".to_owned(), ..self.options.clone() };
                fields::write(&mut out, Some(name), "", &plain);
            }
            out.push('\n');
        }
        match self.rows.next().await {
            None if out.is_empty() => None,
            None => Some(Ok(out.into_bytes())),
            Some(Err(error)) => Some(Err(error)),
            Some(Ok(batch)) => {
                self.count += batch.num_rows() as u64;
                Some(self.written(&batch, out.into_bytes()))
            }
        }
    }

    fn written(&self, batch: &RecordBatch, mut out: Vec<u8>) -> Result<Vec<u8>> {
        let types: Vec<Option<ColumnType>> =
            batch.columns().iter().map(|column| column_type(column.data_type())).collect();
        for row in 0..batch.num_rows() {
            match self.options.format {
                CopyFormat::Json => self.object(batch, row, &mut out)?,
                _ => self.line(batch, row, &types, &mut out)?,
            }
            out.push(b'\n');
        }
        Ok(out)
    }

    fn object(&self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        for (place, name) in self.names.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
            out.push(b':');
            json::write_value(batch.column(place), row, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn line(
        &self,
        batch: &RecordBatch,
        row: usize,
        types: &[Option<ColumnType>],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut line = String::new();
        for (place, name) in self.names.iter().enumerate() {
            if place > 0 {
                line.push(char::from(self.options.delimiter));
            }
            let column = batch.column(place);
            let value = match (&types[place], column.is_null(row)) {
                (_, true) => None,
                (Some(ColumnType::Bool), false) => {
                    let is_true =
                        Value::from_array(column, row, &ColumnType::Bool)? == Value::Bool(true);
                    Some(if is_true { "t" } else { "f" }.to_owned())
                }
                (Some(ty), false) => Some(Value::from_array(column, row, ty)?.render(ty)),
                (None, false) => {
                    let mut bytes = Vec::new();
                    json::write_value(column, row, &mut bytes)?;
                    Some(String::from_utf8_lossy(&bytes).into_owned())
                }
            };
            fields::write(&mut line, value.as_deref(), name, &self.options);
        }
        out.extend_from_slice(line.as_bytes());
        Ok(())
    }
}
