//! How does a client name its transaction?

use std::fmt;
use std::str::FromStr;

use pieskieo_io::rt::CoreId;
use pieskieo_io::time;

use crate::error::{Error, code};

/// The name of a transaction that outlives its request: the core it waits on and a number nobody
/// guesses. Written as `<core>-<32 hexadecimal digits>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    core: u16,
    secret: u128,
}

impl Token {
    /// Returns a new name for a transaction on this core.
    pub(crate) fn new(core: CoreId) -> Self {
        let secret = (u128::from(time::random_u64()) << 64) | u128::from(time::random_u64());
        Self { core: core.0, secret }
    }

    /// Returns the core the transaction waits on.
    pub(crate) fn core(self) -> CoreId {
        CoreId(self.core)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:032x}", self.core, self.secret)
    }
}

impl FromStr for Token {
    type Err = Error;

    /// Reads a token as it was written.
    ///
    /// **Errors**: `08P01` for anything else.
    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::new(code::PROTOCOL_VIOLATION, "this is not the token of a transaction")
                .with_hint("Send the Transaction header exactly as BEGIN answered it.")
        };
        let (core, secret) = text.split_once('-').ok_or_else(invalid)?;
        let plain = secret.len() == 32 && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        let core = core.parse().ok().filter(|_| plain && !core.starts_with('+'));
        let secret = u128::from_str_radix(secret, 16).ok();
        match (core, secret) {
            (Some(core), Some(secret)) => Ok(Self { core, secret }),
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is() {
        let token = Token { core: 7, secret: 0xabc };
        assert_eq!(token.to_string().parse(), Ok(token));
        let zeros = "0".repeat(32);
        for text in [
            "",
            "-",
            "7",
            "7-",
            "7-0",
            &format!("x-{zeros}"),
            &format!("+7-{zeros}"),
            &format!("7-+{}", &zeros[1..]),
            &format!("70000-{zeros}"),
            &format!("7-{zeros}0"),
            &format!("7-{zeros} "),
        ] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }
}
