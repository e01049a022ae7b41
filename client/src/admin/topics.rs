//! Topics: create, list, describe, delete, add partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use mainstem_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use mainstem_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use mainstem_protocol::model::TopicId;

use super::{Admin, Apply, broker_timeout_ms};
use crate::cluster::{MissingTopic, Repeat, Target, Topic};
use crate::error::{BrokerError, Error};

/// A topic to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Name.
    pub name: String,
    /// Number of partitions; `None` = the broker's default.
    pub partitions: Option<i32>,
    /// Replicas of each; `None` = the broker's default.
    pub replication_factor: Option<i16>,
    /// Brokers of each partition, preferred leader first, in place of the two numbers.
    pub assignments: BTreeMap<i32, Vec<i32>>,
    /// Configs that differ from the broker's defaults.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with the broker's defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A topic that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Id; none from brokers below Kafka 2.8 and for a check only.
    pub id: TopicId,
    /// Number of partitions, where the broker says it.
    pub partitions: Option<i32>,
    /// Replicas of each, where the broker says it.
    pub replication_factor: Option<i16>,
}

/// More partitions for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// Name of the topic.
    pub topic: String,
    /// How many partitions it has afterwards.
    pub total: i32,
    /// Brokers of each new partition; empty = the broker chooses.
    pub assignments: Vec<Vec<i32>>,
}

type PerTopic<T> = Vec<(String, Result<T, BrokerError>)>;

impl Admin {
    /// Creates topics.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        apply: Apply,
    ) -> Result<PerTopic<CreatedTopic>, Error> {
        let request = CreateTopicsRequest {
            topics: topics.iter().map(creatable).collect(),
            timeout_ms: broker_timeout_ms(&self.cluster),
            validate_only: apply == Apply::ValidateOnly,
        };
        let deadline = self.cluster.call_deadline();
        let response =
            self.cluster.request_controller(Repeat::IfNotArrived, &request, deadline, |response| {
                response.topics.first().map(|topic| topic.error_code)
            });
        let results = response.await?.topics.into_iter().map(|topic| {
            let outcome = BrokerError::check(topic.error_code, topic.error_message.as_deref());
            let created = CreatedTopic {
                id: topic.topic_id,
                partitions: Some(topic.num_partitions).filter(|count| 0 < *count),
                replication_factor: Some(topic.replication_factor).filter(|count| 0 < *count),
            };
            (topic.name.to_string(), outcome.map(|()| created))
        });
        Ok(results.collect())
    }

    /// Deletes topics by name, with all their data.
    pub async fn delete_topics(&self, names: &[String]) -> Result<PerTopic<()>, Error> {
        // Both forms are filled; each version sends the one that it has.
        let request = DeleteTopicsRequest {
            topics: names
                .iter()
                .map(|name| DeleteTopicState { name: Some(name.as_str().into()), topic_id: TopicId::NONE })
                .collect(),
            topic_names: Vec::new(),
            timeout_ms: broker_timeout_ms(&self.cluster),
        };
        let deadline = self.cluster.call_deadline();
        let by_name = DeleteTopicsRequest {
            topics: Vec::new(),
            topic_names: names.iter().map(|name| name.as_str().into()).collect(),
            timeout_ms: request.timeout_ms,
        };
        let connection = self.cluster.connect_to(Target::Controller, deadline).await?;
        let request = if connection.version_for::<DeleteTopicsRequest>()? < 6 { by_name } else { request };
        let response =
            self.cluster.request_controller(Repeat::IfNotArrived, &request, deadline, |response| {
                response.responses.first().map(|topic| topic.error_code)
            });
        let results = response.await?.responses.into_iter().map(|topic| {
            let name = topic.name.map(|name| name.to_string()).unwrap_or_default();
            (name, BrokerError::check(topic.error_code, topic.error_message.as_deref()))
        });
        Ok(results.collect())
    }

    /// Adds partitions to topics.
    pub async fn create_partitions(
        &self,
        topics: &[NewPartitions],
        apply: Apply,
    ) -> Result<PerTopic<()>, Error> {
        let request = CreatePartitionsRequest {
            topics: topics
                .iter()
                .map(|topic| CreatePartitionsTopic {
                    name: topic.topic.as_str().into(),
                    count: topic.total,
                    assignments: (!topic.assignments.is_empty()).then(|| {
                        let brokers = topic.assignments.iter().cloned();
                        brokers.map(|broker_ids| CreatePartitionsAssignment { broker_ids }).collect()
                    }),
                })
                .collect(),
            timeout_ms: broker_timeout_ms(&self.cluster),
            validate_only: apply == Apply::ValidateOnly,
        };
        let deadline = self.cluster.call_deadline();
        let response =
            self.cluster.request_controller(Repeat::IfNotArrived, &request, deadline, |response| {
                response.results.first().map(|topic| topic.error_code)
            });
        let results = response.await?.results.into_iter().map(|topic| {
            (topic.name.to_string(), BrokerError::check(topic.error_code, topic.error_message.as_deref()))
        });
        Ok(results.collect())
    }

    /// All topics, by name, those of the cluster itself included.
    pub async fn list_topics(&self) -> Result<Vec<Arc<Topic>>, Error> {
        let seen = self.cluster.metadata().generation;
        let deadline = self.cluster.call_deadline();
        let metadata = self.cluster.refresh(None, MissingTopic::Fail, seen, deadline).await?;
        let mut topics: Vec<_> = metadata.topics().cloned().collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Topics with their partitions, fresh from a broker.
    pub async fn describe_topics(&self, names: &[String]) -> Result<PerTopic<Arc<Topic>>, Error> {
        let wanted: Vec<Arc<str>> = names.iter().map(|name| Arc::from(name.as_str())).collect();
        // Nobody else's answer will do: the caller asks for the state from now on.
        let seen = u64::MAX;
        let deadline = self.cluster.call_deadline();
        let metadata = self.cluster.refresh(Some(&wanted), MissingTopic::Fail, seen, deadline).await?;
        let results = names.iter().map(|name| {
            let result = match metadata.topic(name) {
                None => Err(ErrorCode::UnknownTopicOrPartition.into()),
                Some(topic) => topic.error.clone().map_or(Ok(Arc::clone(topic)), Err),
            };
            (name.clone(), result)
        });
        Ok(results.collect())
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    // With an assignment the numbers must be -1.
    let number = |wanted: Option<i32>| if topic.assignments.is_empty() { wanted.unwrap_or(-1) } else { -1 };
    CreatableTopic {
        name: topic.name.as_str().into(),
        num_partitions: number(topic.partitions),
        replication_factor: if topic.assignments.is_empty() {
            topic.replication_factor.unwrap_or(-1)
        } else {
            -1
        },
        assignments: topic
            .assignments
            .iter()
            .map(|(partition_index, broker_ids)| CreatableReplicaAssignment {
                partition_index: *partition_index,
                broker_ids: broker_ids.clone(),
            })
            .collect(),
        configs: topic
            .configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig {
                name: name.as_str().into(),
                value: Some(value.as_str().into()),
            })
            .collect(),
    }
}
