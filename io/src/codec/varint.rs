//! How does a small number take few bytes?
//!
//! LEB128: seven bits per byte, lowest first, the top bit says that another byte follows. Only
//! the shortest form is valid, so that equal values have equal bytes.

/// Most bytes a `u64` takes: ⌈64 / 7⌉.
pub const BYTES_MAX: usize = 10;

/// Returns how many bytes `value` takes.
pub const fn encoded_bytes(value: u64) -> usize {
    let bits = 64 - value.leading_zeros() as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// Appends `value` to `out`.
pub fn write(value: u64, out: &mut Vec<u8>) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Returns the value at the front of `bytes` and how many bytes it took; `None` if the bytes end
/// too early, the value does not fit 64 bits, or a shorter form exists.
pub fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        let part = u64::from(byte & 0x7f);
        if index == BYTES_MAX - 1 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = index == 0 || part != 0;
            return shortest.then_some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(value: u64, bytes: &[u8]) {
        let mut out = Vec::new();
        write(value, &mut out);
        assert_eq!(out, bytes);
        assert_eq!(encoded_bytes(value), bytes.len());
        assert_eq!(read(bytes), Some((value, bytes.len())));
    }

    #[test]
    fn edges_have_their_shortest_form() {
        check(0, &[0]);
        check(127, &[0x7f]);
        check(128, &[0x80, 1]);
        check(16_383, &[0xff, 0x7f]);
        check(16_384, &[0x80, 0x80, 1]);
        check(u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }

    #[test]
    fn bad_forms_are_refused() {
        for bytes in [&[][..], &[0x80], &[0x80, 0], &[0xff; 10], &[0xff; 11]] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value: u64, tail: Vec<u8>) {
            let mut out = Vec::new();
            write(value, &mut out);
            let bytes = out.len();
            out.extend_from_slice(&tail);
            prop_assert_eq!(read(&out), Some((value, bytes)));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            if let Some((value, taken)) = read(&bytes) {
                let mut out = Vec::new();
                write(value, &mut out);
                prop_assert_eq!(&out[..], &bytes[..taken]);
            }
        }
    }
}
