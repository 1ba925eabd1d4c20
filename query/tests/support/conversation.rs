//! How do several clients of one database talk in turns?

use super::{Client, with_database};

/// What it is about, and its lines.
pub type Conversation = (&'static str, &'static [Line]);

/// Who says what, and the first value of the answer or the code of the error that is expected.
pub type Line = (usize, &'static str, Expected);

#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// Any answer.
    Fine,
    /// The first value of the first row.
    Value(i64),
    /// An error of this code.
    Code(&'static str),
}

pub use Expected::{Code, Fine, Value};

pub fn say(name: &str, client: &Client, text: &str, expected: Expected) {
    let said = client.ask(text);
    match (expected, said) {
        (Fine, Ok(_)) => {}
        (Value(value), Ok(answer)) => {
            let rows = answer.rows();
            let found = rows.first().and_then(|row| row.first());
            let found = found.and_then(|cell| {
                cell.as_i64().or_else(|| cell.as_str().and_then(|text| text.parse().ok()))
            });
            assert_eq!(found, Some(value), "{name}: {text}: {rows:?}");
        }
        (Code(code), Err(error)) => {
            assert_eq!(error.code, code, "{name}: {text}: {error:?}");
            if matches!(code, "25P01" | "25P03") {
                client.join(None);
            }
        }
        (expected, Ok(answer)) => panic!("{name}: {text}: {expected:?}, {:?}", answer.rows()),
        (expected, Err(error)) => panic!("{name}: {text}: {expected:?}, {error:?}"),
    }
}

/// Holds each conversation of up to three clients with a database of its own.
pub fn talk_all(shards: u16, schema: &str, conversations: &[Conversation]) {
    for (name, lines) in conversations {
        with_database(shards, |open| {
            let clients = [open(), open(), open()];
            clients[2].ask(schema).expect("the schema");
            for (who, text, expected) in *lines {
                say(name, &clients[*who], text, *expected);
            }
        });
    }
}
