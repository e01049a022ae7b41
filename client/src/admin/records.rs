//! What lies in partitions: look-ups of offsets, deletion of the oldest records, producers at work. Leaders answer.

use mainstem_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use mainstem_protocol::messages::describe_producers::{DescribeProducersRequest, TopicRequest};
use mainstem_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use mainstem_protocol::model::{LeaderEpoch, Offset, PartitionIndex, ProducerId, Timestamp, TopicPartition};
use std::collections::HashMap;

use super::{Admin, broker_timeout_ms};
use crate::cluster::{Cluster, PartitionResults, by_topic};
use crate::consumer::IsolationLevel;
use crate::error::BrokerError;
use crate::runtime::Instant;

/// Which offset to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetAt {
    /// The first offset in the log.
    Earliest,
    /// The end: the high watermark, or the last stable offset for readers of committed records.
    Latest,
    /// The record with the greatest timestamp.
    MaxTimestamp,
    /// The first offset on the broker's own disk.
    EarliestLocal,
    /// The first record at or after this moment.
    Timestamp(Timestamp),
}

impl OffsetAt {
    const fn wire(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::Latest => -1,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::Timestamp(timestamp) => timestamp.0,
        }
    }
}

/// A look-up that found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset; `None` = no record fits (a timestamp after the last one).
    pub offset: Option<Offset>,
    /// Timestamp of the record, if the look-up was for a record.
    pub timestamp: Option<Timestamp>,
    /// Epoch of the leader that wrote the record.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// A producer that a partition keeps state of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Producer id.
    pub producer_id: ProducerId,
    /// Producer epoch.
    pub producer_epoch: i32,
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Timestamp of its last record.
    pub last_timestamp: Timestamp,
    /// Epoch of the coordinator that wrote its last marker.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub transaction_start: Option<Offset>,
}

impl Admin {
    /// Looks up one offset for each partition.
    pub async fn list_offsets(
        &self,
        wanted: &[(TopicPartition, OffsetAt)],
        isolation: IsolationLevel,
    ) -> PartitionResults<FoundOffset> {
        list_offsets(&self.cluster, wanted, isolation, self.cluster.call_deadline()).await
    }

    /// Deletes the records below an offset, which becomes the first of the log; `None` = all up to the high watermark.
    /// Gives the new first offset of each partition.
    pub async fn delete_records(
        &self,
        before: &[(TopicPartition, Option<Offset>)],
    ) -> PartitionResults<Offset> {
        let offsets: HashMap<_, _> = before.iter().cloned().collect();
        let partitions: Vec<_> = before.iter().map(|(partition, _)| partition.clone()).collect();
        let timeout_ms = broker_timeout_ms(&self.cluster);
        let build = |shard: &[(TopicPartition, i32)]| DeleteRecordsRequest {
            topics: by_topic(shard.iter().cloned())
                .into_iter()
                .map(|(topic, partitions)| DeleteRecordsTopic {
                    partitions: partitions
                        .into_iter()
                        .map(|(partition, _)| {
                            let key = TopicPartition::new(topic.clone(), partition);
                            let offset = offsets.get(&key).copied().flatten().map_or(-1, Offset::get);
                            DeleteRecordsPartition { partition_index: partition.0, offset }
                        })
                        .collect(),
                    name: (&*topic).into(),
                })
                .collect(),
            timeout_ms,
        };
        let split = |response: mainstem_protocol::messages::delete_records::DeleteRecordsResponse| {
            let mut results = Vec::new();
            for topic in response.topics {
                for partition in topic.partitions {
                    let key =
                        TopicPartition::new(topic.name.as_str(), PartitionIndex(partition.partition_index));
                    let outcome = BrokerError::check(partition.error_code, None);
                    results.push((key, outcome.map(|()| Offset(partition.low_watermark))));
                }
            }
            results
        };
        self.cluster.per_leader(&partitions, self.cluster.call_deadline(), build, split).await
    }

    /// Producers that each partition's leader keeps state of.
    pub async fn describe_producers(
        &self,
        partitions: &[TopicPartition],
    ) -> PartitionResults<Vec<ActiveProducer>> {
        let build = |shard: &[(TopicPartition, i32)]| DescribeProducersRequest {
            topics: by_topic(shard.iter().cloned())
                .into_iter()
                .map(|(topic, partitions)| TopicRequest {
                    name: (&*topic).into(),
                    partition_indexes: partitions.into_iter().map(|(partition, _)| partition.0).collect(),
                })
                .collect(),
        };
        let split = |response: mainstem_protocol::messages::describe_producers::DescribeProducersResponse| {
            let mut results = Vec::new();
            for topic in response.topics {
                for partition in topic.partitions {
                    let key =
                        TopicPartition::new(topic.name.as_str(), PartitionIndex(partition.partition_index));
                    let outcome =
                        BrokerError::check(partition.error_code, partition.error_message.as_deref());
                    let producers = partition.active_producers.into_iter().map(|producer| ActiveProducer {
                        producer_id: ProducerId(producer.producer_id),
                        producer_epoch: producer.producer_epoch,
                        last_sequence: producer.last_sequence,
                        last_timestamp: Timestamp(producer.last_timestamp),
                        coordinator_epoch: producer.coordinator_epoch,
                        transaction_start: Some(producer.current_txn_start_offset)
                            .filter(|offset| 0 <= *offset)
                            .map(Offset),
                    });
                    results.push((key, outcome.map(|()| producers.collect())));
                }
            }
            results
        };
        self.cluster.per_leader(partitions, self.cluster.call_deadline(), build, split).await
    }
}

/// The look-up that admin and consumer share.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    wanted: &[(TopicPartition, OffsetAt)],
    isolation: IsolationLevel,
    deadline: Instant,
) -> PartitionResults<FoundOffset> {
    let moments: HashMap<_, _> = wanted.iter().cloned().collect();
    let partitions: Vec<_> = wanted.iter().map(|(partition, _)| partition.clone()).collect();
    let timeout_ms = broker_timeout_ms(cluster);
    let build = |shard: &[(TopicPartition, i32)]| ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation.wire(),
        topics: by_topic(shard.iter().cloned())
            .into_iter()
            .map(|(topic, partitions)| ListOffsetsTopic {
                partitions: partitions
                    .into_iter()
                    .map(|(partition, epoch)| {
                        let key = TopicPartition::new(topic.clone(), partition);
                        let moment = moments.get(&key).copied().unwrap_or(OffsetAt::Latest);
                        ListOffsetsPartition {
                            partition_index: partition.0,
                            current_leader_epoch: epoch,
                            timestamp: moment.wire(),
                        }
                    })
                    .collect(),
                name: (&*topic).into(),
            })
            .collect(),
        timeout_ms,
    };
    let split = |response: mainstem_protocol::messages::list_offsets::ListOffsetsResponse| {
        let mut results = Vec::new();
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), PartitionIndex(partition.partition_index));
                let found = FoundOffset {
                    offset: Some(partition.offset).filter(|offset| 0 <= *offset).map(Offset),
                    timestamp: Some(partition.timestamp).filter(|time| 0 <= *time).map(Timestamp),
                    leader_epoch: Some(partition.leader_epoch).filter(|epoch| 0 <= *epoch).map(LeaderEpoch),
                };
                results.push((key, BrokerError::check(partition.error_code, None).map(|()| found)));
            }
        }
        results
    };
    cluster.per_leader(&partitions, deadline, build, split).await
}
