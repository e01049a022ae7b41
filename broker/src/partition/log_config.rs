//! From the settings of a topic to those of its logs.
//!
//! Pure. Above: `partitions`. Below: `config`, the crate `storage`.

use crate::config::{BrokerConfig, Durability, TimestampType, TopicConfig};
use mainstem_storage::LogConfig;

/// The settings of every log of a topic.
pub(super) fn log_config(topic: &TopicConfig, broker: &BrokerConfig) -> LogConfig {
    LogConfig {
        segment_bytes: bytes(topic.segment_bytes.into()),
        segment_ms: limit(topic.segment_ms),
        retention_ms: topic.retention_ms.map(bytes),
        retention_bytes: topic.retention_bytes.map(bytes),
        delete_old_segments: topic.cleanup_delete,
        max_message_bytes: bytes(topic.max_message_bytes.into()),
        index_interval_bytes: bytes(topic.index_interval_bytes.into()),
        index_max_bytes: bytes(topic.index_max_bytes.into()),
        file_delete_delay_ms: bytes(topic.file_delete_delay_ms),
        flush_ms: limit(topic.flush_ms),
        flush_messages: limit(topic.flush_messages),
        durability: match topic.durability {
            Durability::Fsync => mainstem_storage::Durability::Fsync,
            Durability::Replicated => mainstem_storage::Durability::Replicated,
        },
        log_append_time: topic.timestamp_type == TimestampType::LogAppendTime,
        producer_id_expiration_ms: u64::try_from(broker.producers.id_expiration.as_millis())
            .unwrap_or(u64::MAX),
        allocate_bytes_max: broker.logs.allocate_max_bytes,
    }
}

/// A validated setting is never negative.
fn bytes(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Kafka writes "no limit" as the greatest number.
fn limit(value: i64) -> Option<u64> {
    (value != i64::MAX).then(|| bytes(value))
}
