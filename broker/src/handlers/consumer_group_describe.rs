//! `ConsumerGroupDescribe`, key 69, versions 0-1. Above: request::router. Below: group on coordinator.
//! State and members of consumer groups (KIP-848).
//! Left out: nothing. v1 tells classic members apart.

use super::{
    Context, ServedOperations, Staged,
    groups::{answer_each, check_given_group_id},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        GroupId,
        consumer_group_describe::{
            ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup,
        },
    },
};

pub(crate) fn handle(
    context: &Context<'_>,
    request: ConsumerGroupDescribeRequest,
) -> Staged<ConsumerGroupDescribeResponse> {
    // authorise: every group is open until there are access rules
    // validate
    let call = |id: &GroupId| {
        check_given_group_id(id)?;
        let group_ids = vec![id.clone()];
        let request = ConsumerGroupDescribeRequest { group_ids, ..ConsumerGroupDescribeRequest::default() };
        Ok(GroupCall::ConsumerDescribe(request))
    };
    // act, answer
    let operations = ServedOperations::GROUP.bits_if(request.include_authorized_operations);
    let found = move |id, outcome| found(id, outcome, operations);
    answer_each(context, &request.group_ids, call, found, |groups| ConsumerGroupDescribeResponse {
        groups,
        ..ConsumerGroupDescribeResponse::default()
    })
}

fn found(id: GroupId, outcome: Result<GroupAnswer, ErrorCode>, operations: i32) -> DescribedGroup {
    let code = match outcome {
        Ok(GroupAnswer::ConsumerDescribe(response)) => match response.groups.into_iter().next() {
            Some(group) if group.error_code == ErrorCode::None.code() => {
                return DescribedGroup { authorized_operations: operations, ..group };
            }
            Some(group) => return group,
            None => ErrorCode::UnknownServerError,
        },
        Ok(_) => ErrorCode::UnknownServerError,
        Err(code) => code,
    };
    DescribedGroup { group_id: id, error_code: code.code(), ..DescribedGroup::default() }
}
