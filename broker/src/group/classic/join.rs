//! JoinGroup: a member comes, or comes again.
//!
//! Above: the machine of groups, which has refused what no group takes. Below: the files beside this one. Pure: values
//! only.
//!
//! A dynamic member first gets an id and joins with it (KIP-394, from version 4): a client that gives up and tries again
//! would otherwise leave a member behind each time. The id is kept for one session.

use super::{
    answer,
    group::{ClassicGroup, ClassicState, PENDING_MAX},
    member::{Asked, Member, Protocol, Waiting},
    refuse::PROTOCOLS_MAX,
};
use crate::{
    coordinator::{Surroundings, Ticket},
    group::{Client, GroupAnswer, GroupSettings, GroupStep},
};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember},
    model::Uuid,
    wire::WireStr,
};
use std::{fmt::Write, sync::Arc, time::Duration};

/// How long a new member may wait for its first generation. It cannot send heartbeats before it knows its id, and a client
/// that went away cannot be told from one that waits, so the wait is ended and a living client joins again.
pub(super) const NEW_MEMBER_WAIT: Duration = Duration::from_mins(5);
/// Part of a client id that becomes part of a member id.
const CLIENT_ID_BYTES_MAX: usize = 1024;
/// First version whose clients know what to do with an id that is only given out.
const FIRST_WITH_REQUIRED_ID: i16 = 4;

/// What a member asks for, in copies of its own.
pub(super) struct Wish {
    pub(super) instance: Option<WireStr>,
    pub(super) client_id: WireStr,
    pub(super) client_host: WireStr,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    pub(super) protocol_type: WireStr,
    pub(super) protocols: Vec<Protocol>,
}

impl Wish {
    fn new(client: &Client, request: &JoinGroupRequest) -> Self {
        let mut protocols: Vec<Protocol> = Vec::with_capacity(request.protocols.len());
        for offered in &request.protocols {
            // A name that stands twice would be counted twice.
            if protocols.iter().all(|protocol| protocol.name != offered.name) {
                let metadata = Bytes::copy_from_slice(&offered.metadata);
                protocols.push(Protocol { name: offered.name.detached(), metadata });
            }
        }
        let knows_rebalance_timeout = client.version != 0;
        Self {
            instance: request.group_instance_id.as_ref().map(WireStr::detached),
            client_id: shortened(&client.id).into(),
            client_host: client.host.detached(),
            rebalance_timeout_ms: if knows_rebalance_timeout {
                request.rebalance_timeout_ms
            } else {
                request.session_timeout_ms
            },
            session_timeout_ms: request.session_timeout_ms,
            protocol_type: request.protocol_type.detached(),
            protocols,
        }
    }

    fn held_bytes(&self) -> usize {
        self.protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum()
    }
}

impl ClassicGroup {
    /// A member joins. The group exists, or is a new one and the request names no member id; a new one that the step
    /// writes no record for is not to be kept.
    pub(crate) fn join(
        &mut self,
        client: &Client,
        request: &JoinGroupRequest,
        ticket: Ticket,
        around: &Surroundings<'_, GroupSettings>,
    ) -> GroupStep {
        let asked = Asked { ticket, version: client.version };
        let mut step = GroupStep::none();
        let as_it_was = (!self.is_written).then(|| self.value());
        if let Err(error) = self.try_join(client, request, asked, around, &mut step) {
            // Nobody shall come back with an id that has no place any more.
            let keeps_id = error != ErrorCode::GroupMaxSizeReached;
            let named = if keeps_id { &*request.member_id } else { "" };
            step.answers.push(answer::join_refused(asked, named, error));
        } else if let Some(empty) = as_it_was {
            // The group is in the log before anyone is told about it.
            self.write_value(empty, &mut step);
        }
        step
    }

