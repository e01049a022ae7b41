//! `DescribeTopicPartitions`, key 75, version 0. Above: request::router. Below: metadata.
//! Topics in order of their names, page by page: a page ends after `max.request.partition.size.limit` partitions, or
//! earlier if the client asks for fewer, and the cursor says where the next begins (rule M7). Topics come and go between
//! pages; a cursor whose topic has gone goes on with the next one. A topic without partitions in the page, an unknown one
//! for example, does not count.
//! Left out: nothing.

use super::{
    Context, ServedOperations, Staged,
    endpoints::{leader_for, offline_replicas},
};
use crate::{
    controller::topic_name,
    metadata::{MetadataImage, PartitionImage, TopicImage, is_internal},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        describe_topic_partitions::{
            Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
            DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
    },
    model::{BrokerId, PartitionIndex, TopicId},
};
use std::{collections::BTreeSet, sync::Arc};

pub(crate) fn handle(
    context: &Context<'_>,
    request: DescribeTopicPartitionsRequest,
) -> Staged<DescribeTopicPartitionsResponse> {
    // authorise: every topic is visible until there are access rules
    // validate
    let names: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
    if !is_in_request(request.cursor.as_ref(), &names) {
        return Staged::ready(refused(&request));
    }
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let limit = limit.clamp(1, context.services.config.requests.describe_partitions_max.max(1));
    // act
    let image = context.services.metadata.current();
    let start = request.cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
    let first_index = |name: &str| match &request.cursor {
        Some(cursor) if cursor.topic_name.as_str() == name => cursor.partition_index,
        Some(_) | None => 0,
    };
    let mut page = Page { context, image: &image, room: limit, topics: Vec::new() };
    let next_cursor = if names.is_empty() {
        let topics = image.topics.iter_from(start).map(|topic| (&*topic.name, Some(topic)));
        page.fill(topics, first_index)
    } else {
        let topics = names.range(start..).map(|name| (*name, image.topics.by_name(name)));
        page.fill(topics, first_index)
    };
    // answer
    Staged::ready(DescribeTopicPartitionsResponse {
        topics: page.topics,
        next_cursor,
        ..DescribeTopicPartitionsResponse::default()
    })
}

/// A cursor names a partition of one of the topics that are asked for.
fn is_in_request(cursor: Option<&Cursor>, names: &BTreeSet<&str>) -> bool {
    cursor.is_none_or(|cursor| {
        0 <= cursor.partition_index && (names.is_empty() || names.contains(cursor.topic_name.as_str()))
    })
}

fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.detached()),
        ..DescribeTopicPartitionsResponseTopic::default()
    });
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..DescribeTopicPartitionsResponse::default() }
}

/// A page that is being filled.
struct Page<'a> {
    context: &'a Context<'a>,
    image: &'a MetadataImage,
    /// Partitions that still fit.
    room: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
}

impl Page<'_> {
    /// Takes topics, in order of their names, until the page is full; gives the place of the first partition that did
    /// not fit.
    fn fill<'t>(
        &mut self,
        topics: impl Iterator<Item = (&'t str, Option<&'t Arc<TopicImage>>)>,
        first_index: impl Fn(&str) -> i32,
    ) -> Option<Cursor> {
        for (name, topic) in topics {
            let from = first_index(name);
            let cursor = |partition_index| Some(Cursor { topic_name: name.into(), partition_index });
            if self.room == 0 {
                return cursor(from);
            }
            let Some(topic) = topic else {
                self.topics.push(missing(name));
                continue;
            };
            let mut left = topic.indexed_partitions().skip(usize::try_from(from).unwrap_or(usize::MAX));
            let partitions: Vec<_> = left
                .by_ref()
                .take(self.room)
                .map(|(index, found)| self.partition(topic.id, index, found))
                .collect();
            self.room -= partitions.len();
            self.topics.push(DescribeTopicPartitionsResponseTopic {
                name: Some(name.into()),
                topic_id: topic.id,
                is_internal: is_internal(name),
                partitions,
                topic_authorized_operations: ServedOperations::TOPIC.bits_if(true),
                ..DescribeTopicPartitionsResponseTopic::default()
            });
            if let Some((index, _)) = left.next() {
                return cursor(index.get());
            }
        }
        None
    }

    fn partition(
        &self,
        topic: TopicId,
        index: PartitionIndex,
        partition: &PartitionImage,
    ) -> DescribeTopicPartitionsResponsePartition {
        let leader = leader_for(self.image, partition, &self.context.peer.listener);
        let ids = |list: &[BrokerId]| list.iter().map(|id| id.get()).collect::<Vec<_>>();
        DescribeTopicPartitionsResponsePartition {
            error_code: leader.err().map_or(0, ErrorCode::code),
            partition_index: index.get(),
            leader_id: leader.unwrap_or(BrokerId::NONE).get(),
            leader_epoch: partition.leader_epoch.get(),
            replica_nodes: ids(&partition.replicas),
            isr_nodes: ids(&partition.in_sync_replicas),
            eligible_leader_replicas: Some(ids(&partition.eligible_leader_replicas)),
            last_known_elr: Some(ids(&partition.last_known_eligible_leader_replicas)),
            offline_replicas: offline_replicas(self.context.services, self.image, topic, index, partition),
        }
    }
}

fn missing(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let code = match topic_name::check(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(error) => error.code,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: code.code(),
        name: Some(TopicName::from(name)),
        is_internal: is_internal(name),
        topic_authorized_operations: ServedOperations::TOPIC.bits_if(true),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
