//! `DeleteGroups`, key 42, versions 0-2. Above: request::router. Below: group on coordinator.
//! Deletes groups that nobody is in, with their offsets.
//! Left out: nothing.

use super::{
    Context, Staged,
    groups::{answer_each, check_group_id},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        GroupId,
        delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse},
    },
};

pub(crate) fn handle(context: &Context<'_>, request: DeleteGroupsRequest) -> Staged<DeleteGroupsResponse> {
    // authorise: every group is open until there are access rules
    // validate
    let call = |id: &GroupId| {
        check_group_id(id)?;
        Ok(GroupCall::Delete(DeleteGroupsRequest { groups_names: vec![id.clone()] }))
    };
    // act, answer
    answer_each(context, &request.groups_names, call, found, |results| DeleteGroupsResponse {
        results,
        ..DeleteGroupsResponse::default()
    })
}

fn found(id: GroupId, outcome: Result<GroupAnswer, ErrorCode>) -> DeletableGroupResult {
    let code = match outcome {
        Ok(GroupAnswer::Delete(response)) => match response.results.into_iter().next() {
            Some(result) => return result,
            None => ErrorCode::UnknownServerError,
        },
        Ok(_) => ErrorCode::UnknownServerError,
        Err(code) => code,
    };
    DeletableGroupResult { group_id: id, error_code: code.code() }
}
