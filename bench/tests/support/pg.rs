//! How does a test speak PostgreSQL's protocol, byte by byte?

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A message of the server: its kind and its body.
pub type Message = (u8, Vec<u8>);

/// A connection.
pub struct Pg {
    stream: TcpStream,
}

/// Returns a message.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// Returns a Parse of a statement, whose client says these types.
pub fn parse(name: &str, text: &str, types: &[u32]) -> Vec<u8> {
    let mut body = format!("{name}\0{text}\0").into_bytes();
    body.extend(u16::try_from(types.len()).unwrap().to_be_bytes());
    types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    message(b'P', &body)
}

/// Returns a Bind of texts.
pub fn bind(portal: &str, statement: &str, values: &[Option<&str>]) -> Vec<u8> {
    let mut body = format!("{portal}\0{statement}\0").into_bytes();
    body.extend([0; 2]);
    body.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        match value {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(text) => {
                body.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
                body.extend(text.as_bytes());
            }
        }
    }
    body.extend([0; 2]);
    message(b'B', &body)
}

/// Returns an Execute.
pub fn execute(portal: &str, limit: i32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), &[0], &limit.to_be_bytes()].concat())
}

/// Returns a Describe or Close of a statement (`S`) or portal (`P`).
pub fn about(kind: u8, what: u8, name: &str) -> Vec<u8> {
    message(kind, &[&[what], name.as_bytes(), &[0]].concat())
}

/// Returns a Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// Returns a Query.
pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), &[0]].concat())
}

/// Returns a startup message.
pub fn startup(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_i32.to_be_bytes().to_vec();
    for (name, value) in pairs {
        body.extend(format!("{name}\0{value}\0").into_bytes());
    }
    body.push(0);
    let length = i32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

impl Pg {
    /// Connects and says nothing.
    pub fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream }
    }

    /// Connects and is let in.
    pub fn open(address: SocketAddr) -> Self {
        let mut pg = Self::silent(address);
        pg.send(&startup(&[("user", "pieskieo")]));
        let answers = pg.until_ready();
        assert_eq!(answers.first().unwrap().0, b'R', "{answers:?}");
        pg
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        // A server that has closed the connection is found out by reading.
        drop(self.stream.write_all(bytes));
    }

    /// Returns the next message; `None` when the server has closed the connection.
    pub fn next(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).ok()?;
        let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        self.stream.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    /// Returns one byte that answers a request for privacy.
    pub fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).unwrap();
        byte[0]
    }

    /// Returns all messages up to ReadyForQuery.
    pub fn until_ready(&mut self) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.next() {
            let last = message.0 == b'Z';
            all.push(message);
            if last {
                return all;
            }
        }
        panic!("closed before it was ready: {}", shown(&all));
    }

    /// Returns all messages until the server closes the connection.
    pub fn until_closed(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Sends messages and returns what they are answered, written as [`shown`] does.
    pub fn ask(&mut self, messages: &[Vec<u8>]) -> String {
        self.send(&messages.concat());
        shown(&self.until_ready())
    }

    /// Runs a text of statements.
    pub fn query(&mut self, text: &str) -> String {
        self.ask(&[query(text)])
    }
}

/// Writes messages so that a person can compare them.
pub fn shown(messages: &[Message]) -> String {
    let mut out = String::new();
    for (kind, body) in messages {
        if !out.is_empty() {
            out.push_str(" | ");
        }
        match kind {
            b'T' => {
                let names = columns(body).into_iter();
                let names = names.map(|(name, oid)| format!("{name}:{oid}"));
                write!(out, "columns {}", names.collect::<Vec<_>>().join(" ")).unwrap();
            }
            b'D' => write!(out, "row {}", values(body).join(",")).unwrap(),
            b'C' => write!(out, "{}", text(body)).unwrap(),
            b'E' | b'N' => {
                let field = |wanted| field(body, wanted).unwrap_or_default();
                write!(out, "{} {}", field(b'S'), field(b'C')).unwrap();
                if let Some(position) = self::field(body, b'P') {
                    write!(out, " at {position}").unwrap();
                }
            }
            b'Z' => write!(out, "ready {}", body[0] as char).unwrap(),
            b't' => {
                let oids = body[2..]
                    .chunks(4)
                    .map(|oid| u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]).to_string());
                write!(out, "parameters {}", oids.collect::<Vec<_>>().join(" ")).unwrap();
            }
            b'S' => write!(out, "set {}", text(body).replace('\0', "=")).unwrap(),
            b'1' => out.push_str("parsed"),
            b'2' => out.push_str("bound"),
            b'3' => out.push_str("closed"),
            b'n' => out.push_str("no data"),
            b's' => out.push_str("suspended"),
            b'I' => out.push_str("empty"),
            b'A' => {
                let said = text(&body[4..]).replace('\0', "=");
                write!(out, "heard {said}").unwrap();
            }
            b'G' => write!(out, "copy in {:?}", body).unwrap(),
            b'H' => write!(out, "copy out {:?}", body).unwrap(),
            b'd' => write!(out, "data {}", hex(body)).unwrap(),
            b'c' => out.push_str("done"),
            other => write!(out, "{}", *other as char).unwrap(),
        }
    }
    out
}

/// Returns a field of an error.
pub fn field(body: &[u8], wanted: u8) -> Option<String> {
    let mut parts = body.split(|byte| *byte == 0);
    parts.find(|part| part.first() == Some(&wanted)).map(|part| text(&part[1..]))
}

/// Writes bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body.strip_suffix(&[0]).unwrap_or(body)).into_owned()
}

fn columns(body: &[u8]) -> Vec<(String, u32)> {
    let mut rest = &body[2..];
    let mut columns = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        let oid = &rest[end + 7..end + 11];
        columns.push((text(&rest[..end]), u32::from_be_bytes(oid.try_into().unwrap())));
        rest = &rest[end + 19..];
    }
    columns
}

fn values(body: &[u8]) -> Vec<String> {
    let mut rest = &body[2..];
    let mut values = Vec::new();
    while !rest.is_empty() {
        let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
        rest = &rest[4..];
        match usize::try_from(length) {
            Err(_) => values.push("NULL".to_owned()),
            Ok(length) => {
                values.push(String::from_utf8_lossy(&rest[..length]).into_owned());
                rest = &rest[length..];
            }
        }
    }
    values
}
