//! `WriteTxnMarkers`, key 27, versions 1-2. A transaction coordinator has leaders write the end of
//! transactions into their partitions.
//!
//! History: v1 flexible, v2 tells the version of the transaction protocol. Also sent by the tool that aborts
//! hanging transactions.

use crate::{message::Message, messages::TopicName};

/// Transactions that have ended.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 27, side = "request", versions = 1..=2, flexible = 1)]
pub struct WriteTxnMarkersRequest {
    /// One marker a transaction.
    pub markers: Vec<WritableTxnMarker>,
}

/// End of one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct WritableTxnMarker {
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// Epoch to write into the marker; under transaction version 2 already the raised one.
    pub producer_epoch: i16,
    /// True commits, false aborts.
    pub transaction_result: bool,
    /// Partitions of the transaction, by topic.
    pub topics: Vec<WritableTxnMarkerTopic>,
    /// Leader epoch of the coordinator's partition; a marker of an older coordinator is refused.
    pub coordinator_epoch: i32,
    /// Transaction protocol: 2 = the epoch was raised at the end; 0 = as before.
    #[wire(since = 2, ignorable)]
    pub transaction_version: i8,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct WritableTxnMarkerTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Partitions of this topic.
    pub partition_indexes: Vec<i32>,
}

/// What became of each marker.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 27, side = "response", versions = 1..=2, flexible = 1)]
pub struct WriteTxnMarkersResponse {
    /// Outcomes by transaction.
    pub markers: Vec<WritableTxnMarkerResult>,
}

/// Outcomes of one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct WritableTxnMarkerResult {
    /// Producer whose transaction it is.
    pub producer_id: i64,
    /// Outcomes by topic.
    pub topics: Vec<WritableTxnMarkerTopicResult>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct WritableTxnMarkerTopicResult {
    /// Name of the topic.
    pub name: TopicName,
    /// Outcomes by partition.
    pub partitions: Vec<WritableTxnMarkerPartitionResult>,
}

/// Outcome in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct WritableTxnMarkerPartitionResult {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
