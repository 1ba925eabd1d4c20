//! Where does a row end in bytes that arrive in pieces?

use crate::error::{Error, Result, code};
use crate::syntax::{CopyFormat, CopyOptions};

/// Bytes that one row may have.
pub(super) const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One row as it arrived.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The number of its first line, from 1.
    pub number: u64,
    /// Without what ended it.
    pub text: String,
}

/// Cuts bytes into rows.
#[derive(Debug)]
pub struct Lines {
    format: CopyFormat,
    quote: u8,
    escape: u8,
    buffer: Vec<u8>,
    /// How far the buffer has been looked through.
    at: usize,
    /// Whether that is inside of quotes.
    quoted: bool,
    /// Whether the byte before is a sign that escapes this one.
    escaped: bool,
    /// Line ends before the buffer, and in what was looked through.
    before: u64,
    within: u64,
    /// Whether `\.` has come.
    ended: bool,
}

impl Lines {
    /// Returns a cutter for data of this form.
    pub fn new(options: &CopyOptions) -> Self {
        Self {
            format: options.format,
            quote: options.quote,
            escape: options.escape,
            buffer: Vec::new(),
            at: 0,
            quoted: false,
            escaped: false,
            before: 0,
            within: 0,
            ended: false,
        }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.ended {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Returns the line that comes next, for errors.
    pub fn number(&self) -> u64 {
        self.before + 1
    }

    /// Returns the next row that is whole; at the end also the last one, which nothing ends.
    ///
    /// **Errors**: 22P04 for quotes that are not closed, 22021 for bytes that are no text, 54000
    /// for a row too long.
    pub fn next(&mut self, at_end: bool) -> Result<Option<Line>> {
        if self.ended {
            return Ok(None);
        }
        while self.at < self.buffer.len() {
            let byte = self.buffer[self.at];
            self.at += 1;
            if self.is_end(byte) {
                return self.take(self.at - 1);
            }
        }
        if self.buffer.len() > ROW_BYTES_MAX {
            let message = format!("a row of more than {ROW_BYTES_MAX} bytes");
            return Err(Error::new(code::PROGRAM_LIMIT, message));
        }
        if !at_end || self.buffer.is_empty() {
            return Ok(None);
        }
        if self.quoted {
            return Err(Error::new(code::BAD_COPY, "unterminated CSV quoted field"));
        }
        self.take(self.buffer.len())
    }

    /// Looks at a byte; returns whether it ends the row.
    fn is_end(&mut self, byte: u8) -> bool {
        self.within += u64::from(byte == b'\n');
        match self.format {
            CopyFormat::Json | CopyFormat::Binary => byte == b'\n',
            CopyFormat::Text => {
                let escaped = std::mem::replace(&mut self.escaped, byte == b'\\');
                self.escaped &= !escaped;
                byte == b'\n' && !escaped
            }
            CopyFormat::Csv if self.quoted => {
                // An escaped quote: where quotes escape themselves, two of them close and open.
                let escaped = std::mem::take(&mut self.escaped);
                match byte {
                    byte if self.escape != self.quote && byte == self.escape && !escaped => {
                        self.escaped = true;
                    }
                    byte if byte == self.quote && !escaped => self.quoted = false,
                    _ => {}
                }
                false
            }
            CopyFormat::Csv => {
                self.quoted = byte == self.quote;
                byte == b'\n'
            }
        }
    }

    fn take(&mut self, end: usize) -> Result<Option<Line>> {
        let rest = self.buffer.split_off(self.at);
        let mut bytes = std::mem::replace(&mut self.buffer, rest);
        bytes.truncate(end);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        let number = self.before + 1;
        self.before += self.within;
        (self.at, self.within, self.escaped) = (0, 0, false);
        if bytes == b"\\." && self.format != CopyFormat::Json {
            self.ended = true;
            self.buffer = Vec::new();
            return Ok(None);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(Line { number, text })),
            Err(_) => {
                let message = "invalid byte sequence for encoding \"UTF8\"";
                Err(Error::new(code::INVALID_CHARACTER, message)
                    .with_detail(format!("COPY, line {number}")))
            }
        }
    }
}
