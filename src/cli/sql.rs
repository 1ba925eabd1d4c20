//! `pieskieo sql`: run statements, or talk with the server.

use std::io::{IsTerminal, Read};

use serde_json::Value;

use super::arguments::SqlFlags;
use super::client::Client;
use super::run::Failure;
use super::{repl, screen, table};

/// Runs `-c` or `-f`; otherwise talks, with a person or with what comes through a pipe.
pub fn run(flags: &SqlFlags) -> Result<(), Failure> {
    let client = Client::new(&flags.target.url);
    let text = match (&flags.command, &flags.file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(path)) if path.as_os_str() == "-" => Some(standard_input()?),
        (None, Some(path)) => Some(
            pieskieo_io::file::host::read_to_string(path)
                .map_err(|error| format!("cannot read \"{}\": {error}", path.display()))?,
        ),
        (None, None) => None,
    };
    let state = repl::State { timing: flags.timing, json: flags.json };
    match text {
        Some(text) => run_text(&client, &text, flags.json, flags.timing),
        None if std::io::stdin().is_terminal() => repl::talk(&client, state),
        None => repl::follow(&client, std::io::stdin().lock(), state),
    }
}

/// Runs statements and prints their answers.
///
/// **Errors**: the first refused statement.
pub fn run_text(client: &Client, text: &str, json: bool, timing: bool) -> Result<(), Failure> {
    let started = Stopwatch::start();
    let answer = client.query(text, &[])?;
    if json {
        screen::line(&answer);
    } else {
        for one in answers(&answer) {
            screen::line(table::render(one));
        }
    }
    if timing {
        screen::line(started.shown());
    }
    Ok(())
}

/// Returns the answers of a request: one statement's own, or each of several.
pub fn answers(answer: &Value) -> Vec<&Value> {
    match answer.get("results").and_then(Value::as_array) {
        Some(results) => results.iter().collect(),
        None => vec![answer],
    }
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    Ok(text)
}

/// Wall time of one request, for people.
pub struct Stopwatch(pieskieo_io::time::Monotonic);

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Self {
        Self(pieskieo_io::time::now())
    }

    /// Returns the time so far as `Time: 1.234 ms`.
    pub fn shown(&self) -> String {
        format!("Time: {:.3} ms", self.0.elapsed().as_secs_f64() * 1_000.0)
    }
}
