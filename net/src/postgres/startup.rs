//! How does a connection begin?
//!
//! ```text
//! i32 length   i32 code    80877103 SSLRequest, 80877104 GSSENCRequest: one byte answers
//!                          80877102 CancelRequest: i32 number, i32 secret; nothing answers
//!                          196608 and on, version 3: pairs of names and values, ended by a zero
//! ```

use std::net::IpAddr;
use std::rc::Rc;

use bytes::{Buf, Bytes};
use futures::io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsAcceptor;
use pieskieo_io::rt::{self, TcpStream};
use pieskieo_query::Error;
use pieskieo_query::error::code;

use super::backend;
use super::cancel;
use super::conversation::Conversation;
use super::login::{self, Unwelcome};
use super::refusal::{Severity, refuse};
use super::wire::{Broken, Wire};
use crate::front::Front;
use crate::limits;

const CANCEL: i32 = 80_877_102;
const SSL: i32 = 80_877_103;
const GSS: i32 = 80_877_104;
/// The version that is spoken: 3.0.
const MAJOR: i32 = 3;
/// How often a client may ask for privacy before it begins.
const REQUESTS_MAX: usize = 2;

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Startup {
    /// Who it is.
    pub user: String,
    /// Which database it wants; the user's name unless it says one.
    pub database: Option<String>,
    /// Settings of its session, in order.
    pub settings: Vec<(String, String)>,
    /// Options of the protocol that nobody knows.
    unknown: Vec<String>,
    /// The minor version it would speak.
    minor: i32,
}

/// What a first message is.
#[derive(Debug, PartialEq, Eq)]
enum First {
    Ssl,
    Gss,
    Cancel { process: i32, secret: i32 },
    Startup(Startup),
}

/// Speaks with one client until it leaves.
pub async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>, front: Rc<Front>) {
    let peer = stream.peer_addr().ok().map(|address| address.ip());
    if let Err(broken) = greet(stream, (peer, acceptor), front).await {
        tracing::debug!(%broken, "PostgreSQL connection ended");
    }
}

/// Makes the connection private if that is wanted, then lets the client in.
async fn greet(
    stream: TcpStream,
    (peer, acceptor): (Option<IpAddr>, Option<TlsAcceptor>),
    front: Rc<Front>,
) -> Result<(), Broken> {
    let mut wire = Wire::new(stream);
    for _ in 0..=REQUESTS_MAX {
        let asked = rt::timeout(limits::LOGIN_TIME_MAX, wire.first(limits::LOGIN_BYTES_MAX)).await;
        let first = match asked {
            Ok(asked) => asked?,
            Err(_) => return Err(Broken::Closed),
        };
        match (first_of(first), &acceptor) {
            (Ok(First::Ssl), Some(acceptor)) => {
                wire.output.push(b'S');
                wire.flush().await?;
                let Some(stream) = wire.into_stream() else {
                    let text = "bytes that nobody has encrypted follow a request to encrypt";
                    return Err(Broken::Protocol(text.to_owned()));
                };
                let shake = rt::timeout(limits::HANDSHAKE_TIME_MAX, acceptor.accept(stream));
                let stream = shake.await.map_err(|_| Broken::Closed)??;
                return talk(Wire::new(stream), None, (peer, front)).await;
            }
            (Ok(First::Ssl | First::Gss), _) => {
                wire.output.push(b'N');
                wire.flush().await?;
            }
            (first, _) => return talk(wire, Some(first), (peer, front)).await,
        }
    }
    Err(Broken::Protocol("a client asks for privacy again and again".to_owned()))
}

/// Lets a client in and answers it; `first` is its first message, if it has come.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut wire: Wire<S>,
    first: Option<Result<First, Error>>,
    (peer, front): (Option<IpAddr>, Rc<Front>),
) -> Result<(), Broken> {
    let login = Box::pin(login(&mut wire, first, (peer, &front)));
    let refused = match rt::timeout(limits::LOGIN_TIME_MAX, login).await {
        Ok(Ok(Some(startup))) => {
            let conversation = Conversation::new(wire, front, startup);
            return Box::pin(conversation.run()).await;
        }
        Ok(Ok(None)) => return Ok(()),
        Ok(Err(Unwelcome::Broken(Broken::Length { length, max }))) => {
            let message = format!("invalid message length {length}, of at most {max}");
            Error::new(code::PROTOCOL_VIOLATION, message)
        }
        Ok(Err(Unwelcome::Broken(broken))) => return Err(broken),
        Ok(Err(Unwelcome::Refused(error))) => *error,
        Err(_) => Error::new(code::PROTOCOL_VIOLATION, "the client took too long to log in"),
    };
    refuse(&mut wire.output, Severity::Fatal, &refused);
    wire.flush_within(limits::CLOSE_TIME_MAX).await?;
    wire.close().await;
    Ok(())
}

/// Lets a client in; `None` when it only wanted to stop a statement.
async fn login<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    first: Option<Result<First, Error>>,
    (peer, front): (Option<IpAddr>, &Front),
) -> Result<Option<Startup>, Unwelcome> {
    let first = match first {
        Some(first) => first,
        None => first_of(wire.first(limits::LOGIN_BYTES_MAX).await?),
    };
    let startup = match first? {
        First::Startup(startup) => startup,
        First::Cancel { process, secret } => {
            cancel::cancel(process, secret);
            return Ok(None);
        }
        First::Ssl | First::Gss => {
            let message = "the connection is private already";
            return Err(Error::new(code::PROTOCOL_VIOLATION, message).into());
        }
    };
    if startup.minor > 0 || !startup.unknown.is_empty() {
        backend::negotiate(&mut wire.output, 0, &startup.unknown);
    }
    let verifier = front.options.postgres.as_ref().and_then(|door| door.verifier.as_ref());
    login::admit(wire, &startup, (peer, verifier)).await?;
    if !front.ready.get() {
        let message = "the database system is starting up or shutting down";
        return Err(Error::new(code::CANNOT_CONNECT_NOW, message).into());
    }
    Ok(Some(startup))
}

