//! One Produce request: batches of many partitions of one leader, and what its answer says of each.
//!
//! Above: `sender`. Below: the message structs.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use mainstem_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use mainstem_protocol::model::{Offset, Timestamp, TopicId, TopicPartition};
use mainstem_protocol::wire::Records;

use super::accumulator::QueueId;
use super::options::Acks;
use super::queue::Attempt;
use crate::cluster::{Broker, LeaderHint, Metadata, by_topic};
use crate::error::{BrokerError, Error};

/// First version of Produce that names topics by id alone.
const IDS_ONLY: i16 = 13;

/// A batch in a request.
#[derive(Debug)]
pub(super) struct Shipped {
    pub(super) queue: QueueId,
    pub(super) partition: TopicPartition,
    pub(super) order: u64,
    pub(super) bytes: Bytes,
}

/// How the topics of a request are called in it and in its answer.
#[derive(Debug)]
pub(super) enum Naming {
    Names,
    /// In the order of the shipped batches.
    Ids(Vec<TopicId>),
}

impl Naming {
    /// Ids from version 13 on, if all of them are known: a cluster that was upgraded lately may have told names only.
    pub(super) fn of(shipped: &[Shipped], metadata: &Metadata, version: i16) -> Self {
        let id = |shipped: &Shipped| {
            let topic = metadata.topic(&shipped.partition.topic)?;
            (!topic.id.is_none()).then_some(topic.id)
        };
        let ids = if version < IDS_ONLY { None } else { shipped.iter().map(id).collect() };
        ids.map_or(Self::Names, Self::Ids)
    }

    /// The version to speak where `highest` is the highest common one.
    pub(super) fn version(&self, highest: i16) -> i16 {
        match self {
            Self::Names => highest.min(IDS_ONLY - 1),
            Self::Ids(_) => highest,
        }
    }

    fn id(&self, index: usize) -> TopicId {
        match self {
            Self::Names => TopicId::NONE,
            Self::Ids(ids) => ids.get(index).copied().unwrap_or(TopicId::NONE),
        }
    }
}

/// The request that carries `shipped`.
pub(super) fn build(shipped: &[Shipped], naming: &Naming, acks: Acks, timeout: Duration) -> ProduceRequest {
    let items = shipped.iter().enumerate().map(|(index, item)| (item.partition.clone(), (index, item)));
    let topic_data = by_topic(items).into_iter().map(|(topic, items)| TopicProduceData {
        topic_id: items.first().map_or(TopicId::NONE, |(_, (index, _))| naming.id(*index)),
        name: (&*topic).into(),
        partition_data: items
            .into_iter()
            .map(|(partition, (_, item))| PartitionProduceData {
                index: partition.0,
                records: Records::from(item.bytes.clone()),
            })
            .collect(),
    });
    ProduceRequest {
        transactional_id: None,
        acks: acks.wire(),
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: topic_data.collect(),
    }
}

/// What the answer says of each of `shipped`, in their order. What was not asked for is nobody's.
pub(super) fn outcomes(answer: &ProduceResponse, naming: &Naming, shipped: &[Shipped]) -> Vec<Attempt> {
    let mut found: HashMap<(TopicId, &str, i32), Attempt> = HashMap::new();
    for topic in &answer.responses {
        let (id, name) = match naming {
            Naming::Names => (TopicId::NONE, topic.name.as_str()),
            Naming::Ids(_) => (topic.topic_id, ""),
        };
        for partition in &topic.partition_responses {
            found.insert((id, name, partition.index), outcome(partition));
        }
    }
    let attempts = shipped.iter().enumerate().map(|(index, item)| {
        let name = match naming {
            Naming::Names => &*item.partition.topic,
            Naming::Ids(_) => "",
        };
        let missing = Attempt::Lost { cause: Error::Answer("a partition is missing"), sent: true };
        found.remove(&(naming.id(index), name, item.partition.partition.0)).unwrap_or(missing)
    });
    attempts.collect()
}

/// Leaders that the answer names in passing (KIP-951), and where they listen.
pub(super) fn hints(
    answer: &ProduceResponse,
    naming: &Naming,
    shipped: &[Shipped],
) -> (Vec<LeaderHint>, Vec<Broker>) {
    let mut hints = Vec::new();
    for topic in &answer.responses {
        for partition in &topic.partition_responses {
            let PartitionProduceResponse { index, current_leader: leader, .. } = partition;
            let named = shipped.iter().enumerate().find(|(at, item)| {
                let same_topic = match naming {
                    Naming::Names => *item.partition.topic == *topic.name,
                    Naming::Ids(_) => naming.id(*at) == topic.topic_id,
                };
                same_topic && item.partition.partition.0 == *index
            });
            if let Some((_, item)) = named.filter(|_| 0 <= leader.leader_id) {
                hints.push(LeaderHint {
                    partition: item.partition.clone(),
                    leader: leader.leader_id,
                    leader_epoch: leader.leader_epoch,
                });
            }
        }
    }
    let addresses = answer.node_endpoints.iter().filter_map(|node| {
        let port = u16::try_from(node.port).ok().filter(|port| *port != 0)?;
        let rack = node.rack.as_ref().map(|rack| rack.as_str().to_owned());
        Some(Broker { id: node.node_id, host: node.host.as_str().into(), port, rack })
    });
    (hints, addresses.collect())
}

fn outcome(partition: &PartitionProduceResponse) -> Attempt {
    let first_words = partition
        .record_errors
        .iter()
        .find_map(|record| record.batch_index_error_message.as_deref().filter(|words| !words.is_empty()));
    match BrokerError::check(partition.error_code, partition.error_message.as_deref().or(first_words)) {
        Ok(()) => Attempt::Written {
            base_offset: Some(partition.base_offset).filter(|offset| 0 <= *offset).map(Offset),
            log_append_time: Some(partition.log_append_time_ms).filter(|time| 0 <= *time).map(Timestamp),
        },
        Err(error) => Attempt::Refused(error),
    }
}
