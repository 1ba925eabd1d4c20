//! What does a client say?
//!
//! Bodies are read to their last byte: one that is too short, or has more than belongs to it, is
//! no message.

use bytes::Bytes;
use pieskieo_query::Error;
use pieskieo_query::error::code;
use pieskieo_query::postgres::Form;

use super::wire::Frame;

/// What a Describe or Close is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A prepared statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

/// A bound statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The portal it makes; empty = the one without a name.
    pub portal: String,
    /// The statement.
    pub statement: String,
    /// In which forms parameters come: none = text, one = all of them, or one for each.
    pub parameter_forms: Vec<Form>,
    /// The parameters; `None` is null.
    pub parameters: Vec<Option<Bytes>>,
    /// In which forms columns are wanted, as with parameters.
    pub result_forms: Vec<Form>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frontend {
    /// A text of statements to run.
    Query(String),
    /// A statement to prepare.
    Parse {
        /// Its name; empty = the one without a name.
        name: String,
        /// Its text.
        text: String,
        /// Numbers of its parameters' types, 0 = not said.
        types: Vec<u32>,
    },
    /// Parameters for a statement.
    Bind(Bind),
    /// A question about types.
    Describe(Target),
    /// A portal to run.
    Execute {
        /// Its name.
        portal: String,
        /// How many rows are wanted; 0 = all.
        limit: u32,
    },
    /// Something that is not needed any more.
    Close(Target),
    /// What was answered is to be sent.
    Flush,
    /// What belongs together ends.
    Sync,
    /// The client leaves.
    Terminate,
    /// A password, or a part of an exchange about one.
    Password(Bytes),
    /// A piece of what COPY takes in.
    CopyData(Bytes),
    /// What COPY takes in has ended.
    CopyDone,
    /// What COPY takes in cannot be given.
    CopyFail(String),
    /// A call of a function by its number.
    FunctionCall,
}

/// Reads a message.
///
/// **Errors**: `08P01` for what is none, `22021` for texts that are not UTF-8.
pub fn decode(frame: &Frame) -> Result<Frontend, Error> {
    let mut body = Body { bytes: frame.body.clone() };
    let message = match frame.kind {
        b'Q' => Frontend::Query(body.text()?),
        b'P' => {
            let (name, text) = (body.text()?, body.text()?);
            let count = body.count()?;
            let types = (0..count).map(|_| body.u32()).collect::<Result<_, _>>()?;
            Frontend::Parse { name, text, types }
        }
        b'B' => Frontend::Bind(bind(&mut body)?),
        b'D' => Frontend::Describe(body.target()?),
        b'C' => Frontend::Close(body.target()?),
        b'E' => {
            let portal = body.text()?;
            // A negative number of rows is no limit.
            let limit = u32::try_from(body.u32()?.cast_signed()).unwrap_or(0);
            Frontend::Execute { portal, limit }
        }
        b'H' => Frontend::Flush,
        b'S' => Frontend::Sync,
        b'X' => Frontend::Terminate,
        b'p' => Frontend::Password(body.rest()),
        b'd' => Frontend::CopyData(body.rest()),
        b'c' => Frontend::CopyDone,
        b'f' => Frontend::CopyFail(body.text()?),
        b'F' => {
            body.rest();
            Frontend::FunctionCall
        }
        other => {
            let message = format!("invalid frontend message type {other}");
            return Err(Error::new(code::PROTOCOL_VIOLATION, message));
        }
    };
    if body.bytes.is_empty() { Ok(message) } else { Err(invalid()) }
}

fn bind(body: &mut Body) -> Result<Bind, Error> {
    let (portal, statement) = (body.text()?, body.text()?);
    let parameter_forms = body.forms()?;
    let count = body.count()?;
    let parameters = (0..count).map(|_| body.value()).collect::<Result<_, _>>()?;
    let result_forms = body.forms()?;
    Ok(Bind { portal, statement, parameter_forms, parameters, result_forms })
}

