//! What is in a file with a JSON document per line?

use std::fs::File;
use std::io::{self, BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};

use pieskieo_io::file::host;
use serde_json::Value;

/// The documents of a file, in order. Empty lines are passed over.
pub struct Jsonl {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    line: usize,
}

impl Jsonl {
    /// Opens a file.
    ///
    /// **Errors**: those of the operating system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let input = BufReader::with_capacity(1 << 20, host::open_reader(&path)?);
        Ok(Self { path, lines: input.lines(), line: 0 })
    }
}

impl Iterator for Jsonl {
    type Item = io::Result<Value>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line += 1;
            let line = match self.lines.next()? {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let value = serde_json::from_str(&line).map_err(|error| {
                let message = format!("{}:{}: {error}", self.path.display(), self.line);
                io::Error::new(io::ErrorKind::InvalidData, message)
            });
            return Some(value);
        }
    }
}
