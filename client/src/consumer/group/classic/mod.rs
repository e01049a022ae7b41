//! Membership in a classic group: join, sync, heartbeat, leave. Pure: answers and moments in, steps out.
//!
//! ```text
//!            poll, subscription        leader          everyone          SyncGroup answered
//!  Out ------------------------> Joining ----> Dividing ----> Syncing ----------------------> Stable
//!   ^  leave, poll too late         ^                                                           |
//!   '---------------------------- lost or rebalance: give up what must go, then join again <----'
//! ```
//!
//! One request is under way at a time. Before a join, an eager member has given up everything and a cooperative one what
//! it does not subscribe to any more; a member that lost its generation has given up everything as lost. A cooperative
//! member takes its new assignment apart: what left is given up first, then it joins again, so that the others get it.
//! While it waits for the user, it goes on with heartbeats. Above: `driver`. Below: `handover`, `finding`, `blob`.
//! Here are its life and its steps; what answers make of it is in `answers`.

mod answers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::messages::heartbeat::HeartbeatRequest;
use mainstem_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use mainstem_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use mainstem_protocol::model::TopicPartition;
use mainstem_protocol::wire::WireStr;

use super::assignor::{Assignor, GroupMember, RebalanceProtocol};
use super::blob;
use super::finding::Finding;
use super::handover::{Handover, Next, Offer};
use super::options::{GroupOptions, Leaving};
use crate::error::Error;
use crate::retry::Backoff;
use crate::runtime::Instant;

/// What the driver has to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Ask who the coordinator is.
    Find,
    Join(JoinGroupRequest),
    /// This member leads: divide the partitions, unless `skip` says that the old assignment stands.
    Divide {
        assignor: Arc<dyn Assignor>,
        members: Vec<GroupMember>,
        skip: bool,
    },
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    /// Tell the coordinator that the member leaves.
    Leave {
        member_id: WireStr,
        instance_id: Option<WireStr>,
        reason: &'static str,
    },
    Offer(Offer),
    Withdraw,
    /// Nothing until something comes, or until this moment.
    Wait(Option<Instant>),
    /// The member has left for good.
    Gone,
    /// The group does not take this member.
    Failed(Error),
}

#[derive(Debug, Clone)]
enum Phase {
    /// Not a member.
    Out,
    Joining,
    Dividing,
    Syncing,
    Stable,
    /// Out, and for good.
    Gone,
    Failed(Error),
}

/// The machine.
#[expect(clippy::struct_excessive_bools, reason = "each says one thing, and they change apart")]
#[derive(Debug)]
pub(super) struct Classic {
    group_id: String,
    instance_id: Option<WireStr>,
    rack: String,
    session_timeout: Duration,
    heartbeat_interval: Duration,
    rebalance_timeout: Duration,
    assignors: Vec<Arc<dyn Assignor>>,
    cooperative: bool,
    pub(super) finding: Finding,
    phase: Phase,
    /// A request, or the division, is under way.
    busy: bool,
    topics: BTreeSet<Arc<str>>,
    member_id: WireStr,
    /// -1 = none.
    generation: i32,
    leads: bool,
    assignor: Option<Arc<dyn Assignor>>,
    /// The latest assignment and its generation, for assignors that remember.
    last: Option<(Vec<TopicPartition>, i32)>,
    /// Members to divide among, and whether the old assignment stands.
    to_divide: Option<(Vec<GroupMember>, bool)>,
    parts: Vec<SyncGroupRequestAssignment>,
    pub(super) owned: BTreeSet<TopicPartition>,
    handover: Handover,
    /// The generation is gone: all that is owned is lost.
    lost: bool,
    /// Why the member wants to join (again).
    rejoin: Option<&'static str>,
    /// Not to join before the user polls.
    parked: bool,
    /// A leave that has to be told.
    leave: Option<&'static str>,
    closing: bool,
    heartbeat_at: Option<Instant>,
}

