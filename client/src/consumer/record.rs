//! What a consumer hands out: records, and what went wrong on the way to them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mainstem_protocol::model::TopicPartition;
use mainstem_protocol::records::{Compression, TimestampType};

use crate::error::Error;

/// A record that was read. Key, value and headers share the memory of the answer that they came in (of the decompressed
/// batch, if it was compressed), which lives as long as the last of them; [`ConsumedRecord::detach`] copies them out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumedRecord {
    /// Where it lies.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the Unix epoch; -1 = none. See [`BatchInfo::timestamp_type`].
    pub timestamp: i64,
    /// Key; `None` = null, which is not the empty key.
    pub key: Option<Bytes>,
    /// Value; `None` = null (a tombstone), which is not the empty value.
    pub value: Option<Bytes>,
    /// Headers in their order; keys may repeat.
    pub headers: Vec<RecordHeader>,
    /// What holds for the whole batch.
    pub batch: BatchInfo,
}

impl ConsumedRecord {
    /// Name of the topic.
    pub fn topic(&self) -> &Arc<str> {
        &self.partition.topic
    }

    /// A copy that shares no memory with the answer it came in: one small record may otherwise keep a large one alive.
    #[must_use]
    pub fn detach(&self) -> Self {
        let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let headers = self.headers.iter();
        Self {
            key: self.key.as_ref().map(copy),
            value: self.value.as_ref().map(copy),
            headers: headers
                .map(|header| RecordHeader { key: copy(&header.key), value: header.value.as_ref().map(copy) })
                .collect(),
            partition: self.partition.clone(),
            ..*self
        }
    }
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Key. UTF-8 by convention; nobody has checked it.
    pub key: Bytes,
    /// Value; `None` = null.
    pub value: Option<Bytes>,
}

/// What holds for all records of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchInfo {
    /// Leader epoch under which it was appended; -1 = unknown.
    pub leader_epoch: i32,
    /// Which clock set the timestamps.
    pub timestamp_type: TimestampType,
    /// Codec of the batch.
    pub compression: Compression,
    /// Producer id; -1 = none.
    pub producer_id: i64,
    /// Producer epoch; -1 = none.
    pub producer_epoch: i16,
    /// Whether it belongs to a transaction.
    pub is_transactional: bool,
    /// Whether it holds a control record: the end of a transaction.
    pub is_control: bool,
}

/// What one poll gives: records, in rising offsets per partition, and what went wrong in single partitions.
///
/// Both may be empty: positions then moved over something that is not handed out, as the end of a transaction.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The records.
    pub records: Vec<ConsumedRecord>,
    /// What the user has to know. The partitions of these go on by themselves after a pause, from where the problem says.
    pub problems: Vec<PartitionProblem>,
}

/// Something that happened to one partition.
#[derive(Debug, Clone)]
pub struct PartitionProblem {
    /// Where.
    pub partition: TopicPartition,
    /// What.
    pub problem: Problem,
}

impl fmt::Display for PartitionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.partition, self.problem)
    }
}

/// What can happen to a partition. Unless a variant says otherwise, the position stays, the same is tried again after a
/// pause, and the problem is reported again if it is still there.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A request failed for this partition, or its data cannot be read.
    #[error(transparent)]
    Failed(Error),
    /// The position lies outside the log: what was there has been deleted, or never was.
    #[error("offset {position} is outside the log{}", went_on(reset_to.as_ref()))]
    OutOfRange {
        /// The offset that was asked for.
        position: i64,
        /// Where reading goes on; `None` = nowhere, since resets are off.
        reset_to: Option<Start>,
    },
    /// The log was cut back behind records that were read: they are gone, and others may stand in their place.
    #[error(
        "records up to offset {position} were read, but the log was truncated to {end_offset}{}",
        went_on(reset_to.as_ref())
    )]
    Truncated {
        /// Where the reader stood.
        position: i64,
        /// First offset at which the log may differ from what was read; -1 = unknown.
        end_offset: i64,
        /// Where reading goes on; `None` = nowhere, since resets are off.
        reset_to: Option<Start>,
    },
    /// The topic was deleted and another one of its name exists now. Reading goes on where partitions without a position
    /// start.
    #[error("the topic was deleted and created anew; the position {position:?} is void")]
    Recreated {
        /// Position in the old topic, if there was one.
        position: Option<i64>,
    },
    /// There is no position, and nothing says where to start.
    #[error("there is no position to start from, and resets are off")]
    NoPosition,
    /// One batch is larger than the largest answer that this client reads.
    #[error("the batch at offset {offset} has {size} bytes; this client reads answers of at most {limit}")]
    BatchTooLarge {
        /// Where the reader stands.
        offset: i64,
        /// Bytes of the batch.
        size: usize,
        /// Bytes of the largest answer (`receive.message.max.bytes`).
        limit: usize,
    },
}

fn went_on(reset_to: Option<&Start>) -> String {
    match reset_to {
        None => String::new(),
        Some(Start::Earliest) => "; going on at the first record".into(),
        Some(Start::Latest) => "; going on at the end".into(),
        Some(Start::Offset(offset)) => format!("; going on at offset {offset}"),
        Some(Start::Timestamp(moment)) => format!("; going on at timestamp {moment}"),
        Some(Start::Ago(time)) => format!("; going on {time:?} before now"),
    }
}

/// Where reading starts in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first record.
    Earliest,
    /// At the end: the high watermark, or the last stable offset for readers of committed records.
    Latest,
    /// At this offset.
    Offset(i64),
    /// At the first record with this timestamp or a later one (milliseconds since the Unix epoch); at the end if there
    /// is none.
    Timestamp(i64),
    /// At the first record that is at most so old; at the end if there is none.
    Ago(Duration),
}

/// A poll that failed as a whole.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// Nothing is assigned, so nothing will ever come.
    #[error("no partition is assigned")]
    NothingAssigned,
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// Only a consumer with a group id can do that.
    #[error("a subscription needs group.id")]
    NoGroup,
    /// The regular expression of a subscription cannot be read.
    #[error("not a regular expression: {0}")]
    Regex(String),
    /// Too much time passed between two polls. The consumer has left its group, so that the others can go on, and its
    /// partitions are lost; with the next poll it joins again.
    #[error(
        "{limit:?} (max.poll.interval.ms) passed between two polls: the consumer left its group and joins again with the \
         next poll. Poll more often, take fewer records at once, or raise the limit"
    )]
    PollInterval {
        /// The limit.
        limit: Duration,
    },
    /// The group does not take this consumer, now or ever: settings do not fit, or rights are missing.
    #[error("the group refused: {0}")]
    Group(Error),
    /// A single partition had a problem; only [`Consumer::stream`](super::Consumer::stream) reports it this way.
    #[error("{0}")]
    Partition(PartitionProblem),
}
