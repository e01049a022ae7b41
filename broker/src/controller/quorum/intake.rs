//! The pieces of a snapshot that is arriving. One at a time, in order, bounded.
//!
//! Pure: pieces in, a whole snapshot out. Above: `receive`. Below: nothing.

use super::types::Vote;

/// A snapshot longer than this is not taken; a file of that length would not be read either.
const SNAPSHOT_LEN_MAX: usize = 1 << 30;

/// What has arrived so far.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Whose snapshot, and which.
    of: Option<(Vote, String)>,
    bytes: Vec<u8>,
}

/// What a piece led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// More pieces are to come.
    Part,
    /// The snapshot is whole.
    Whole(Vec<u8>),
    /// The piece does not continue what has arrived: the pieces are to be sent from the first on.
    OutOfOrder,
    /// The snapshot is longer than any that is taken.
    TooLong,
}

impl Intake {
    /// Takes a piece. The first piece of any snapshot throws away what has arrived of another.
    pub(crate) fn take(&mut self, of: (Vote, String), offset: u64, data: &[u8], is_last: bool) -> Taken {
        if offset == 0 {
            (self.of, self.bytes) = (Some(of), Vec::new());
        } else if self.of.as_ref() != Some(&of) || u64::try_from(self.bytes.len()) != Ok(offset) {
            return Taken::OutOfOrder;
        }
        if SNAPSHOT_LEN_MAX - self.bytes.len() < data.len() {
            *self = Self::default();
            return Taken::TooLong;
        }
        self.bytes.extend_from_slice(data);
        if !is_last {
            return Taken::Part;
        }
        let whole = std::mem::take(self);
        Taken::Whole(whole.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::quorum::types::VoterId;

    fn of(term: u64, id: &str) -> (Vote, String) {
        (Vote::new_committed(term, VoterId::from(1)), id.to_owned())
    }

    #[test]
    fn pieces_in_order_make_a_whole() {
        let mut intake = Intake::default();
        assert_eq!(intake.take(of(1, "a"), 0, b"ab", false), Taken::Part);
        assert_eq!(intake.take(of(1, "a"), 2, b"", false), Taken::Part);
        assert_eq!(intake.take(of(1, "a"), 2, b"c", true), Taken::Whole(b"abc".to_vec()));
        assert_eq!(intake.take(of(1, "a"), 3, b"d", true), Taken::OutOfOrder, "it is over");
        assert_eq!(intake.take(of(1, "b"), 0, b"x", true), Taken::Whole(b"x".to_vec()));
    }

    /// Holes, repetitions, other snapshots and other leaders never get mixed into one.
    #[test]
    fn pieces_that_do_not_follow_are_not_taken() {
        let mut intake = Intake::default();
        assert_eq!(intake.take(of(1, "a"), 1, b"b", false), Taken::OutOfOrder);
        assert_eq!(intake.take(of(1, "a"), 0, b"ab", false), Taken::Part);
        for (of, offset) in [(of(1, "a"), 1), (of(1, "a"), 3), (of(1, "b"), 2), (of(2, "a"), 2)] {
            assert_eq!(intake.take(of, offset, b"c", true), Taken::OutOfOrder);
        }
        assert_eq!(intake.take(of(2, "a"), 0, b"x", false), Taken::Part, "a new leader begins anew");
        assert_eq!(intake.take(of(1, "a"), 2, b"c", true), Taken::OutOfOrder);
        assert_eq!(intake.take(of(2, "a"), u64::MAX, b"c", true), Taken::OutOfOrder);
    }
}
