//! `CreateTopics`, key 19, versions 2-7. Above: request::router. Below: controller, metadata, config.
//! Creates topics; answered after this broker's image shows them (rule M8). Every topic is echoed (rule A2).
//! Left out: quotas on changes.
//! v4 -1 for the broker's defaults, v5 configs in the answer, v7 topic ids.

use super::{Context, Reply, Services, Staged, configs::created_topic_configs, deadline_of};
use crate::controller::{CallOptions, CreateTopics, NewAssignment, NewTopic};
use mainstem_protocol::{
    error::ErrorCode,
    messages::create_topics::{
        CreatableTopic, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
    },
    model::BrokerId,
};
use std::{collections::HashMap, sync::Arc};

pub(crate) fn handle(context: &Context<'_>, request: CreateTopicsRequest) -> Staged<CreateTopicsResponse> {
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
        let wanted = CreateTopics {
            topics: once.iter().map(|topic| new_topic(topic)).collect(),
            validate_only: request.validate_only,
        };
        let answers = services.controller.create_topics(wanted, options).await;
        // answer
        let mut topics: Vec<_> =
            once.iter().zip(answers).map(|(topic, answer)| result(&services, topic, answer)).collect();
        let mut echoed = std::collections::HashSet::new();
        topics.extend(twice.into_iter().filter(|topic| echoed.insert(topic.name.clone())).map(duplicate));
        Reply::from(CreateTopicsResponse { topics, ..CreateTopicsResponse::default() })
    })
}

fn new_topic(topic: &CreatableTopic) -> NewTopic {
    let assignments = topic.assignments.iter().map(|assignment| NewAssignment {
        partition: assignment.partition_index,
        brokers: assignment.broker_ids.iter().copied().map(BrokerId).collect(),
    });
    let configs =
        topic.configs.iter().map(|config| ((*config.name).into(), config.value.as_deref().map(Into::into)));
    NewTopic {
        name: topic.name.as_str().into(),
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs: configs.collect(),
    }
}

fn result(
    services: &Services,
    topic: &CreatableTopic,
    answer: Result<crate::controller::CreatedTopic, crate::controller::ApiError>,
) -> CreatableTopicResult {
    let name = topic.name.detached();
    match answer {
        Ok(created) => CreatableTopicResult {
            configs: Some(created_topic_configs(services, topic, created.replication_factor)),
            name,
            topic_id: created.topic_id,
            num_partitions: created.num_partitions,
            replication_factor: created.replication_factor,
            ..CreatableTopicResult::default()
        },
        Err(error) => CreatableTopicResult {
            name,
            error_code: error.code.code(),
            error_message: Some((*error.message).into()),
            ..CreatableTopicResult::default()
        },
    }
}

/// Which of the two would be meant?
fn duplicate(topic: &CreatableTopic) -> CreatableTopicResult {
    CreatableTopicResult {
        name: topic.name.detached(),
        error_code: ErrorCode::InvalidRequest.code(),
        error_message: Some("Duplicate topic name.".into()),
        ..CreatableTopicResult::default()
    }
}
