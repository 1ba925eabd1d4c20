//! How are rows that arrive inserted?
//!
//! Some hundred rows at a time become the parameter of one INSERT, in a transaction: the client's
//! own, or one that begins and ends with the COPY. So defaults, constraints and the limits of a
//! transaction hold as for any INSERT, and what fails leaves nothing.

use pieskieo_shards::catalog::Table;
use pieskieo_shards::value::{ColumnType, Value};
use serde_json::Value as Json;

use super::binary::{Tuple, Tuples};
use super::fields;
use super::lines::{Line, Lines};
use crate::error::{Error, Result, code};
use crate::open::Token;
use crate::outcome::Param;
use crate::postgres::{self, Form};
use crate::session::{CancelHandle, Session};
use crate::suggest;
use crate::syntax::{Copy, CopyFormat, CopyHeader, CopyOptions, CopySource, Name};

/// Rows, and bytes of them, that are inserted by one statement.
const ROWS_MAX: usize = 512;
const BYTES_MAX: usize = 1024 * 1024;

/// Characters of a value that an error shows.
const SHOWN_MAX: usize = 100;

/// Rows on their way into a table.
pub struct CopyIn<'s> {
    session: &'s Session,
    cancel: CancelHandle,
    /// The transaction, and whether it ends with the COPY.
    transaction: Option<Token>,
    own: bool,
    table: String,
    names: Vec<String>,
    types: Vec<ColumnType>,
    options: CopyOptions,
    lines: Lines,
    /// What takes the place of lines in binary data.
    tuples: Tuples,
    /// The INSERT of some rows.
    statement: String,
    rows: Vec<Json>,
    bytes: usize,
    /// The line of the first of them.
    first_line: u64,
    header: bool,
    inserted: u64,
}

impl<'s> CopyIn<'s> {
    /// Begins a COPY … FROM STDIN, within a transaction that is open, or in one of its own.
    ///
    /// **Errors**: an unknown table or column, one named twice, `42809` for what is no table;
    /// whatever BEGIN refuses.
    pub async fn begin(
        session: &'s Session,
        transaction: Option<Token>,
        copy: &Copy,
        cancel: CancelHandle,
    ) -> Result<Self> {
        let CopySource::Table { name, columns } = &copy.source else {
            return Err(Error::unsupported("COPY of a query FROM STDIN"));
        };
        let catalog = session.schema_in(transaction)?;
        let Some(table) = catalog.table_named(&name.text) else {
            let tables = catalog.tables.values().map(|table| table.name.as_str());
            let near = suggest::nearest(&name.text, tables);
            let message = format!("table \"{}\" does not exist", name.text);
            return Err(Error::new(code::UNDEFINED_TABLE, message)
                .with_suggestion(near)
                .at(name.position));
        };
        let (names, types) = columns_of(table, columns)?;
        let (transaction, own) = match transaction {
            Some(token) => (Some(token), false),
            None => {
                let answer = session.run_in(None, "BEGIN", &[], &cancel).await?;
                (answer.transaction, true)
            }
        };
        Ok(Self {
            session,
            cancel,
            transaction,
            own,
            statement: insert(&table.name, &names, &types),
            table: table.name.clone(),
            names,
            types,
            lines: Lines::new(&copy.options),
            tuples: Tuples::default(),
            header: copy.options.header != CopyHeader::No,
            options: copy.options.clone(),
            rows: Vec::new(),
            bytes: 0,
            first_line: 1,
            inserted: 0,
        })
    }

