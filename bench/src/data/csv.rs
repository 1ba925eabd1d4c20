//! What is in a file of separated values?
//!
//! RFC 4180: a field may stand in double quotes, and then hold separators, line ends and doubled
//! quotes. Beyond the RFC: any separator, a text that stands for null when unquoted, and `\"` as
//! a quote inside quotes where the writer did that (OpenFlights).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use pieskieo_io::file::host;

/// Longest record that is believed: an unclosed quote must not read the rest of a large file.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// How a file is written.
#[derive(Clone, Debug)]
pub struct CsvOptions {
    /// The byte between fields. Default `,`.
    pub separator: u8,
    /// The unquoted field that means null. Default none.
    pub null: Option<String>,
    /// Whether `\` inside quotes takes the next byte as it is. Default false.
    pub backslash: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { separator: b',', null: None, backslash: false }
    }
}

impl CsvOptions {
    /// Returns how OpenFlights writes its `.dat` files.
    pub fn openflights() -> Self {
        Self { null: Some("\\N".to_owned()), backslash: true, ..Self::default() }
    }
}

/// The records of a file, in order. Empty lines are passed over.
pub struct Csv<R = BufReader<File>> {
    path: PathBuf,
    options: CsvOptions,
    bytes: io::Bytes<R>,
    line: usize,
}

/// Where in a record the reader is.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// After a quote inside quotes: the end of the field, or a doubled quote.
    Closed,
}

impl Csv {
    /// Opens a file.
    ///
    /// **Errors**: those of the operating system.
    pub fn open(path: impl AsRef<Path>, options: CsvOptions) -> io::Result<Self> {
        let input = BufReader::with_capacity(1 << 20, host::open_reader(path.as_ref())?);
        Ok(Self::new(path, input, options))
    }
}

impl<R: BufRead> Csv<R> {
    /// Reads from any source; `path` is for messages.
    pub fn new(path: impl AsRef<Path>, input: R, options: CsvOptions) -> Self {
        Self { path: path.as_ref().to_owned(), options, bytes: input.bytes(), line: 1 }
    }

    fn record(&mut self) -> io::Result<Option<Vec<Option<String>>>> {
        let first_line = self.line;
        let mut fields = Vec::new();
        let mut field = Vec::new();
        let mut quoted = false;
        let mut state = State::Start;
        let mut count = 0;
        while let Some(byte) = self.bytes.next().transpose()? {
            count += 1;
            self.line += usize::from(byte == b'\n');
            if count > RECORD_BYTES_MAX {
                return Err(self.wrong(first_line, "a record is too long; a quote may be open"));
            }
            state = match (state, byte) {
                (State::Quoted, b'\\') if self.options.backslash => {
                    field.extend(self.bytes.next().transpose()?);
                    State::Quoted
                }
                (State::Quoted, b'"') => State::Closed,
                (State::Quoted, _) => push(&mut field, byte, State::Quoted),
                (State::Closed, b'"') => push(&mut field, b'"', State::Quoted),
                (State::Start, b'"') => {
                    quoted = true;
                    State::Quoted
                }
                (_, b'\n') => {
                    if fields.is_empty() && field.is_empty() && !quoted {
                        state = State::Start;
                        continue;
                    }
                    fields.push(self.finish(&mut field, quoted, first_line)?);
                    return Ok(Some(fields));
                }
                (_, b'\r') => state,
                (_, _) if byte == self.options.separator => {
                    fields.push(self.finish(&mut field, quoted, first_line)?);
                    quoted = false;
                    State::Start
                }
                (State::Closed, _) => {
                    return Err(self.wrong(first_line, "text after a closing quote"));
                }
                (State::Start | State::Plain, _) => push(&mut field, byte, State::Plain),
            };
        }
        if state == State::Quoted {
            return Err(self.wrong(first_line, "a quote is not closed"));
        }
        if fields.is_empty() && field.is_empty() && !quoted {
            return Ok(None);
        }
        fields.push(self.finish(&mut field, quoted, first_line)?);
        Ok(Some(fields))
    }

    fn finish(&self, field: &mut Vec<u8>, quoted: bool, line: usize) -> io::Result<Option<String>> {
        let text = String::from_utf8(std::mem::take(field))
            .map_err(|_| self.wrong(line, "the text is not UTF-8"))?;
        let null = !quoted && self.options.null.as_deref() == Some(text.as_str());
        Ok((!null).then_some(text))
    }

    fn wrong(&self, line: usize, what: &str) -> io::Error {
        let message = format!("{}:{line}: {what}", self.path.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

impl<R: BufRead> Iterator for Csv<R> {
    /// The fields of one record, `None` = null.
    type Item = io::Result<Vec<Option<String>>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}

fn push(field: &mut Vec<u8>, byte: u8, next: State) -> State {
    field.push(byte);
    next
}

#[cfg(test)]
mod tests {
    use super::{Csv, CsvOptions};

    fn read(text: &str, options: CsvOptions) -> Result<Vec<Vec<Option<String>>>, String> {
        Csv::new("t.csv", text.as_bytes(), options)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn quotes_separators_and_nulls_are_read() {
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            ("a,b\nc,d\n", vec![vec![some("a"), some("b")], vec![some("c"), some("d")]]),
            ("a,\"b,\"\"c\"\"\nd\"\r\n", vec![vec![some("a"), some("b,\"c\"\nd")]]),
            ("a,,\n\n,b", vec![vec![some("a"), some(""), some("")], vec![some(""), some("b")]]),
            ("\\N,\"\\N\",\"x \\\"y\\\"\"\n", vec![vec![None, some("N"), some("x \"y\"")]]),
            ("", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, CsvOptions::openflights()), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn damage_names_the_line() {
        let cases = [
            ("a\n\"b\nc", "t.csv:2: a quote is not closed"),
            ("a\n\"b\"c\n", "t.csv:2: text after a closing quote"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, CsvOptions::default()), Err(expected.to_owned()));
        }
    }
}
