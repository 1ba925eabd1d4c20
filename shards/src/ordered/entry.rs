//! Which bytes are an entry?

use crate::key::KEY_BYTES_MAX;

/// Bytes of the length at the end of an entry.
const LEN_BYTES: usize = 2;

const _: () = assert!(KEY_BYTES_MAX <= u16::MAX as usize);

/// Returns the entry of a record: its values in order, its key, the key's length.
pub(crate) fn entry_of(order: &[u8], key: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(order.len() + key.len() + LEN_BYTES);
    entry.extend_from_slice(order);
    entry.extend_from_slice(key);
    entry.extend_from_slice(&(key.len() as u16).to_be_bytes());
    entry
}

/// Returns the order and the key of an entry; `None` for bytes that are none.
pub(crate) fn parts_of(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, length) = entry.split_last_chunk::<LEN_BYTES>()?;
    let order = rest.len().checked_sub(usize::from(u16::from_be_bytes(*length)))?;
    Some(rest.split_at(order))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_apart_as_they_were_put_together() {
        for (order, key) in [(&b"\x01abc"[..], &b"k"[..]), (b"", b""), (b"\x02", &[7; 300])] {
            assert_eq!(parts_of(&entry_of(order, key)), Some((order, key)));
        }
        assert_eq!(parts_of(b"\x01"), None);
        assert_eq!(parts_of(b"a\x00\x02"), None);
    }

    #[test]
    fn equal_orders_are_in_order_of_their_keys() {
        assert!(entry_of(b"x", b"a") < entry_of(b"x", b"ab"));
        assert!(entry_of(b"x", b"ab") < entry_of(b"x", b"b"));
    }
}
