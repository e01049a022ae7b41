//! What a byte that should not be there means: a pure decision.
//!
//! Let b be the first invalid byte of a log, and D its durable bound, below which everything had been synced. Below D it is
//! damage, wherever power was lost: synced bytes do not vanish. At or above D it is an unfinished write; if something valid
//! stands behind it, pages may have reached the disk out of order, or the disk has rotted: nobody can tell from one copy.

/// How a log was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The marker of a clean shutdown was there and fits.
    Clean,
    /// Every byte was valid.
    Intact,
    /// An unfinished write at the end was cut off.
    Torn,
    /// An invalid range with valid batches behind it was cut off and set aside.
    Ambiguous,
    /// Bytes that had been durable are wrong or missing. Nothing was changed.
    Damaged,
}

/// Decides over the first invalid byte.
///
/// `below_bound`: it lies below the durable bound. `valid_behind`: a batch with a fitting checksum and offset follows.
pub(super) const fn judge(below_bound: bool, valid_behind: bool) -> Finding {
    match (below_bound, valid_behind) {
        (true, _) => Finding::Damaged,
        (false, false) => Finding::Torn,
        (false, true) => Finding::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the four cases.
    #[test]
    fn only_what_was_not_durable_is_ever_cut() {
        assert_eq!(judge(true, false), Finding::Damaged);
        assert_eq!(judge(true, true), Finding::Damaged);
        assert_eq!(judge(false, false), Finding::Torn);
        assert_eq!(judge(false, true), Finding::Ambiguous);
    }
}
