//! `Heartbeat`, key 12, versions 0-4. Above: request::router. Below: group on coordinator.
//! A sign of life from a member of a classic group; the answer tells it when to join again.
//! Left out: nothing. v3 static members.

use super::{Context, Staged, groups::answer};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::heartbeat::{HeartbeatRequest, HeartbeatResponse},
};

pub(crate) fn handle(context: &Context<'_>, request: HeartbeatRequest) -> Staged<HeartbeatResponse> {
    // authorise: every group is open until there are access rules
    // validate, act: the group does both, in one decision
    let key = request.group_id.clone();
    let pending = context.services.groups.call(&key, GroupCall::Heartbeat(request));
    // answer
    answer(context, pending, |outcome| match outcome {
        Ok(GroupAnswer::Heartbeat(response)) => response,
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(refusal) => refused(refusal.code()),
    })
}

fn refused(code: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse { error_code: code.code(), ..HeartbeatResponse::default() }
}