/// Reads a first message.
///
/// **Errors**: `08P01` for what is none, `0A000` for another version.
fn first_of(mut body: Bytes) -> Result<First, Error> {
    let invalid = || Error::new(code::PROTOCOL_VIOLATION, "invalid startup packet");
    if body.len() < 4 {
        return Err(invalid());
    }
    let number = body.get_i32();
    match (number, body.len()) {
        (SSL, 0) => Ok(First::Ssl),
        (GSS, 0) => Ok(First::Gss),
        (CANCEL, 8) => Ok(First::Cancel { process: body.get_i32(), secret: body.get_i32() }),
        (SSL | GSS | CANCEL, _) => Err(invalid()),
        _ if number >> 16 == MAJOR => startup(&body, number & 0xffff).ok_or_else(invalid)?,
        _ => {
            let (major, minor) = (number >> 16, number & 0xffff);
            let message = format!("unsupported frontend protocol {major}.{minor}");
            Err(Error::new(code::FEATURE_NOT_SUPPORTED, message)
                .with_detail("The server speaks 3.0."))
        }
    }
}

/// Reads the pairs of a startup message; `None` for what is none.
fn startup(body: &[u8], minor: i32) -> Option<Result<First, Error>> {
    let pairs = match body {
        [pairs @ .., 0] => pairs,
        _ => return None,
    };
    let pairs = pairs.strip_suffix(&[0]).or(pairs.is_empty().then_some(pairs))?;
    let mut texts: Vec<&str> = Vec::new();
    if !pairs.is_empty() {
        for part in pairs.split(|byte| *byte == 0) {
            texts.push(std::str::from_utf8(part).ok()?);
        }
    }
    if !texts.len().is_multiple_of(2) || texts.len() / 2 > limits::STARTUP_PARAMETERS_MAX {
        return None;
    }
    let mut startup = Startup { minor, ..Startup::default() };
    for pair in texts.chunks_exact(2) {
        let (name, value) = (pair[0], pair[1].to_owned());
        match name {
            "user" => startup.user = value,
            "database" => startup.database = Some(value).filter(|name| !name.is_empty()),
            "replication" if !matches!(value.as_str(), "false" | "off" | "no" | "0") => {
                return Some(Err(Error::unsupported("replication over this protocol")));
            }
            "replication" => {}
            "options" => startup.settings.extend(options(&value)),
            name if name.starts_with("_pq_.") => startup.unknown.push(name.to_owned()),
            name => startup.settings.push((name.to_owned(), value)),
        }
    }
    if startup.user.is_empty() {
        let message = "no PostgreSQL user name specified in startup packet";
        return Some(Err(Error::new(code::INVALID_AUTHORIZATION, message)));
    }
    Some(Ok(First::Startup(startup)))
}

/// Reads `-c name=value --name=value`; a blank within a value has a backslash before it.
fn options(text: &str) -> Vec<(String, String)> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, words.last_mut()) {
            ('\\', Some(word)) => word.extend(chars.next()),
            (c, _) if c.is_whitespace() => words.push(String::new()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let pair = match word.as_str() {
            "-c" => words.next(),
            word => word.strip_prefix("-c").or(word.strip_prefix("--")).map(str::to_owned),
        };
        if let Some((name, value)) = pair.as_deref().and_then(|pair| pair.split_once('=')) {
            settings.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(number: i32, rest: &[u8]) -> Result<First, Error> {
        first_of([&number.to_be_bytes()[..], rest].concat().into())
    }

    #[test]
    fn a_client_says_who_it_is_and_how_it_wants_to_be_answered() {
        let body = b"user\0ada\0database\0\0options\0-c a.b=1 --x-y=2\\ 3\0TimeZone\0UTC\0\0";
        let First::Startup(startup) = read(196_608, body).unwrap() else { panic!("no startup") };
        assert_eq!((startup.user.as_str(), startup.database), ("ada", None));
        let expected = [("a.b", "1"), ("x_y", "2 3"), ("TimeZone", "UTC")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(startup.settings, expected);
        assert_eq!(read(SSL, b""), Ok(First::Ssl));
        assert_eq!(
            read(CANCEL, &[0, 0, 0, 7, 0, 0, 0, 9]),
            Ok(First::Cancel { process: 7, secret: 9 })
        );
    }

    #[test]
    fn what_is_no_first_message_is_refused() {
        for (number, rest, code) in [
            (196_608, &b""[..], "08P01"),
            (196_608, b"\0", "28000"),
            (196_608, b"user\0ada", "08P01"),
            (196_608, b"user\0ada\0", "08P01"),
            (196_608, b"user\0\xff\0\0", "08P01"),
            (131_072, b"user\0ada\0\0", "0A000"),
            (SSL, b"x", "08P01"),
            (CANCEL, b"short", "08P01"),
        ] {
            assert_eq!(read(number, rest).unwrap_err().code, code, "{rest:?}");
        }
    }
}