impl Classic {
    pub(super) fn new(
        options: &GroupOptions,
        assignors: Vec<Arc<dyn Assignor>>,
        rack: &str,
        backoff: Backoff,
    ) -> Self {
        Self {
            group_id: options.group_id.clone(),
            instance_id: options.instance_id.as_deref().map(WireStr::from),
            rack: rack.to_owned(),
            session_timeout: options.session_timeout,
            heartbeat_interval: options.heartbeat_interval,
            rebalance_timeout: options.max_poll_interval,
            cooperative: assignors.iter().all(|one| one.rebalance() == RebalanceProtocol::Cooperative),
            assignors,
            finding: Finding::new(backoff),
            phase: Phase::Out,
            busy: false,
            topics: BTreeSet::new(),
            member_id: WireStr::default(),
            generation: -1,
            leads: false,
            assignor: None,
            last: None,
            to_divide: None,
            parts: Vec::new(),
            owned: BTreeSet::new(),
            handover: Handover::default(),
            lost: false,
            rejoin: None,
            parked: false,
            leave: None,
            closing: false,
            heartbeat_at: None,
        }
    }

    /// Generation and id to commit with; `None` = not a member.
    pub(super) fn identity(&self) -> Option<(i32, WireStr)> {
        (0 <= self.generation && !self.lost).then(|| (self.generation, self.member_id.clone()))
    }

    /// Whether this member computed the assignment in force, and so watches the topics.
    pub(super) const fn leads(&self) -> bool {
        self.leads
    }

    /// The user polls.
    pub(super) fn polled(&mut self) {
        self.parked = false;
    }

