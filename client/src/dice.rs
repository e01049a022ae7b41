//! Chance for tests of random worlds: numbers that are the same for the same seed (xorshift).
//!
//! Above: the models of the group member and of the processing.

/// A seed that is not 0, and what became of it.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`, which is at least 1.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    /// One of a list; `None` = it is empty.
    pub(crate) fn pick<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        if list.is_empty() { None } else { Some(list[self.roll(list.len())].clone()) }
    }
}
