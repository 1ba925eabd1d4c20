//! Are these the bytes that were written?
//!
//! CRC32C (Castagnoli): hardware instructions on x86-64 and aarch64, every burst of up to 32 bits
//! detected. It protects against torn writes and decay, not against an adversary; where bytes of
//! users could imitate our own, a random salt is checksummed in front of them.

/// Returns the CRC32C of `bytes`.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Returns the CRC32C of `salt` (little-endian) followed by `bytes`.
pub fn salted_checksum(salt: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // RFC 3720, B.4: 32 bytes of zeros, of ones, and ascending.
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(&[0xff; 32]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(checksum(&ascending), 0x46dd_794e);
    }

    #[test]
    fn salt_is_a_prefix() {
        let mut joined = 7u64.to_le_bytes().to_vec();
        joined.extend_from_slice(b"body");
        assert_eq!(salted_checksum(7, b"body"), checksum(&joined));
        assert_ne!(salted_checksum(7, b"body"), salted_checksum(8, b"body"));
    }
}
