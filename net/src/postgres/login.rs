//! Who may come in?
//!
//! Without a password everybody on this machine may, and nobody else. With one, whoever knows it.
//! There is one user and one database, both called `pieskieo`.

use std::net::IpAddr;
use std::time::Duration;

use futures::io::{AsyncRead, AsyncWrite};
use pieskieo_io::rt;
use pieskieo_query::Error;
use pieskieo_query::error::code;

use super::backend::{self, Authentication};
use super::scram::{MECHANISM, Refused, Verifier};
use super::startup::Startup;
use super::wire::{Broken, Wire};
use crate::limits;

/// The user and the database there are.
pub const NAME: &str = "pieskieo";
/// How long a wrong password is thought about, so that guessing takes time.
const REFUSAL_PAUSE: Duration = Duration::from_millis(500);

/// Why somebody does not come in.
#[derive(Debug)]
pub enum Unwelcome {
    /// It is told why.
    Refused(Box<Error>),
    /// Nobody is there to be told.
    Broken(Broken),
}

impl From<Broken> for Unwelcome {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<Error> for Unwelcome {
    fn from(error: Error) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// Finds out whether a client may come in, and tells it.
///
/// **Errors**: `28000` and `28P01` for one that may not, `3D000` for another database.
pub async fn admit<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    startup: &Startup,
    (peer, verifier): (Option<IpAddr>, Option<&Verifier>),
) -> Result<(), Unwelcome> {
    match verifier {
        Some(verifier) => prove(wire, startup, verifier).await?,
        None if !peer.is_some_and(|peer| peer.is_loopback()) => {
            let message = "without a password only clients of this machine are let in";
            return Err(Error::new(code::INVALID_AUTHORIZATION, message)
                .with_hint("Set pg_password_file on the server.")
                .into());
        }
        None => {}
    }
    // Who may not come in does not learn which names there are.
    if startup.user != NAME {
        let message = format!("role \"{}\" does not exist", startup.user);
        return Err(Error::new(code::INVALID_AUTHORIZATION, message)
            .with_hint("Connect as the user pieskieo.")
            .into());
    }
    if startup.database.as_deref().is_some_and(|database| database != NAME) {
        let named = startup.database.as_deref().unwrap_or_default();
        let message = format!("database \"{named}\" does not exist");
        return Err(Error::new(code::UNDEFINED_DATABASE, message)
            .with_hint("Connect to the database pieskieo.")
            .into());
    }
    backend::authentication(&mut wire.output, Authentication::Ok);
    Ok(())
}

async fn prove<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    startup: &Startup,
    verifier: &Verifier,
) -> Result<(), Unwelcome> {
    backend::authentication(&mut wire.output, Authentication::Sasl(MECHANISM));
    wire.flush().await?;
    let first = password(wire).await?;
    let exchange = initial(&first).and_then(|data| verifier.begin(data));
    let exchange = exchange.map_err(|_| malformed())?;
    let challenge = exchange.server_first().as_bytes().to_vec();
    backend::authentication(&mut wire.output, Authentication::Continue(&challenge));
    wire.flush().await?;
    let last = password(wire).await?;
    match exchange.finish(&last) {
        Ok(shown) => {
            backend::authentication(&mut wire.output, Authentication::Final(shown.as_bytes()));
            Ok(())
        }
        Err(Refused::Malformed) => Err(malformed().into()),
        Err(Refused::WrongPassword) => {
            rt::sleep(REFUSAL_PAUSE).await;
            let user = &startup.user;
            let message = format!("password authentication failed for user \"{user}\"");
            Err(Error::new(code::INVALID_PASSWORD, message).into())
        }
    }
}

/// Waits for the client's part of the exchange.
async fn password<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
) -> Result<bytes::Bytes, Unwelcome> {
    let frame = wire.message(limits::LOGIN_BYTES_MAX).await?;
    match frame.kind {
        b'p' => Ok(frame.body),
        b'X' => Err(Broken::Closed.into()),
        other => {
            let message = format!("expected SASL response, got message type {other}");
            Err(Error::new(code::PROTOCOL_VIOLATION, message).into())
        }
    }
}

/// Takes the mechanism and the length before the client's first message away.
fn initial(body: &[u8]) -> Result<&[u8], Refused> {
    let end = body.iter().position(|byte| *byte == 0).ok_or(Refused::Malformed)?;
    let (mechanism, rest) = body.split_at(end);
    if mechanism != MECHANISM.as_bytes() {
        return Err(Refused::Malformed);
    }
    let (length, data) = rest[1..].split_at_checked(4).ok_or(Refused::Malformed)?;
    let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    match usize::try_from(length) {
        Ok(length) if length == data.len() => Ok(data),
        _ => Err(Refused::Malformed),
    }
}

fn malformed() -> Error {
    Error::new(code::PROTOCOL_VIOLATION, "malformed SCRAM message")
}
