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
    let pql = statement(&flags.what);
    let body = Client::new(&flags.target.url).stream(&pql)?;
    let sink: Box<dyn Write> = match &flags.output {
        None => Box::new(io::stdout()),
        Some(path) => Box::new(
            pieskieo_io::file::host::create(path)
                .map_err(|error| format!("cannot write \"{}\": {error}", path.display()))?,
        ),
    };
    let mut writer = RowWriter::new(BufWriter::with_capacity(1 << 20, sink), format);
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

fn statement(what: &str) -> String {
    let first = what.split_whitespace().next().unwrap_or("").to_uppercase();
    let is_statement = ["SELECT", "WITH", "QUERY", "VALUES"].contains(&first.as_str());
    if is_statement && what.contains(' ') {
        return what.to_owned();
    }
    format!("SELECT * FROM \"{}\"", what.replace('"', "\"\""))
}

/// Writes rows in one of three forms.
struct RowWriter<W: Write> {
    out: W,
    format: Format,
    names: Vec<String>,
    count: u64,
}

impl<W: Write> RowWriter<W> {
    fn new(out: W, format: Format) -> Self {
        Self { out, format, names: Vec::new(), count: 0 }
    }

    fn start(&mut self, names: Vec<String>) -> io::Result<()> {
        self.names = names;
        match self.format {
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
        if self.format == Format::Csv {
            let cells: Vec<String> = row.iter().map(csv_cell).collect();
            return writeln!(self.out, "{}", cells.join(","));
        }
        let record: Map<String, Value> = self.names.iter().cloned().zip(row).collect();
        if self.format == Format::Json {
            self.out.write_all(if self.count == 1 { b"\n" } else { b",\n" })?;
            return serde_json::to_writer(&mut self.out, &record).map_err(io::Error::other);
        }
        serde_json::to_writer(&mut self.out, &record).map_err(io::Error::other)?;
        self.out.write_all(b"\n")
    }

    fn finish(mut self) -> io::Result<u64> {
        if self.format == Format::Json {
            self.out.write_all(b"\n]\n")?;
        }
        self.out.flush()?;
        Ok(self.count)
    }
}

fn csv_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
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
                    let name = |c: &Value| c["name"].as_str().unwrap_or("").to_owned();
                    let names = columns.iter().map(name).collect();
                    self.0.start(names).map_err(serde::de::Error::custom)?;
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
        let mut writer = RowWriter::new(&mut out, format);
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
    fn a_table_name_becomes_a_statement() {
        assert_eq!(statement("films"), "SELECT * FROM \"films\"");
        assert_eq!(statement("SELECT 1"), "SELECT 1");
    }
}
