//! Membership in a consumer group whose assignment the broker computes (KIP-848). Pure: answers and moments in, steps out.
//!
//! One request does everything: a heartbeat tells what changed here, its answer what has to change. A heartbeat whose
//! answer was lost is followed by one that tells everything again, under the same epoch: the broker takes it as a
//! repetition. A new target is reconciled in this order: give up what is not in it, confirm that, take what is new, confirm
//! that. A member that was fenced has lost everything and joins anew with epoch 0. Above: `driver`. Below: `handover`,
//! `finding`. Here are its life and its steps; what answers make of it is in `answers`.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::messages::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, TopicPartitions};
use mainstem_protocol::model::{PartitionIndex, TopicId, TopicPartition};
use mainstem_protocol::wire::WireStr;

use super::finding::Finding;
use super::handover::{Handover, Next, Offer};
use super::options::{GroupOptions, Leaving};
use crate::error::Error;
use crate::retry::Backoff;
use crate::runtime::Instant;

/// Epoch of a member that joins.
const JOIN: i32 = 0;
/// Epoch of a member that leaves.
const LEAVE: i32 = -1;
/// Epoch of a static member that will come back.
const LEAVE_FOR_A_WHILE: i32 = -2;
/// Bounds of the interval that a broker may ask for.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(60));

/// Partitions by topic id and index.
type Ids = BTreeSet<(TopicId, i32)>;

/// What the member wants to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Topics(BTreeSet<Arc<str>>),
    /// Matched by the broker.
    Regex(String),
}

impl Wanted {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Topics(topics) if topics.is_empty())
    }
}

/// What the driver has to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Ask who the coordinator is.
    Find,
    Heartbeat(ConsumerGroupHeartbeatRequest),
    /// Look up the names of these topics.
    Name(Vec<TopicId>),
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
    Member,
    /// A last heartbeat has to tell that the member leaves.
    Leaving,
    /// Out, and for good.
    Gone,
    Failed(Error),
}

/// The machine.
#[expect(clippy::struct_excessive_bools, reason = "each says one thing, and they change apart")]
#[derive(Debug)]
pub(super) struct Modern {
    group_id: String,
    instance_id: Option<WireStr>,
    rack: String,
    rebalance_timeout: Duration,
    assignor: Option<WireStr>,
    pub(super) finding: Finding,
    phase: Phase,
    busy: bool,
    wanted: Wanted,
    member_id: WireStr,
    epoch: i32,
    leave_epoch: i32,
    /// The next heartbeat tells everything: the member joins, or an answer was lost.
    tell_all: bool,
    tell_wanted: bool,
    tell_owned: bool,
    /// A regular expression was told, and has to be ended when names take its place.
    regex_told: bool,
    target: Option<Ids>,
    owned: Ids,
    names: BTreeMap<TopicId, Arc<str>>,
    /// When names that were not found are looked up again.
    name_at: Option<Instant>,
    naming: bool,
    handover: Handover,
    lost: bool,
    parked: bool,
    closing: bool,
    heartbeat_at: Option<Instant>,
}

impl Modern {
    /// `member_id` is new and unlike any other.
    pub(super) fn new(options: &GroupOptions, member_id: &str, rack: &str, backoff: Backoff) -> Self {
        Self {
            group_id: options.group_id.clone(),
            instance_id: options.instance_id.as_deref().map(WireStr::from),
            rack: rack.to_owned(),
            rebalance_timeout: options.max_poll_interval,
            assignor: options.remote_assignor.as_deref().map(WireStr::from),
            finding: Finding::new(backoff),
            phase: Phase::Out,
            busy: false,
            wanted: Wanted::Topics(BTreeSet::new()),
            member_id: member_id.into(),
            epoch: JOIN,
            leave_epoch: LEAVE,
            tell_all: true,
            tell_wanted: false,
            tell_owned: false,
            regex_told: false,
            target: None,
            owned: Ids::new(),
            names: BTreeMap::new(),
            name_at: None,
            naming: false,
            handover: Handover::default(),
            lost: false,
            parked: false,
            closing: false,
            heartbeat_at: None,
        }
    }

