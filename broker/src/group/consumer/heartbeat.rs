//! Heartbeats: joining, staying, and coming back.
//!
//! Above: the group. Below: the three stages in their own files.
//!
//! An answer may get lost at any point. A member that did not hear of its next epoch comes again with the one before, and
//! is let in as long as it owns nothing that it may not; one that comes with epoch 0 starts over, whatever it was.

use super::{
    Around, ConsumerGroup, Epoch, Refused, Timers,
    assignor::Assignor,
    member::{Current, Member, MemberMetadata, MemberState},
    metadata_hash::metadata_hash,
    millis,
    partitions::{Held, Partitions},
    reconcile::Goal,
    records::{Records, batch_size},
    refresh::{Refresh, RegexChange},
    state::GroupState,
    subscriptions::Subscriptions,
    target::{NextTarget, subscribed_topics},
    validate::validate,
};
use crate::{
    coordinator::Ticket,
    env::Moment,
    group::{Client, GroupAnswer, GroupRecord, GroupStep},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        consumer_group_heartbeat::{
            ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
        },
    },
    model::{PartitionIndex, TopicId},
    wire::WireStr,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Records, timers, and the answer that waits for them.
pub(super) struct Decision {
    pub(super) records: Vec<GroupRecord>,
    pub(super) timers: Timers,
    pub(super) answer: ConsumerGroupHeartbeatResponse,
}

/// A decision in the making. Nothing of it is in the group yet: the request may still be refused.
pub(super) struct Draft {
    pub(super) records: Records,
    pub(super) timers: Timers,
    /// Whether the metadata was compared with the hash of the group.
    pub(super) checked_metadata: bool,
    /// Expressions that are to be matched.
    pub(super) refresh: Option<Refresh>,
}

/// The member of a request, before the request changes it.
pub(super) struct Subject {
    pub(super) id: Arc<str>,
    pub(super) member: Member,
    /// The former id of a static member that comes back under a new one.
    pub(super) replaces: Option<Arc<str>>,
}

/// What a request makes of a member.
pub(super) struct Change<'a> {
    pub(super) subject: &'a Subject,
    pub(super) metadata: Arc<MemberMetadata>,
    /// `None` = not said.
    pub(super) owned: Option<&'a [TopicPartitions]>,
}

impl ConsumerGroup {
    /// Decides about a heartbeat: of a member, or of one that joins or leaves.
    pub(crate) fn heartbeat(
        &mut self,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let decision = validate(request, client.version, around.settings).and_then(|()| {
            match Epoch(request.member_epoch) {
                Epoch::LEAVE | Epoch::STATIC_LEAVE => self.leave(request, around),
                _ => self.stay(client, request, around),
            }
        });
        match decision {
            Ok(decision) => GroupStep {
                records: decision.records,
                answers: vec![(ticket, GroupAnswer::ConsumerHeartbeat(decision.answer))],
                timers: decision.timers.into_iter().collect(),
                ..GroupStep::none()
            },
            Err(refused) => GroupStep::answer(ticket, GroupAnswer::ConsumerHeartbeat(refused.into())),
        }
    }

