//! Is a key certainly not in a run?
//!
//! A Bloom filter in lines of 64 bytes: one line per key, six bits within it, so that a look-up
//! touches one cache line. The hash is part of the format and never changes.
//!
//! **Source**: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters" (2007),
//! section 3, blocked filters.

use super::limits::{FILTER_BITS_PER_KEY, FILTER_PROBES};

const LINE_BYTES: usize = 64;
const LINE_BITS: u32 = 512;

/// The filter of a run.
pub(super) struct Filter {
    lines: Vec<u8>,
}

impl Filter {
    /// Returns the filter of the keys with these hashes.
    pub fn of(hashes: &[u64]) -> Self {
        let bits = hashes.len() * FILTER_BITS_PER_KEY;
        let lines = bits.div_ceil(LINE_BITS as usize).max(1);
        let mut filter = Self { lines: vec![0; lines * LINE_BYTES] };
        for hash in hashes {
            let start = filter.line(*hash);
            for bit in probes(*hash) {
                filter.lines[start + bit / 8] |= 1 << (bit % 8);
            }
        }
        filter
    }

    /// Returns the filter of a run whose keys are not all known: everything may be there.
    pub fn full() -> Self {
        Self { lines: vec![0xff; LINE_BYTES] }
    }

    /// Takes over bytes that [`Filter::bytes`] gave; `None` when they cannot be a filter.
    pub fn open(bytes: Vec<u8>) -> Option<Self> {
        let is_whole = !bytes.is_empty() && bytes.len().is_multiple_of(LINE_BYTES);
        is_whole.then_some(Self { lines: bytes })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.lines
    }

    /// Returns whether a key with this hash may be there.
    #[inline]
    pub fn may_hold(&self, hash: u64) -> bool {
        let start = self.line(hash);
        let line = &self.lines[start..start + LINE_BYTES];
        probes(hash).all(|bit| line[bit / 8] >> (bit % 8) & 1 == 1)
    }

    fn line(&self, hash: u64) -> usize {
        let lines = (self.lines.len() / LINE_BYTES) as u64;
        // The high bits choose the line without a division.
        ((u128::from(hash) * u128::from(lines)) >> 64) as usize * LINE_BYTES
    }
}

fn probes(hash: u64) -> impl Iterator<Item = usize> {
    let (first, step) = (hash as u32, (hash >> 17) as u32 | 1);
    (0..FILTER_PROBES)
        .map(move |probe| (first.wrapping_add(step.wrapping_mul(probe)) % LINE_BITS) as usize)
}

/// Returns the hash of a key. Frozen: filters on disk were made with it.
pub(super) fn hash_of(key: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = key.len() as u64 ^ PRIME;
    let mut chunks = key.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = mix(hash ^ u64::from_le_bytes(word));
    }
    let mut word = [0; 8];
    word[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    mix(mix(hash ^ u64::from_le_bytes(word)))
}

/// The finalizer of MurmurHash3.
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_there_are_found_and_few_others() {
        let hash = |number: u64| hash_of(&number.to_be_bytes());
        let hashes: Vec<u64> = (0..10_000).map(hash).collect();
        let filter = Filter::of(&hashes);
        assert!(hashes.iter().all(|hash| filter.may_hold(*hash)));
        let wrong = (10_000..110_000).filter(|number| filter.may_hold(hash(*number))).count();
        assert!(wrong < 2_500, "{wrong} of 100,000 absent keys seem to be there");
    }

    #[test]
    fn the_hash_is_frozen() {
        // Computed by hand from the definition, in another language.
        assert_eq!(hash_of(b""), 0x6393_d51c_06c6_18dc);
        assert_eq!(hash_of(b"pieskieo"), 0x159c_761a_93e2_2adc);
        assert_eq!(hash_of(b"0123456789abc"), 0x14c7_b611_4fc2_d2b1);
    }

    #[test]
    fn an_empty_filter_holds_nothing() {
        assert!(!Filter::of(&[]).may_hold(hash_of(b"a")));
        assert!(Filter::open(vec![0; 63]).is_none());
        assert!(Filter::open(Vec::new()).is_none());
    }
}
