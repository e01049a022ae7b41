//! The words of the field as types, so that an offset is never mistaken for an epoch.
//!
//! Everything here is a plain value. Above: every crate of the workspace. Below: nothing.

mod ids;
mod numbers;

pub use ids::{ParseIdError, TopicId, TopicPartition, Uuid};
pub use numbers::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch, PartitionIndex, ProducerEpoch, ProducerId,
    Timestamp,
};