    /// Epoch and id to commit with; `None` = not a member.
    pub(super) fn identity(&self) -> Option<(i32, WireStr)> {
        (JOIN < self.epoch && !self.lost).then(|| (self.epoch, self.member_id.clone()))
    }

    /// The user polls.
    pub(super) fn polled(&mut self) {
        self.parked = false;
    }

    /// What the user wants to read.
    pub(super) fn subscribe(&mut self, wanted: Wanted) {
        if self.wanted == wanted {
            return;
        }
        self.wanted = wanted;
        self.tell_wanted = true;
    }

    /// The user has not polled for too long: the others shall not wait for it.
    pub(super) fn poll_overdue(&mut self) {
        self.parked = true;
        self.lose();
        self.leave(if self.instance_id.is_some() { LEAVE_FOR_A_WHILE } else { LEAVE });
    }

    /// Ends the membership for good.
    pub(super) fn close(&mut self, leaving: Leaving) {
        self.closing = true;
        // The user gave everything up itself.
        self.handover.void();
        self.owned.clear();
        self.lost = false;
        match (leaving, &self.instance_id) {
            (Leaving::Leave, _) | (Leaving::ByKind, None) => self.leave(LEAVE),
            (_, Some(_)) => self.leave(LEAVE_FOR_A_WHILE),
            (Leaving::Stay, None) => self.phase = Phase::Gone,
        }
    }

    fn leave(&mut self, epoch: i32) {
        self.leave_epoch = epoch;
        let was_member = JOIN < self.epoch || self.busy;
        self.phase = match self.phase {
            Phase::Failed(_) | Phase::Gone => return,
            _ if was_member => Phase::Leaving,
            _ if self.closing => Phase::Gone,
            _ => Phase::Out,
        };
        // An answer that is still under way concerns nobody any more.
        self.busy = false;
    }

    /// The member has no claim on its partitions any more.
    fn lose(&mut self) {
        self.handover.void();
        self.lost = true;
        self.target = None;
    }

    fn reset(&mut self) {
        self.epoch = JOIN;
        self.tell_all = true;
        self.target = None;
        self.heartbeat_at = None;
    }

