//! `pieskieo import`: how do files become records?

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::arguments::{Format, ImportFlags};
use super::client::Client;
use super::records::{self, CsvMeaning, Progress, Records};
use super::run::Failure;
use super::screen;
use super::sql::Stopwatch;
use super::vectors::Vectors;

/// Bytes of lines made ahead of what is being sent.
const CHUNK_BYTES: usize = 256 << 10;

/// Loads a file and prints what the server counted.
///
/// **Errors**: an unreadable file, a broken record, a server that refuses; or, after all good
/// records were stored, that some were refused.
pub fn run(flags: &ImportFlags) -> Result<(), Failure> {
    let format = match flags.format {
        Some(format) => format,
        None => records::format_of(&flags.file)?,
    };
    let client = Client::new(&flags.target.url);
    let table = client.table(&flags.table)?;
    let progress: Progress = Rc::new(Cell::new(0));
    let bar = bar(flags, format);
    let failure = Rc::new(Cell::new(None));
    let source = Lines {
        records: prepared(flags, format, &table, progress.clone())?,
        ready: Vec::new(),
        sent: 0,
        count: 0,
        progress,
        bar: bar.clone(),
        failure: failure.clone(),
    };
    let watch = Stopwatch::start();
    let answer = client.load(&flags.table, source, flags.replace);
    bar.finish_and_clear();
    if let Some(failure) = failure.take() {
        return Err(failure);
    }
    report(flags, &answer?, &watch)
}

fn report(flags: &ImportFlags, answer: &Value, watch: &Stopwatch) -> Result<(), Failure> {
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let table = &flags.table;
    screen::line(format_args!(
        "{} records into \"{table}\". {}",
        number("inserted"),
        watch.shown()
    ));
    let failed = number("failed");
    if failed == 0 {
        return Ok(());
    }
    for error in answer.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let line = error.get("line").and_then(Value::as_u64).unwrap_or(0);
        let message = error.get("message").and_then(Value::as_str).unwrap_or("");
        screen::note(format_args!("record {line}: {message}"));
    }
    Err(format!("{failed} records were refused"))
}

/// Returns the records as they are to be stored: numbered, limited, with their vectors.
fn prepared(
    flags: &ImportFlags,
    format: Format,
    table: &Value,
    progress: Progress,
) -> Result<Records, Failure> {
    let meaning = CsvMeaning { columns: flags.columns.clone(), null: flags.null.clone() };
    let mut records = records::open(&flags.file, format, meaning, &flags.vector_column, progress)?;
    if format == Format::Csv {
        records = records::unfolded(records, table);
    }
    if let Some(limit) = flags.limit {
        records = Box::new(records.take(limit));
    }
    if let Some(pair) = &flags.vectors {
        let (file, column) = pair
            .rsplit_once(':')
            .ok_or_else(|| format!("--vectors {pair} should be FILE:COLUMN"))?;
        records = with_vectors(records, Vectors::open(file.as_ref())?, column.to_owned());
    }
    if let Some(column) = flags.number.clone() {
        records = Box::new(records.enumerate().map(move |(number, record)| {
            let mut record = record?;
            record.insert(column.clone(), Value::from(number));
            Ok(record)
        }));
    }
    Ok(records)
}

fn with_vectors(records: Records, mut vectors: Vectors, column: String) -> Records {
    Box::new(records.enumerate().map(move |(number, record)| {
        let mut record = record?;
        let vector = vectors
            .next()
            .ok_or_else(|| format!("the vector file ends before record {}", number + 1))?;
        record.insert(column.clone(), Value::from(vector?));
        Ok(record)
    }))
}

fn bar(flags: &ImportFlags, format: Format) -> ProgressBar {
    let bytes = pieskieo_io::file::host::file_bytes(&flags.file).unwrap_or(0);
    let bar = if matches!(format, Format::Npy | Format::Fvecs) {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::new(bytes)
    };
    let template = "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {elapsed}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Records as NDJSON, made while they are sent.
struct Lines {
    records: Records,
    ready: Vec<u8>,
    sent: usize,
    count: u64,
    progress: Progress,
    bar: ProgressBar,
    failure: Rc<Cell<Option<Failure>>>,
}

impl Lines {
    fn fill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.sent = 0;
        while self.ready.len() < CHUNK_BYTES {
            match self.records.next() {
                None => break,
                Some(Ok(record)) => {
                    serde_json::to_writer(&mut self.ready, &record).map_err(io::Error::other)?;
                    self.ready.push(b'\n');
                    self.count += 1;
                }
                Some(Err(failure)) => {
                    self.failure.set(Some(failure));
                    return Err(io::Error::other("a record of the file is broken"));
                }
            }
        }
        self.bar.set_position(self.progress.get());
        self.bar.set_message(format!("{} records", self.count));
        Ok(())
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.sent == self.ready.len() {
            self.fill()?;
        }
        let count = buffer.len().min(self.ready.len() - self.sent);
        buffer[..count].copy_from_slice(&self.ready[self.sent..self.sent + count]);
        self.sent += count;
        Ok(count)
    }
}
