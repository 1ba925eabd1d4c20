//! What does a client send to have a request's effect once?

use crate::error::{Error, Result, code};
use crate::limits::KEY_CHARS_MAX;

/// A key and what it was sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    text: String,
    request: [u8; 16],
}

/// Sums up a request, so that another one with the same key is noticed: FNV-1a of 128 bits.
///
/// It is stored, so it must be the same in every version. It is no proof against a client that
/// looks for two requests with one sum: that client deceives nobody but itself.
///
/// **Source**: draft-eastlake-fnv, 128-bit prime and offset basis.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u128);

const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

impl Fingerprint {
    /// Returns the sum of these parts. Where one ends and the next begins counts.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut sum = Self(BASIS);
        for part in parts {
            sum.add(&(part.len() as u64).to_le_bytes());
            sum.add(part);
        }
        sum
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    }
}

impl IdempotencyKey {
    /// Returns the key of a request.
    ///
    /// **Errors**: `08P01` for a text that is no key.
    pub fn new(text: &str, request: Fingerprint) -> Result<Self> {
        let fits = (1..=KEY_CHARS_MAX).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "this is not an idempotency key";
            return Err(Error::new(code::PROTOCOL_VIOLATION, message)
                .with_detail(format!(
                    "A key is 1 to {KEY_CHARS_MAX} visible ASCII characters without spaces."
                ))
                .with_hint("Make up a random one for each request, such as a UUID."));
        }
        Ok(Self { text: text.to_owned(), request: request.0.to_le_bytes() })
    }

    /// Returns the key itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the sum of the request it was sent with.
    pub(crate) fn request(&self) -> &[u8; 16] {
        &self.request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_definition() {
        // draft-eastlake-fnv, test vectors of FNV-1a for 128 bits.
        let sum = |text: &str| {
            let mut sum = Fingerprint(BASIS);
            sum.add(text.as_bytes());
            sum.0
        };
        assert_eq!(sum(""), BASIS);
        assert_eq!(sum("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(sum("foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
        assert_ne!(Fingerprint::of(&[b"a", b"bc"]).0, Fingerprint::of(&[b"ab", b"c"]).0);
    }

    #[test]
    fn keys_are_short_and_visible() {
        let key = |text: &str| IdempotencyKey::new(text, Fingerprint::of(&[]));
        for text in ["a", "\"8e03978e-40d5\"", &"k".repeat(255)] {
            assert_eq!(key(text).expect(text).text(), text);
        }
        for text in ["", " ", "a b", "a\tb", "\u{7f}", "ä", &"k".repeat(256)] {
            assert_eq!(key(text).expect_err(text).code, code::PROTOCOL_VIOLATION.code);
        }
    }
}
