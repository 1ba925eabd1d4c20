//! What is random?
//!
//! Every core has its own ChaCha12 generator, seeded by the operating system, or in the simulator
//! by the seed. Good enough for keys and salts in the first case, repeatable in the second.

use std::cell::RefCell;
use std::io::Read;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::rt::try_current;

thread_local! {
    /// For threads that are no cores: the command line, pools.
    static OUTSIDE: RefCell<ChaCha12Rng> = RefCell::new(seeded_by_system());
}

/// Returns 64 random bits.
pub fn random_u64() -> u64 {
    with_generator(Rng::next_u64)
}

/// Fills `bytes` with random ones.
pub fn fill_random(bytes: &mut [u8]) {
    with_generator(|generator| generator.fill_bytes(bytes));
}

fn with_generator<T>(take: impl FnOnce(&mut ChaCha12Rng) -> T) -> T {
    match try_current() {
        Some(core) => take(&mut core.random.borrow_mut()),
        None => OUTSIDE.with_borrow_mut(take),
    }
}

/// Returns a generator nobody can predict.
///
/// **Panics**: the system has no randomness to give; nothing safe can be done without.
pub(crate) fn seeded_by_system() -> ChaCha12Rng {
    let mut seed = [0; 32];
    system_bytes(&mut seed).expect("the system gives random bytes");
    ChaCha12Rng::from_seed(seed)
}

/// Returns the generator of stream `stream` of a seed.
pub(crate) fn seeded_by(seed: u64, stream: u64) -> ChaCha12Rng {
    let mut generator = ChaCha12Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    generator
}

#[expect(clippy::disallowed_methods, reason = "the kernel's source of randomness is a file")]
fn system_bytes(bytes: &mut [u8]) -> std::io::Result<()> {
    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_differ() {
        let here = random_u64();
        let there = std::thread::Builder::new().spawn(random_u64).expect("a thread").join();
        assert_ne!(here, there.expect("no panic"));
    }

    #[test]
    fn seeds_repeat_and_streams_differ() {
        let first = |seed, stream| seeded_by(seed, stream).next_u64();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }
}
