//! Which vector does a text get without a model?
//!
//! Feature hashing (Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask
//! Learning"): every word and every run of three letters inside a word is hashed to one of 256
//! places and to a sign; counts are damped by a square root and the result has length 1.
//! The result is lexical, not semantic: near means "shares words and parts of words", so
//! "compress" is near "compression", and "zip" is not.

/// Dimensions of the vectors made here.
pub const DIMENSION: usize = 256;
/// Weight of a run of letters beside a whole word.
const PART_WEIGHT: f32 = 0.35;

/// Words too common to say anything, in English prose about software.
const STOP: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "for", "from", "has", "have", "if",
    "in", "is", "it", "its", "not", "of", "on", "or", "that", "the", "this", "to", "use", "was",
    "when", "which", "will", "with", "you", "your",
];

/// Returns the vector of a text: `[DIMENSION]` f32 of length 1, or zeros for a text without words.
pub fn embed(text: &str) -> Vec<f32> {
    let mut counts = vec![0.0_f32; DIMENSION];
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 1);
    for word in words.filter(|word| !STOP.contains(word)) {
        add(&mut counts, word.as_bytes(), 1.0);
        let letters: Vec<char> = std::iter::once('^').chain(word.chars()).collect();
        for run in letters.windows(3) {
            add(&mut counts, run.iter().collect::<String>().as_bytes(), PART_WEIGHT);
        }
    }
    for count in &mut counts {
        *count = count.signum() * count.abs().sqrt();
    }
    let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt();
    if length > 0.0 {
        counts.iter_mut().for_each(|count| *count /= length);
    }
    counts
}

fn add(counts: &mut [f32], feature: &[u8], weight: f32) {
    let hash = fnv1a(feature);
    let place = (hash % DIMENSION as u64) as usize;
    let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
    counts[place] += sign * weight;
}

/// FNV-1a, 64 bits: fixed for ever, because stored vectors depend on it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        embed(a).iter().zip(embed(b)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn shared_words_and_parts_of_words_are_near() {
        assert!(cosine("fast compression", "a compression library, fast") > 0.6);
        let related = cosine("compression of streams", "compress and decompress a stream");
        let unrelated = cosine("compression of streams", "parse command line arguments");
        assert!(related > unrelated + 0.2, "{related} {unrelated}");
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert!(embed("").iter().all(|x| *x == 0.0));
    }
}
