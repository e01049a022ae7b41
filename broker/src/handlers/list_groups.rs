//! `ListGroups`, key 16, versions 0-5. Above: request::router. Below: group on coordinator.
//! The groups that this broker coordinates, each once (rule G5). A shard that is still being loaded fails the whole: half a
//! list looks like the truth.
//! Left out: nothing. v4 filter by state, v5 filter by type.

use super::{Context, Reply, Staged};
use crate::{
    coordinator::Refusal,
    group::{GroupAnswer, GroupCall},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::list_groups::{ListGroupsRequest, ListGroupsResponse},
};
use std::sync::Arc;

pub(crate) fn handle(context: &Context<'_>, request: ListGroupsRequest) -> Staged<ListGroupsResponse> {
    // authorise: every group is open until there are access rules
    // validate: names that mean nothing match nothing
    // act
    let call = || GroupCall::List(request.clone());
    let pending = context.services.groups.call_all(call);
    // answer
    let services = Arc::clone(context.services);
    Staged::later(async move {
        let mut response = ListGroupsResponse::default();
        for one in pending {
            match one.outcome(&services.env.clock, services.config.groups.commit_timeout).await {
                Ok(GroupAnswer::List(listed)) => response.groups.extend(listed.groups),
                // The leadership went while we asked: its groups are listed elsewhere.
                Err(Refusal::NotHere) => {}
                Ok(_) => return Reply::from(refused(ErrorCode::UnknownServerError)),
                Err(refusal) => return Reply::from(refused(refusal.code())),
            }
        }
        response.groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        Reply::from(response)
    })
}

fn refused(code: ErrorCode) -> ListGroupsResponse {
    ListGroupsResponse { error_code: code.code(), ..ListGroupsResponse::default() }
}
