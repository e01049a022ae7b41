//! `LeaveGroup`, key 13, versions 0-5. Above: request::router. Below: group on coordinator.
//! Members leave a classic group, each with an outcome of its own from version 3 on.
//! Left out: nothing. v3 many members, static ones too, v5 reason.

use super::{
    Context, Staged,
    groups::{answer, client},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse},
};

pub(crate) fn handle(context: &Context<'_>, request: LeaveGroupRequest) -> Staged<LeaveGroupResponse> {
    // authorise: every group is open until there are access rules
    // validate, act: the group does both, in one decision
    let key = request.group_id.clone();
    let pending = context.services.groups.call(&key, GroupCall::Leave(client(context), request));
    // answer
    answer(context, pending, |outcome| match outcome {
        Ok(GroupAnswer::Leave(response)) => response,
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(refusal) => refused(refusal.code()),
    })
}

fn refused(code: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code: code.code(), ..LeaveGroupResponse::default() }
}
