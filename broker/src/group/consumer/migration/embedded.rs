//! What consumers of the classic protocol tell in their metadata and get as their assignment.
//!
//! Above: migration. Below: the formats of consumers. The bytes come from clients and are as hostile as any request.

use super::super::partitions::{Held, Partitions};
use crate::metadata::MetadataImage;
use bytes::Bytes;
use mainstem_protocol::{
    message::{Message, decode_versioned, encode_versioned},
    messages::{
        blob::consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition},
        consumer_group_heartbeat::TopicPartitions,
    },
    model::{PartitionIndex, TopicId},
    wire::Reader,
};

/// The protocol type of consumers.
pub(super) const CONSUMER: &str = "consumer";

/// Newest version of both formats.
const NEWEST: i16 = 3;

/// What a consumer subscribes to; `None` = this is not of a consumer.
pub(super) fn subscription(metadata: &Bytes) -> Option<ConsumerProtocolSubscription> {
    readable(metadata)
}

/// What a consumer was given; none at all is an assignment too. `None` = this is not of a consumer.
pub(super) fn assignment(bytes: &Bytes) -> Option<ConsumerProtocolAssignment> {
    if bytes.is_empty() { Some(ConsumerProtocolAssignment::default()) } else { readable(bytes) }
}

/// A later version begins like the newest one that is known.
fn readable<M: Message>(bytes: &Bytes) -> Option<M> {
    let version = version_of(bytes)?;
    if version <= NEWEST {
        return decode_versioned(bytes.clone()).ok();
    }
    let mut known = bytes.to_vec();
    known.get_mut(..2)?.copy_from_slice(&NEWEST.to_be_bytes());
    decode_versioned(known.into()).ok()
}

fn version_of(bytes: &Bytes) -> Option<i16> {
    Reader::response(bytes.clone()).i16().ok().filter(|version| 0 <= *version)
}

/// The partitions that exist.
pub(super) fn partitions_of(topics: &[TopicPartition], image: &MetadataImage) -> Partitions {
    let mut all = Partitions::default();
    for topic in topics {
        if let Some(known) = image.topics.by_name(&topic.topic) {
            all.insert_all(known.id, topic.partitions.iter().copied().map(PartitionIndex));
        }
    }
    all
}

/// Partitions by topic id, as a heartbeat would tell them.
pub(super) fn owned(
    subscription: &ConsumerProtocolSubscription,
    image: &MetadataImage,
) -> Vec<TopicPartitions> {
    let owned = partitions_of(&subscription.owned_partitions, image);
    owned
        .topics()
        .map(|(topic_id, partitions)| TopicPartitions {
            topic_id,
            partitions: partitions.iter().map(|partition| partition.get()).collect(),
        })
        .collect()
}

/// What a member holds, in the version of what it told.
pub(super) fn assignment_of_held(held: &Held, metadata: &Bytes, image: &MetadataImage) -> Bytes {
    written(held.by_topic(), metadata, image)
}

/// What a member shall own, in the version of what it told.
pub(super) fn assignment_of_target(target: &Partitions, metadata: &Bytes, image: &MetadataImage) -> Bytes {
    let topics = target.topics().map(|(topic, all)| (topic, all.iter().map(|index| index.get()).collect()));
    written(topics, metadata, image)
}

fn written(
    topics: impl Iterator<Item = (TopicId, Vec<i32>)>,
    metadata: &Bytes,
    image: &MetadataImage,
) -> Bytes {
    let assigned_partitions = topics
        .filter_map(|(topic, partitions)| {
            Some(TopicPartition { topic: (&*image.topics.by_id(topic)?.name).into(), partitions })
        })
        .collect();
    let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
    let version = version_of(metadata).unwrap_or(0).min(NEWEST);
    // Names of topics and indexes always fit.
    encode_versioned(&assignment, version).unwrap_or_default()
}
