//! How does a command talk to a running server?
//!
//! Commands are ordinary blocking programs: they use a blocking HTTP client and need no runtime.

use std::cell::RefCell;
use std::io::Read;
use std::time::Duration;

use serde_json::Value;
use ureq::{Agent, Body, SendBody};

use super::run::Failure;

/// Time to wait for a server that does not answer at all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Names the transaction that statements belong to.
const TRANSACTION: &str = "transaction";
/// How the server says that it is not open any more.
const ENDED: [&str; 2] = ["\"code\":\"25P01\"", "\"code\":\"25P03\""];

/// A server to talk to.
pub struct Client {
    agent: Agent,
    url: String,
    /// The transaction that BEGIN opened and that later statements belong to.
    transaction: RefCell<Option<String>>,
}

impl Client {
    /// Makes a client for the server at `url`. Nothing is sent yet.
    pub fn new(url: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIME_MAX))
            .http_status_as_error(false)
            .build();
        let url = url.trim_end_matches('/').to_owned();
        Self { agent: config.into(), url, transaction: RefCell::default() }
    }

    /// Runs statements and returns the answer object.
    ///
    /// **Errors**: no server; a refused statement, as a person reads it.
    pub fn query(&self, pql: &str, params: &[Value]) -> Result<Value, Failure> {
        let request = serde_json::json!({ "pql": pql, "params": params }).to_string();
        let body = self.post("/v1/query", "application/json", request.as_bytes(), Some(pql))?;
        serde_json::from_slice(&body).map_err(|error| format!("unreadable answer: {error}"))
    }

    /// Runs one statement and returns the raw answer, for streaming.
    ///
    /// **Errors**: as [`Client::query`].
    pub fn stream(&self, pql: &str) -> Result<Body, Failure> {
        let request = serde_json::json!({ "pql": pql }).to_string();
        let response = self
            .agent
            .post(format!("{}/v1/query", self.url))
            .content_type("application/json")
            .send(request.as_bytes())
            .map_err(|error| self.unreachable(&error))?;
        let (head, mut body) = response.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        let text = body.read_to_string().unwrap_or_default();
        Err(explain(&text, Some(pql)))
    }

    /// Sends records as NDJSON and returns the counts the server answers.
    ///
    /// **Errors**: no server; a table that does not exist.
    pub fn load(&self, table: &str, source: impl Read, replace: bool) -> Result<Value, Failure> {
        let suffix = if replace { "?on_conflict=replace" } else { "" };
        let mut source = source;
        let response = self
            .agent
            .post(format!("{}/v1/tables/{}/records{suffix}", self.url, escape(table)))
            .content_type("application/x-ndjson")
            .send(SendBody::from_reader(&mut source))
            .map_err(|error| self.unreachable(&error))?;
        let (head, mut body) = response.into_parts();
        let text = body.read_to_string().map_err(|error| self.unreachable(&error))?;
        if !head.status.is_success() {
            return Err(explain(&text, None));
        }
        serde_json::from_str(&text).map_err(|error| format!("unreadable answer: {error}"))
    }

    /// Returns what the server tells about a table.
    ///
    /// **Errors**: no server; no such table.
    pub fn table(&self, name: &str) -> Result<Value, Failure> {
        self.get(&format!("/v1/tables/{}", escape(name)))
    }

    /// Returns the JSON at an address.
    ///
    /// **Errors**: no server; nothing there.
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        let response = self
            .agent
            .get(format!("{}{path}", self.url))
            .call()
            .map_err(|error| self.unreachable(&error))?;
        let (head, mut body) = response.into_parts();
        let text = body.read_to_string().map_err(|error| self.unreachable(&error))?;
        if !head.status.is_success() {
            return Err(explain(&text, None));
        }
        serde_json::from_str(&text).map_err(|error| format!("unreadable answer: {error}"))
    }

    fn post(
        &self,
        path: &str,
        kind: &str,
        bytes: &[u8],
        pql: Option<&str>,
    ) -> Result<Vec<u8>, Failure> {
        let mut request = self.agent.post(format!("{}{path}", self.url)).content_type(kind);
        if let Some(token) = self.transaction.borrow().as_deref() {
            request = request.header(TRANSACTION, token);
        }
        let response = request.send(bytes).map_err(|error| self.unreachable(&error))?;
        let (head, mut body) = response.into_parts();
        if head.status.is_success() {
            let named = head.headers.get(TRANSACTION).and_then(|value| value.to_str().ok());
            *self.transaction.borrow_mut() = named.map(str::to_owned);
        }
        let mut answer = Vec::new();
        body.as_reader()
            .read_to_end(&mut answer)
            .map_err(|error| format!("the answer broke off: {error}"))?;
        if head.status.is_success() {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(&answer);
        if ENDED.iter().any(|code| text.contains(code)) {
            *self.transaction.borrow_mut() = None;
        }
        Err(explain(&text, pql))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        format!("no answer from {}: {error}; is `pieskieo serve` running there?", self.url)
    }
}

/// Writes a problem object as psql would: the message, the line with a caret, detail and hint.
fn explain(text: &str, pql: Option<&str>) -> Failure {
    let Ok(problem) = serde_json::from_str::<Value>(text) else {
        return text.trim().to_owned();
    };
    let member = |name: &str| problem.get(name).and_then(Value::as_str);
    let code = member("code").unwrap_or("XX000");
    let mut out = format!("ERROR {code}: {}", member("message").unwrap_or("no message"));
    let position = problem.get("position").and_then(Value::as_u64);
    if let (Some(pql), Some(position)) = (pql, position) {
        out.push_str(&point_at(pql, position as usize));
    }
    for (name, label) in [("detail", "DETAIL"), ("hint", "HINT")] {
        if let Some(text) = member(name) {
            out.push_str(&format!("\n{label}: {text}"));
        }
    }
    out
}

/// Returns the line a position (characters, from 1) falls into, and a caret under it.
fn point_at(pql: &str, position: usize) -> String {
    let before: String = pql.chars().take(position.saturating_sub(1)).collect();
    let number = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count();
    let Some(line) = pql.lines().nth(number - 1) else { return String::new() };
    let label = format!("LINE {number}: ");
    format!("\n{label}{line}\n{}^", " ".repeat(label.len() + column))
}

fn escape(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_into_the_statement() {
        let problem =
            r#"{"code":"42703","message":"no column \"b\"","position":15,"hint":"try a"}"#;
        let shown = explain(problem, Some("SELECT a\nFROM t b"));
        assert_eq!(
            shown,
            "ERROR 42703: no column \"b\"\nLINE 2: FROM t b\n             ^\nHINT: try a"
        );
    }

    #[test]
    fn names_are_escaped_in_addresses() {
        assert_eq!(escape("a b/é"), "a%20b%2F%C3%A9");
    }
}
