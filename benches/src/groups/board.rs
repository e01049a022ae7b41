//! What all members know together: which groups are stable, what they are to do, and counts.
//!
//! Above: members, which report, and the run, which waits. One thread, so cells do.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};

/// What members do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Be there.
    Rest,
    /// The committers commit, one commit after the other.
    Commit,
    /// The last member of each group leaves.
    Leave,
    /// All connections end.
    End,
}

/// What a member holds: the generation or epoch, and how many partitions.
type Held = Option<(i32, usize)>;

#[derive(Debug)]
struct Group {
    members: Vec<Held>,
    /// How many of them are to be there.
    wanted: usize,
    stable_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Board {
    groups: RefCell<Vec<Group>>,
    partitions: usize,
    stable: Cell<usize>,
    all_stable: Notify,
    phase: watch::Sender<Phase>,
    pub(super) heartbeats: Cell<u64>,
    /// Members that had to begin anew, and requests that were refused for another reason than a rebalance.
    pub(super) refusals: Cell<u64>,
    /// Latencies of commits.
    pub(super) commit_micros: RefCell<Vec<u32>>,
}

impl Board {
    pub(super) fn new(groups: usize, members: usize, partitions: usize) -> Self {
        let group = || Group { members: vec![None; members], wanted: members, stable_at: None };
        Self {
            groups: RefCell::new((0..groups).map(|_| group()).collect()),
            partitions,
            stable: Cell::new(0),
            all_stable: Notify::new(),
            phase: watch::Sender::new(Phase::Rest),
            heartbeats: Cell::new(0),
            refusals: Cell::new(0),
            commit_micros: RefCell::default(),
        }
    }

    /// A member holds something else. A group is stable when the members that are to be there hold all partitions in one
    /// generation, none of them more than its share: one that was first may have held all of them in a generation of its own.
    pub(super) fn report(&self, group: usize, member: usize, held: Held) {
        let mut groups = self.groups.borrow_mut();
        let Some(of) = groups.get_mut(group) else { return };
        if of.members[member] == held {
            return;
        }
        of.members[member] = held;
        let here: Vec<(i32, usize)> = of.members.iter().flatten().copied().collect();
        let is_stable = here.len() == of.wanted
            && here.windows(2).all(|pair| pair[0].0 == pair[1].0)
            && here.iter().map(|(_, partitions)| partitions).sum::<usize>() == self.partitions
            && here.iter().all(|(_, partitions)| *partitions <= self.partitions.div_ceil(of.wanted));
        let was_stable = of.stable_at.is_some();
        of.stable_at = is_stable.then(Instant::now);
        match (was_stable, is_stable) {
            (false, true) => self.stable.set(self.stable.get() + 1),
            (true, false) => self.stable.set(self.stable.get() - 1),
            _ => {}
        }
        if self.stable.get() == groups.len() {
            self.all_stable.notify_one();
        }
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(super) fn begin(&self, phase: Phase) {
        if phase == Phase::Leave {
            for group in &mut *self.groups.borrow_mut() {
                group.wanted -= 1;
                group.stable_at = None;
            }
            self.stable.set(0);
        }
        self.phase.send_replace(phase);
    }

    /// Waits until all groups are stable; how many are not if that takes too long.
    pub(super) async fn all_stable(&self, at_most: Duration) -> Result<(), usize> {
        let waited = tokio::time::timeout(at_most, async {
            while self.stable.get() < self.groups.borrow().len() {
                self.all_stable.notified().await;
            }
        });
        waited.await.map_err(|_| self.groups.borrow().len() - self.stable.get())
    }

    /// How long after `began` each group became stable, sorted.
    pub(super) fn times(&self, began: Instant) -> Vec<Duration> {
        let groups = self.groups.borrow();
        let mut times: Vec<Duration> = groups
            .iter()
            .filter_map(|group| group.stable_at)
            .map(|at| at.saturating_duration_since(began))
            .collect();
        times.sort_unstable();
        times
    }
}

/// Counts one more.
pub(super) fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}
