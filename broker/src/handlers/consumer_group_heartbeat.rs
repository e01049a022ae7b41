//! `ConsumerGroupHeartbeat`, key 68, versions 0-1. Above: request::router. Below: group on coordinator.
//! Membership in a group whose assignment the broker computes (KIP-848, rule G6).
//! Left out: nothing. v1 expressions, member ids of the client.

use super::{
    Context, Staged,
    groups::{answer, check_given_group_id, client},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
    wire::WireStr,
};

pub(crate) fn handle(
    context: &Context<'_>,
    request: ConsumerGroupHeartbeatRequest,
) -> Staged<ConsumerGroupHeartbeatResponse> {
    // authorise: every group is open until there are access rules
    // validate
    if request.group_id.is_empty() {
        return Staged::ready(refused(ErrorCode::InvalidRequest, Some("GroupId can't be empty.".into())));
    }
    if let Err(code) = check_given_group_id(&request.group_id) {
        return Staged::ready(refused(code, None));
    }
    // act
    let key = request.group_id.clone();
    let pending = context.services.groups.call(&key, GroupCall::ConsumerHeartbeat(client(context), request));
    // answer
    answer(context, pending, |outcome| match outcome {
        Ok(GroupAnswer::ConsumerHeartbeat(response)) => response,
        Ok(_) => refused(ErrorCode::UnknownServerError, None),
        Err(refusal) => refused(refusal.code(), None),
    })
}

fn refused(code: ErrorCode, error_message: Option<WireStr>) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        error_code: code.code(),
        error_message,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