    fn stay(
        &mut self,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
        around: &Around<'_>,
    ) -> Result<Decision, Refused> {
        let epoch = Epoch(request.member_epoch);
        let joins = epoch == Epoch::JOIN;
        if !joins && !self.exists() {
            return Err(Refused::new(
                ErrorCode::GroupIdNotFound,
                format!("Consumer group {} not found.", self.id),
            ));
        }
        self.refuse_if_full(&request.member_id, around)?;
        let mut draft = self.draft();
        let owned = request.topic_partitions.as_deref();
        let subject = match &request.instance_id {
            None => self.dynamic_member(&request.member_id, joins, around)?,
            Some(instance) => {
                self.static_member(&request.member_id, instance, joins, around, &mut draft.records)?
            }
        };
        if subject.replaces.is_none() {
            refuse_wrong_epoch(&subject.member.current, epoch, owned)?;
        }
        let change = Change {
            metadata: Arc::new(told(&subject.member.metadata, client, request)),
            subject: &subject,
            owned,
        };
        let current = self.change_member(&change, around, &mut draft)?;
        if subject.member.uses_classic_protocol() {
            draft.timers.insert(self.classic_timer(&subject.id), None);
        }
        draft.timers.insert(
            self.session_timer(&subject.id),
            Some(around.now.after(around.settings.consumer_session)),
        );
        let (records, timers) = self.settle(draft, around)?;
        self.awaited.remove(&subject.id);

        // A member that sends everything wants to hear everything: it joins, or something went wrong on its side.
        let full = request.rebalance_timeout_ms != -1
            && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
            && owned.is_some();
        let tell = joins || full || current.assigned != subject.member.current.assigned;
        let answer = ConsumerGroupHeartbeatResponse {
            member_id: Some(WireStr::from(&*subject.id)),
            member_epoch: current.epoch.get(),
            heartbeat_interval_ms: i32::try_from(around.settings.consumer_heartbeat.as_millis())
                .unwrap_or(i32::MAX),
            assignment: tell.then(|| current.assigned.to_answer()),
            ..Default::default()
        };
        Ok(Decision { records, timers, answer })
    }

    pub(super) fn refuse_if_full(&self, member_id: &str, around: &Around<'_>) -> Result<(), Refused> {
        let max = around.settings.consumer_size_max;
        if self.state.members().len() < max || self.state.member(member_id).is_some() {
            return Ok(());
        }
        Err(Refused::new(
            ErrorCode::GroupMaxSizeReached,
            format!("The consumer group has reached its maximum capacity of {max} members."),
        ))
    }

    pub(super) fn dynamic_member(
        &self,
        id: &str,
        joins: bool,
        around: &Around<'_>,
    ) -> Result<Subject, Refused> {
        let id = member_id(id, around);
        let member = match self.state.member(&id) {
            Some(member) => member.clone(),
            None if joins => Member::new(),
            None => return Err(self.unknown_member(&id)),
        };
        Ok(Subject { id, member, replaces: None })
    }

    /// A static member that comes back under a new id takes the place of its former self, with all that this one held.
    fn static_member(
        &self,
        id: &str,
        instance: &WireStr,
        joins: bool,
        around: &Around<'_>,
        records: &mut Records,
    ) -> Result<Subject, Refused> {
        let id = member_id(id, around);
        let Some((present_id, present)) = self.state.static_member(instance) else {
            if !joins {
                return Err(unknown_instance(instance));
            }
            let member = self.state.member(&id).cloned().unwrap_or_else(Member::new);
            return Ok(Subject { id, member, replaces: None });
        };
        if !joins {
            refuse_fenced_instance(&id, present_id, instance)?;
            return Ok(Subject { id, member: present.clone(), replaces: None });
        }
        let on_leave = present.current.epoch == Epoch::STATIC_LEAVE;
        if id == *present_id && !on_leave {
            // The same process starts over, or did not hear that it is in. Kafka 4.3 refuses this one too.
            return Ok(Subject { id, member: present.clone(), replaces: None });
        }
        if !present.uses_classic_protocol() && !on_leave {
            return Err(Refused::new(
                ErrorCode::UnreleasedInstanceId,
                format!(
                    "Static member {id} with instance id {instance} cannot join the group because the instance id is \
                     owned by {present_id} member."
                ),
            ));
        }
        let member = self.replace_member(present_id, present, &id, records);
        Ok(Subject { id, member, replaces: Some(Arc::clone(present_id)) })
    }

