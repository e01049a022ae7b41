//! Answers to the four requests of the classic protocol, each in the words of the version that asked.
//!
//! Above: the decisions. Below: the messages. Pure: values only.

use super::member::Asked;
use crate::{coordinator::Ticket, group::GroupAnswer};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        heartbeat::HeartbeatResponse, join_group::JoinGroupResponse, leave_group::LeaveGroupResponse,
        leave_group::MemberResponse, sync_group::SyncGroupResponse,
    },
    wire::WireStr,
};

/// JoinGroup is refused; `member` is the id that the client is told, mostly the one it sent.
pub(super) fn join_refused(asked: Asked, member: &str, error: ErrorCode) -> (Ticket, GroupAnswer) {
    (asked.ticket, GroupAnswer::Join(join_error(asked.version, member, error)))
}

pub(super) fn join_error(version: i16, member: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.code(),
        generation_id: -1,
        // Before version 7 "no protocol" is the empty one.
        protocol_name: (version < 7).then(WireStr::default),
        member_id: member.into(),
        ..JoinGroupResponse::default()
    }
}

pub(super) fn sync_refused(asked: Asked, error: ErrorCode) -> (Ticket, GroupAnswer) {
    (asked.ticket, GroupAnswer::Sync(sync_error(error)))
}

pub(super) fn sync_error(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() }
}

pub(super) fn heartbeat(result: Result<(), ErrorCode>) -> HeartbeatResponse {
    let error_code = result.err().map_or(0, ErrorCode::code);
    HeartbeatResponse { error_code, ..HeartbeatResponse::default() }
}

/// Who has left. Before version 3 one member leaves, and its outcome is that of the request.
pub(super) fn leave(version: i16, members: Vec<MemberResponse>) -> LeaveGroupResponse {
    let mut response = LeaveGroupResponse { members, ..LeaveGroupResponse::default() };
    if version < 3 {
        response.error_code = response.members.first().map_or(0, |member| member.error_code);
        response.members.clear();
    }
    response
}
