//! What this voter knows the others to have had on their disks, so that one whose disk went back in time is noticed.
//!
//! A voter that lost what it acknowledged breaks the quorum: it votes for a candidate without a committed entry, and a leader
//! counts on entries that are gone. Only committed entries are remembered, since others may rightly disappear. Kept in memory:
//! what happened before this process started is not known.
//!
//! Above: `network` (learns and asks), `receive` (asks). Below: nothing.

use super::{
    roll::Refusal,
    types::{LogId, VoterId},
};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The last committed entry that each voter was known to hold. There are as many as there are voters.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<BTreeMap<VoterId, LogId>>);

impl Remembered {
    /// `voter` has said that it holds everything up to `acknowledged`, of which everything up to `committed` is committed.
    pub(crate) fn note(&self, voter: VoterId, acknowledged: Option<LogId>, committed: Option<LogId>) {
        let (Some(acknowledged), Some(committed)) = (acknowledged, committed) else { return };
        // Both stand in one log, the leader's, so that the lower index is the earlier entry.
        let held = if acknowledged.index < committed.index { acknowledged } else { committed };
        let mut all = self.0.lock();
        let known = all.entry(voter).or_insert(held);
        if *known < held {
            *known = held;
        }
    }

    /// What `voter` was known to hold.
    pub(crate) fn held(&self, voter: VoterId) -> Option<LogId> {
        self.0.lock().get(&voter).copied()
    }

    /// Whether a voter whose log ends at `last` still holds what it held. A log that has the committed entry `held` never ends
    /// at a lesser one.
    pub(crate) fn check(&self, voter: VoterId, last: Option<LogId>) -> Result<(), Refusal> {
        match self.held(voter) {
            Some(held) if last < Some(held) => {
                let last = last.map_or_else(|| "the beginning".to_owned(), |last| last.to_string());
                Err(Refusal::WentBack { voter, held, last })
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft::CommittedLeaderId;

    fn log_id(term: u64, index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(term, VoterId::from(1)), index)
    }

    /// Pitfall 10: committed entries that a voter had are not forgotten, uncommitted ones may go.
    #[test]
    fn a_voter_that_lost_committed_entries_is_noticed() {
        let (remembered, voter) = (Remembered::default(), VoterId::from(2));
        let note = |acknowledged, committed| remembered.note(voter, Some(acknowledged), committed);
        let check = |last| remembered.check(voter, last);
        assert_eq!(check(None), Ok(()));
        note(log_id(1, 9), None);
        assert_eq!(check(None), Ok(()), "nothing of it is committed");
        note(log_id(1, 9), Some(log_id(1, 5)));
        assert_eq!(check(Some(log_id(1, 5))), Ok(()), "the others may have been cut off");
        assert_eq!(check(Some(log_id(2, 6))), Ok(()));
        assert!(check(Some(log_id(1, 4))).is_err());
        assert!(check(None).is_err());
        note(log_id(1, 3), Some(log_id(1, 8)));
        assert_eq!(remembered.held(voter), Some(log_id(1, 5)), "what is known only rises");
        assert_eq!(remembered.check(VoterId::from(3), None), Ok(()));
    }
}
