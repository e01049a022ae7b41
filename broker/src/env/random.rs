//! Random numbers: the kernel's, or a sequence that a seed repeats.
//!
//! Above: everyone who makes ids, session numbers or jitter. Below: `getrandom(2)`.

use mainstem_protocol::model::TopicId;
use parking_lot::Mutex;
use std::sync::Arc;

/// Source of random numbers. Cloning shares it.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    /// Unpredictable: fit for ids that a stranger must not guess.
    Kernel,
    /// `SplitMix64` from a seed: the same run again.
    Seeded(Arc<Mutex<u64>>),
}

impl Random {
    /// The kernel's generator.
    pub const fn system() -> Self {
        Self(Source::Kernel)
    }

    /// A sequence that the same seed repeats; for tests and simulation.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(seed))))
    }

    /// 64 random bits.
    pub fn next_u64(&self) -> u64 {
        match &self.0 {
            Source::Kernel => kernel_u64(),
            Source::Seeded(state) => {
                let mut state = state.lock();
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
        }
    }

    /// A random number from 1 to `i32::MAX`.
    pub fn positive_i32(&self) -> i32 {
        loop {
            // 31 bits always fit; zero is drawn again.
            let bits = i32::try_from(self.next_u64() >> 33).unwrap_or_default();
            if bits != 0 {
                return bits;
            }
        }
    }

    /// A version 4 UUID as a topic, directory or cluster id. Like Kafka's, its text never starts with a dash, so that
    /// it can follow an option on a command line.
    pub fn id(&self) -> TopicId {
        loop {
            let mut bytes = [0; 16];
            let (high, low) = bytes.split_at_mut(8);
            // Version 4 in the high nibble of byte 6, the variant in the two top bits of byte 8.
            high.copy_from_slice(&((self.next_u64() & !0xf000) | 0x4000).to_be_bytes());
            low.copy_from_slice(&((self.next_u64() >> 2) | (1 << 63)).to_be_bytes());
            let id = TopicId(bytes);
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}

fn kernel_u64() -> u64 {
    let mut bytes = [0_u8; 8];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = bytes.get_mut(filled..).unwrap_or_default();
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // The call exists since Linux 3.17 and cannot fail otherwise; a guessable id would be worse than an end.
            Err(error) => panic!("the kernel gives no random bytes: {error}"),
        }
    }
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let random = Random::seeded(seed);
            [random.next_u64(), random.next_u64(), random.next_u64()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn ids_are_version_4_and_never_start_with_a_dash() {
        let random = Random::seeded(1);
        for _ in 0..1_000 {
            let id = random.id();
            assert_eq!(id.0[6] >> 4, 4);
            assert_eq!(id.0[8] >> 6, 2);
            assert!(!id.to_string().starts_with('-'));
        }
    }

    #[test]
    fn kernel_numbers_differ() {
        assert_ne!(Random::system().next_u64(), Random::system().next_u64());
        assert!(0 < Random::system().positive_i32());
    }
}
