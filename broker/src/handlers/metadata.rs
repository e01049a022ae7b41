//! `Metadata`, key 3, versions 0-13. Above: request::router. Below: metadata, and the controller for auto-creation.
//! Tells brokers, topics and leaders out of the local image; never waits. A topic that does not exist is created in the
//! background if request and broker allow it: the answer says UNKNOWN_TOPIC_OR_PARTITION and the client asks again
//! (rule M2).
//! Left out: nothing. v1 null = all topics, v4 choice of auto-creation, v7 leader epochs, v8 authorised operations,
//! v10 topic ids, v12 look-up by id.

use super::{
    Context, ServedOperations, Services, Staged,
    endpoints::{address, leader_for, offline_replicas, rack},
};
use crate::{
    controller::{NewTopic, topic_name},
    metadata::{MetadataImage, PartitionImage, TopicImage, is_internal},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::metadata::{
        MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
        MetadataResponsePartition, MetadataResponseTopic,
    },
    model::{BrokerId, PartitionIndex, TopicId},
};
use std::{collections::HashSet, sync::Arc};

/// First version whose null means all topics; before, an empty list does (rule M1).
const NULL_IS_ALL: i16 = 1;
/// First version that looks topics up by id; 10 and 11 have the field but not the meaning.
const LOOKS_UP_IDS: i16 = 12;
/// First version with the code `LISTENER_NOT_FOUND`.
const LISTENER_NOT_FOUND: i16 = 6;

pub(crate) fn handle(context: &Context<'_>, request: MetadataRequest) -> Staged<MetadataResponse> {
    // authorise: every topic is visible until there are access rules
    // validate
    let image = context.services.metadata.current();
    let view = View { context, image: &image, operations: request.include_topic_authorized_operations };
    let topics = match request.topics {
        None => view.all(),
        Some(named) if named.is_empty() && context.version < NULL_IS_ALL => view.all(),
        Some(named) if context.version < LOOKS_UP_IDS && named.iter().any(asks_by_id) => {
            named.iter().map(|topic| view.refused(topic, ErrorCode::InvalidRequest)).collect()
        }
        // act
        Some(named) => view.named(&named, request.allow_auto_topic_creation),
    };
    // answer
    let cluster_operations = request.include_cluster_authorized_operations;
    Staged::ready(MetadataResponse {
        brokers: view.brokers(),
        cluster_id: Some((*image.cluster_id).into()),
        controller_id: controller_id(context.services, &image),
        topics,
        cluster_authorized_operations: ServedOperations::CLUSTER.bits_if(cluster_operations),
        ..MetadataResponse::default()
    })
}

/// A broker that takes admin requests (rule M5): every broker passes them on, so it is this one as long as it is alive.
pub(super) fn controller_id(services: &Services, image: &MetadataImage) -> i32 {
    let local = services.config.node_id;
    let is_active = |id: &BrokerId| image.broker(*id).is_some_and(|broker| broker.is_active());
    let any = || image.active_brokers().next().map(|broker| broker.id);
    Some(local).filter(is_active).or_else(any).unwrap_or(BrokerId::NONE).get()
}

fn asks_by_id(topic: &MetadataRequestTopic) -> bool {
    topic.name.is_none() || !topic.topic_id.is_none()
}

/// The image as this request wants to see it.
struct View<'a> {
    context: &'a Context<'a>,
    image: &'a MetadataImage,
    operations: bool,
}

