//! The configuration of one topic: the broker's defaults below the topic's own overrides.
//!
//! Above: `partition` (through [`TopicConfig`]), the handlers of topics and configs. Below: the words of `choices`.

use std::collections::BTreeMap;

use super::choices::{CompressionType, Durability, TimestampType};

/// Effective values of a topic. Units are in the names; Kafka's `-1` for "no limit" is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy` contains `delete`: retention removes old segments.
    pub cleanup_delete: bool,
    /// `cleanup.policy` contains `compact`: the last record of each key is kept.
    pub cleanup_compact: bool,
    /// `retention.ms`; `None` keeps records whatever their age.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`, of one partition; `None` keeps records whatever their size.
    pub retention_bytes: Option<i64>,
    /// `segment.bytes`: a segment that would grow beyond is rolled.
    pub segment_bytes: i32,
    /// `segment.ms`: a segment whose first record is older is rolled.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: the most that is taken off `segment_ms` at random, so that logs do not roll together.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: a segment whose index is full is rolled.
    pub index_max_bytes: i32,
    /// `index.interval.bytes`: bytes of log between two entries of the offset index.
    pub index_interval_bytes: i32,
    /// `max.message.bytes`: the largest record batch, as compressed, header included.
    pub max_message_bytes: i32,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a producer's timestamp may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far it may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// `compression.type`.
    pub compression: CompressionType,
    /// `min.insync.replicas` where topic or broker set it; ask [`Self::min_insync_replicas`].
    pub min_insync_replicas: Option<i32>,
    /// `unclean.leader.election.enable`: whether a replica outside the ISR may lead, at the price of records.
    pub unclean_leader_election: bool,
    /// `flush.messages`: flush at the latest after so many records.
    pub flush_messages: i64,
    /// `flush.ms`: flush at the latest after so long.
    pub flush_ms: i64,
    /// `file.delete.delay.ms`: how long files of removed segments stay for readers.
    pub file_delete_delay_ms: i64,
    /// `delete.retention.ms`: how long a tombstone stays after compaction.
    pub delete_retention_ms: i64,
    /// `mainstem.durability` of this topic.
    pub durability: Durability,
    /// What the topic itself sets, by key, as text. Everything else above comes from the broker.
    pub overrides: BTreeMap<String, String>,
}

impl TopicConfig {
    /// In-sync replicas without which `acks=all` is refused, for a partition of `replicas` replicas: what is
    /// configured, else min(2, replicas). At least 1.
    pub fn min_insync_replicas(&self, replicas: usize) -> usize {
        match self.min_insync_replicas {
            Some(configured) => usize::try_from(configured).unwrap_or(1).max(1),
            None => replicas.clamp(1, 2),
        }
    }
}

impl Default for TopicConfig {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            cleanup_delete: true,
            cleanup_compact: false,
            retention_ms: Some(7 * DAY_MS),
            retention_bytes: None,
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            index_max_bytes: 10 * 1024 * 1024,
            index_interval_bytes: 4096,
            max_message_bytes: 1024 * 1024 + 12,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 60 * 60 * 1000,
            compression: CompressionType::Producer,
            min_insync_replicas: None,
            unclean_leader_election: false,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            file_delete_delay_ms: 60 * 1000,
            delete_retention_ms: DAY_MS,
            durability: Durability::Fsync,
            overrides: BTreeMap::new(),
        }
    }
}
