//! `pieskieo export`: how do records become files?
//!
//! The answer is read while the server produces it; memory does not grow with its size.

use std::fmt;
use std::io::{self, BufReader, BufWriter, Write};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::arguments::{ExportFlags, Format};
use super::client::Client;
use super::records;
use super::run::Failure;
use super::screen;

/// Writes the rows of a table or query.
///
/// **Errors**: a refused statement; a file that cannot be written; an answer that breaks off.
pub fn run(flags: &ExportFlags) -> Result<(), Failure> {
    let format = match (flags.format, &flags.output) {
        (Some(format), _) => format,
        (None, Some(path)) => records::format_of(path)?,
        (None, None) => Format::Csv,
    };
    if matches!(format, Format::Npy | Format::Fvecs) {
        return Err("rows are written as csv, json or jsonl".to_owned());
    }
    let client = Client::new(&flags.target.url);
    let (pql, form) = match is_statement(&flags.what) {
        true => (flags.what.clone(), Form { format, is_collection: false }),
        false => {
            let is_collection = client.table(&flags.what)?["kind"] == "collection";
            (select_all(&flags.what), Form { format, is_collection })
        }
    };
    let body = client.stream(&pql)?;
    let sink: Box<dyn Write> = match &flags.output {
        None => Box::new(io::stdout()),
        Some(path) => Box::new(
            pieskieo_io::file::host::create(path)
                .map_err(|error| format!("cannot write \"{}\": {error}", path.display()))?,
        ),
    };
    let mut writer = RowWriter::new(BufWriter::with_capacity(1 << 20, sink), form);
    let reader = BufReader::with_capacity(1 << 20, body.into_reader());
    let mut input = serde_json::Deserializer::from_reader(reader);
    Answer(&mut writer)
        .deserialize(&mut input)
        .map_err(|error| format!("the rows could not be written: {error}"))?;
    let count =
        writer.finish().map_err(|error| format!("the rows could not be written: {error}"))?;
    if let Some(path) = &flags.output {
        screen::line(format_args!("{count} rows into \"{}\"", path.display()));
    }
    Ok(())
}

fn is_statement(what: &str) -> bool {
    let mut words = what.split_whitespace();
    let first = words.next().unwrap_or("").to_uppercase();
    ["SELECT", "WITH", "QUERY", "VALUES"].contains(&first.as_str()) && words.next().is_some()
}

fn select_all(table: &str) -> String {
    format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""))
}

/// How rows are written.
#[derive(Clone, Copy)]
struct Form {
    format: Format,
    /// Whether the members of `doc` stand beside the columns, as they were stored.
    is_collection: bool,
}

/// Writes rows in one of three forms.
struct RowWriter<W: Write> {
    out: W,
    form: Form,
    names: Vec<String>,
    /// Whether a column holds JSON, so that a text in it keeps its quotes in a CSV file.
    is_json: Vec<bool>,
    count: u64,
}

impl<W: Write> RowWriter<W> {
    fn new(out: W, form: Form) -> Self {
        Self { out, form, names: Vec::new(), is_json: Vec::new(), count: 0 }
    }

    fn start(&mut self, columns: &[Value]) -> io::Result<()> {
        let name = |column: &Value| column["name"].as_str().unwrap_or("").to_owned();
        self.names = columns.iter().map(name).collect();
        self.is_json = columns.iter().map(|column| column["type"] == "JSON").collect();
        match self.form.format {
            Format::Csv => {
                let header: Vec<String> = self.names.iter().map(|name| quoted(name)).collect();
                writeln!(self.out, "{}", header.join(","))
            }
            Format::Json => self.out.write_all(b"["),
            _ => Ok(()),
        }
    }

    fn row(&mut self, row: Vec<Value>) -> io::Result<()> {
        self.count += 1;
        if self.form.format == Format::Csv {
            let cells = row.iter().zip(&self.is_json);
            let cells: Vec<String> =
                cells.map(|(value, is_json)| csv_cell(value, *is_json)).collect();
            return writeln!(self.out, "{}", cells.join(","));
        }
        let mut record: Map<String, Value> = self.names.iter().cloned().zip(row).collect();
        if self.form.is_collection {
            records::flatten(&mut record);
        }
        if self.form.format == Format::Json {
            self.out.write_all(if self.count == 1 { b"\n" } else { b",\n" })?;
            return serde_json::to_writer(&mut self.out, &record).map_err(io::Error::other);
        }
        serde_json::to_writer(&mut self.out, &record).map_err(io::Error::other)?;
        self.out.write_all(b"\n")
    }

    fn finish(mut self) -> io::Result<u64> {
        if self.form.format == Format::Json {
            self.out.write_all(b"\n]\n")?;
        }
        self.out.flush()?;
        Ok(self.count)
    }
}

fn csv_cell(value: &Value, is_json: bool) -> String {
    match value {
        Value::Null => String::new(),
        value if is_json => quoted(&value.to_string()),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

/// Walks through the answer object: `columns` come before `rows`.
struct Answer<'a, W: Write>(&'a mut RowWriter<W>);

impl<'de, W: Write> DeserializeSeed<'de> for Answer<'_, W> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de, W: Write> Visitor<'de> for Answer<'_, W> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one statement's answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "columns" => {
                    let columns: Vec<Value> = map.next_value()?;
                    self.0.start(&columns).map_err(serde::de::Error::custom)?;
                }
                "rows" => map.next_value_seed(Rows(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Rows<'a, W: Write>(&'a mut RowWriter<W>);

impl<'de, W: Write> DeserializeSeed<'de> for Rows<'_, W> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de, W: Write> Visitor<'de> for Rows<'_, W> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            self.0.row(row).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let answer = r#"{"columns":[{"name":"a"},{"name":"b"}],"rows":[[1,"x, y"],[null,""]]}"#;
        let mut out = Vec::new();
        let mut writer = RowWriter::new(&mut out, Form { format, is_collection: false });
        let mut input = serde_json::Deserializer::from_str(answer);
        Answer(&mut writer).deserialize(&mut input).unwrap();
        assert_eq!(writer.finish().unwrap(), 2);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_are_written_in_each_form() {
        assert_eq!(written(Format::Csv), "a,b\n1,\"x, y\"\n,\"\"\n");
        assert_eq!(written(Format::Jsonl), "{\"a\":1,\"b\":\"x, y\"}\n{\"a\":null,\"b\":\"\"}\n");
        assert_eq!(
            written(Format::Json),
            "[\n{\"a\":1,\"b\":\"x, y\"},\n{\"a\":null,\"b\":\"\"}\n]\n"
        );
    }

    #[test]
    fn a_table_name_is_told_from_a_statement() {
        assert!(is_statement("select 1") && is_statement("WITH a AS (VALUES (1)) TABLE a"));
        assert!(!is_statement("films") && !is_statement("with"));
        assert_eq!(select_all("a\"b"), "SELECT * FROM \"a\"\"b\"");
    }

    #[test]
    fn documents_are_written_as_they_were_stored() {
        let answer = r#"{"columns":[{"name":"_id"},{"name":"doc","type":"JSON"}],
                         "rows":[["a",{"n":1}]]}"#;
        for (format, expected) in [
            (Format::Jsonl, "{\"_id\":\"a\",\"n\":1}\n"),
            (Format::Csv, "_id,doc\na,\"{\"\"n\"\":1}\"\n"),
        ] {
            let mut out = Vec::new();
            let mut writer = RowWriter::new(&mut out, Form { format, is_collection: true });
            let mut input = serde_json::Deserializer::from_str(answer);
            Answer(&mut writer).deserialize(&mut input).unwrap();
            writer.finish().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