    /// Returns the columns of the data, in order.
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// Takes bytes of the data, which may end anywhere.
    ///
    /// **Errors**: 22P04 and others for what does not fit, with line and column in the detail;
    /// whatever INSERT refuses. Nothing stays then, and nothing more is taken.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let taken = match self.options.format {
            CopyFormat::Binary => self.take_tuples(Some(bytes)).await,
            _ => {
                self.lines.push(bytes);
                self.take(false).await
            }
        };
        self.settled(taken).await
    }

    /// Ends the data. Returns the number of rows inserted.
    ///
    /// **Errors**: as [`CopyIn::push`]; those of COMMIT.
    pub async fn finish(mut self) -> Result<u64> {
        let taken = match self.options.format {
            CopyFormat::Binary => self.take_tuples(None).await,
            _ => self.take(true).await,
        };
        let taken = match taken {
            Ok(()) => self.store().await,
            Err(error) => Err(error),
        };
        self.settled(taken).await?;
        if self.own {
            self.session.run_in(self.transaction, "COMMIT", &[], &self.cancel).await?;
        }
        Ok(self.inserted)
    }

    /// Ends the COPY without its rows. A transaction of the client then takes only ROLLBACK.
    pub async fn abort(mut self) {
        let gave_up = Err(Error::new(code::QUERY_CANCELED, "COPY was given up by the client"));
        let _ = self.settled(gave_up).await;
    }

    /// After an error, a transaction of our own is over.
    async fn settled(&mut self, taken: Result<()>) -> Result<()> {
        if taken.is_err() && self.own && self.transaction.is_some() {
            let token = self.transaction.take();
            // Whatever becomes of it, the first error is the answer.
            let _ = self.session.run_in(token, "ROLLBACK", &[], &self.cancel).await;
        }
        taken
    }

    async fn take(&mut self, at_end: bool) -> Result<()> {
        while let Some(line) = self.next(at_end)? {
            if std::mem::take(&mut self.header) {
                self.check_header(&line)?;
                continue;
            }
            if self.rows.is_empty() {
                self.first_line = line.number;
            }
            let row = self.row(&line)?;
            self.add(row, line.text.len()).await?;
        }
        Ok(())
    }

    async fn add(&mut self, row: Option<Json>, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        self.rows.extend(row);
        if self.rows.len() == ROWS_MAX || self.bytes >= BYTES_MAX {
            self.store().await?;
        }
        Ok(())
    }

    /// Takes binary data; `None` is their end.
    async fn take_tuples(&mut self, bytes: Option<&[u8]>) -> Result<()> {
        let at_row = |error, table: &str, number| placed(error, table, number, None);
        let number = self.tuples.number();
        let pushed = bytes.map_or(Ok(()), |bytes| self.tuples.push(bytes));
        pushed.map_err(|error| at_row(error, &self.table, number))?;
        loop {
            let number = self.tuples.number();
            let next = self.tuples.next(self.names.len(), bytes.is_none());
            let next = next.map_err(|error| at_row(error, &self.table, number))?;
            let Some(tuple) = next else { return Ok(()) };
            if self.rows.is_empty() {
                self.first_line = number;
            }
            let row = self.binary_row(&tuple)?;
            self.add(Some(row), tuple.bytes).await?;
        }
    }

    /// Reads a row of binary data, as [`CopyIn::row`] does one of text.
    fn binary_row(&self, tuple: &Tuple) -> Result<Json> {
        let mut row = Vec::with_capacity(tuple.fields.len());
        for (place, field) in tuple.fields.iter().enumerate() {
            let param = postgres::read(field.as_deref(), &self.types[place], Form::Binary);
            let param = param.map_err(|error| {
                let place = format!(
                    "COPY {}, line {}, column {}",
                    self.table, tuple.number, self.names[place]
                );
                error.with_detail(place)
            })?;
            row.push(match param {
                Param::Typed { value: Value::Null, .. } => Json::Null,
                Param::Typed { value, ty } => {
                    let text = value.render(&ty);
                    self.check(place, &text, tuple.number)?;
                    Json::String(text)
                }
                Param::Json(value) => value,
            });
        }
        Ok(Json::Array(row))
    }

    fn next(&mut self, at_end: bool) -> Result<Option<Line>> {
        let number = self.lines.number();
        let table = self.table.clone();
        self.lines.next(at_end).map_err(|error| placed(error, &table, number, None))
    }

    fn check_header(&self, line: &Line) -> Result<()> {
        if self.options.header != CopyHeader::Match {
            return Ok(());
        }
        let given = fields::read_names(&line.text, &self.options)?;
        for (place, name) in self.names.iter().enumerate() {
            if given.get(place) != Some(name) {
                let message = format!(
                    "column name mismatch in header line field {}: got \"{}\", expected \"{name}\"",
                    place + 1,
                    given.get(place).map_or("", String::as_str),
                );
                return Err(placed(Error::new(code::BAD_COPY, message), &self.table, 1, None));
            }
        }
        if given.len() != self.names.len() {
            let message = format!(
                "wrong number of fields in header line: got {}, expected {}",
                given.len(),
                self.names.len()
            );
            return Err(placed(Error::new(code::BAD_COPY, message), &self.table, 1, None));
        }
        Ok(())
    }

    /// Reads a row: an array of texts, each of which its column can read. `None` for a line of
    /// JSON that is empty.
    fn row(&self, line: &Line) -> Result<Option<Json>> {
        let at_line = |error| placed(error, &self.table, line.number, None);
        if self.options.format == CopyFormat::Json {
            return self.object(line).map_err(at_line);
        }
        let fields = fields::read(&line.text, &self.options, &self.names).map_err(at_line)?;
        let mut row = Vec::with_capacity(fields.len());
        for (place, field) in fields.into_iter().enumerate() {
            row.push(match field {
                None => Json::Null,
                Some(text) => {
                    self.check(place, &text, line.number)?;
                    Json::String(text)
                }
            });
        }
        Ok(Some(Json::Array(row)))
    }

    fn check(&self, place: usize, text: &str, line: u64) -> Result<()> {
        match Value::parse(text, &self.types[place]) {
            Ok(_) => Ok(()),
            Err(error) => {
                let column = (self.names[place].as_str(), text);
                Err(placed(error.into(), &self.table, line, Some(column)))
            }
        }
    }

    fn object(&self, line: &Line) -> Result<Option<Json>> {
        if line.text.trim().is_empty() {
            return Ok(None);
        }
        let read: Json = serde_json::from_str(&line.text)
            .map_err(|error| Error::new(code::INVALID_TEXT, format!("invalid JSON: {error}")))?;
        let Json::Object(mut fields) = read else {
            return Err(Error::new(code::BAD_COPY, "a line of JSON is no object"));
        };
        let mut row = Vec::with_capacity(self.names.len());
        for (place, name) in self.names.iter().enumerate() {
            let value = fields.remove(name).unwrap_or(Json::Null);
            let ty = &self.types[place];
            row.push(match (value, ty) {
                (Json::Null, _) => Json::Null,
                (value, ColumnType::Json) => Json::String(value.to_string()),
                (value, ty) => Json::String(Value::from_json(&value, ty)?.render(ty)),
            });
        }
        match fields.keys().next() {
            None => Ok(Some(Json::Array(row))),
            Some(other) => {
                let message = format!("column \"{other}\" does not exist");
                let names = self.names.iter().map(String::as_str);
                Err(Error::new(code::UNDEFINED_COLUMN, message)
                    .with_suggestion(suggest::nearest(other, names)))
            }
        }
    }

    /// Inserts the rows that have been read.
    async fn store(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let count = self.rows.len() as u64;
        let rows = [Param::Json(Json::Array(std::mem::take(&mut self.rows)))];
        self.bytes = 0;
        let ran = self.session.run_in(self.transaction, &self.statement, &rows, &self.cancel).await;
        match ran {
            Ok(answer) => {
                self.transaction = answer.transaction.or(self.transaction);
                self.inserted += count;
                Ok(())
            }
            Err(mut error) => {
                let next = match self.options.format {
                    CopyFormat::Binary => self.tuples.number(),
                    _ => self.lines.number(),
                };
                let last = next.saturating_sub(1);
                let place = format!("COPY {}, lines {} to {last}", self.table, self.first_line);
                error.position = None;
                Err(match error.detail.take() {
                    Some(detail) => error.with_detail(format!("{detail} {place}")),
                    None => error.with_detail(place),
                })
            }
        }
    }
}

