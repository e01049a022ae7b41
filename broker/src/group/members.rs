//! What members ask: which group it is about, whether it has to be made first or to change its kind, and what is answered
//! when there is none.
//!
//! Above: the machine. Below: the two kinds of group, which decide. A group comes into the machine together with its first
//! record: before that there is nothing that a later request could find.

use super::{
    Client, GroupAnswer, GroupStep,
    classic::{ClassicGroup, ClassicState, refuse},
    consumer::ConsumerGroup,
    kind::Group,
    machine::{Around, GroupMachine},
};
use crate::coordinator::{Step, Ticket};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        consumer_group_heartbeat::ConsumerGroupHeartbeatRequest, heartbeat::HeartbeatRequest,
        join_group::JoinGroupRequest, leave_group::LeaveGroupRequest, sync_group::SyncGroupRequest,
    },
};
use std::sync::Arc;

impl GroupMachine {
    /// JoinGroup. Only whoever has no member id yet may be the first of a group.
    pub(super) fn join(
        &mut self,
        client: &Client,
        request: &JoinGroupRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let refused =
            |code| Step::answer(ticket, GroupAnswer::Join(refuse::join_error(client, request, code)));
        if let Err(code) = refuse::join(request, around.settings) {
            return refused(code);
        }
        let id = &*request.group_id;
        match self.groups.get_mut(id) {
            Some(Group::Classic(group)) => return group.join(client, request, ticket, around),
            Some(Group::Consumer(group)) if !group.is_empty() => {
                return group.classic_join(client, request, ticket, around);
            }
            Some(Group::Consumer(_)) | None => {}
        }
        if !request.member_id.is_empty() {
            return refused(ErrorCode::UnknownMemberId);
        }
        let Ok(mut step) = self.make_room(id) else {
            return refused(ErrorCode::InconsistentGroupProtocol);
        };
        let id: Arc<str> = id.into();
        let mut group = ClassicGroup::new(Arc::clone(&id), around.wall);
        let joined = group.join(client, request, ticket, around);
        if joined.records.is_empty() {
            return joined;
        }
        step.and(joined);
        self.groups.insert(id, Group::Classic(group));
        step
    }

    /// SyncGroup.
    pub(super) fn sync(
        &mut self,
        client: &Client,
        request: &SyncGroupRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let refused = |code| Step::answer(ticket, GroupAnswer::Sync(refuse::sync_error(code)));
        if let Err(code) = refuse::group_id(&request.group_id) {
            return refused(code);
        }
        match self.groups.get_mut(&*request.group_id) {
            Some(Group::Classic(group)) => group.sync(client, request, ticket, around),
            Some(Group::Consumer(group)) => group.classic_sync(request, ticket, around),
            None => refused(ErrorCode::UnknownMemberId),
        }
    }

    /// Heartbeat.
    pub(super) fn heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let refused = |code| Step::answer(ticket, GroupAnswer::Heartbeat(refuse::heartbeat_error(code)));
        if let Err(code) = refuse::group_id(&request.group_id) {
            return refused(code);
        }
        match self.groups.get_mut(&*request.group_id) {
            Some(Group::Classic(group)) => group.heartbeat(request, ticket, around),
            Some(Group::Consumer(group)) => group.classic_heartbeat(request, ticket, around),
            None => refused(ErrorCode::UnknownMemberId),
        }
    }

    /// LeaveGroup.
    pub(super) fn leave(
        &mut self,
        client: &Client,
        request: &LeaveGroupRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        if let Err(code) = refuse::group_id(&request.group_id) {
            return Step::answer(ticket, GroupAnswer::Leave(refuse::leave_error(code)));
        }
        match self.groups.get_mut(&*request.group_id) {
            Some(Group::Classic(group)) => group.leave(client, request, ticket, around),
            Some(Group::Consumer(group)) => group.classic_leave(client, request, ticket, around),
            None => Step::answer(ticket, GroupAnswer::Leave(refuse::leave_unknown(client, request))),
        }
    }

    /// ConsumerGroupHeartbeat.
    pub(super) fn consumer_heartbeat(
        &mut self,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let id = &*request.group_id;
        match self.groups.get_mut(id) {
            Some(Group::Consumer(group)) => return group.heartbeat(client, request, ticket, around),
            Some(Group::Classic(group)) if group.state() != ClassicState::Empty => {
                return upgrade(group, client, request, ticket, around);
            }
            Some(Group::Classic(_)) | None => {}
        }
        let mut group = ConsumerGroup::new(id);
        let joined = group.heartbeat(client, request, ticket, around);
        if joined.records.is_empty() {
            return joined;
        }
        // Nobody is in what was there, so it goes.
        let mut step = self.make_room(id).unwrap_or_else(|_| Step::none());
        step.and(joined);
        self.groups.insert(id.into(), Group::Consumer(group));
        step
    }

    /// A group of the other kind that nobody is in makes room for one that somebody enters; its offsets stay.
    fn make_room(&mut self, id: &str) -> Result<GroupStep, ErrorCode> {
        self.groups.get_mut(id).map_or(Ok(Step::none()), Group::delete)
    }
}

/// The first member of the new protocol turns a classic group into one of its own. The records of that make the new group;
/// the old one lets everyone go who waits in it.
fn upgrade(
    group: &mut ClassicGroup,
    client: &Client,
    request: &ConsumerGroupHeartbeatRequest,
    ticket: Ticket,
    around: &Around<'_>,
) -> GroupStep {
    let classic = group.snapshot();
    let upgraded = ConsumerGroup::upgrade(&request.group_id, &classic, client, request, ticket, around);
    if upgraded.records.is_empty() {
        return upgraded;
    }
    let mut step = group.let_go();
    step.and(upgraded);
    step
}
