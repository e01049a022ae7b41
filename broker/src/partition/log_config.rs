//! From the settings of a topic to those of its logs.
//!
//! Pure. Above: `partitions`. Below: `config`, the crate `storage`.

use crate::config::{BrokerConfig, CleanerConfig, Durability, TimestampType, TopicConfig};
use mainstem_storage::{CompactionConfig, LogCompaction, LogConfig};

/// The settings of every log of a topic.
pub(super) fn log_config(topic: &TopicConfig, broker: &BrokerConfig) -> LogConfig {
    LogConfig {
        segment_bytes: bytes(topic.segment_bytes.into()),
        segment_ms: limit(segment_ms(topic)),
        retention_ms: topic.retention_ms.map(bytes),
        retention_bytes: topic.retention_bytes.map(bytes),
        delete_old_segments: topic.cleanup_delete,
        compaction: topic.cleanup_compact.then(|| LogCompaction {
            min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
            min_compaction_lag_ms: bytes(topic.min_compaction_lag_ms),
            max_compaction_lag_ms: limit(topic.max_compaction_lag_ms),
            delete_retention_ms: bytes(topic.delete_retention_ms),
        }),
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

/// How the logs of a directory are compacted.
pub(super) fn compaction_config(cleaner: &CleanerConfig) -> CompactionConfig {
    CompactionConfig {
        threads: cleaner.threads,
        dedupe_buffer_bytes: cleaner.dedupe_buffer_bytes,
        dedupe_load_factor: cleaner.dedupe_load_factor,
        io_buffer_bytes: cleaner.io_buffer_bytes,
        // Kafka writes "no limit" as the greatest number.
        io_bytes_per_second_max: if cleaner.io_bytes_per_second_max < f64::MAX {
            cleaner.io_bytes_per_second_max
        } else {
            f64::INFINITY
        },
        backoff_ms: cleaner.backoff_ms,
    }
}

/// A record that must be compacted by some time must have left the active segment by then.
fn segment_ms(topic: &TopicConfig) -> i64 {
    let lag = topic.max_compaction_lag_ms;
    if topic.cleanup_compact && 0 < lag { topic.segment_ms.min(lag) } else { topic.segment_ms }
}

/// A validated setting is never negative.
fn bytes(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Kafka writes "no limit" as the greatest number.
fn limit(value: i64) -> Option<u64> {
    (value != i64::MAX).then(|| bytes(value))
}
