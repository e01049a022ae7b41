//! `OffsetDelete`, key 47, version 0. Above: request::router. Below: group on coordinator.
//! Deletes positions of a group one by one (KIP-496): those of topics that no member reads.
//! Left out: nothing.

use super::{
    Context, Staged,
    groups::{answer, check_given_group_id},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse},
};

/// Partitions of one request, at most.
const PARTITIONS_MAX: usize = 10_000;

pub(crate) fn handle(context: &Context<'_>, request: OffsetDeleteRequest) -> Staged<OffsetDeleteResponse> {
    // authorise: every group is open until there are access rules
    // validate
    let partitions: usize = request.topics.iter().map(|topic| topic.partitions.len()).sum();
    if let Err(code) = check_given_group_id(&request.group_id) {
        return Staged::ready(refused(code));
    }
    if PARTITIONS_MAX < partitions {
        return Staged::ready(refused(ErrorCode::InvalidRequest));
    }
    // act
    let key = request.group_id.clone();
    let pending = context.services.groups.call(&key, GroupCall::DeleteOffsets(request));
    // answer
    answer(context, pending, |outcome| match outcome {
        Ok(GroupAnswer::DeleteOffsets(response)) => response,
        Ok(_) => refused(ErrorCode::UnknownServerError),
        Err(refusal) => refused(refusal.code()),
    })
}

fn refused(code: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse { error_code: code.code(), ..OffsetDeleteResponse::default() }
}
