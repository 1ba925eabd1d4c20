//! Does a client know the password?
//!
//! SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it: the user's name is that of the
//! startup message, the one within is ignored. The server keeps no password, only what it needs to
//! recognise one, and an eavesdropper learns nothing to come in with.
//!
//! Deliberately absent: binding to the channel (`-PLUS`). A client that asks for it goes without.

use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pieskieo_io::time;
use ring::{digest, hmac, pbkdf2};

/// How often the password is hashed: as often as PostgreSQL does.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4_096).expect("it is not zero");
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 18;
/// Bytes of a client's nonce that are taken.
const NONCE_TEXT_MAX: usize = 256;
/// The mechanism's name.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// What recognises a password.
#[derive(Clone)]
pub struct Verifier(Arc<Secrets>);

struct Secrets {
    salt: [u8; SALT_BYTES],
    /// Recognises the client: a hash of its key.
    stored_key: [u8; 32],
    /// Shows the client that the server knows the password too.
    server_key: [u8; 32],
}

/// An exchange that waits for the client's proof.
pub struct Exchange {
    verifier: Verifier,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    /// What the client must repeat: it says whether it would have bound the channel.
    channel: String,
}

/// The client's message is none of this exchange, or its proof is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not a message of the mechanism.
    Malformed,
    /// The password is another.
    WrongPassword,
}

impl Verifier {
    /// Derives from a password what recognises it.
    ///
    /// **Cost**: some milliseconds.
    pub fn of(password: &str) -> Self {
        let mut salt = [0; SALT_BYTES];
        time::fill_random(&mut salt);
        Self::salted(password, salt)
    }

    fn salted(password: &str, salt: [u8; SALT_BYTES]) -> Self {
        // PostgreSQL takes a password as it is where it has no prepared form.
        let prepared = stringprep::saslprep(password).unwrap_or_else(|_| password.into());
        let mut salted = [0; 32];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, ITERATIONS, &salt, prepared.as_bytes(), &mut salted);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = hash(&client_key);
        let server_key = sign(&salted, b"Server Key");
        Self(Arc::new(Secrets { salt, stored_key, server_key }))
    }

    /// Takes the client's first message and returns the exchange and the server's.
    ///
    /// **Errors**: a message of another form.
    pub fn begin(&self, client_first: &[u8]) -> Result<Exchange, Refused> {
        let mut bytes = [0; NONCE_BYTES];
        time::fill_random(&mut bytes);
        self.begin_with(client_first, &STANDARD.encode(bytes))
    }

    fn begin_with(&self, client_first: &[u8], own: &str) -> Result<Exchange, Refused> {
        let text = std::str::from_utf8(client_first).map_err(|_| Refused::Malformed)?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authorization), Some(bare)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed);
        };
        // "y": the client could bind the channel and believes that the server cannot.
        if !matches!(flag, "n" | "y") || !authorization.is_empty() {
            return Err(Refused::Malformed);
        }
        let mut attributes = bare.split(',');
        let _user = attributes.next().and_then(|part| part.strip_prefix("n="));
        let theirs = attributes.next().and_then(|part| part.strip_prefix("r="));
        let theirs = theirs.filter(|nonce| !nonce.is_empty() && nonce.len() <= NONCE_TEXT_MAX);
        let theirs = theirs.filter(|_| _user.is_some()).ok_or(Refused::Malformed)?;
        let nonce = format!("{theirs}{own}");
        let salt = STANDARD.encode(self.0.salt);
        let server_first = format!("r={nonce},s={salt},i={ITERATIONS}");
        Ok(Exchange {
            verifier: self.clone(),
            client_first_bare: bare.to_owned(),
            server_first,
            nonce,
            channel: STANDARD.encode(format!("{flag},{authorization},")),
        })
    }
}

impl Exchange {
    /// Returns the server's first message.
    pub fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Takes the client's proof and returns the server's.
    ///
    /// **Errors**: a message of another form, a wrong proof.
    pub fn finish(self, client_final: &[u8]) -> Result<String, Refused> {
        let text = std::str::from_utf8(client_final).map_err(|_| Refused::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Refused::Malformed)?;
        let mut attributes = without_proof.split(',');
        let channel = attributes.next().and_then(|part| part.strip_prefix("c="));
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
        if channel != Some(&self.channel) || nonce != Some(&self.nonce) {
            return Err(Refused::Malformed);
        }
        let proof = STANDARD.decode(proof).map_err(|_| Refused::Malformed)?;
        let proof: [u8; 32] = proof.try_into().map_err(|_| Refused::Malformed)?;
        let Self { verifier, client_first_bare, server_first, .. } = self;
        let message = format!("{client_first_bare},{server_first},{without_proof}");
        let secrets = &verifier.0;
        let signature = sign(&secrets.stored_key, message.as_bytes());
        let mut client_key = proof;
        client_key.iter_mut().zip(signature).for_each(|(key, mask)| *key ^= mask);
        // Hashes are compared, of which nobody can choose single bytes: no time tells of them.
        if hash(&client_key) != secrets.stored_key {
            return Err(Refused::WrongPassword);
        }
        let shown = sign(&secrets.server_key, message.as_bytes());
        Ok(format!("v={}", STANDARD.encode(shown)))
    }
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_exchange_is_that_of_the_standard() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let verifier = Verifier::salted("pencil", salt);
        let own = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let exchange = verifier.begin_with(first, own).unwrap();
        let nonce = format!("rOprNGfwEbeRWgbNEkqO{own}");
        let expected = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        assert_eq!(exchange.server_first(), expected);
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let shown = exchange.finish(last.as_bytes()).unwrap();
        assert_eq!(shown, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn other_messages_and_proofs_are_refused() {
        let verifier = Verifier::of("pencil");
        for first in ["", "n,,", "p=tls-unique,,n=,r=a", "n,,n=u", "n,,n=u,r=", "n,a=x,n=u,r=a"] {
            assert!(verifier.begin(first.as_bytes()).is_err(), "{first}");
        }
        let begin = || verifier.begin_with(b"n,,n=,r=a", "b").unwrap();
        let proof = STANDARD.encode([0; 32]);
        let cases = [
            (format!("c=biws,r=ab,p={proof}"), Refused::WrongPassword),
            (format!("c=biws,r=a,p={proof}"), Refused::Malformed),
            (format!("c=eSws,r=ab,p={proof}"), Refused::Malformed),
            ("c=biws,r=ab,p=!".to_owned(), Refused::Malformed),
            ("c=biws,r=ab".to_owned(), Refused::Malformed),
        ];
        for (last, refused) in cases {
            assert_eq!(begin().finish(last.as_bytes()), Err(refused), "{last}");
        }
    }
}