    /// Moves all that is kept of a static member to its new id.
    pub(super) fn replace_member(
        &self,
        from: &str,
        present: &Member,
        to: &str,
        records: &mut Records,
    ) -> Member {
        let member = Member {
            metadata: Arc::clone(&present.metadata),
            current: Current { epoch: Epoch::JOIN, previous_epoch: Epoch::JOIN, ..present.current.clone() },
        };
        records.remove_member(from);
        records.member(to, &member.metadata);
        records.target(to, self.state.target(from).map_or(&Partitions::default(), |target| target));
        records.current(to, &member.current);
        member
    }

    pub(super) fn draft(&self) -> Draft {
        Draft {
            records: Records::of(&self.id),
            timers: Timers::new(),
            checked_metadata: false,
            refresh: None,
        }
    }

    /// The request is not refused any more: what is soft changes now, the rest with its records.
    pub(super) fn settle(
        &mut self,
        draft: Draft,
        around: &Around<'_>,
    ) -> Result<(Vec<GroupRecord>, Timers), Refused> {
        if around.settings.record_max < batch_size(draft.records.list()) {
            return Err(Refused::new(
                ErrorCode::UnknownServerError,
                "The change of the group does not fit into one batch of __consumer_offsets.",
            ));
        }
        if draft.checked_metadata {
            self.metadata_checked = Some(around.metadata.last_record_index);
        }
        if draft.refresh.is_some() {
            self.refresh = draft.refresh;
        }
        Ok((draft.records.into_list(), draft.timers))
    }

    /// The three stages. Returns where the member is after them.
    pub(super) fn change_member(
        &self,
        change: &Change<'_>,
        around: &Around<'_>,
        draft: &mut Draft,
    ) -> Result<Current, Refused> {
        let membership = self.membership(change, around, draft)?;
        let (target_epoch, target) = self.next_target(change, &membership, around, &mut draft.records);
        self.reconcile(change, membership.subscription_changed, (target_epoch, &target), around, draft)
    }

    /// Stage 1: the member as the request makes it, and the epoch of the group if that concerns the others.
    pub(super) fn membership(
        &self,
        change: &Change<'_>,
        around: &Around<'_>,
        draft: &mut Draft,
    ) -> Result<Membership, Refused> {
        let Change { subject, metadata, .. } = change;
        let before = &subject.member.metadata;
        let is_new = subject.replaces.is_none() && self.state.member(&subject.id).is_none();
        if is_new || before != metadata {
            draft.records.member(&subject.id, metadata);
        }
        let topics_changed = before.topics != metadata.topics;
        let regex = self.change_regex(before, metadata, around, draft)?;
        let bump = topics_changed || regex == RegexChange::Resolved;

        let mut epoch = self.state.epoch();
        let mut subscriptions = None;
        if bump || self.metadata_checked != Some(around.metadata.last_record_index) {
            let after = self.subscriptions_after(subject, metadata);
            let hash = metadata_hash(after.topics().map(TopicName::as_str), around.metadata);
            subscriptions = Some(after);
            if bump || hash != self.state.metadata_hash() {
                epoch = epoch.next();
                draft.records.epoch(epoch, hash);
            }
            draft.checked_metadata = true;
        }
        let subscription_changed = topics_changed || regex != RegexChange::None;
        let members = self.state.members().len() + usize::from(is_new);
        Ok(Membership { epoch, subscriptions, members, subscription_changed })
    }

    fn subscriptions_after(&self, subject: &Subject, metadata: &MemberMetadata) -> Subscriptions {
        let mut after = self.state.subscriptions().clone();
        let before = &*subject.member.metadata;
        if let Some(regex) = &before.regex
            && before.regex != metadata.regex
            && after.members_of_regex(regex) == 1
        {
            // Nobody else needs what it matched.
            after.change_regex(self.state.regexes().get(regex), None);
        }
        after.change_member(Some(before), Some(metadata));
        after
    }

