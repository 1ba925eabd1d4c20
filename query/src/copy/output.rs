//! How do rows become bytes?

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use pieskieo_shards::value::{ColumnType, Value};

use super::binary;
use super::fields;
use crate::error::{Error, Result};
use crate::open::Token;
use crate::outcome::Rows;
use crate::postgres::{Form, RowWriter, WireColumn};
use crate::result::{column_type, json};
use crate::session::{CancelHandle, Session};
use crate::syntax::{Copy, CopyFormat, CopyHeader, CopyOptions, CopySource};

/// Bytes of some rows.
#[derive(Debug, Default)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where each row ends in them; what stands before the first belongs to it.
    ends: Vec<usize>,
}

impl Piece {
    /// Returns the rows one by one.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end))
    }
}

/// Rows on their way out.
pub struct CopyOut {
    rows: Rows,
    names: Vec<String>,
    columns: Vec<WireColumn>,
    options: CopyOptions,
    /// Whether there is a line of names to come; of binary data, whether their header is given.
    header: bool,
    /// Whether the last piece has been given.
    ended: bool,
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
            columns: columns_of(&outcome.schema),
            rows: outcome.rows,
            header: copy.options.header == CopyHeader::Yes,
            ended: false,
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

    /// Returns the bytes of the next rows; `None` after the last.
    ///
    /// **Errors**: whatever stopped the query; nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<Piece>> {
        if self.ended {
            return None;
        }
        let is_binary = self.options.format == CopyFormat::Binary;
        let mut piece = Piece::default();
        if is_binary && !std::mem::replace(&mut self.header, true) {
            piece.bytes = binary::header();
        }
        if !is_binary && std::mem::take(&mut self.header) {
            self.names_into(&mut piece);
        }
        match self.rows.next().await {
            None => {
                self.ended = true;
                if is_binary {
                    piece.bytes.extend(binary::TRAILER.to_be_bytes());
                    piece.ends.push(piece.bytes.len());
                }
                (!piece.bytes.is_empty()).then_some(Ok(piece))
            }
            Some(Err(error)) => Some(Err(error)),
            Some(Ok(batch)) => {
                self.count += batch.num_rows() as u64;
                Some(self.written(&batch, piece))
            }
        }
    }

    /// The first line of names.
    fn names_into(&self, piece: &mut Piece) {
        let mut out = String::new();
        for (place, name) in self.names.iter().enumerate() {
            if place > 0 {
                out.push(char::from(self.options.delimiter));
            }
            let plain = CopyOptions { null: "\0".to_owned(), ..self.options.clone() };
            fields::write(&mut out, Some(name), "", &plain);
        }
        out.push('\n');
        piece.bytes = out.into_bytes();
        piece.ends.push(piece.bytes.len());
    }

    fn written(&self, batch: &RecordBatch, mut piece: Piece) -> Result<Piece> {
        let types: Vec<Option<ColumnType>> =
            batch.columns().iter().map(|column| column_type(column.data_type())).collect();
        let forms = vec![Form::Binary; self.columns.len()];
        let writer = match self.options.format {
            CopyFormat::Binary => Some(RowWriter::new(batch, &self.columns, &forms)?),
            _ => None,
        };
        for row in 0..batch.num_rows() {
            let out = &mut piece.bytes;
            match (&writer, self.options.format) {
                (Some(writer), _) => writer.write(row, out)?,
                (None, CopyFormat::Json) => self.object(batch, row, out)?,
                (None, _) => self.line(batch, row, &types, out)?,
            }
            if writer.is_none() {
                out.push(b'\n');
            }
            piece.ends.push(piece.bytes.len());
        }
        Ok(piece)
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

fn columns_of(schema: &Schema) -> Vec<WireColumn> {
    schema.fields().iter().map(|field| WireColumn::of_field(field.name(), field)).collect()
}
