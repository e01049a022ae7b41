//! What members of a classic group tell each other inside `JoinGroup` and `SyncGroup`. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use mainstem_protocol::message::{decode_versioned, encode_versioned};
use mainstem_protocol::messages::blob::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition as Wire,
};
use mainstem_protocol::messages::join_group::JoinGroupResponseMember;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use mainstem_protocol::wire::EncodeError;

use super::assignor::GroupMember;

/// Version of what we write; readers of older versions skip what they do not know.
const VERSION: i16 = 3;
/// Kind of group that consumers form.
pub(super) const PROTOCOL_TYPE: &str = "consumer";

fn by_topic<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Vec<Wire> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition.get());
    }
    topics.into_iter().map(|(topic, partitions)| Wire { topic: topic.into(), partitions }).collect()
}

fn flat(topics: Vec<Wire>) -> impl Iterator<Item = TopicPartition> {
    topics.into_iter().flat_map(|topic| {
        let name: Arc<str> = Arc::from(topic.topic.as_str());
        let indexes = topic.partitions.into_iter();
        indexes.map(move |index| TopicPartition::new(Arc::clone(&name), PartitionIndex(index)))
    })
}

/// What a member tells the leader.
pub(super) fn subscription(
    topics: &BTreeSet<Arc<str>>,
    owned: &BTreeSet<TopicPartition>,
    generation: i32,
    rack: &str,
    user_data: Option<Bytes>,
) -> Result<Bytes, EncodeError> {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| (&**topic).into()).collect(),
        user_data,
        owned_partitions: by_topic(owned),
        generation_id: generation,
        rack_id: (!rack.is_empty()).then(|| rack.into()),
    };
    encode_versioned(&subscription, VERSION)
}

/// A member as the leader sees it. One whose words cannot be read wants nothing.
pub(super) fn member(member: JoinGroupResponseMember) -> GroupMember {
    let told: Option<ConsumerProtocolSubscription> = decode_versioned(member.metadata).ok();
    let mut known = GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.map(|id| id.to_string()),
        generation: -1,
        ..GroupMember::default()
    };
    if let Some(told) = told {
        known.topics = told.topics.iter().map(|topic| Arc::from(topic.as_str())).collect();
        known.owned = flat(told.owned_partitions).collect();
        known.generation = told.generation_id;
        known.rack = told.rack_id.map(|rack| rack.to_string());
        known.user_data = told.user_data;
    }
    known
}

/// One member's part.
pub(crate) fn assignment<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> Result<Bytes, EncodeError> {
    let assignment =
        ConsumerProtocolAssignment { assigned_partitions: by_topic(partitions), user_data: None };
    encode_versioned(&assignment, VERSION)
}

/// The partitions of a part; an empty part has none. `None` = it cannot be read.
pub(crate) fn assigned(bytes: Bytes) -> Option<BTreeSet<TopicPartition>> {
    if bytes.is_empty() {
        return Some(BTreeSet::new());
    }
    let assignment: ConsumerProtocolAssignment = decode_versioned(bytes).ok()?;
    Some(flat(assignment.assigned_partitions).collect())
}

/// Topics that a member subscribes to; `None` = its words cannot be read.
pub(crate) fn subscribed(bytes: Bytes) -> Option<Vec<String>> {
    let told: ConsumerProtocolSubscription = decode_versioned(bytes).ok()?;
    Some(told.topics.iter().map(ToString::to_string).collect())
}