/// The columns of the data: those that are named, or all.
fn columns_of(table: &Table, columns: &[Name]) -> Result<(Vec<String>, Vec<ColumnType>)> {
    let shown = table.columns.iter().filter(|column| !column.hidden);
    if columns.is_empty() {
        return Ok(shown.map(|column| (column.name.clone(), column.ty.clone())).unzip());
    }
    let mut found = (Vec::new(), Vec::new());
    for name in columns {
        let column = table.columns.iter().find(|column| column.name == name.text);
        let Some(column) = column else {
            let names = table.columns.iter().map(|column| column.name.as_str());
            let message = format!("column \"{}\" does not exist", name.text);
            return Err(Error::new(code::UNDEFINED_COLUMN, message)
                .with_suggestion(suggest::nearest(&name.text, names))
                .at(name.position));
        };
        if found.0.contains(&name.text) {
            let message = format!("column \"{}\" specified more than once", name.text);
            return Err(Error::new(code::DUPLICATE_COLUMN, message).at(name.position));
        }
        found.0.push(column.name.clone());
        found.1.push(column.ty.clone());
    }
    Ok(found)
}

/// The INSERT of rows that come as an array of arrays of texts.
fn insert(table: &str, names: &[String], types: &[ColumnType]) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let values = types.iter().enumerate().map(|(place, ty)| match ty {
        // A cast would cut off what is too long.
        ColumnType::Text | ColumnType::Varchar(_) => format!("r ->> {place}"),
        ty => format!("(r ->> {place})::{ty}"),
    });
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM jsonb_array_elements($1) AS r",
        quoted(table),
        columns.join(", "),
        values.collect::<Vec<_>>().join(", ")
    )
}

/// Says where in the data an error is.
fn placed(error: Error, table: &str, line: u64, column: Option<(&str, &str)>) -> Error {
    let place = match column {
        None => format!("COPY {table}, line {line}"),
        Some((column, text)) => {
            let shown: String = text.chars().take(SHOWN_MAX).collect();
            format!("COPY {table}, line {line}, column {column}: \"{shown}\"")
        }
    };
    match &error.detail {
        Some(detail) => {
            let detail = format!("{detail} {place}");
            error.with_detail(detail)
        }
        None => error.with_detail(place),
    }
}
