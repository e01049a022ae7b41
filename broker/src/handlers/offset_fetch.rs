//! `OffsetFetch`, key 9, versions 1-10. Above: request::router. Below: group on coordinator.
//! Where groups left off. A group or partition that is not known is -1, no error (rule G1). Answered once everything that the
//! answer rests on is committed, so that a committed offset never goes back.
//! Left out: nothing. v2 null for all partitions, v5 leader epochs, v7 waits for open transactions (rule G2), v8 many groups,
//! v9 members of KIP-848 groups, v10 topic ids.

use super::{
    Context, Reply, Services, Staged,
    groups::{check_group_id, client},
};
use crate::{
    coordinator::{Pending, Refusal},
    group::{GroupAnswer, GroupCall},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::offset_fetch::{
        OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
        OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
        OffsetFetchResponseTopic, OffsetFetchResponseTopics,
    },
};
use std::sync::Arc;

/// First version with many groups.
const MANY_GROUPS: i16 = 8;
/// First version with an error of the whole.
const TOP_LEVEL_ERROR: i16 = 2;
/// Partitions of one request, at most.
const PARTITIONS_MAX: usize = 10_000;

pub(crate) fn handle(context: &Context<'_>, request: OffsetFetchRequest) -> Staged<OffsetFetchResponse> {
    // authorise: every group is open until there are access rules
    // validate
    let version = context.version;
    let require_stable = request.require_stable;
    let groups = if version < MANY_GROUPS { vec![only_group(request)] } else { request.groups };
    let named = |group: &OffsetFetchRequestGroup| {
        group.topics.iter().flatten().map(|topic| topic.partition_indexes.len()).sum()
    };
    let is_too_large = PARTITIONS_MAX < groups.iter().map(|group| -> usize { named(group) }).sum();
    // act
    let mut waiting = Vec::with_capacity(groups.len());
    let mut answers = Vec::with_capacity(groups.len());
    for group in groups {
        let allowed =
            if is_too_large { Err(ErrorCode::InvalidRequest) } else { check_group_id(&group.group_id) };
        let pending = match allowed {
            Err(code) => {
                answers.push(refused(&group, code, version));
                continue;
            }
            Ok(()) => fetch(context, group.clone(), require_stable),
        };
        match pending.now() {
            Ok(outcome) => answers.push(answered(&group, outcome, version)),
            Err(pending) => {
                waiting.push((answers.len(), group.clone(), pending));
                answers.push(OffsetFetchResponseGroup::default());
            }
        }
    }
    // answer
    if waiting.is_empty() {
        return Staged::ready(response(answers, version));
    }
    let services = Arc::clone(context.services);
    Staged::later(async move {
        wait(&services, waiting, &mut answers, version).await;
        Reply::from(response(answers, version))
    })
}

fn fetch(
    context: &Context<'_>,
    group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> Pending<GroupAnswer> {
    let key = group.group_id.clone();
    let request = OffsetFetchRequest { groups: vec![group], require_stable, ..OffsetFetchRequest::default() };
    context.services.groups.call(&key, GroupCall::Fetch(client(context), request))
}

async fn wait(
    services: &Services,
    waiting: Vec<(usize, OffsetFetchRequestGroup, Pending<GroupAnswer>)>,
    answers: &mut [OffsetFetchResponseGroup],
    version: i16,
) {
    let within = services.config.groups.commit_timeout;
    for (place, group, pending) in waiting {
        let outcome = pending.outcome(&services.env.clock, within).await;
        if let Some(answer) = answers.get_mut(place) {
            *answer = answered(&group, outcome, version);
        }
    }
}

/// The one group of a version that has no list of them.
fn only_group(request: OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..OffsetFetchRequestTopics::default()
        });
        topics.collect()
    });
    OffsetFetchRequestGroup { group_id: request.group_id, topics, ..OffsetFetchRequestGroup::default() }
}

fn answered(
    group: &OffsetFetchRequestGroup,
    outcome: Result<GroupAnswer, Refusal>,
    version: i16,
) -> OffsetFetchResponseGroup {
    match outcome {
        Ok(GroupAnswer::Fetch(response)) => match response.groups.into_iter().next() {
            Some(answer) if answer.error_code == ErrorCode::None.code() => answer,
            Some(answer) => {
                let code = ErrorCode::from_code(answer.error_code).unwrap_or(ErrorCode::UnknownServerError);
                refused(group, code, version)
            }
            None => refused(group, ErrorCode::UnknownServerError, version),
        },
        Ok(_) => refused(group, ErrorCode::UnknownServerError, version),
        // Consumers before 3.9 give up on COORDINATOR_NOT_AVAILABLE here, but look for the coordinator again on this.
        Err(Refusal::TimedOut) => refused(group, ErrorCode::NotCoordinator, version),
        Err(refusal) => refused(group, refusal.code(), version),
    }
}

/// An error of the group as a whole; of every partition in the version that knows no other.
fn refused(group: &OffsetFetchRequestGroup, code: ErrorCode, version: i16) -> OffsetFetchResponseGroup {
    let group_id = group.group_id.detached();
    if TOP_LEVEL_ERROR <= version {
        return OffsetFetchResponseGroup { group_id, error_code: code.code(), topics: Vec::new() };
    }
    let topics = group.topics.iter().flatten().map(|topic| OffsetFetchResponseTopics {
        name: topic.name.detached(),
        topic_id: topic.topic_id,
        partitions: topic
            .partition_indexes
            .iter()
            .map(|index| OffsetFetchResponsePartitions {
                partition_index: *index,
                committed_offset: -1,
                metadata: Some("".into()),
                error_code: code.code(),
                ..OffsetFetchResponsePartitions::default()
            })
            .collect(),
    });
    OffsetFetchResponseGroup { group_id, error_code: code.code(), topics: topics.collect() }
}

fn response(groups: Vec<OffsetFetchResponseGroup>, version: i16) -> OffsetFetchResponse {
    if MANY_GROUPS <= version {
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let group = groups.into_iter().next().unwrap_or_default();
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(before_many_groups).collect(),
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: if TOP_LEVEL_ERROR <= version { group.error_code } else { ErrorCode::None.code() },
        ..OffsetFetchResponse::default()
    }
}

fn before_many_groups(partition: OffsetFetchResponsePartitions) -> OffsetFetchResponsePartition {
    let OffsetFetchResponsePartitions {
        partition_index,
        committed_offset,
        committed_leader_epoch,
        metadata,
        error_code,
    } = partition;
    OffsetFetchResponsePartition {
        partition_index,
        committed_offset,
        committed_leader_epoch,
        metadata,
        error_code,
    }
}
