//! A classic group as a value: its state, its members, and the small questions that every decision asks.
//!
//! Above: the decisions in the files beside this one. Below: [`Members`]. Invariants, each asserted after every event in
//! tests: Empty has no members; CompletingRebalance and Stable have members, a leader among them, and a protocol that each
//! of them knows; only members of the generation are awaited with SyncGroup. Pure: values only.

use super::{
    answer,
    member::{Member, Waiting},
    members::Members,
};
use crate::{
    env::Moment,
    group::{GroupSettings, GroupStep, GroupTimer},
};
use bytes::Bytes;
use mainstem_protocol::{error::ErrorCode, messages::TopicName, model::Timestamp, wire::WireStr};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Members of a group, at most, whatever the settings say.
pub(super) const MEMBERS_MAX: usize = 10_000;
/// Ids given out and not yet joined with, at most.
pub(super) const PENDING_MAX: usize = 10_000;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClassicState {
    /// Nobody is in it; it may hold committed offsets.
    Empty,
    /// Members are asked to join again.
    PreparingRebalance,
    /// The next generation stands and waits for the leader's assignment.
    CompletingRebalance,
    /// Everyone has its part.
    Stable,
}

impl ClassicState {
    /// As Kafka writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// The wait for more members before the first generation of a group (KIP-134).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// What is left of the rebalance timeout after the running delay.
    pub(super) left: Duration,
    /// Whether someone came during the running delay, so that it is worth another one.
    pub(super) had_newcomers: bool,
}

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct ClassicGroup {
    pub(super) id: Arc<str>,
    pub(super) state: ClassicState,
    /// Set in the first PreparingRebalance after Empty, until the delay is over.
    pub(super) initial: Option<InitialDelay>,
    /// When the group came into its state; `None` = a record too old to say so.
    pub(super) since: Option<Timestamp>,
    /// Number of the generation; 0 = there was none yet.
    pub(super) generation: i32,
    /// Kind of group; stays when the group empties. `None` = nobody ever joined.
    pub(super) protocol_type: Option<WireStr>,
    /// What the generation follows; `None` without members.
    pub(super) protocol: Option<WireStr>,
    /// Member that computes the assignment; `None` without members.
    pub(super) leader: Option<Arc<str>>,
    pub(super) members: Members,
    /// Topics that the consumers of the last generation subscribe to; `None` = not known.
    pub(super) topics: Option<BTreeSet<TopicName>>,
    /// Ids that were given out and not yet joined with (KIP-394).
    pub(super) pending: BTreeSet<Arc<str>>,
    /// Members of the generation that have not asked for their part. The sync timer runs while there are any.
    pub(super) unsynced: BTreeSet<Arc<str>>,
    /// Whether the log has a record of the group.
    pub(super) is_written: bool,
    /// Own records that are on their way through the log and come back as `apply`.
    pub(super) own_records: u32,
}

impl ClassicGroup {
    /// A group that nobody knows yet: the first JoinGroup writes it, a commit from outside does not.
    pub(crate) fn new(id: Arc<str>, wall: Timestamp) -> Self {
        Self {
            id,
            state: ClassicState::Empty,
            initial: None,
            since: Some(wall),
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: Members::default(),
            topics: None,
            pending: BTreeSet::new(),
            unsynced: BTreeSet::new(),
            is_written: false,
            own_records: 0,
        }
    }

    pub(super) fn enter(&mut self, state: ClassicState, wall: Timestamp) {
        self.state = state;
        self.since = Some(wall);
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    /// Whether a request comes from this member, in its present incarnation.
    pub(super) fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.members.id_of_instance(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(id) if **id != *member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Whether the next generation can begin: nobody is missing, and nobody holds an id to join with.
    pub(super) fn have_all_joined(&self) -> bool {
        self.members.waiting_for_join() == self.members.len() && self.pending.is_empty()
    }

    /// Members that the group may have.
    pub(super) fn size_max(settings: &GroupSettings) -> usize {
        settings.classic_size_max.min(MEMBERS_MAX)
    }

    pub(super) fn session_timer(&self, member: &Arc<str>) -> GroupTimer {
        GroupTimer::ClassicSession { group: Arc::clone(&self.id), member: Arc::clone(member) }
    }

    /// A member may be silent for this long from now on.
    pub(super) fn allow_silence(&self, member: &Arc<str>, span: Duration, now: Moment, step: &mut GroupStep) {
        step.timers.push((self.session_timer(member), Some(now.after(span))));
    }

    pub(super) fn join_timer(&self) -> GroupTimer {
        GroupTimer::ClassicJoin { group: Arc::clone(&self.id) }
    }

    pub(super) fn sync_timer(&self) -> GroupTimer {
        GroupTimer::ClassicSync { group: Arc::clone(&self.id) }
    }

    /// Lets a member wait for an answer. A request that it had waiting is told that the group rebalances: its client asked
    /// anew, so nobody reads that answer, but it must not hold up its connection.
    pub(super) fn wait(&mut self, member: &str, waiting: Waiting, step: &mut GroupStep) {
        match self.members.wait(member, waiting) {
            Waiting::Nothing => {}
            Waiting::Join(asked) => {
                step.answers.push(answer::join_refused(asked, member, ErrorCode::RebalanceInProgress));
            }
            Waiting::Sync(asked) => {
                step.answers.push(answer::sync_refused(asked, ErrorCode::RebalanceInProgress));
            }
        }
    }

    /// Takes a member out: its waiting request is answered with UNKNOWN_MEMBER_ID, its timer stops, another member leads.
    /// A rebalance has to follow; it forgets whose SyncGroup was awaited.
    pub(super) fn remove(&mut self, member: &str, step: &mut GroupStep) {
        let Some(removed) = self.members.remove(member) else { return };
        step.timers.push((self.session_timer(&removed.id), None));
        refuse_waiting(&removed, "", ErrorCode::UnknownMemberId, step);
        if self.is_leader(member) {
            self.leader = self.members.ids().next().cloned();
        }
    }

    /// Forgets an id that was given out; `false` if there is no such.
    pub(super) fn remove_pending(&mut self, member: &str, step: &mut GroupStep) -> bool {
        let Some(id) = self.pending.take(member) else { return false };
        step.timers.push((self.session_timer(&id), None));
        true
    }

    /// Notes that a member asked for its part, or is not expected to any more.
    pub(super) fn no_longer_unsynced(&mut self, member: &str, step: &mut GroupStep) {
        if self.unsynced.remove(member) && self.unsynced.is_empty() {
            step.timers.push((self.sync_timer(), None));
        }
    }

    /// Nobody has a part.
    pub(super) fn forget_assignment(&mut self) {
        self.members.assign(|_| Bytes::new());
    }
}

/// Answers what a member waited for with an error; `named` is the member id in the answer to JoinGroup.
pub(super) fn refuse_waiting(member: &Member, named: &str, error: ErrorCode, step: &mut GroupStep) {
    match member.waiting {
        Waiting::Nothing => {}
        Waiting::Join(asked) => step.answers.push(answer::join_refused(asked, named, error)),
        Waiting::Sync(asked) => step.answers.push(answer::sync_refused(asked, error)),
    }
}
