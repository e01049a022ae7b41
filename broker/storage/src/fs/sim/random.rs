//! A small generator of random numbers (`splitmix64`): the same seed gives the same numbers on every machine.
//!
//! Above: crashes of the simulated disk. Below: nothing.

/// The state of a generator.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..=max`, near enough to even for this purpose.
    pub(super) const fn up_to(&mut self, max: u64) -> u64 {
        match max.checked_add(1) {
            Some(count) => self.next() % count,
            None => self.next(),
        }
    }

    /// True in `quarters` of four cases.
    pub(super) const fn in_quarters(&mut self, quarters: u64) -> bool {
        self.next() % 4 < quarters
    }
}
