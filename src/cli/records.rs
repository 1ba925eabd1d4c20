//! How are CSV, JSON and JSON lines files read?

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::arguments::Format;
use super::run::Failure;
use super::vectors::Vectors;
use crate::csv::{Csv, CsvOptions};

/// One record, field by field.
pub type Record = Map<String, Value>;

/// Records of a file, one after the other.
pub type Records = Box<dyn Iterator<Item = Result<Record, Failure>>>;

/// How a CSV file is meant.
pub struct CsvMeaning {
    /// Column names, when the first line does not have them.
    pub columns: Vec<String>,
    /// The text that stands for null.
    pub null: String,
}

/// Bytes read so far, shared with a progress bar.
pub type Progress = Rc<Cell<u64>>;

/// Returns the form of a file by its ending.
///
/// **Errors**: an ending that says nothing.
pub fn format_of(path: &Path) -> Result<Format, Failure> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv" | "dat") => Ok(Format::Csv),
        Some("json") => Ok(Format::Json),
        Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
        Some("npy") => Ok(Format::Npy),
        Some("fvecs") => Ok(Format::Fvecs),
        _ => Err(format!("\"{}\" does not say what it holds; add --format", path.display())),
    }
}

/// Opens a file of records.
///
/// **Errors**: unreadable; not of the form asked for. Later errors name the line.
pub fn open(
    path: &Path,
    format: Format,
    meaning: CsvMeaning,
    vector_column: &str,
    progress: Progress,
) -> Result<Records, Failure> {
    match format {
        Format::Csv => csv_records(counted(path, progress)?, meaning, path),
        Format::Jsonl => Ok(json_lines(counted(path, progress)?, path)),
        Format::Json => json_array(counted(path, progress)?, path),
        Format::Npy | Format::Fvecs => {
            let column = vector_column.to_owned();
            let vectors = Vectors::open(path)?;
            Ok(Box::new(vectors.map(move |vector| {
                Ok(Record::from_iter([(column.clone(), Value::from(vector?))]))
            })))
        }
    }
}

/// Counts the bytes that pass.
struct Counted<R> {
    file: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.progress.set(self.progress.get() + count as u64);
        Ok(count)
    }
}

fn counted(
    path: &Path,
    progress: Progress,
) -> Result<BufReader<Counted<impl Read + use<>>>, Failure> {
    let file = pieskieo_io::file::host::open_reader(path)
        .map_err(|error| format!("cannot read \"{}\": {error}", path.display()))?;
    Ok(BufReader::with_capacity(1 << 20, Counted { file, progress }))
}

fn json_lines(reader: impl BufRead + 'static, path: &Path) -> Records {
    let name = path.display().to_string();
    let lines = reader.lines().enumerate();
    Box::new(lines.filter_map(move |(index, line)| {
        let place = |what: String| format!("\"{name}\" line {}: {what}", index + 1);
        match line {
            Err(error) => Some(Err(place(error.to_string()))),
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) => Some(serde_json::from_str(&line).map_err(|error| place(error.to_string()))),
        }
    }))
}

fn json_array(reader: impl BufRead, path: &Path) -> Result<Records, Failure> {
    let value: Value = serde_json::from_reader(reader)
        .map_err(|error| format!("\"{}\" is not JSON: {error}", path.display()))?;
    let members = match value {
        Value::Array(members) => members,
        one => vec![one],
    };
    let name = path.display().to_string();
    Ok(Box::new(members.into_iter().enumerate().map(move |(index, member)| match member {
        Value::Object(record) => Ok(record),
        _ => Err(format!("\"{name}\": member {} is not an object", index + 1)),
    })))
}

fn csv_records(
    reader: impl BufRead + 'static,
    meaning: CsvMeaning,
    path: &Path,
) -> Result<Records, Failure> {
    let CsvMeaning { mut columns, null } = meaning;
    let options =
        CsvOptions { backslash: null.starts_with('\\'), null: Some(null), ..CsvOptions::default() };
    let mut rows = Csv::new(path, reader, options);
    if columns.is_empty() {
        let header = rows.next().transpose().map_err(|error| error.to_string())?;
        let names = header.unwrap_or_default().into_iter();
        columns = names.map(|name| name.unwrap_or_default().trim().to_owned()).collect();
    }
    let name = path.display().to_string();
    Ok(Box::new(std::iter::from_fn(move || {
        let row = match rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error.to_string())),
        };
        if row.len() != columns.len() {
            let (line, found, expected) = (rows.record_line(), row.len(), columns.len());
            return Some(Err(format!("\"{name}\" line {line}: {found} fields, not {expected}")));
        }
        Some(Ok(columns.iter().cloned().zip(row.into_iter().map(Value::from)).collect()))
    })))
}

/// Gives texts of a CSV file the form their columns have: JSON columns and vectors are written as
/// JSON text, and what a collection has beside its columns is one of them, called `doc`.
pub fn unfolded(records: Records, table: &Value) -> Records {
    let columns = table["columns"].as_array().cloned().unwrap_or_default();
    let is_json = |column: &&Value| {
        let ty = column["type"].as_str().unwrap_or("");
        ty == "JSON" || ty.starts_with("VECTOR") || ty.ends_with("[]")
    };
    let name = |column: &Value| column["name"].as_str().unwrap_or("").to_owned();
    let json: Vec<String> = columns.iter().filter(is_json).map(name).collect();
    let is_collection = table["kind"] == "collection";
    Box::new(records.enumerate().map(move |(number, record)| {
        let mut record = record?;
        for column in &json {
            let Some(Value::String(text)) = record.get(column) else { continue };
            let value = serde_json::from_str(text).map_err(|error| {
                format!("record {}: \"{column}\" is not JSON: {error}", number + 1)
            })?;
            record.insert(column.clone(), value);
        }
        if is_collection && record.get("doc").is_some_and(Value::is_object) {
            flatten(&mut record);
        }
        Ok(record)
    }))
}

/// Puts the members of `doc` beside the columns.
pub fn flatten(record: &mut Record) {
    if let Some(Value::Object(members)) = record.shift_remove("doc") {
        record.extend(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv_of(text: &'static str, columns: &[&str], null: &str) -> Vec<Result<Record, Failure>> {
        let meaning = CsvMeaning {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            null: null.to_owned(),
        };
        csv_records(text.as_bytes(), meaning, Path::new("t.csv")).unwrap().collect()
    }

    #[test]
    fn csv_names_come_from_the_first_line_or_from_the_command() {
        let named = csv_of("id,name\n1,\"a, b\"\n2,\n3,\"\"\n", &[], "");
        assert_eq!(
            Value::Object(named[0].clone().unwrap()).to_string(),
            r#"{"id":"1","name":"a, b"}"#
        );
        assert_eq!(named[1].as_ref().unwrap()["name"], Value::Null);
        assert_eq!(named[2].as_ref().unwrap()["name"], "", "an empty text is not null");
        let given = csv_of("1,\\N\n", &["id", "name"], "\\N");
        assert_eq!(given[0].as_ref().unwrap()["name"], Value::Null);
    }

    #[test]
    fn a_broken_line_is_named() {
        let broken = csv_of("id,name\n1\n", &[], "");
        assert!(broken[0].as_ref().unwrap_err().contains("line"), "{broken:?}");
        let lines: Vec<_> =
            json_lines(&b"{\"a\":1}\n\n{oops\n"[..], Path::new("t.jsonl")).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].as_ref().unwrap_err().contains("line 3"));
    }
}
