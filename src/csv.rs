//! What is in a file of separated values?
//!
//! RFC 4180: a field may stand in double quotes, and then hold separators, line ends and doubled
//! quotes. Beyond the RFC: any separator, a text that stands for null when unquoted, `\"` as a
//! quote inside quotes where the writer did that (OpenFlights), and a byte order mark in front.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use pieskieo_io::file::host;

/// Longest record that is believed: an unclosed quote must not read the rest of a large file.
const RECORD_BYTES_MAX: usize = 16 << 20;
/// Bytes read from a file at once.
const READ_BYTES: usize = 1 << 20;
/// What some programs put in front of UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
pub struct Csv<R> {
    path: PathBuf,
    options: CsvOptions,
    bytes: io::Bytes<R>,
    line: usize,
    /// Where the last record began.
    record_line: usize,
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

/// Opens a file.
///
/// **Errors**: those of the operating system.
pub fn open(path: impl AsRef<Path>, options: CsvOptions) -> io::Result<Csv<impl BufRead>> {
    let input = BufReader::with_capacity(READ_BYTES, host::open_reader(path.as_ref())?);
    Ok(Csv::new(path, input, options))
}

impl<R: BufRead> Csv<R> {
    /// Reads from any source; `path` is for messages.
    pub fn new(path: impl AsRef<Path>, mut input: R, options: CsvOptions) -> Self {
        // A failure to read shows again when the first record is asked for.
        if input.fill_buf().is_ok_and(|bytes| bytes.starts_with(BYTE_ORDER_MARK)) {
            input.consume(BYTE_ORDER_MARK.len());
        }
        let path = path.as_ref().to_owned();
        Self { path, options, bytes: input.bytes(), line: 1, record_line: 1 }
    }

    /// Returns the line, from 1, the last record began on.
    pub fn record_line(&self) -> usize {
        self.record_line
    }

    fn record(&mut self) -> io::Result<Option<Vec<Option<String>>>> {
        self.record_line = self.line;
        let mut fields = Vec::new();
        let mut field = Vec::new();
        let mut quoted = false;
        let mut state = State::Start;
        let mut count = 0;
        while let Some(byte) = self.bytes.next().transpose()? {
            count += 1;
            self.line += usize::from(byte == b'\n');
            if count > RECORD_BYTES_MAX {
                return Err(self.wrong("a record is too long; a quote may be open"));
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
                        self.record_line = self.line;
                        continue;
                    }
                    fields.push(self.finish(&mut field, quoted)?);
                    return Ok(Some(fields));
                }
                (_, b'\r') => state,
                (_, _) if byte == self.options.separator => {
                    fields.push(self.finish(&mut field, quoted)?);
                    quoted = false;
                    State::Start
                }
                (State::Closed, _) => {
                    return Err(self.wrong("text after a closing quote"));
                }
                (State::Start | State::Plain, _) => push(&mut field, byte, State::Plain),
            };
        }
        if state == State::Quoted {
            return Err(self.wrong("a quote is not closed"));
        }
        if fields.is_empty() && field.is_empty() && !quoted {
            return Ok(None);
        }
        fields.push(self.finish(&mut field, quoted)?);
        Ok(Some(fields))
    }

    fn finish(&self, field: &mut Vec<u8>, quoted: bool) -> io::Result<Option<String>> {
        let text = String::from_utf8(std::mem::take(field))
            .map_err(|_| self.wrong("the text is not UTF-8"))?;
        let null = !quoted && self.options.null.as_deref() == Some(text.as_str());
        Ok((!null).then_some(text))
    }

    fn wrong(&self, what: &str) -> io::Error {
        let message = format!("\"{}\" line {}: {what}", self.path.display(), self.record_line);
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
            ("\u{feff}\"a\"\n", vec![vec![some("a")]]),
            ("", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, CsvOptions::openflights()), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a_quoted_text_is_never_null() {
        let options = CsvOptions { null: Some(String::new()), ..CsvOptions::default() };
        let expected = vec![vec![None, Some(String::new()), None]];
        assert_eq!(read(",\"\",\n", options), Ok(expected));
    }

    #[test]
    fn damage_names_the_line() {
        let cases = [
            ("a\n\"b\nc", "\"t.csv\" line 2: a quote is not closed"),
            ("a\n\n\"b\"c\n", "\"t.csv\" line 3: text after a closing quote"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, CsvOptions::default()), Err(expected.to_owned()));
        }
    }
}
