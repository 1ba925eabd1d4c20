//! How does a person edit and complete statements?
//!
//! A statement ends with `;` and may take several lines. Lines that start with `\` are commands
//! to this program. History is kept in the user's state folder. What comes through a pipe is
//! understood in the same way, without editing.

use std::borrow::Cow;
use std::io::BufRead;
use std::path::PathBuf;

use reedline::{
    ColumnarMenu, Completer, CompletionResult, DefaultHinter, Emacs, FileBackedHistory, KeyCode,
    KeyModifiers, MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, Span, Suggestion, ValidationResult, Validator,
    default_emacs_keybindings,
};
use serde_json::Value;

use super::client::Client;
use super::input::{Extent, extent};
use super::run::Failure;
use super::sql::run_text;
use super::{screen, table};

/// Statements remembered.
const HISTORY_MAX: usize = 5_000;

const HELP: &str = "\
\\d            list tables, collections and edge tables
\\d NAME       describe one
\\timing       show the time of each request, on or off
\\json         show raw answers, on or off
\\i FILE       run a file
\\?            this list
\\q            leave
Statements end with \";\" and may take several lines.";

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "INSERT INTO",
    "VALUES",
    "RETURNING",
    "UPDATE",
    "SET",
    "DELETE FROM",
    "CREATE TABLE",
    "CREATE COLLECTION",
    "CREATE EDGE",
    "CREATE INDEX",
    "USING hnsw",
    "USING text",
    "DROP",
    "EXPLAIN",
    "ANALYZE",
    "MATCH",
    "QUERY",
    "SIMILAR TO",
    "TRAVERSE",
    "DEPTH",
    "COMPUTE",
    "MATCHES(",
    "SCORE()",
    "DISTANCE()",
    "PRIMARY KEY",
    "NOT NULL",
    "VECTOR(",
    "BIGINT",
    "TEXT",
    "JSON",
    "TIMESTAMPTZ",
    "COUNT(*)",
    "WITH",
    "UNION ALL",
    "DISTINCT",
    "SHOW",
];

/// What is switched on.
pub struct State {
    /// Show the time of each request.
    pub timing: bool,
    /// Show raw answers.
    pub json: bool,
}

/// What to do after an input.
#[derive(PartialEq)]
enum Next {
    Read,
    Leave,
}

/// Carries out what comes through a pipe, input by input, also after one that failed. What follows
/// the last `;` is the last input.
///
/// **Errors**: inputs failed; the pipe cannot be read.
pub fn follow(client: &Client, input: impl BufRead, mut state: State) -> Result<(), Failure> {
    let mut pending = String::new();
    let mut failed = 0;
    for line in input.lines().map(Some).chain([None]) {
        let ended = line.is_none();
        if let Some(line) = line {
            let line = line.map_err(|error| format!("cannot read standard input: {error}"))?;
            pending.push_str(&line);
            pending.push('\n');
        }
        match extent(&pending) {
            Extent::Nothing => continue,
            Extent::Part if !ended => continue,
            Extent::Part | Extent::Whole => {}
        }
        let text = std::mem::take(&mut pending);
        match obey(client, text.trim(), &mut state) {
            Ok(Next::Read) => {}
            Ok(Next::Leave) => break,
            Err(failure) => {
                failed += 1;
                screen::note(failure);
            }
        }
    }
    match failed {
        0 => Ok(()),
        1 => Err("1 input failed".to_owned()),
        count => Err(format!("{count} inputs failed")),
    }
}

/// Talks until the person leaves.
pub fn talk(client: &Client, mut state: State) -> Result<(), Failure> {
    let names = names(client)?;
    screen::line("Statements end with \";\". \\? lists commands, \\q leaves.");
    let mut editor = editor(names);
    loop {
        match editor.read_line(&PqlPrompt) {
            Ok(Signal::Success(text)) => match obey(client, text.trim(), &mut state) {
                Ok(Next::Read) => {}
                Ok(Next::Leave) => return Ok(()),
                Err(failure) => screen::note(failure),
            },
            Ok(Signal::CtrlD) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(format!("the terminal cannot be read: {error}")),
        }
    }
}

