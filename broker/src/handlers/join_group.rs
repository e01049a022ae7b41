//! `JoinGroup`, key 11, versions 0-9. Above: request::router. Below: group on coordinator.
//! A member enters a classic group, or enters it again; answered when the next generation stands (rules G3, G4). That is the
//! second stage: requests behind it on the connection run meanwhile.
//! Left out: nothing. v1 rebalance timeout, v4 members get their id first, v5 static members, v8 reason, v9 the leader may keep
//! the assignment.

use super::{
    Context, Staged,
    groups::{answer, client},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::join_group::{JoinGroupRequest, JoinGroupResponse},
    wire::WireStr,
};

/// First version in which "no protocol" is null.
const NULL_PROTOCOL: i16 = 7;

pub(crate) fn handle(context: &Context<'_>, request: JoinGroupRequest) -> Staged<JoinGroupResponse> {
    // authorise: every group is open until there are access rules
    // validate, act: the group does both, in one decision
    let (key, member_id, version) = (request.group_id.clone(), request.member_id.clone(), context.version);
    let pending = context.services.groups.call(&key, GroupCall::Join(client(context), request));
    // answer
    answer(context, pending, move |outcome| match outcome {
        Ok(GroupAnswer::Join(response)) => response,
        Ok(_) => refused(version, &member_id, ErrorCode::UnknownServerError),
        Err(refusal) => refused(version, &member_id, refusal.code()),
    })
}

fn refused(version: i16, member_id: &WireStr, code: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: code.code(),
        generation_id: -1,
        protocol_name: (version < NULL_PROTOCOL).then(WireStr::default),
        member_id: member_id.detached(),
        ..JoinGroupResponse::default()
    }
}
