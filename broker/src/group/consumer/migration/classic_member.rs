//! Members of a consumer group that use the classic protocol: JoinGroup, SyncGroup, Heartbeat and LeaveGroup answered by a
//! group that computes the assignment itself.
//!
//! Above: the machine of groups. Below: the stages of a heartbeat. A classic member is moved one step by each JoinGroup, told
//! its epoch as its generation, and fetches what it holds by SyncGroup; a heartbeat tells it when it is time to join again.
//! It never leads. It has a rebalance timeout to join when told, and another one to sync after that.

use super::{
    super::{
        Around, ConsumerGroup, Epoch, Refused,
        heartbeat::{Change, Subject, refuse_fenced_instance, session_of, unknown_instance},
        member::{Member, MemberMetadata, MemberState},
        millis,
    },
    embedded::{self, CONSUMER},
};
use crate::{
    coordinator::Ticket,
    group::{Client, GroupAnswer, GroupStep},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        blob::consumer_protocol::ConsumerProtocolSubscription,
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        internal::consumer_group::{ClassicMemberMetadata, ClassicProtocol},
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse},
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
    wire::WireStr,
};
use std::{collections::BTreeMap, sync::Arc};

/// From this version on a client that has no id yet is given one and joins with it.
const REQUIRED_ID_VERSION: i16 = 4;

/// From this version on several members leave at once, each with an outcome of its own.
const MANY_LEAVERS_VERSION: i16 = 3;

impl ConsumerGroup {
    /// JoinGroup for a group with members; what no group takes is refused already.
    pub(crate) fn classic_join(
        &mut self,
        client: &Client,
        request: &JoinGroupRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        self.try_classic_join(client, request, ticket, around).unwrap_or_else(|error| {
            let answer = JoinGroupResponse {
                error_code: error.code(),
                member_id: request.member_id.clone(),
                protocol_name: (client.version < 7).then(WireStr::default),
                ..Default::default()
            };
            GroupStep::answer(ticket, GroupAnswer::Join(answer))
        })
    }

