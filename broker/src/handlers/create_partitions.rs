//! `CreatePartitions`, key 37, versions 0-3. Above: request::router. Below: controller.
//! Gives topics more partitions; answered after this broker's image shows them. Every topic is echoed (rule A2).
//! Left out: quotas on changes.

use super::{Context, Reply, Staged, deadline_of};
use crate::controller::{CallOptions, CreatePartitions, MorePartitions};
use mainstem_protocol::{
    error::ErrorCode,
    messages::create_partitions::{
        CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
    },
    model::BrokerId,
};
use std::{collections::HashMap, sync::Arc};

pub(crate) fn handle(
    context: &Context<'_>,
    request: CreatePartitionsRequest,
) -> Staged<CreatePartitionsResponse> {
    // authorise: everyone may until there are access rules
    // validate
    let mut times_named = HashMap::new();
    for topic in &request.topics {
        *times_named.entry(topic.name.detached()).or_insert(0_usize) += 1;
    }
    let services = Arc::clone(context.services);
    let options = CallOptions { deadline: deadline_of(&services, request.timeout_ms), request_id: None };
    Staged::later(async move {
        // act
        let (once, twice): (Vec<_>, Vec<_>) =
            request.topics.iter().partition(|topic| times_named.get(&topic.name) == Some(&1));
        let wanted = CreatePartitions {
            topics: once.iter().map(|topic| more_partitions(topic)).collect(),
            validate_only: request.validate_only,
        };
        let answers = services.controller.create_partitions(wanted, options).await;
        // answer
        let outcome =
            |topic: &CreatePartitionsTopic, error: Option<(ErrorCode, &str)>| CreatePartitionsTopicResult {
                name: topic.name.detached(),
                error_code: error.map_or(0, |(code, _)| code.code()),
                error_message: error.map(|(_, message)| message.into()),
            };
        let mut results: Vec<_> = once
            .iter()
            .zip(answers)
            .map(|(topic, answer)| match answer {
                Ok(()) => outcome(topic, None),
                Err(error) => outcome(topic, Some((error.code, &error.message))),
            })
            .collect();
        let mut echoed = std::collections::HashSet::new();
        for topic in twice {
            if echoed.insert(topic.name.clone()) {
                results.push(outcome(topic, Some((ErrorCode::InvalidRequest, "Duplicate topic name."))));
            }
        }
        Reply::from(CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() })
    })
}

fn more_partitions(topic: &CreatePartitionsTopic) -> MorePartitions {
    let assignments = topic.assignments.as_ref().map(|assignments| {
        assignments.iter().map(|one| one.broker_ids.iter().copied().map(BrokerId).collect()).collect()
    });
    MorePartitions { name: topic.name.as_str().into(), count: topic.count, assignments }
}
