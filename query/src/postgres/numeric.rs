//! How are the digits of a NUMERIC sent?
//!
//! ```text
//! i16 count of digits   i16 weight of the first   u16 sign   u16 scale   i16 digit ...
//! ```
//!
//! A digit is a number below 10,000; the first one counts 10,000 to the power of the weight.

use crate::error::{Error, Result, code};

const BASE: u128 = 10_000;
const BASE_DIGITS: u32 = 4;
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
const HEAD_BYTES: usize = 8;
/// Digits that a NUMERIC has at most.
const DIGITS_MAX: u32 = 38;

/// Appends a number that is `scaled` times 10 to the power of minus `scale`.
pub fn write(scaled: i128, scale: u8, out: &mut Vec<u8>) {
    let scale = u32::from(scale);
    let whole_part = 10_u128.pow(scale);
    let (mut whole, part) =
        (scaled.unsigned_abs() / whole_part, scaled.unsigned_abs() % whole_part);
    let mut digits: Vec<u16> = Vec::new();
    while whole > 0 {
        digits.push((whole % BASE) as u16);
        whole /= BASE;
    }
    let mut weight = digits.len() as i16 - 1;
    digits.reverse();
    let padding = (BASE_DIGITS - scale % BASE_DIGITS) % BASE_DIGITS;
    let groups = (scale + padding) / BASE_DIGITS;
    for group in 0..groups {
        digits.push(group_of(part, group, (scale, padding)));
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..zeros);
    weight -= zeros as i16;
    if digits.is_empty() {
        weight = 0;
    }
    let sign = if scaled < 0 { NEGATIVE } else { POSITIVE };
    out.extend((digits.len() as i16).to_be_bytes());
    out.extend(weight.to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend((scale as u16).to_be_bytes());
    digits.iter().for_each(|digit| out.extend(digit.to_be_bytes()));
}

/// The digit of a fraction at this place behind the point.
fn group_of(part: u128, group: u32, (scale, padding): (u32, u32)) -> u16 {
    // The last group is filled up with zeros; there is no room to fill up the whole fraction.
    let end = (group + 1) * BASE_DIGITS;
    let digit = match scale.checked_sub(end) {
        Some(behind) => part / 10_u128.pow(behind),
        None => part % 10_u128.pow(BASE_DIGITS - padding) * 10_u128.pow(padding),
    };
    (digit % BASE) as u16
}

/// Reads a number: scaled, and its scale.
///
/// **Errors**: `22P03` for bytes that are no number, `22003` for one that is too long, infinite or
/// none.
pub fn read(bytes: &[u8]) -> Result<(i128, u8)> {
    let invalid = || Error::new(code::INVALID_BINARY, "the binary form of a NUMERIC is invalid");
    let long = || {
        let message = format!("a NUMERIC has at most {DIGITS_MAX} digits");
        Error::new(code::NUMERIC_OUT_OF_RANGE, message)
    };
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(invalid)?;
    let field = |at: usize| [head[at], head[at + 1]];
    let count = usize::try_from(i16::from_be_bytes(field(0))).map_err(|_| invalid())?;
    let weight = i32::from(i16::from_be_bytes(field(2)));
    let sign = u16::from_be_bytes(field(4));
    let scale = u32::from(u16::from_be_bytes(field(6)));
    if rest.len() != count * 2 {
        return Err(invalid());
    }
    if sign != POSITIVE && sign != NEGATIVE {
        let message = "NaN and infinite values are no NUMERIC here";
        return Err(Error::new(code::NUMERIC_OUT_OF_RANGE, message));
    }
    if scale > DIGITS_MAX {
        return Err(long());
    }
    let mut scaled: i128 = 0;
    for (at, digit) in rest.chunks_exact(2).enumerate() {
        let digit = u16::from_be_bytes([digit[0], digit[1]]);
        if u128::from(digit) >= BASE {
            return Err(invalid());
        }
        // The power of ten of the digit's last figure, once the point has moved by the scale.
        let power = (weight - at as i32) * BASE_DIGITS as i32 + scale as i32;
        let add = match u32::try_from(power) {
            Ok(power) => 10_i128.checked_pow(power).and_then(|ten| ten.checked_mul(digit.into())),
            Err(_) => match 10_i128.checked_pow(power.unsigned_abs()) {
                Some(ten) => Some(i128::from(digit) / ten),
                None => Some(0),
            },
        };
        let add = if digit == 0 { Some(0) } else { add };
        scaled = add.and_then(|add| scaled.checked_add(add)).ok_or_else(long)?;
    }
    if scaled.unsigned_abs() >= 10_u128.pow(DIGITS_MAX) {
        return Err(long());
    }
    Ok((if sign == NEGATIVE { -scaled } else { scaled }, scale as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that PostgreSQL 15 gives for `numeric_send`.
    #[test]
    fn bytes_are_those_of_postgres() {
        let cases: [(i128, u8, &[i16]); 6] = [
            (0, 2, &[0, 0, 0, 2]),
            (1_234_567, 2, &[3, 1, 0, 2, 1, 2345, 6700]),
            (-5, 1, &[1, -1, 0x4000, 1, 5000]),
            (1, 9, &[1, -3, 0, 9, 1000]),
            (100_000_000, 0, &[1, 2, 0, 0, 1]),
            (12_345, 4, &[2, 0, 0, 4, 1, 2345]),
        ];
        for (scaled, scale, words) in cases {
            let expected: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let mut out = Vec::new();
            write(scaled, scale, &mut out);
            assert_eq!(out, expected, "{scaled} {scale}");
            assert_eq!(read(&out), Ok((scaled, scale)));
        }
        let mut out = Vec::new();
        let most = 10_i128.pow(38) - 1;
        write(most, 38, &mut out);
        assert_eq!(read(&out), Ok((most, 38)));
    }

    #[test]
    fn bytes_that_are_no_number_are_refused() {
        let nan = [0, 0, 0, 0, 0xc0, 0, 0, 0];
        let short = [0, 1, 0, 0, 0, 0, 0, 0];
        let large = [0, 1, 0x7f, 0xff, 0, 0, 0, 0, 0, 1];
        let digit = [0, 1, 0, 0, 0, 0, 0, 0, 0x7f, 0xff];
        for bytes in [&nan[..], &short, &large, &digit, &[], &[0; 7]] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
