//! `SyncGroup`, key 14, versions 0-5. Above: request::router. Below: group on coordinator.
//! A member takes its part of the assignment; the leader brings all parts. Answered once the assignment is committed.
//! Left out: nothing. v3 static members, v5 kind and protocol are checked.

use super::{
    Context, Staged,
    groups::{answer, client},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::sync_group::{SyncGroupRequest, SyncGroupResponse},
};

pub(crate) fn handle(context: &Context<'_>, request: SyncGroupRequest) -> Staged<SyncGroupResponse> {
    // authorise: every group is open until there are access rules
    // validate, act: the group does both, in one decision
    let key = request.group_id.clone();
    let pending = context.services.groups.call(&key, GroupCall::Sync(client(context), request));
    // answer
    answer(context, pending, |outcome| match outcome {
        Ok(GroupAnswer::Sync(response)) => response,
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(refusal) => refused(refusal.code()),
    })
}

fn refused(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: code.code(), ..SyncGroupResponse::default() }
}