    /// Stage 2: the target, computed anew if it is older than the group and the last one is old enough.
    pub(super) fn next_target(
        &self,
        change: &Change<'_>,
        membership: &Membership,
        around: &Around<'_>,
        records: &mut Records,
    ) -> (Epoch, Arc<Partitions>) {
        let Change { subject, metadata, .. } = change;
        if membership.epoch <= self.state.target_epoch() || !self.may_compute_target(around) {
            let id = subject.replaces.as_ref().unwrap_or(&subject.id);
            let target = self.state.target(id).map(Arc::clone).unwrap_or_default();
            return (self.state.target_epoch(), target);
        }
        let next = NextTarget {
            state: &self.state,
            image: around.metadata,
            assignor: preferred_assignor(&self.state, &subject.member.metadata, metadata, around),
            epoch: membership.epoch,
            subscription_type: membership
                .subscriptions
                .as_ref()
                .unwrap_or(self.state.subscriptions())
                .kind(membership.members),
            member_id: &subject.id,
            metadata,
            replaces: subject.replaces.as_ref().filter(|former| **former != subject.id),
        };
        (membership.epoch, next.compute(around.wall, records))
    }

    /// An interval of zero lets go of a wall clock that was set back.
    fn may_compute_target(&self, around: &Around<'_>) -> bool {
        let computed = self.state.target_timestamp().get();
        let interval = around.settings.assignment_interval;
        computed == 0
            || interval.is_zero()
            || computed.saturating_add(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX))
                <= around.wall.get()
    }

    /// Stage 3: one step of the member towards the target.
    pub(super) fn reconcile(
        &self,
        change: &Change<'_>,
        subscription_changed: bool,
        (target_epoch, target): (Epoch, &Partitions),
        around: &Around<'_>,
        draft: &mut Draft,
    ) -> Result<Current, Refused> {
        let Change { subject, metadata, owned } = change;
        let current = &subject.member.current;
        if !subscription_changed && current.is_reconciled_to(target_epoch) {
            return Ok(current.clone());
        }
        let subscribed: BTreeSet<TopicId> =
            subscribed_topics(metadata, self.state.regexes(), around.metadata);
        let goal = Goal {
            target_epoch,
            target,
            subscribed: &subscribed,
            subscription_changed,
            owned: *owned,
            is_held: &|topic, partition| self.state.owner(topic, partition).is_some(),
        };
        let next = goal.next(current)?;
        if next != *current {
            draft.records.current(&subject.id, &next);
            // Members of the classic protocol have a time to join and a time to sync instead.
            if metadata.classic.is_none() {
                let after = Member { metadata: Arc::clone(metadata), current: next.clone() };
                draft
                    .timers
                    .insert(self.rebalance_timer(&subject.id), revocation_deadline(&after, around.now));
            }
        }
        Ok(next)
    }

    pub(super) fn unknown_member(&self, id: &str) -> Refused {
        Refused::new(ErrorCode::UnknownMemberId, format!("Member {id} is not a member of group {}.", self.id))
    }
}

/// What stage 1 found.
pub(super) struct Membership {
    pub(super) epoch: Epoch,
    /// What all subscribe to after the change; `None` = as before.
    subscriptions: Option<Subscriptions>,
    /// Members after the change.
    members: usize,
    pub(super) subscription_changed: bool,
}

impl From<Refused> for ConsumerGroupHeartbeatResponse {
    fn from(refused: Refused) -> Self {
        Self {
            error_code: refused.code.code(),
            error_message: Some(refused.message.into()),
            ..Self::default()
        }
    }
}

/// How long a member may be silent: one of the classic protocol has its own time.
pub(super) fn session_of(member: &Member, around: &Around<'_>) -> Duration {
    member
        .metadata
        .classic
        .as_ref()
        .map_or(around.settings.consumer_session, |classic| millis(classic.session_timeout_ms))
}

/// Until when a member has to have given up partitions, if it has to.
pub(super) fn revocation_deadline(member: &Member, now: Moment) -> Option<Moment> {
    let waits = member.current.state == MemberState::UnrevokedPartitions;
    waits.then(|| now.after(millis(member.metadata.rebalance_timeout_ms)))
}