    fn fail(&mut self, error: impl Into<Error>) {
        self.lose();
        self.epoch = JOIN;
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
                    self.handover.push(Offer::Lost(self.named(&self.owned)));
                    return self.next(now);
                }
            }
        }
        match &self.phase {
            Phase::Failed(error) if self.handover.is_idle() => return Step::Failed(error.clone()),
            Phase::Failed(_) => return Step::Wait(None),
            Phase::Gone => return Step::Gone,
            Phase::Out | Phase::Member | Phase::Leaving => {}
        }
        if self.busy {
            return Step::Wait(None);
        }
        match self.phase {
            Phase::Leaving => self.step_leave(now),
            Phase::Out => {
                // Joining means owning nothing, and nothing half done.
                let may = !self.wanted.is_empty() && !self.parked && self.handover.is_idle();
                if may { self.ask_coordinator(now) } else { Step::Wait(None) }
            }
            Phase::Member | Phase::Gone | Phase::Failed(_) => self.step_member(now),
        }
    }

    fn step_leave(&mut self, now: Instant) -> Step {
        if self.finding.node().is_none() {
            // Nobody to tell: the session will end by itself.
            self.left();
            return self.next(now);
        }
        self.busy = true;
        Step::Heartbeat(ConsumerGroupHeartbeatRequest {
            group_id: self.group_id.as_str().into(),
            member_id: self.member_id.clone(),
            member_epoch: self.leave_epoch,
            instance_id: self.instance_id.clone(),
            ..ConsumerGroupHeartbeatRequest::default()
        })
    }

    fn left(&mut self) {
        self.reset();
        self.phase = if self.closing { Phase::Gone } else { Phase::Out };
    }

    fn step_member(&mut self, now: Instant) -> Step {
        if self.tell_all || self.tell_wanted || self.tell_owned {
            return self.ask_coordinator(now);
        }
        if self.handover.is_idle() {
            if let Some(step) = self.reconcile(now) {
                return step;
            }
        }
        let wakes = [self.heartbeat_at, self.name_at.filter(|_| self.handover.is_idle())];
        match self.heartbeat_at {
            Some(moment) if now < moment => Step::Wait(wakes.into_iter().flatten().min()),
            _ => self.ask_coordinator(now),
        }
    }

    /// From what is owned towards the target.
    fn reconcile(&mut self, now: Instant) -> Option<Step> {
        let target = self.target.as_ref()?;
        let going: Ids = self.owned.difference(target).copied().collect();
        if !going.is_empty() {
            self.handover.push(Offer::Revoke(self.named(&going)));
            return Some(self.next(now));
        }
        let coming: Ids = target.difference(&self.owned).copied().collect();
        let (known, unknown): (Ids, Ids) = coming.iter().partition(|(id, _)| self.names.contains_key(id));
        if !known.is_empty() {
            self.handover.push(Offer::Assign(self.named(&known)));
            return Some(self.next(now));
        }
        let rests = self.naming || self.name_at.is_some_and(|moment| now < moment);
        if unknown.is_empty() || rests {
            return None;
        }
        self.naming = true;
        self.name_at = None;
        let ids: BTreeSet<TopicId> = unknown.into_iter().map(|(id, _)| id).collect();
        Some(Step::Name(ids.into_iter().collect()))
    }

    fn named(&self, ids: &Ids) -> BTreeSet<TopicPartition> {
        let named = ids.iter().filter_map(|(id, index)| {
            Some(TopicPartition::new(Arc::clone(self.names.get(id)?), PartitionIndex(*index)))
        });
        named.collect()
    }

    fn unnamed(&self, partitions: &BTreeSet<TopicPartition>) -> Ids {
        let ids: BTreeMap<&Arc<str>, TopicId> = self.names.iter().map(|(id, name)| (name, *id)).collect();
        let found = partitions
            .iter()
            .filter_map(|partition| Some((*ids.get(&partition.topic)?, partition.partition.get())));
        found.collect()
    }

    fn ask_coordinator(&mut self, now: Instant) -> Step {
        if let Some(moment) = self.finding.rests_until(now) {
            return Step::Wait(Some(moment));
        }
        self.busy = true;
        if self.finding.node().is_none() { Step::Find } else { Step::Heartbeat(self.heartbeat()) }
    }

    fn heartbeat(&mut self) -> ConsumerGroupHeartbeatRequest {
        let joins = self.epoch == JOIN;
        let all = joins || self.tell_all;
        let mut request = ConsumerGroupHeartbeatRequest {
            group_id: self.group_id.as_str().into(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            instance_id: self.instance_id.clone(),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        if all {
            request.rack_id = (!self.rack.is_empty()).then(|| self.rack.as_str().into());
            let timeout = i32::try_from(self.rebalance_timeout.as_millis()).unwrap_or(i32::MAX);
            request.rebalance_timeout_ms = timeout;
            request.server_assignor.clone_from(&self.assignor);
        }
        if all || self.tell_wanted {
            match &self.wanted {
                Wanted::Topics(topics) => {
                    let names = topics.iter().map(|topic| (&**topic).into());
                    request.subscribed_topic_names = Some(names.collect());
                    let ends_regex = std::mem::take(&mut self.regex_told);
                    request.subscribed_topic_regex = ends_regex.then(WireStr::default);
                }
                Wanted::Regex(regex) => {
                    request.subscribed_topic_names = Some(Vec::new());
                    request.subscribed_topic_regex = Some(regex.as_str().into());
                    self.regex_told = true;
                }
            }
        }
        if all || self.tell_owned {
            // Who joins owns nothing.
            request.topic_partitions = Some(if joins { Vec::new() } else { by_topic(&self.owned) });
        }
        (self.tell_all, self.tell_wanted, self.tell_owned) = (false, false, false);
        self.phase = if joins { Phase::Out } else { Phase::Member };
        request
    }
}

fn by_topic(owned: &Ids) -> Vec<TopicPartitions> {
    let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
    for (id, index) in owned {
        topics.entry(*id).or_default().push(*index);
    }
    topics.into_iter().map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions }).collect()
}
