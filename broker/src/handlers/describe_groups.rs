//! `DescribeGroups`, key 15, versions 0-6. Above: request::router. Below: group on coordinator.
//! State and members of classic groups. One that is not there is dead, and from version 6 on an error.
//! Left out: nothing. v3 authorised operations, v4 static members, v6 GROUP_ID_NOT_FOUND and messages: that of a group without
//! an error says what it waits for, which clients of Kafka ignore and our tools show.

use super::{
    Context, ServedOperations, Staged,
    groups::{answer_each, check_group_id, client},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        GroupId,
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup},
    },
};

/// First version with messages.
const MESSAGES: i16 = 6;

pub(crate) fn handle(
    context: &Context<'_>,
    request: DescribeGroupsRequest,
) -> Staged<DescribeGroupsResponse> {
    // authorise: every group is open until there are access rules
    // validate
    let call = |id: &GroupId| {
        check_group_id(id)?;
        let request = DescribeGroupsRequest { groups: vec![id.clone()], ..DescribeGroupsRequest::default() };
        Ok(GroupCall::Describe(client(context), request))
    };
    // act, answer
    let operations = ServedOperations::GROUP.bits_if(request.include_authorized_operations);
    let has_messages = MESSAGES <= context.version;
    let found = move |id, outcome| {
        let group = found(id, outcome, operations);
        DescribedGroup { error_message: group.error_message.filter(|_| has_messages), ..group }
    };
    answer_each(context, &request.groups, call, found, |groups| DescribeGroupsResponse {
        groups,
        ..DescribeGroupsResponse::default()
    })
}

fn found(id: GroupId, outcome: Result<GroupAnswer, ErrorCode>, operations: i32) -> DescribedGroup {
    let code = match outcome {
        Ok(GroupAnswer::Describe(response)) => match response.groups.into_iter().next() {
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