    fn try_join(
        &mut self,
        client: &Client,
        request: &JoinGroupRequest,
        asked: Asked,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) -> Result<(), ErrorCode> {
        let wish = Wish::new(client, request);
        if !self.has_room_for(&request.member_id, &wish, around.settings) {
            self.give_up_place(&request.member_id, around, step);
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        if !self.can_work_with(&wish) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if request.member_id.is_empty() {
            self.join_without_id(wish, asked, around, step)
        } else {
            self.join_with_id(&request.member_id, wish, asked, around, step)
        }
    }

    fn join_without_id(
        &mut self,
        wish: Wish,
        asked: Asked,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) -> Result<(), ErrorCode> {
        let prefix = wish.instance.as_deref().unwrap_or(&wish.client_id);
        let id = new_member_id(prefix, around.fresh_id);
        match wish.instance.as_ref().map(|instance| self.members.id_of_instance(instance).cloned()) {
            Some(Some(before)) => return self.return_as(&before, &id, wish, asked, around, step),
            Some(None) => self.add(id, wish, asked, around, step),
            None if asked.version < FIRST_WITH_REQUIRED_ID => self.add(id, wish, asked, around, step),
            None => {
                if PENDING_MAX <= self.pending.len() {
                    return Err(ErrorCode::GroupMaxSizeReached);
                }
                let session = super::member::millis(wish.session_timeout_ms);
                self.allow_silence(&id, session, around.now, step);
                step.answers.push(answer::join_refused(asked, &id, ErrorCode::MemberIdRequired));
                self.pending.insert(id);
            }
        }
        Ok(())
    }

    fn join_with_id(
        &mut self,
        id: &str,
        wish: Wish,
        asked: Asked,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) -> Result<(), ErrorCode> {
        if wish.instance.is_none()
            && let Some(id) = self.pending.take(id)
        {
            self.add(id, wish, asked, around, step);
            return Ok(());
        }
        self.check_member(id, wish.instance.as_deref())?;
        let is_unchanged = self.members.get(id).is_some_and(|member| member.protocols == wish.protocols);
        let has_missed_the_answer = match self.state {
            ClassicState::CompletingRebalance => is_unchanged,
            // A leader that joins again has seen something that changes the assignment, such as a new partition.
            ClassicState::Stable => is_unchanged && !self.is_leader(id),
            ClassicState::Empty | ClassicState::PreparingRebalance => false,
        };
        if has_missed_the_answer {
            step.answers.push(self.joined(id, asked));
        } else {
            self.update(id, wish, asked, step);
            self.rebalance_or_complete(around, step);
        }
        Ok(())
    }

    /// Takes a new member in; the group rebalances.
    fn add(
        &mut self,
        id: Arc<str>,
        wish: Wish,
        asked: Asked,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        if let Some(initial) = &mut self.initial {
            initial.had_newcomers = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(wish.protocol_type);
        }
        self.leader.get_or_insert_with(|| Arc::clone(&id));
        self.allow_silence(&id, NEW_MEMBER_WAIT, around.now, step);
        let replaced = self.members.insert(Member {
            id,
            instance: wish.instance,
            client_id: wish.client_id,
            client_host: wish.client_host,
            rebalance_timeout_ms: wish.rebalance_timeout_ms,
            session_timeout_ms: wish.session_timeout_ms,
            protocols: wish.protocols,
            assignment: Bytes::new(),
            waiting: Waiting::Join(asked),
            is_new: true,
        });
        assert!(replaced.is_empty(), "a new member has an id and an instance id of its own");
        self.rebalance_or_complete(around, step);
    }

    /// A known member waits for the next generation, with what it can do now.
    pub(super) fn update(&mut self, id: &str, wish: Wish, asked: Asked, step: &mut GroupStep) {
        self.members.change(id, |member| {
            member.protocols = wish.protocols;
            member.rebalance_timeout_ms = wish.rebalance_timeout_ms;
            member.session_timeout_ms = wish.session_timeout_ms;
        });
        self.wait(id, Waiting::Join(asked), step);
    }

    /// Whether one more may join. In the join phase those that joined already count, so that a group which grew too large
    /// (the setting was lowered) loses those who come last. A static member that comes back has the place of its former
    /// self (Kafka refuses it in a full group, if it was restarted).
    fn has_room_for(&self, member: &str, wish: &Wish, settings: &GroupSettings) -> bool {
        let size_max = Self::size_max(settings);
        let former = wish.instance.as_deref().and_then(|instance| self.members.id_of_instance(instance));
        let member = former.map_or(member, |former| &**former);
        let has_place = match self.state {
            ClassicState::Empty => true,
            ClassicState::PreparingRebalance => {
                self.members.is_waiting_for_join(member) || self.members.waiting_for_join() < size_max
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.members.contains(member) || self.members.len() < size_max
            }
        };
        // The record holds one protocol of each member, so whatever can be written once stays far below this.
        let bytes_max = settings.record_max.saturating_mul(PROTOCOLS_MAX);
        has_place && self.members.held_bytes().saturating_add(wish.held_bytes()) <= bytes_max
    }

    /// Who finds no room loses what it had.
    fn give_up_place(
        &mut self,
        member: &str,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        if self.remove_pending(member, step) || self.members.contains(member) {
            self.remove(member, step);
            self.rebalance_after_removal(around, step);
        }
    }

    /// Whether the member is of the group's kind and shares a protocol with all others.
    fn can_work_with(&self, wish: &Wish) -> bool {
        match self.state {
            ClassicState::Empty => !wish.protocol_type.is_empty() && !wish.protocols.is_empty(),
            ClassicState::PreparingRebalance | ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.protocol_type.as_ref() == Some(&wish.protocol_type)
                    && self.members.share_one_of(&wish.protocols)
            }
        }
    }

    /// The present generation, as a member is told; the leader learns who is in it.
    pub(super) fn joined(&self, id: &str, asked: Asked) -> (Ticket, GroupAnswer) {
        let members = if self.is_leader(id) { self.members_for_leader() } else { Vec::new() };
        let response = JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: Some(self.protocol.clone().unwrap_or_default()),
            leader: self.leader.as_deref().unwrap_or_default().into(),
            member_id: id.into(),
            members,
            ..JoinGroupResponse::default()
        };
        (asked.ticket, GroupAnswer::Join(response))
    }

    fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let told = |member: &Member| JoinGroupResponseMember {
            member_id: (&*member.id).into(),
            group_instance_id: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.iter().map(told).collect()
    }
}

/// `client-0b2e...`, in the form of Java's UUIDs, as users know it.
fn new_member_id(prefix: &str, Uuid(id): Uuid) -> Arc<str> {
    let mut text = String::with_capacity(prefix.len() + 37);
    text.push_str(prefix);
    for (at, byte) in id.iter().enumerate() {
        if [0, 4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// A client may call itself anything; ids made of it must fit into the messages.
fn shortened(client_id: &str) -> &str {
    let end = (0..=CLIENT_ID_BYTES_MAX.min(client_id.len())).rfind(|at| client_id.is_char_boundary(*at));
    client_id.get(..end.unwrap_or(0)).unwrap_or_default()
}