/// The id that the client made, or a new one.
fn member_id(id: &str, around: &Around<'_>) -> Arc<str> {
    if id.is_empty() { around.fresh_id.to_string().into() } else { id.into() }
}

pub(super) fn unknown_instance(instance: &str) -> Refused {
    Refused::new(ErrorCode::UnknownMemberId, format!("Instance id {instance} is unknown."))
}

pub(super) fn refuse_fenced_instance(id: &str, present: &str, instance: &str) -> Result<(), Refused> {
    if id == present {
        return Ok(());
    }
    Err(Refused::new(
        ErrorCode::FencedInstanceId,
        format!("Static member {id} with instance id {instance} was fenced by member {present}."),
    ))
}

fn refuse_wrong_epoch(
    current: &Current,
    epoch: Epoch,
    owned: Option<&[TopicPartitions]>,
) -> Result<(), Refused> {
    let known = current.epoch;
    let lost_answer =
        || epoch == current.previous_epoch && owned.is_some_and(|owned| owns_only(owned, &current.assigned));
    let relation = match epoch.cmp(&known) {
        _ if epoch == Epoch::JOIN => return Ok(()),
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less if lost_answer() => return Ok(()),
        std::cmp::Ordering::Less => "smaller",
        std::cmp::Ordering::Greater => "greater",
    };
    Err(Refused::new(
        ErrorCode::FencedMemberEpoch,
        format!(
            "The consumer group member has a {relation} member epoch ({epoch}) than the one known by the group \
             coordinator ({known}). The member must abandon all its partitions and rejoin."
        ),
    ))
}

fn owns_only(owned: &[TopicPartitions], held: &Held) -> bool {
    owned.iter().all(|topic| {
        topic.partitions.iter().all(|partition| held.contains(topic.topic_id, PartitionIndex(*partition)))
    })
}

/// The member as the request tells it; what the request leaves out stays.
fn told(before: &MemberMetadata, client: &Client, request: &ConsumerGroupHeartbeatRequest) -> MemberMetadata {
    let regex = match &request.subscribed_topic_regex {
        Some(regex) => Some(regex.clone()).filter(|regex| !regex.is_empty()),
        None => before.regex.clone(),
    };
    MemberMetadata {
        instance_id: request.instance_id.clone().or_else(|| before.instance_id.clone()),
        rack_id: request.rack_id.clone().or_else(|| before.rack_id.clone()),
        client_id: client.id.clone(),
        client_host: client.host.clone(),
        topics: match &request.subscribed_topic_names {
            Some(topics) => Arc::new(topics.iter().cloned().collect()),
            None => Arc::clone(&before.topics),
        },
        regex,
        rebalance_timeout_ms: match request.rebalance_timeout_ms {
            -1 => before.rebalance_timeout_ms,
            timeout => timeout,
        },
        server_assignor: request.server_assignor.clone().or_else(|| before.server_assignor.clone()),
        classic: None,
    }
}

/// The assignor that most members wish for; the default of the broker if there is no wish that it knows.
fn preferred_assignor(
    state: &GroupState,
    before: &MemberMetadata,
    after: &MemberMetadata,
    around: &Around<'_>,
) -> Assignor {
    let mut wishes = state.server_assignors().clone();
    if let Some(count) = before.server_assignor.as_ref().and_then(|name| wishes.get_mut(name)) {
        *count = count.saturating_sub(1);
    }
    if let Some(name) = &after.server_assignor {
        *wishes.entry(name.clone()).or_default() += 1;
    }
    let wish = wishes.iter().filter(|(_, count)| 0 < **count).max_by_key(|(_, count)| **count);
    let default = || around.settings.assignors.first().and_then(|name| Assignor::by_name(name));
    wish.and_then(|(name, _)| Assignor::by_name(name)).or_else(default).unwrap_or(Assignor::Uniform)
}