/// Carries out one input.
///
/// **Errors**: a refused statement, an unknown command.
fn obey(client: &Client, text: &str, state: &mut State) -> Result<Next, Failure> {
    if extent(text) == Extent::Nothing {
        return Ok(Next::Read);
    }
    let Some(command) = text.strip_prefix('\\') else {
        return run_text(client, text, state.json, state.timing).map(|()| Next::Read);
    };
    let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
    match name.trim_end_matches(';') {
        "q" | "quit" => return Ok(Next::Leave),
        "?" | "h" | "help" => screen::line(HELP),
        "d" | "dt" => describe(client, argument.trim().trim_end_matches(';'))?,
        "timing" => {
            state.timing = !state.timing;
            screen::line(format_args!("timing is {}", on_off(state.timing)));
        }
        "json" => {
            state.json = !state.json;
            screen::line(format_args!("raw answers are {}", on_off(state.json)));
        }
        "i" => run_file(client, argument.trim(), state)?,
        other => return Err(format!("there is no command \\{other}; \\? lists them")),
    }
    Ok(Next::Read)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn run_file(client: &Client, path: &str, state: &State) -> Result<(), Failure> {
    let text = pieskieo_io::file::host::read_to_string(path)
        .map_err(|error| format!("cannot read \"{path}\": {error}"))?;
    run_text(client, &text, state.json, state.timing)
}

/// Prints the list of tables, or one table's columns and indexes.
fn describe(client: &Client, name: &str) -> Result<(), Failure> {
    let listed = client.get("/v1/tables")?;
    let tables = listed.get("tables").and_then(Value::as_array).cloned().unwrap_or_default();
    if name.is_empty() {
        let rows: Vec<Value> = tables
            .iter()
            .map(|one| {
                serde_json::json!([
                    one["name"],
                    one["kind"],
                    one["columns"].as_array().map_or(0, Vec::len)
                ])
            })
            .collect();
        let columns = serde_json::json!([
            { "name": "name" }, { "name": "kind" }, { "name": "columns", "type": "INT" }
        ]);
        let answer = serde_json::json!({ "columns": columns, "rows": rows });
        screen::line(table::render(&answer));
        return Ok(());
    }
    let found = tables.iter().find(|one| one["name"].as_str() == Some(name));
    let found = found.ok_or_else(|| format!("there is no table \"{name}\""))?;
    let rows: Vec<Value> = found["columns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|column| {
            serde_json::json!([
                column["name"],
                column["type"],
                column["not_null"],
                column["default"]
            ])
        })
        .collect();
    let columns = serde_json::json!([
        { "name": "column" }, { "name": "type" }, { "name": "not null" }, { "name": "default" }
    ]);
    screen::line(format_args!("{} \"{name}\"", found["kind"].as_str().unwrap_or("table")));
    screen::line(table::render(&serde_json::json!({ "columns": columns, "rows": rows })));
    screen::line(format_args!("key: {}", list(&found["key"])));
    for index in found["indexes"].as_array().into_iter().flatten() {
        screen::line(format_args!(
            "index \"{}\": {}",
            index["name"].as_str().unwrap_or(""),
            index["definition"].as_str().unwrap_or("")
        ));
    }
    for one in found["constraints"].as_array().into_iter().flatten() {
        screen::line(format_args!(
            "constraint \"{}\": {}",
            one["name"].as_str().unwrap_or(""),
            one["definition"].as_str().unwrap_or("")
        ));
    }
    Ok(())
}

fn list(value: &Value) -> String {
    let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}

/// Returns the names worth completing: tables and their columns.
fn names(client: &Client) -> Result<Vec<String>, Failure> {
    let listed = client.get("/v1/tables")?;
    let mut names: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    for one in listed.get("tables").and_then(Value::as_array).into_iter().flatten() {
        names.extend(one["name"].as_str().map(str::to_owned));
        let columns = one["columns"].as_array().into_iter().flatten();
        names.extend(columns.filter_map(|column| column["name"].as_str().map(str::to_owned)));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn editor(names: Vec<String>) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let menu = "completion";
    let complete = ReedlineEvent::UntilFound(vec![
        ReedlineEvent::Menu(menu.to_owned()),
        ReedlineEvent::MenuNext,
    ]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
    let columns = Box::new(ColumnarMenu::default().with_name(menu));
    let editor = Reedline::create()
        .with_validator(Box::new(EndsWithSemicolon))
        .with_completer(Box::new(Names(names)))
        .with_menu(ReedlineMenu::EngineCompleter(columns))
        .with_hinter(Box::new(DefaultHinter::default()))
        .with_edit_mode(Box::new(Emacs::new(keys)));
    match history_file().map(|path| FileBackedHistory::with_file(HISTORY_MAX, path)) {
        Some(Ok(history)) => editor.with_history(Box::new(history)),
        _ => editor,
    }
}

fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Some(state.or(home)?.join("pieskieo").join("history"))
}

struct EndsWithSemicolon;

impl Validator for EndsWithSemicolon {
    fn validate(&self, line: &str) -> ValidationResult {
        match extent(line) {
            Extent::Nothing | Extent::Whole => ValidationResult::Complete,
            Extent::Part => ValidationResult::Incomplete,
        }
    }
}

struct Names(Vec<String>);

impl Completer for Names {
    fn complete(&mut self, line: &str, position: usize) -> CompletionResult {
        CompletionResult::fresh(self.fitting(line, position))
    }
}

impl Names {
    /// Returns the names that go on from the word before the cursor.
    fn fitting(&self, line: &str, position: usize) -> Vec<Suggestion> {
        let before = &line[..position.min(line.len())];
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let start = before
            .rfind(|c| !is_name(c))
            .map_or(0, |index| index + before[index..].chars().next().map_or(1, char::len_utf8));
        let word = before[start..].to_lowercase();
        if word.is_empty() {
            return Vec::new();
        }
        let fitting = self.0.iter().filter(|name| name.to_lowercase().starts_with(&word));
        fitting
            .map(|name| Suggestion {
                value: name.clone(),
                span: Span::new(start, position),
                append_whitespace: true,
                ..Suggestion::default()
            })
            .collect()
    }
}

struct PqlPrompt;

impl Prompt for PqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("pql")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("...> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search \"{}\") ", search.term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_under_the_cursor_is_completed() {
        let names = Names(vec!["films".to_owned(), "SELECT".to_owned()]);
        let found = names.fitting("sel", 3);
        assert_eq!(found[0].value, "SELECT");
        let found = names.fitting("SELECT * FROM fi", 16);
        assert_eq!((found[0].value.as_str(), found[0].span.start), ("films", 14));
        assert!(names.fitting("SELECT ", 7).is_empty());
    }
}