/// The error of a message that is not as it should be.
fn invalid() -> Error {
    Error::new(code::PROTOCOL_VIOLATION, "invalid message format")
}

/// What of a message has not been read.
struct Body {
    bytes: Bytes,
}

impl Body {
    fn take(&mut self, count: usize) -> Result<Bytes, Error> {
        match count <= self.bytes.len() {
            true => Ok(self.bytes.split_to(count)),
            false => Err(invalid()),
        }
    }

    fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        let field = self.take(4)?;
        Ok(u32::from_be_bytes([field[0], field[1], field[2], field[3]]))
    }

    fn u16(&mut self) -> Result<u16, Error> {
        let field = self.take(2)?;
        Ok(u16::from_be_bytes([field[0], field[1]]))
    }

    /// A count of things of two bytes and more.
    fn count(&mut self) -> Result<usize, Error> {
        let count = usize::from(self.u16()?);
        if count * 2 > self.bytes.len() { Err(invalid()) } else { Ok(count) }
    }

    fn text(&mut self) -> Result<String, Error> {
        let end = self.bytes.iter().position(|byte| *byte == 0).ok_or_else(invalid)?;
        let text = self.take(end)?;
        self.take(1)?;
        String::from_utf8(text.to_vec()).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let message = "invalid byte sequence for encoding \"UTF8\"";
            Error::new(code::INVALID_CHARACTER, format!("{message}: 0x{:02x}", text[at]))
        })
    }

    fn target(&mut self) -> Result<Target, Error> {
        let kind = self.take(1)?[0];
        match kind {
            b'S' => Ok(Target::Statement(self.text()?)),
            b'P' => Ok(Target::Portal(self.text()?)),
            _ => Err(invalid()),
        }
    }

    fn forms(&mut self) -> Result<Vec<Form>, Error> {
        let count = self.count()?;
        let form = |code| match code {
            0 => Ok(Form::Text),
            1 => Ok(Form::Binary),
            other => {
                let message = format!("unsupported format code: {other}");
                Err(Error::new(code::INVALID_PARAMETER_VALUE, message))
            }
        };
        (0..count).map(|_| self.u16().and_then(form)).collect()
    }

    fn value(&mut self) -> Result<Option<Bytes>, Error> {
        match self.u32()?.cast_signed() {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| invalid())?).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, body: &[u8]) -> Frame {
        Frame { kind, body: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn messages_are_read_to_their_last_byte() {
        let whole: [(u8, &[u8]); 9] = [
            (b'Q', b"SELECT 1\0"),
            (b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
            (b'B', b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01a\xff\xff\xff\xff\0\0"),
            (b'D', b"Ss\0"),
            (b'C', b"P\0"),
            (b'E', b"\0\0\0\0\x0a"),
            (b'H', b""),
            (b'S', b""),
            (b'X', b""),
        ];
        for (kind, body) in whole {
            assert!(decode(&frame(kind, body)).is_ok(), "{}", kind as char);
            for end in 0..body.len() {
                let refused = decode(&frame(kind, &body[..end])).unwrap_err();
                assert_eq!(refused.code, "08P01", "{} {end}", kind as char);
            }
            let longer = [body, b"\0"].concat();
            assert_eq!(decode(&frame(kind, &longer)).unwrap_err().code, "08P01");
        }
    }

    #[test]
    fn what_no_client_says_is_refused() {
        for (kind, body, code) in [
            (b'z', &b""[..], "08P01"),
            (b'Q', b"\xff\0", "22021"),
            (b'D', b"Xs\0", "08P01"),
            (b'B', b"\0\0\0\x01\0\x07\0\0\0\0", "22023"),
            (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", "08P01"),
            (b'P', b"\0\0\xff\xff", "08P01"),
        ] {
            assert_eq!(decode(&frame(kind, body)).unwrap_err().code, code, "{body:?}");
        }
    }
}
