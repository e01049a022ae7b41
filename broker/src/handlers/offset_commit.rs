//! `OffsetCommit`, key 8, versions 2-10. Above: request::router. Below: group on coordinator.
//! Stores how far a group has read; answered once that is committed to `__consumer_offsets`. Members of a group prove that
//! they are in it; from outside any group commits are taken while the group has no members (rule G5).
//! Left out: nothing. v2-4 retention of the client's choice, v6 leader epochs, v7 static members, v9 members of KIP-848
//! groups, v10 topic ids.

use super::{
    Context, Staged,
    groups::{answer, check_group_id, client},
};
use crate::group::{GroupAnswer, GroupCall};
use mainstem_protocol::{
    error::ErrorCode,
    messages::offset_commit::{
        OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
    },
};

/// Partitions of one request, at most.
const PARTITIONS_MAX: usize = 10_000;

pub(crate) fn handle(context: &Context<'_>, request: OffsetCommitRequest) -> Staged<OffsetCommitResponse> {
    // authorise: every group is open until there are access rules
    // validate
    if let Err(code) = check_group_id(&request.group_id) {
        return Staged::ready(refused(&request, code));
    }
    let partitions: usize = request.topics.iter().map(|topic| topic.partitions.len()).sum();
    if PARTITIONS_MAX < partitions {
        return Staged::ready(refused(&request, ErrorCode::InvalidRequest));
    }
    // act
    let asked = request.clone();
    let pending = context.services.groups.call(&asked.group_id, GroupCall::Commit(client(context), request));
    // answer
    let commits = context.services.telemetry.group_commits.clone();
    answer(context, pending, move |outcome| match outcome {
        Ok(GroupAnswer::Commit(response)) => {
            commits.increment(committed(&response));
            response
        }
        Ok(_) => refused(&asked, ErrorCode::UnknownServerError),
        Err(refusal) => refused(&asked, refusal.code()),
    })
}

/// Partitions whose offset was stored.
fn committed(response: &OffsetCommitResponse) -> u64 {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let stored = partitions.filter(|partition| partition.error_code == ErrorCode::None.code());
    u64::try_from(stored.count()).unwrap_or(u64::MAX)
}

/// The same code for every partition.
fn refused(request: &OffsetCommitRequest, code: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.detached(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: code.code(),
            })
            .collect(),
    });
    OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() }
}
