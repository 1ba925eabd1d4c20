//! How is something shown to a person?
//!
//! The only place that writes to standard output. A reader that goes away (`| head`) ends the
//! command quietly.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes one line to standard output.
pub fn line(text: impl Display) {
    write(format_args!("{text}\n"));
}

/// Writes one line to standard error.
pub fn note(text: impl Display) {
    let written = writeln!(io::stderr().lock(), "{text}");
    drop(written);
}

fn write(text: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    end_if_gone(out.write_fmt(text).and_then(|()| out.flush()));
}

fn end_if_gone(result: io::Result<()>) {
    if result.is_err() {
        std::process::exit(0);
    }
}
