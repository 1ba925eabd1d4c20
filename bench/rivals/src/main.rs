//! How does our vector index compare with its rivals in the same run?

mod ann;
mod filtered;
mod hnswlib;
mod kernels;
mod npy;
mod stopwatch;

use std::io::Write;

const USAGE: &str = "\
usage: pieskieo-rivals ann --train A.npy --queries B.npy [--truth C.npy] [--metric l2|cosine]
                           [--m 16] [--ef-construction 200] [--rounds 3] [--rivals yes|no]
                           [--beams 16,32,64,128,256]
                           [--labels D.npy --query-labels E.npy]  instead: \"label is X\"
       pieskieo-rivals kernels [--dim 784] [--rows 60000]
       Pin it to one core: taskset -c 1 pieskieo-rivals ...";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, rest)) if command == "ann" => ann::run(&Flags(rest)),
        Some((command, rest)) if command == "kernels" => kernels::run(&Flags(rest)),
        _ => Err(USAGE.to_owned()),
    };
    if let Err(message) = outcome {
        say(&message);
        std::process::exit(2);
    }
}

/// Writes a line at once, so that a long run can be watched.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe only means that nobody reads on.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// `--name value` pairs.
pub struct Flags<'a>(&'a [String]);

impl Flags<'_> {
    /// Returns the text after `--name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.chunks(2);
        pairs.find(|pair| pair[0] == name).and_then(|pair| pair.get(1)).map(String::as_str)
    }

    /// Returns the number after `--name`.
    pub fn number(&self, name: &str, default: usize) -> Result<usize, String> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{name} wants a number\n{USAGE}")),
        }
    }
}