impl View<'_> {
    fn brokers(&self) -> Vec<MetadataResponseBroker> {
        let brokers = self.image.brokers.values().filter(|broker| !broker.fenced).filter_map(|broker| {
            let (host, port) = address(broker, &self.context.peer.listener)?;
            Some(MetadataResponseBroker { node_id: broker.id.get(), host, port, rack: rack(broker) })
        });
        brokers.collect()
    }

    fn all(&self) -> Vec<MetadataResponseTopic> {
        self.image.topics.iter().map(|topic| self.topic(topic)).collect()
    }

    /// Each topic once. As soon as one is asked for by id, those without an id get no answer (rule M6).
    fn named(&self, topics: &[MetadataRequestTopic], create: bool) -> Vec<MetadataResponseTopic> {
        let by_id = topics.iter().any(|topic| !topic.topic_id.is_none());
        let mut seen = HashSet::new();
        let mut answers = Vec::with_capacity(topics.len());
        let mut missing: Vec<Arc<str>> = Vec::new();
        for topic in topics {
            if by_id && topic.topic_id.is_none() || !seen.insert((topic.topic_id, topic.name.as_deref())) {
                continue;
            }
            let found = if by_id {
                self.image.topics.by_id(topic.topic_id)
            } else {
                topic.name.as_deref().and_then(|name| self.image.topics.by_name(name))
            };
            if let Some(found) = found {
                answers.push(self.topic(found));
                continue;
            }
            answers.push(self.refused(topic, missing_code(topic)));
            // Internal topics come with the first look-up of their coordinator, and with nothing else (rule G7).
            let may_be_created =
                |name: &&str| !by_id && topic_name::check(name).is_ok() && !is_internal(name);
            if let Some(name) = topic.name.as_deref().filter(may_be_created) {
                missing.push(name.into());
            }
        }
        if create && self.context.services.config.topics.auto_create && !missing.is_empty() {
            let topics = missing.into_iter().map(NewTopic::with_defaults).collect();
            self.context.services.auto_create.start(self.context.services, topics);
        }
        answers
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        let partitions =
            topic.indexed_partitions().map(|(index, partition)| self.partition(topic.id, index, partition));
        MetadataResponseTopic {
            name: Some((*topic.name).into()),
            topic_id: topic.id,
            is_internal: is_internal(&topic.name),
            partitions: partitions.collect(),
            topic_authorized_operations: ServedOperations::TOPIC.bits_if(self.operations),
            ..MetadataResponseTopic::default()
        }
    }

    fn partition(
        &self,
        topic: TopicId,
        index: PartitionIndex,
        partition: &PartitionImage,
    ) -> MetadataResponsePartition {
        let leader = leader_for(self.image, partition, &self.context.peer.listener);
        let code = match leader.err() {
            None => ErrorCode::None,
            Some(ErrorCode::ListenerNotFound) if self.context.version < LISTENER_NOT_FOUND => {
                ErrorCode::LeaderNotAvailable
            }
            Some(code) => code,
        };
        MetadataResponsePartition {
            error_code: code.code(),
            partition_index: index.get(),
            leader_id: leader.unwrap_or(BrokerId::NONE).get(),
            leader_epoch: partition.leader_epoch.get(),
            replica_nodes: partition.replicas.iter().map(|id| id.get()).collect(),
            isr_nodes: partition.in_sync_replicas.iter().map(|id| id.get()).collect(),
            offline_replicas: offline_replicas(self.context.services, self.image, topic, index, partition),
        }
    }

    fn refused(&self, topic: &MetadataRequestTopic, code: ErrorCode) -> MetadataResponseTopic {
        // Before version 12 a name must be there, so an unknown one is empty.
        let name = topic.name.as_ref().map(mainstem_protocol::messages::TopicName::detached);
        let name = if self.context.version < LOOKS_UP_IDS { Some(name.unwrap_or_default()) } else { name };
        MetadataResponseTopic {
            error_code: code.code(),
            name: name.filter(|_| topic.topic_id.is_none() || self.context.version < LOOKS_UP_IDS),
            topic_id: topic.topic_id,
            is_internal: topic.name.as_deref().is_some_and(is_internal),
            ..MetadataResponseTopic::default()
        }
    }
}

fn missing_code(topic: &MetadataRequestTopic) -> ErrorCode {
    if topic.topic_id != TopicId::NONE {
        return ErrorCode::UnknownTopicId;
    }
    match topic.name.as_deref() {
        Some(name) if topic_name::check(name).is_ok() => ErrorCode::UnknownTopicOrPartition,
        Some(_) | None => ErrorCode::InvalidTopicException,
    }
}