    /// The topics of the subscription.
    pub(super) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>) {
        if self.topics == topics {
            return;
        }
        self.topics = topics;
        self.rejoin = Some("the subscription changed");
    }

    /// What the leader based the assignment on has changed.
    pub(super) fn topics_changed(&mut self) {
        if self.leads {
            self.rejoin = Some("topics or partitions of the subscription changed");
        }
    }

    /// The user has not polled for too long: the others shall not wait for it.
    pub(super) fn poll_overdue(&mut self) {
        self.parked = true;
        self.lose();
        if self.instance_id.is_none() {
            self.leave("the time between two polls passed max.poll.interval.ms");
        }
        if self.leave.is_none() {
            self.reset_membership();
        }
    }

    /// Ends the membership for good.
    pub(super) fn close(&mut self, leaving: Leaving) {
        let tells = match leaving {
            Leaving::ByKind => self.instance_id.is_none(),
            Leaving::Leave => true,
            Leaving::Stay => false,
        };
        self.closing = true;
        // The user gave everything up itself.
        self.handover.void();
        self.owned.clear();
        self.lost = false;
        if tells {
            self.leave("the consumer was closed");
        } else {
            self.phase = Phase::Gone;
        }
    }

    fn leave(&mut self, reason: &'static str) {
        self.leave = (!self.member_id.is_empty()).then_some(reason);
        self.phase = if self.closing && self.leave.is_none() { Phase::Gone } else { Phase::Out };
        // An answer that is still under way concerns nobody any more.
        self.busy = false;
    }

    fn reset_membership(&mut self) {
        self.member_id = WireStr::default();
        self.generation = -1;
        self.leads = false;
        self.busy = false;
        if !matches!(self.phase, Phase::Gone | Phase::Failed(_)) {
            self.phase = Phase::Out;
        }
    }

    /// The member has no claim on its partitions any more.
    fn lose(&mut self) {
        self.handover.void();
        self.lost = true;
    }

    fn lose_generation(&mut self, keeps_id: bool, why: &'static str) {
        self.lose();
        let id = self.member_id.clone();
        self.reset_membership();
        if keeps_id {
            self.member_id = id;
        }
        self.rejoin = Some(why);
    }

    fn fail(&mut self, error: impl Into<Error>) {
        self.lose();
        self.generation = -1;
        self.phase = Phase::Failed(error.into());
    }

    /// The next step. What it says is taken as begun.
    pub(super) fn next(&mut self, now: Instant) -> Step {
        match self.handover.next() {
            Next::Offer(offer) => return Step::Offer(offer),
            Next::Withdraw => return Step::Withdraw,
            Next::Wait => {}
            Next::Idle => {
                if std::mem::take(&mut self.lost) && !self.owned.is_empty() {
                    self.handover.push(Offer::Lost(self.owned.clone()));
                    return self.next(now);
                }
            }
        }
        if let Phase::Failed(error) = &self.phase {
            let error = error.clone();
            return if self.handover.is_idle() { Step::Failed(error) } else { Step::Wait(None) };
        }
        if self.busy {
            return Step::Wait(None);
        }
        if let Some(reason) = self.leave {
            return self.step_leave(reason, now);
        }
        match self.phase {
            Phase::Gone => Step::Gone,
            Phase::Failed(_) | Phase::Joining => Step::Wait(None),
            Phase::Dividing => self.divide(),
            Phase::Syncing => self.ask_coordinator(now, Self::sync),
            Phase::Out | Phase::Stable => self.step_idle(now),
        }
    }

    fn step_leave(&mut self, reason: &'static str, now: Instant) -> Step {
        if self.finding.node().is_none() {
            // Nobody to tell: the session will end by itself.
            self.left();
            return self.next(now);
        }
        self.busy = true;
        Step::Leave { member_id: self.member_id.clone(), instance_id: self.instance_id.clone(), reason }
    }

    fn step_idle(&mut self, now: Instant) -> Step {
        let is_out = matches!(self.phase, Phase::Out);
        let wants = (is_out || self.rejoin.is_some()) && !self.topics.is_empty();
        if wants && !self.parked && self.handover.is_idle() {
            if let Some(offer) = self.before_join() {
                self.handover.push(offer);
                return self.next(now);
            }
            return self.ask_coordinator(now, Self::join);
        }
        if is_out {
            return Step::Wait(None);
        }
        match self.heartbeat_at {
            Some(moment) if now < moment => Step::Wait(Some(moment)),
            _ => self.ask_coordinator(now, Self::heartbeat),
        }
    }

    /// What has to be given up before a join.
    fn before_join(&self) -> Option<Offer> {
        let must_go =
            |partition: &&TopicPartition| !self.cooperative || !self.topics.contains(&partition.topic);
        let going: BTreeSet<_> = self.owned.iter().filter(must_go).cloned().collect();
        (!going.is_empty()).then_some(Offer::Revoke(going))
    }

    fn ask_coordinator(&mut self, now: Instant, step: impl FnOnce(&mut Self) -> Step) -> Step {
        if let Some(moment) = self.finding.rests_until(now) {
            return Step::Wait(Some(moment));
        }
        self.busy = true;
        if self.finding.node().is_none() { Step::Find } else { step(self) }
    }

    fn join(&mut self) -> Step {
        let reason = self.rejoin.take();
        let last = self.last.as_ref().map(|(partitions, generation)| (&**partitions, *generation));
        let protocols = self.assignors.iter().filter_map(|assignor| {
            let data = assignor.user_data(last);
            let owned = &self.owned;
            let metadata = blob::subscription(&self.topics, owned, self.generation, &self.rack, data).ok()?;
            Some(JoinGroupRequestProtocol { name: assignor.name().into(), metadata })
        });
        let request = JoinGroupRequest {
            group_id: self.group_id.as_str().into(),
            session_timeout_ms: millis(self.session_timeout),
            rebalance_timeout_ms: millis(self.rebalance_timeout),
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: blob::PROTOCOL_TYPE.into(),
            protocols: protocols.collect(),
            reason: reason.map(WireStr::from_static),
        };
        self.phase = Phase::Joining;
        Step::Join(request)
    }

    fn divide(&mut self) -> Step {
        let (Some((members, skip)), Some(assignor)) = (self.to_divide.take(), self.assignor.clone()) else {
            return Step::Wait(None);
        };
        self.busy = true;
        Step::Divide { assignor, members, skip }
    }

    fn sync(&mut self) -> Step {
        Step::Sync(SyncGroupRequest {
            group_id: self.group_id.as_str().into(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: Some(blob::PROTOCOL_TYPE.into()),
            protocol_name: self.assignor.as_ref().map(|assignor| assignor.name().into()),
            assignments: self.parts.clone(),
        })
    }

    fn heartbeat(&mut self) -> Step {
        Step::Heartbeat(HeartbeatRequest {
            group_id: self.group_id.as_str().into(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
        })
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
