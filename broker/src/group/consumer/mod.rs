//! Consumer groups of the next generation (KIP-848), as a pure machine: the broker computes the assignment, members are
//! moved to it one by one, and a partition goes to its next owner only when the last one has given it up.
//!
//! Above: the machine of groups, which finds the group of a request. Below: `coordinator` (the contract), `metadata`.
//!
//! A heartbeat goes through three stages; each writes its records, in this order, and none depends on a clock but for the
//! pause between two assignments:
//!
//! ```text
//! 1 membership     who is it, what does it subscribe to            member record (5), expression (16)
//!                  anything new for the group?                     epoch of the group (3)
//! 2 target         the target is older than the group: compute it  targets (7), their epoch (6)
//! 3 reconcile      the member is not at the target: one step       what it holds (8)
//! ```
//!
//! Reading order: `epoch`, `partitions`, `member`, `regex`, `subscriptions` (values); `state` (what the records
//! say), `records`; `metadata_hash`, `assignor`, `target` (stage 2), `reconcile` (stage 3); `validate`, `heartbeat`
//! (the stages), `leave`, `refresh` (expressions); `access` (commits and fetches), `describe`; [`migration`] (classic members, and
//! groups that come from the classic protocol or go back to it).
//!
//! What is not in a record: timers, which metadata image the hash was last compared with, expressions on their way. All of it
//! comes back with the next heartbeats.

mod access;
mod assignor;
mod describe;
mod epoch;
mod heartbeat;
mod leave;
mod member;
mod metadata_hash;
pub(crate) mod migration;
mod partitions;
mod reconcile;
mod records;
mod refresh;
mod refused;
mod regex;
mod state;
mod subscriptions;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod validate;

use self::{
    epoch::Epoch,
    refresh::{Refresh, Refreshed},
    state::GroupState,
};
use super::{GroupRecord, GroupSettings, GroupStep, GroupTimer};
use crate::{coordinator::Surroundings, env::Moment};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

pub(crate) use refused::Refused;

type Around<'a> = Surroundings<'a, GroupSettings>;

/// One group.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    id: Arc<str>,
    state: GroupState,
    /// Index of the last metadata image whose topics were compared with the hash of the group; soft.
    metadata_checked: Option<u64>,
    /// Expressions that are being resolved; soft.
    refresh: Option<Refresh>,
    /// When expressions were last resolved; soft.
    refreshed: Option<Refreshed>,
    /// Classic members that have to join or to sync, and whose timer runs; soft.
    awaited: BTreeSet<Arc<str>>,
}

/// Timers that a step sets; the last entry for a timer wins.
type Timers = BTreeMap<GroupTimer, Option<Moment>>;

impl ConsumerGroup {
    /// A group that nobody is in and no record tells of.
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            state: GroupState::default(),
            metadata_checked: None,
            refresh: None,
            refreshed: None,
            awaited: BTreeSet::new(),
        }
    }

    /// Whether a record of the group is there. A group for which this is false after a step may be forgotten.
    pub(crate) fn exists(&self) -> bool {
        self.state.exists()
    }

    /// Takes a record of this group in, live or in replay.
    pub(crate) fn apply(&mut self, record: &GroupRecord) {
        self.state.apply(record);
        if let GroupRecord::Member(key, None) = record {
            self.awaited.remove(&*key.member_id);
        }
    }

    /// The replay is over: the timers of the members start now.
    pub(crate) fn loaded(&self, around: &Around<'_>) -> GroupStep {
        let mut timers = Timers::new();
        for (id, member) in self.state.members() {
            let session = heartbeat::session_of(member, around);
            timers.insert(self.session_timer(id), Some(around.now.after(session)));
            // A classic member hears with its next heartbeat that it has to join, and has its time from then on.
            if !member.uses_classic_protocol()
                && let Some(deadline) = heartbeat::revocation_deadline(member, around.now)
            {
                timers.insert(self.rebalance_timer(id), Some(deadline));
            }
        }
        GroupStep { timers: timers.into_iter().collect(), ..GroupStep::none() }
    }

    /// A timer of this group has run out.
    pub(crate) fn fire(&mut self, timer: &GroupTimer, around: &Around<'_>) -> GroupStep {
        match timer {
            GroupTimer::ConsumerSession { member, .. } => self.expire(member, around),
            GroupTimer::ConsumerRebalance { member, .. } => self.expire_revocation(member, around),
            GroupTimer::ConsumerAssignment { .. } => self.resolve(around),
            GroupTimer::ConsumerClassicMember { member, .. } => self.expire_classic(member, around),
            GroupTimer::ClassicSession { .. }
            | GroupTimer::ClassicJoin { .. }
            | GroupTimer::ClassicSync { .. }
            | GroupTimer::OffsetExpiry => GroupStep::none(),
        }
    }

    fn session_timer(&self, member: &Arc<str>) -> GroupTimer {
        GroupTimer::ConsumerSession { group: Arc::clone(&self.id), member: Arc::clone(member) }
    }

    fn rebalance_timer(&self, member: &Arc<str>) -> GroupTimer {
        GroupTimer::ConsumerRebalance { group: Arc::clone(&self.id), member: Arc::clone(member) }
    }

    fn classic_timer(&self, member: &Arc<str>) -> GroupTimer {
        GroupTimer::ConsumerClassicMember { group: Arc::clone(&self.id), member: Arc::clone(member) }
    }

    fn refresh_timer(&self) -> GroupTimer {
        GroupTimer::ConsumerAssignment { group: Arc::clone(&self.id) }
    }
}

/// A timeout in milliseconds as a client sent it; a negative one is none at all.
fn millis(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}
