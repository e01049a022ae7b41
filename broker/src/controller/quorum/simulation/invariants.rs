//! What must hold of three voters at any moment, whatever happens (pitfall 13 of the quorum).
//!
//! The witness looks at the logs, votes and images of all voters that live, and remembers everything it ever saw.

use super::{
    super::{
        VoterId,
        layout::encode_payload,
        log_file::LogState,
        types::{LogId, Vote},
    },
    cluster::{Alive, Node},
};
use crate::metadata::MetadataImage;
use bytes::Bytes;
use openraft::ServerState;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Default)]
pub(super) struct Witness {
    /// Each entry that was ever in a log: the one before it, and what it holds.
    entries: BTreeMap<LogId, (Option<LogId>, i8, Bytes)>,
    /// Which entry is committed at an index: the first that anybody applied.
    committed: BTreeMap<u64, LogId>,
    /// The image after an entry.
    images: BTreeMap<u64, Arc<MetadataImage>>,
    /// The last vote of each voter, and its log when it was last seen, or as its end has left it.
    votes: BTreeMap<VoterId, Vote>,
    logs: BTreeMap<VoterId, LogState>,
}

impl Witness {
    /// A voter has ended, and left this log on its disk.
    pub(super) fn note_end(&mut self, voter: VoterId, log: LogState) {
        self.logs.insert(voter, log);
    }

    /// Looks at everybody.
    pub(super) fn look(&mut self, nodes: &[Node]) {
        let alive: Vec<(VoterId, &Alive, LogState)> = nodes
            .iter()
            .filter_map(|node| node.alive.as_ref().map(|alive| (node.id, alive, alive.quorum.log_state())))
            .collect();
        for (voter, alive, state) in &alive {
            assert_eq!(alive.failure.reason(), None, "voter {voter} has failed");
            self.vote_is_monotonic(*voter, state);
            self.logs_match(*voter, state);
            self.logs.insert(*voter, state.clone());
        }
        for (voter, alive, state) in &alive {
            numbers_are_in_order(*voter, alive, state);
            self.committed_is_immutable(*voter, alive, state);
            self.images_agree(*voter, alive);
        }
        for (voter, alive, state) in &alive {
            self.leader_is_complete(*voter, alive, state);
        }
    }

    /// A voter never goes back to a lesser vote, not even through a crash.
    fn vote_is_monotonic(&mut self, voter: VoterId, state: &LogState) {
        let Some(vote) = state.vote else {
            assert_eq!(self.votes.get(&voter), None, "voter {voter} forgot its vote");
            return;
        };
        if let Some(before) = self.votes.insert(voter, vote) {
            assert!(before <= vote, "voter {voter} goes from vote {before} back to {vote}");
        }
    }

    /// Log matching, and with it election safety: whatever two logs call by one name, leadership and index, is the same entry
    /// behind the same entry.
    fn logs_match(&mut self, voter: VoterId, state: &LogState) {
        let mut before = state.purged;
        for entry in &state.entries {
            let (kind, body) = encode_payload(&entry.payload).unwrap();
            let found = (before, kind, body);
            if let Some(last) = before {
                assert_eq!(
                    last.index + 1,
                    entry.log_id.index,
                    "voter {voter} has a hole before {}",
                    entry.log_id
                );
                assert!(
                    last.leader_id <= entry.log_id.leader_id,
                    "voter {voter}: terms fall at {}",
                    entry.log_id
                );
            }
            let known = self.entries.entry(entry.log_id).or_insert_with(|| found.clone());
            assert_eq!(*known, found, "voter {voter} has another entry {}", entry.log_id);
            before = Some(entry.log_id);
        }
    }

    /// What one voter has applied at an index, every other one has or will have there, and a majority holds it by then.
    fn committed_is_immutable(&mut self, voter: VoterId, alive: &Alive, state: &LogState) {
        let applied = alive.quorum.raft().metrics().borrow().last_applied;
        let Some(applied) = applied else { return };
        for entry in state.entries.iter().filter(|entry| entry.log_id.index <= applied.index) {
            let known = self.committed.get(&entry.log_id.index).copied();
            assert!(
                known.is_none_or(|known| known == entry.log_id),
                "voter {voter} has applied {} where {known:?} was committed",
                entry.log_id
            );
            if known.is_none() {
                let holders = self.logs.values().filter(|log| holds(log, entry.log_id)).count();
                assert!(2 <= holders, "{} was committed by {holders} of three voters", entry.log_id);
                self.committed.insert(entry.log_id.index, entry.log_id);
            }
        }
    }

    /// Applying is a function of the log: one entry, one image.
    fn images_agree(&mut self, voter: VoterId, alive: &Alive) {
        let image = Arc::clone(&alive.applied.borrow());
        let known = self.images.entry(image.index).or_insert_with(|| Arc::clone(&image));
        assert!(
            known.topics == image.topics && known.last_record_index == image.last_record_index,
            "voter {voter} has another image at {}",
            image.index
        );
    }

    /// A leader has every entry that was committed under leaderships before its own.
    fn leader_is_complete(&self, voter: VoterId, alive: &Alive, state: &LogState) {
        let metrics = alive.quorum.raft().metrics();
        let (leads, vote) = {
            let metrics = metrics.borrow();
            (metrics.state == ServerState::Leader && metrics.current_leader == Some(voter), metrics.vote)
        };
        if !leads {
            return;
        }
        for committed in self.committed.values() {
            let before = (committed.leader_id.term, committed.leader_id.node_id)
                < (vote.leader_id.term, vote.leader_id.node_id);
            assert!(
                !before || holds(state, *committed),
                "voter {voter} leads by {vote} without the committed {committed}"
            );
        }
    }
}

fn holds(log: &LogState, log_id: LogId) -> bool {
    log.purged.is_some_and(|purged| log_id.index <= purged.index)
        || log.entries.iter().any(|entry| entry.log_id == log_id)
}

/// purged <= snapshot <= applied <= committed <= last; what a snapshot holds is committed, whether or not the log says so.
fn numbers_are_in_order(voter: VoterId, alive: &Alive, state: &LogState) {
    let metrics = alive.quorum.raft().metrics();
    let metrics = metrics.borrow();
    let index = |log_id: Option<LogId>| log_id.map(|log_id| log_id.index);
    assert!(metrics.purged <= metrics.snapshot, "voter {voter}: {metrics:?}");
    assert!(metrics.snapshot <= metrics.last_applied, "voter {voter}: {metrics:?}");
    assert!(index(metrics.last_applied) <= index(state.last_log_id()), "voter {voter}: {metrics:?}");
    assert!(metrics.last_applied <= state.committed.max(metrics.snapshot), "voter {voter}: {metrics:?}");
    assert!(index(state.committed) <= index(state.last_log_id()), "voter {voter}: {state:?}");
    assert!(state.purged <= state.last_log_id(), "voter {voter}: {state:?}");
}
