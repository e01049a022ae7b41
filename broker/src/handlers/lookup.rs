//! From the partition that a request names to the one that is here, or to the code that says why not.
//!
//! Above: handlers of data. Below: `partition`, `metadata`.

use super::Services;
use crate::{
    metadata::{MetadataImage, is_internal},
    partition::{AppendRefusal, LookupError, NotLeader, Partition, ReadRefusal},
};
use mainstem_protocol::{
    error::ErrorCode,
    model::{PartitionIndex, TopicId},
};
use mainstem_storage::{AppendError, ProducerError, ReadError, StorageError};
use std::sync::Arc;

/// How a request names a topic: by name, or from some version on by id. Never both: an id is not looked up by name.
#[derive(Debug, Clone, Copy)]
pub(super) enum TopicRef<'a> {
    /// By name, whatever incarnation.
    Name(&'a str),
    /// By id: this incarnation and no other.
    Id(TopicId),
}

impl TopicRef<'_> {
    /// The partition here, or why it is not.
    pub(super) fn partition(self, services: &Services, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let index = PartitionIndex(index);
        let found = match self {
            Self::Name(name) => services.partitions.by_name(name, index),
            Self::Id(id) => services.partitions.by_id(id, index),
        };
        found.map_err(|error| match error {
            LookupError::Offline => ErrorCode::KafkaStorageError,
            LookupError::NotHosted => self.missing(&services.metadata.current(), index),
        })
    }

    /// Whether it is one of the topics that the cluster keeps for itself.
    pub(super) fn is_internal(self, services: &Services) -> bool {
        match self {
            Self::Name(name) => is_internal(name),
            Self::Id(id) => {
                services.metadata.current().topics.by_id(id).is_some_and(|topic| is_internal(&topic.name))
            }
        }
    }

    /// The partition in words, for messages: by the topic's name if that is known.
    pub(super) fn describe(self, services: &Services, index: i32) -> String {
        match self {
            Self::Name(name) => format!("{name}-{index}"),
            Self::Id(id) => match services.metadata.current().topics.by_id(id) {
                Some(topic) => format!("{}-{index}", topic.name),
                None => format!("partition {index} of topic id {id}"),
            },
        }
    }

    /// Why a partition that is not here is not: it exists elsewhere, or nowhere.
    fn missing(self, image: &MetadataImage, index: PartitionIndex) -> ErrorCode {
        let (topic, unknown) = match self {
            Self::Name(name) => (image.topics.by_name(name), ErrorCode::UnknownTopicOrPartition),
            Self::Id(id) => (image.topics.by_id(id), ErrorCode::UnknownTopicId),
        };
        match topic {
            None => unknown,
            Some(topic) if topic.partition(index).is_some() => ErrorCode::NotLeaderOrFollower,
            Some(_) => ErrorCode::UnknownTopicOrPartition,
        }
    }
}

/// The code for a request that only the leader serves.
pub(super) const fn not_leader_code(refusal: NotLeader) -> ErrorCode {
    match refusal {
        NotLeader::Elsewhere(_) => ErrorCode::NotLeaderOrFollower,
        NotLeader::Fenced => ErrorCode::FencedLeaderEpoch,
        NotLeader::Unknown => ErrorCode::UnknownLeaderEpoch,
    }
}

/// The code for an append that was refused.
pub(super) fn append_code(refusal: &AppendRefusal) -> ErrorCode {
    match refusal {
        AppendRefusal::NotLeader(refusal) => not_leader_code(*refusal),
        AppendRefusal::NotEnoughReplicas => ErrorCode::NotEnoughReplicas,
        AppendRefusal::ShortOfSpace => ErrorCode::KafkaStorageError,
        AppendRefusal::Log(error) => match error {
            AppendError::Unavailable(_) | AppendError::NoSpace(_) => ErrorCode::KafkaStorageError,
            AppendError::Malformed(_) => ErrorCode::CorruptMessage,
            AppendError::TooLarge { .. } => ErrorCode::RecordListTooLarge,
            AppendError::FencedEpoch { .. } => ErrorCode::NotLeaderOrFollower,
            AppendError::NotContiguous { .. } | AppendError::OffsetsExhausted => {
                ErrorCode::UnknownServerError
            }
            AppendError::Producer(error) => match error {
                ProducerError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
                ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
                ProducerError::InvalidTransactionState { .. } => ErrorCode::InvalidTxnState,
                ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
            },
        },
    }
}

/// The text that goes with [`append_code`].
pub(super) fn append_message(refusal: &AppendRefusal) -> String {
    match refusal {
        AppendRefusal::NotLeader(_) => "this broker does not lead the partition".to_owned(),
        AppendRefusal::NotEnoughReplicas => "fewer replicas are in sync than min.insync.replicas".to_owned(),
        AppendRefusal::ShortOfSpace => {
            "the disk has less free space than mainstem.disk.free.min; reads go on".to_owned()
        }
        AppendRefusal::Log(error) => error.to_string(),
    }
}

/// The code for a read that was refused; `not_yet_known` differs between APIs and versions (rule L4).
pub(super) const fn read_code(refusal: &ReadRefusal, not_yet_known: ErrorCode) -> ErrorCode {
    match refusal {
        ReadRefusal::NotLeader(refusal) => not_leader_code(*refusal),
        ReadRefusal::NotYetKnown => not_yet_known,
        ReadRefusal::Log(ReadError::OutOfRange { .. }) => ErrorCode::OffsetOutOfRange,
        ReadRefusal::Log(ReadError::Damaged(_) | ReadError::Io(_)) => ErrorCode::KafkaStorageError,
    }
}

/// The code for an operation on a log that failed.
pub(super) const fn storage_code(error: &StorageError) -> ErrorCode {
    match error {
        StorageError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        StorageError::FencedEpoch { .. } => ErrorCode::NotLeaderOrFollower,
        StorageError::Failed(_)
        | StorageError::Damaged(_)
        | StorageError::Closed
        | StorageError::OtherTopic { .. }
        | StorageError::Busy(_)
        | StorageError::Truncating
        | StorageError::Io(_) => ErrorCode::KafkaStorageError,
    }
}
