//! How does a block take less room, and come back?
//!
//! A block that would not shrink is stored plain, so the stored length is below the raw length
//! exactly when a codec was used.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;

use zstd::bulk::Decompressor;

use super::limits::ZSTD_LEVEL;

/// How a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Plain = 0,
    /// LZ4 block format, without a length in front: fast.
    Lz4 = 1,
    /// One zstd frame: smaller, for what is read seldom.
    Zstd = 2,
}

impl Codec {
    /// Every codec with its name.
    pub const ALL: &'static [(&'static str, Self)] =
        &[("plain", Self::Plain), ("lz4", Self::Lz4), ("zstd", Self::Zstd)];

    /// Returns the codec's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, codec)| *codec == self).map_or("unknown", |(name, _)| name)
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().map(|(_, codec)| *codec).find(|codec| *codec as u8 == byte)
    }
}

thread_local! {
    /// Making a context takes longer than the use of it for one block.
    static ZSTD: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Returns the stored form of a block and the codec that made it.
///
/// **Cost**: one allocation of about the block's length unless the codec is `Plain`.
pub(super) fn pack(raw: &[u8], codec: Codec) -> (Cow<'_, [u8]>, Codec) {
    let packed = match codec {
        Codec::Plain => None,
        Codec::Lz4 => Some(lz4_flex::block::compress(raw)),
        // It fails only when memory is short; the plain form is always right.
        Codec::Zstd => zstd::bulk::compress(raw, ZSTD_LEVEL).ok(),
    };
    match packed {
        Some(packed) if packed.len() < raw.len() => (packed.into(), codec),
        Some(_) | None => (raw.into(), Codec::Plain),
    }
}

/// Returns the block whose stored form this is, or what is wrong with it.
///
/// **Cost**: one allocation of `raw_bytes`, which the caller has bounded.
pub(super) fn unpack(stored: &[u8], codec: Codec, raw_bytes: usize) -> Result<Vec<u8>, String> {
    let raw = match codec {
        Codec::Plain => stored.to_vec(),
        Codec::Lz4 => {
            let mut raw = vec![0; raw_bytes];
            let unpacked = lz4_flex::block::decompress_into(stored, &mut raw);
            raw.truncate(unpacked.map_err(|error| error.to_string())?);
            raw
        }
        Codec::Zstd => unpack_zstd(stored, raw_bytes).map_err(|error| error.to_string())?,
    };
    if raw.len() == raw_bytes { Ok(raw) } else { Err(format!("{} bytes", raw.len())) }
}

fn unpack_zstd(stored: &[u8], raw_bytes: usize) -> io::Result<Vec<u8>> {
    ZSTD.with_borrow_mut(|kept| {
        let context = match kept {
            Some(context) => context,
            None => kept.insert(Decompressor::new()?),
        };
        context.decompress(stored, raw_bytes)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codec() -> impl Strategy<Value = Codec> {
        (0..Codec::ALL.len()).prop_map(|index| Codec::ALL[index].1)
    }

    #[test]
    fn bytes_name_codecs() {
        for byte in 0..=u8::MAX {
            let codec = Codec::from_byte(byte);
            assert_eq!(codec.map(|codec| codec as u8), (byte < 3).then_some(byte));
        }
    }

    #[test]
    fn what_does_not_shrink_stays_plain() {
        for (_, codec) in Codec::ALL {
            assert_eq!(pack(b"", *codec).1, Codec::Plain);
            assert_eq!(pack(b"abc", *codec).1, Codec::Plain);
            assert_eq!(pack(&[7; 5000], *codec).1, *codec);
        }
    }

    proptest! {
        #[test]
        fn blocks_come_back(bytes: Vec<u8>, times in 1..50usize, codec in codec()) {
            let raw = bytes.repeat(times);
            let (stored, used) = pack(&raw, codec);
            prop_assert_eq!(stored.len() < raw.len(), used != Codec::Plain);
            prop_assert_eq!(unpack(&stored, used, raw.len()), Ok(raw));
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            bytes: Vec<u8>,
            raw_bytes in 0..10_000usize,
            codec in codec(),
        ) {
            if let Ok(raw) = unpack(&bytes, codec, raw_bytes) {
                prop_assert_eq!(raw.len(), raw_bytes);
            }
        }

        #[test]
        fn changed_bytes_never_panic(
            raw in proptest::collection::vec(0..4u8, 100..3000),
            at: proptest::sample::Index,
            bit in 0..8u32,
            codec in codec(),
        ) {
            let (stored, used) = pack(&raw, codec);
            let mut stored = stored.into_owned();
            let place = at.index(stored.len());
            stored[place] ^= 1 << bit;
            if let Ok(other) = unpack(&stored, used, raw.len()) {
                prop_assert_eq!(other.len(), raw.len());
            }
        }
    }
}
