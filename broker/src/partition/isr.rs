//! Which offset every replica that counts has reached: the high watermark. Pure: reports in, a bound out.
//!
//! Above: the partition's leader state. Below: nothing.
//!
//! ```text
//! ISR {1,2,3}
//!   replica 1 (leader)  reached 10
//!   replica 2           reached  8
//!   replica 3           reached  5            high watermark = min = 5
//! ```
//! "Reached" is the durable LEO with durability `fsync`, the LEO with `replicated`.

use mainstem_protocol::model::{BrokerId, Offset};
use smallvec::SmallVec;

/// What a leader knows of the replicas of one partition during one leadership.
#[derive(Debug, Clone)]
pub(super) struct InSync {
    local: BrokerId,
    committed: SmallVec<[BrokerId; 4]>,
    /// What each replica has reached in this leadership; absent = it has not reported yet. A handful: they are looked through.
    reached: SmallVec<[(BrokerId, Offset); 1]>,
    least: usize,
}

impl InSync {
    /// The start of a leadership of `local` over the committed ISR `in_sync`.
    pub(super) fn new(
        local: BrokerId,
        in_sync: impl IntoIterator<Item = BrokerId>,
        min_in_sync: usize,
    ) -> Self {
        Self {
            local,
            committed: in_sync.into_iter().collect(),
            reached: SmallVec::new(),
            least: min_in_sync.max(1),
        }
    }

    /// The controller committed this ISR.
    pub(super) fn commit(&mut self, in_sync: impl IntoIterator<Item = BrokerId>) {
        self.committed = in_sync.into_iter().collect();
    }

    /// `min.insync.replicas` changed.
    pub(super) fn set_min_in_sync(&mut self, min_in_sync: usize) {
        self.least = min_in_sync.max(1);
    }

    /// Whether there are enough replicas in sync for `acks=all`.
    pub(super) fn is_enough(&self) -> bool {
        self.least <= self.committed.len()
    }

    /// The size of the ISR against the least that `acks=all` needs.
    pub(super) fn margin(&self) -> std::cmp::Ordering {
        self.committed.len().cmp(&self.least)
    }

    /// Replica `id` has reached `offset`. Never falls within a leadership.
    pub(super) fn reach(&mut self, id: BrokerId, offset: Offset) {
        match self.reached.iter_mut().find(|(other, _)| *other == id) {
            Some((_, reached)) => *reached = (*reached).max(offset),
            None => self.reached.push((id, offset)),
        }
    }

    /// Where the high watermark may stand: everything below is on every in-sync replica, the leader included. `None` while one of
    /// them has not reported, or too few are in sync.
    pub(super) fn high_watermark(&self) -> Option<Offset> {
        if !self.is_enough() {
            return None;
        }
        let everyone = self.committed.iter().chain(std::iter::once(&self.local));
        let reached = |id| self.reached.iter().find(|(other, _)| other == id).map(|(_, reached)| *reached);
        everyone.map(reached).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const R1: BrokerId = BrokerId(1);
    const R2: BrokerId = BrokerId(2);

    #[test]
    fn alone_the_leader_decides() {
        let mut state = InSync::new(R1, [R1], 1);
        assert_eq!(state.high_watermark(), None, "not even the leader has reported");
        state.reach(R1, Offset(7));
        assert_eq!(state.high_watermark(), Some(Offset(7)));
        state.reach(R1, Offset(5));
        assert_eq!(state.high_watermark(), Some(Offset(7)), "an old report changes nothing");
    }

    #[test]
    fn the_slowest_replica_in_sync_holds_the_high_watermark() {
        let mut state = InSync::new(R1, [R1, R2], 1);
        state.reach(R1, Offset(10));
        assert_eq!(state.high_watermark(), None, "replica 2 has reached nothing yet");
        state.reach(R2, Offset(4));
        assert_eq!(state.high_watermark(), Some(Offset(4)));
        state.commit([R1]);
        assert_eq!(state.high_watermark(), Some(Offset(10)));
    }

    #[test]
    fn below_the_minimum_nothing_is_committed() {
        let mut state = InSync::new(R1, [R1], 2);
        state.reach(R1, Offset(10));
        assert!(!state.is_enough());
        assert_eq!(state.high_watermark(), None);
        state.set_min_in_sync(1);
        assert_eq!(state.high_watermark(), Some(Offset(10)));
    }
}