    fn try_classic_join(
        &mut self,
        client: &Client,
        request: &JoinGroupRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> Result<GroupStep, ErrorCode> {
        if !around.settings.may_upgrade && !around.settings.may_downgrade {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        self.refuse_if_full(&request.member_id, around).map_err(|refused| refused.code)?;
        let Some(first) = request.protocols.first().filter(|_| self.is_supported(request)) else {
            return Err(ErrorCode::InconsistentGroupProtocol);
        };
        let is_unknown = request.member_id.is_empty();
        if is_unknown && request.group_instance_id.is_none() && REQUIRED_ID_VERSION <= client.version {
            let answer = JoinGroupResponse {
                error_code: ErrorCode::MemberIdRequired.code(),
                member_id: around.fresh_id.to_string().into(),
                protocol_name: (client.version < 7).then(WireStr::default),
                ..Default::default()
            };
            return Ok(GroupStep::answer(ticket, GroupAnswer::Join(answer)));
        }
        let subscription = embedded::subscription(&first.metadata).ok_or(ErrorCode::UnknownServerError)?;
        let mut draft = self.draft();
        let subject = match &request.group_instance_id {
            None => self.dynamic_member(&request.member_id, true, around),
            Some(instance) => {
                self.static_classic_member(&request.member_id, instance, around, &mut draft.records)
            }
        };
        let subject = subject.map_err(|refused| refused.code)?;
        let owned = embedded::owned(&subscription, around.metadata);
        let metadata = Arc::new(told(&subject.member.metadata, client, request, subscription));
        let change = Change { metadata, subject: &subject, owned: Some(&owned) };
        let membership = self.membership(&change, around, &mut draft).map_err(|refused| refused.code)?;
        let mut joined =
            Member { metadata: Arc::clone(&change.metadata), current: subject.member.current.clone() };

        let downgrade = subject.replaces.as_ref().filter(|former| self.is_last_of_heartbeats(former));
        let mut has_downgraded = false;
        if let Some(former) = downgrade {
            let rebalance = self.state.target_epoch() < membership.epoch;
            let mut changed = self.draft();
            if !rebalance {
                let target = self.state.target(former).map(Arc::clone).unwrap_or_default();
                joined.current = self
                    .reconcile(
                        &change,
                        membership.subscription_changed,
                        (self.state.target_epoch(), &target),
                        around,
                        &mut changed,
                    )
                    .map_err(|refused| refused.code)?;
            }
            let done = self.downgrade_with(
                former,
                (&subject.id, &joined),
                rebalance,
                around,
                &mut changed.records,
                &mut changed.timers,
            );
            if done.is_some() {
                draft.records.append(changed.records.into_list());
                draft.timers.extend(changed.timers);
                has_downgraded = true;
            }
        }
        if !has_downgraded {
            let (target_epoch, target) = self.next_target(&change, &membership, around, &mut draft.records);
            joined.current = self
                .reconcile(
                    &change,
                    membership.subscription_changed,
                    (target_epoch, &target),
                    around,
                    &mut draft,
                )
                .map_err(|refused| refused.code)?;
            let wait = around.now.after(millis(joined.metadata.rebalance_timeout_ms));
            draft.timers.insert(self.classic_timer(&subject.id), Some(wait));
            draft
                .timers
                .insert(self.session_timer(&subject.id), Some(around.now.after(session_of(&joined, around))));
        }
        let (records, timers) = self.settle(draft, around).map_err(|refused| refused.code)?;
        if !has_downgraded {
            self.awaited.insert(Arc::clone(&subject.id));
        }
        let answer = JoinGroupResponse {
            generation_id: joined.current.epoch.get(),
            protocol_type: Some(WireStr::from_static(CONSUMER)),
            protocol_name: Some(first.name.clone()),
            member_id: WireStr::from(&*subject.id),
            ..Default::default()
        };
        Ok(GroupStep {
            records,
            answers: vec![(ticket, GroupAnswer::Join(answer))],
            timers: timers.into_iter().collect(),
            ..GroupStep::none()
        })
    }

    /// Whether one of its protocols is known to all classic members.
    fn is_supported(&self, request: &JoinGroupRequest) -> bool {
        let supporters = |name: &WireStr| self.state.classic_protocols().get(name).copied().unwrap_or(0);
        request.protocol_type == CONSUMER
            && request
                .protocols
                .iter()
                .any(|protocol| supporters(&protocol.name) == self.state.classic_members())
    }

    fn static_classic_member(
        &self,
        id: &str,
        instance: &WireStr,
        around: &Around<'_>,
        records: &mut super::super::records::Records,
    ) -> Result<Subject, Refused> {
        let present = self.state.static_member(instance);
        if !id.is_empty() {
            let (present_id, present) = present.ok_or_else(|| unknown_instance(instance))?;
            refuse_fenced_instance(id, present_id, instance)?;
            return Ok(Subject { id: Arc::clone(present_id), member: present.clone(), replaces: None });
        }
        let id: Arc<str> = around.fresh_id.to_string().into();
        let Some((present_id, present)) = present else {
            return Ok(Subject { id, member: Member::new(), replaces: None });
        };
        let member = self.replace_member(present_id, present, &id, records);
        Ok(Subject { id, member, replaces: Some(Arc::clone(present_id)) })
    }

    fn is_last_of_heartbeats(&self, id: &str) -> bool {
        self.state.member(id).is_some_and(|member| !member.uses_classic_protocol())
            && self.state.classic_members() + 1 == self.state.members().len()
    }

    /// SyncGroup of a classic member: what it holds, at once.
    pub(crate) fn classic_sync(
        &mut self,
        request: &SyncGroupRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let member = self.classic_member(&request.member_id, request.group_instance_id.as_ref());
        let checked = member.and_then(|(id, member)| {
            if member.current.epoch != Epoch(request.generation_id) {
                return Err(ErrorCode::IllegalGeneration);
            }
            let classic = member.metadata.classic.as_ref();
            let first = classic.and_then(|classic| classic.supported_protocols.first());
            let first = first.ok_or(ErrorCode::InconsistentGroupProtocol)?;
            let differs = request.protocol_type.as_ref().is_some_and(|kind| *kind != CONSUMER)
                || request.protocol_name.as_ref().is_some_and(|name| *name != first.name);
            if differs {
                return Err(ErrorCode::InconsistentGroupProtocol);
            }
            // One that has to give something up has joined already; it is told when that is done.
            let is_behind = member.current.epoch < self.state.target_epoch()
                && member.current.state != MemberState::UnrevokedPartitions;
            let bytes =
                embedded::assignment_of_held(&member.current.assigned, &first.metadata, around.metadata);
            Ok((Arc::clone(id), member.clone(), is_behind, bytes))
        });
        let mut step = GroupStep::none();
        let answer = match checked {
            Err(error) => SyncGroupResponse { error_code: error.code(), ..Default::default() },
            Ok((id, member, true, _)) => {
                self.has_to_join(&id, &member, around, &mut step);
                SyncGroupResponse { error_code: ErrorCode::RebalanceInProgress.code(), ..Default::default() }
            }
            Ok((id, member, false, assignment)) => {
                self.awaited.remove(&id);
                step.timers.push((self.classic_timer(&id), None));
                let session = around.now.after(session_of(&member, around));
                step.timers.push((self.session_timer(&id), Some(session)));
                SyncGroupResponse {
                    protocol_type: request.protocol_type.clone(),
                    protocol_name: request.protocol_name.clone(),
                    assignment,
                    ..Default::default()
                }
            }
        };
        step.answers.push((ticket, GroupAnswer::Sync(answer)));
        step
    }

    /// Heartbeat of a classic member.
    pub(crate) fn classic_heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let mut step = GroupStep::none();
        let member = self
            .classic_member(&request.member_id, request.group_instance_id.as_ref())
            .map(|(id, member)| (Arc::clone(id), member.clone()));
        let error = match member {
            Err(error) => error,
            Ok((_, member)) if member.current.epoch != Epoch(request.generation_id) => {
                ErrorCode::IllegalGeneration
            }
            Ok((id, member)) => {
                let session = around.now.after(session_of(&member, around));
                step.timers.push((self.session_timer(&id), Some(session)));
                if self.would_move(&id, &member) {
                    self.has_to_join(&id, &member, around, &mut step);
                    ErrorCode::RebalanceInProgress
                } else {
                    ErrorCode::None
                }
            }
        };
        let answer = HeartbeatResponse { error_code: error.code(), ..Default::default() };
        step.answers.push((ticket, GroupAnswer::Heartbeat(answer)));
        step
    }

    /// Whether the member would get any further by joining again.
    fn would_move(&self, id: &Arc<str>, member: &Member) -> bool {
        let current = &member.current;
        let waits = || {
            let target = self.state.target(id);
            let missing = target.iter().flat_map(|target| target.iter());
            missing
                .filter(|(topic, partition)| !current.assigned.contains(*topic, *partition))
                .any(|(topic, partition)| self.state.owner(topic, partition).is_some())
        };
        current.epoch < self.state.target_epoch()
            || match current.state {
                MemberState::UnrevokedPartitions => true,
                MemberState::UnreleasedPartitions => !waits(),
                MemberState::Stable | MemberState::Unknown => false,
            }
    }

    /// The member is told to join again, and has its rebalance timeout for it from when it was told first. One that is
    /// awaited already, also to sync, does not get more time.
    fn has_to_join(&mut self, id: &Arc<str>, member: &Member, around: &Around<'_>, step: &mut GroupStep) {
        if self.awaited.insert(Arc::clone(id)) {
            let deadline = around.now.after(millis(member.metadata.rebalance_timeout_ms));
            step.timers.push((self.classic_timer(id), Some(deadline)));
        }
    }

    fn classic_member(
        &self,
        id: &str,
        instance: Option<&WireStr>,
    ) -> Result<(&Arc<str>, &Member), ErrorCode> {
        let (present_id, member) = match instance {
            None => self.state.members().get_key_value(id).ok_or(ErrorCode::UnknownMemberId)?,
            Some(instance) => {
                let present = self.state.static_member(instance).ok_or(ErrorCode::UnknownMemberId)?;
                refuse_fenced_instance(id, present.0, instance).map_err(|refused| refused.code)?;
                present
            }
        };
        if member.uses_classic_protocol() {
            Ok((present_id, member))
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// LeaveGroup: any member may be made to leave by it, also one that uses heartbeats.
    pub(crate) fn classic_leave(
        &mut self,
        client: &Client,
        request: &LeaveGroupRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let alone = [MemberIdentity { member_id: request.member_id.clone(), ..Default::default() }];
        let many = MANY_LEAVERS_VERSION <= client.version;
        let mut leaving: BTreeMap<&Arc<str>, &Member> = BTreeMap::new();
        let mut outcomes = Vec::new();
        for leaver in if many { &request.members } else { alone.as_slice() } {
            let error = match self.leaver(leaver) {
                Ok((id, member)) => {
                    leaving.insert(id, member);
                    ErrorCode::None
                }
                Err(error) => error,
            };
            outcomes.push(MemberResponse {
                member_id: leaver.member_id.clone(),
                group_instance_id: leaver.group_instance_id.clone(),
                error_code: error.code(),
            });
        }
        let leaving: Vec<_> = leaving.into_iter().collect();
        let mut step = if leaving.is_empty() { GroupStep::none() } else { self.fence(&leaving, around) };
        let answer = if many {
            LeaveGroupResponse { members: outcomes, ..Default::default() }
        } else {
            let error_code = outcomes.first().map_or(0, |outcome| outcome.error_code);
            LeaveGroupResponse { error_code, ..Default::default() }
        };
        step.answers.push((ticket, GroupAnswer::Leave(answer)));
        step
    }

    /// An administrator removes a static member by its name alone.
    fn leaver(&self, leaver: &MemberIdentity) -> Result<(&Arc<str>, &Member), ErrorCode> {
        let Some(instance) = &leaver.group_instance_id else {
            let member = self.state.members().get_key_value(&*leaver.member_id);
            return member.ok_or(ErrorCode::UnknownMemberId);
        };
        let present = self.state.static_member(instance).ok_or(ErrorCode::UnknownMemberId)?;
        if !leaver.member_id.is_empty() {
            refuse_fenced_instance(&leaver.member_id, present.0, instance).map_err(|refused| refused.code)?;
        }
        Ok(present)
    }

    /// A classic member had to join or to sync by now.
    pub(in super::super) fn expire_classic(&self, member_id: &str, around: &Around<'_>) -> GroupStep {
        match self.state.members().get_key_value(member_id) {
            Some((id, member)) if member.uses_classic_protocol() => self.fence(&[(id, member)], around),
            _ => GroupStep::none(),
        }
    }
}

/// The member as its request tells it.
fn told(
    before: &MemberMetadata,
    client: &Client,
    request: &JoinGroupRequest,
    subscription: ConsumerProtocolSubscription,
) -> MemberMetadata {
    let rack = subscription.rack_id.filter(|rack| !rack.is_empty());
    let rebalance_timeout_ms = match request.rebalance_timeout_ms {
        // Version 0 has none.
        -1 if before.rebalance_timeout_ms == -1 => request.session_timeout_ms,
        -1 => before.rebalance_timeout_ms,
        timeout => timeout,
    };
    let supported_protocols = request
        .protocols
        .iter()
        .map(|protocol| ClassicProtocol { name: protocol.name.clone(), metadata: protocol.metadata.clone() })
        .collect();
    MemberMetadata {
        instance_id: request.group_instance_id.clone().or_else(|| before.instance_id.clone()),
        rack_id: rack.or_else(|| before.rack_id.clone()),
        client_id: client.id.clone(),
        client_host: client.host.clone(),
        topics: Arc::new(subscription.topics.into_iter().collect()),
        regex: None,
        rebalance_timeout_ms,
        server_assignor: before.server_assignor.clone(),
        classic: Some(Arc::new(ClassicMemberMetadata {
            session_timeout_ms: request.session_timeout_ms,
            supported_protocols,
        })),
    }
}
