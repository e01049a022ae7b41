//! The configuration of one topic: the broker's defaults below the topic's own overrides.
//!
//! Pure. Above: `partition` (through [`TopicConfig`]), the handlers of topics and configs. Below: `layers`, `choices`.

use super::choices::{CompressionType, Durability, TimestampType};
use super::keys;
use super::layers::{ConfigValues, Layers};
use super::settings::Settings;

/// Effective values of a topic. Units are in the names; Kafka's `-1` for "no limit" is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy` contains `delete`: retention removes old segments.
    pub cleanup_delete: bool,
    /// `cleanup.policy` contains `compact`: the last record of each key is kept.
    pub cleanup_compact: bool,
    /// `min.cleanable.dirty.ratio`: part of a log that is not compacted before a pass is worth it.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: how long a record stays uncompacted at least.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: how long it stays uncompacted at most.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long tombstones stay after compaction.
    pub delete_retention_ms: i64,
    /// `retention.ms`; `None` keeps records whatever their age.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`, of one partition; `None` keeps records whatever their size.
    pub retention_bytes: Option<i64>,
    /// `segment.bytes`: a segment that would grow beyond is rolled.
    pub segment_bytes: i32,
    /// `segment.ms`: a segment whose first record is older is rolled.
    pub segment_ms: i64,
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
    /// `flush.messages`: flush at the latest after so many records.
    pub flush_messages: i64,
    /// `flush.ms`: flush at the latest after so long.
    pub flush_ms: i64,
    /// `file.delete.delay.ms`: how long files of removed segments stay for readers.
    pub file_delete_delay_ms: i64,
    /// `mainstem.durability` of this topic.
    pub durability: Durability,
    /// What the topic itself sets, by key, as text. Everything else above comes from the broker.
    pub overrides: ConfigValues,
}

impl TopicConfig {
    /// What holds for a topic that sets `overrides`, above everything that the brokers set.
    ///
    /// Values were checked when they were set; one that an older or newer version let through and that cannot be read
    /// leaves Kafka's default in force.
    pub fn resolve(layers: &Layers<'_>, overrides: &ConfigValues) -> Self {
        let mut config = Self { overrides: overrides.clone(), ..Self::default() };
        for topic_key in keys::topic_keys() {
            config.set(topic_key.key.name, &layers.topic_value(topic_key, overrides));
        }
        config
    }

    fn set(&mut self, name: &str, value: &str) {
        fn read<T: std::str::FromStr>(field: &mut T, value: &str) {
            if let Ok(value) = value.parse() {
                *field = value;
            }
        }
        fn read_limit<T: std::str::FromStr + PartialOrd + Default>(field: &mut Option<T>, value: &str) {
            if let Ok(value) = value.parse::<T>() {
                *field = Some(value).filter(|value| T::default() <= *value);
            }
        }
        match name {
            "cleanup.policy" => {
                self.cleanup_compact = value.split(',').any(|word| word == "compact");
                self.cleanup_delete = value.split(',').any(|word| word == "delete");
            }
            "min.cleanable.dirty.ratio" => read(&mut self.min_cleanable_dirty_ratio, value),
            "min.compaction.lag.ms" => read(&mut self.min_compaction_lag_ms, value),
            "max.compaction.lag.ms" => read(&mut self.max_compaction_lag_ms, value),
            "delete.retention.ms" => read(&mut self.delete_retention_ms, value),
            "retention.ms" => read_limit(&mut self.retention_ms, value),
            "retention.bytes" => read_limit(&mut self.retention_bytes, value),
            "segment.bytes" => read(&mut self.segment_bytes, value),
            "segment.ms" => read(&mut self.segment_ms, value),
            "segment.index.bytes" => read(&mut self.index_max_bytes, value),
            "index.interval.bytes" => read(&mut self.index_interval_bytes, value),
            "max.message.bytes" => read(&mut self.max_message_bytes, value),
            "message.timestamp.type" => read(&mut self.timestamp_type, value),
            "message.timestamp.before.max.ms" => read(&mut self.timestamp_before_max_ms, value),
            "message.timestamp.after.max.ms" => read(&mut self.timestamp_after_max_ms, value),
            "compression.type" => read(&mut self.compression, value),
            "min.insync.replicas" => read_limit(&mut self.min_insync_replicas, value),
            "flush.messages" => read(&mut self.flush_messages, value),
            "flush.ms" => read(&mut self.flush_ms, value),
            "file.delete.delay.ms" => read(&mut self.file_delete_delay_ms, value),
            "mainstem.durability" => read(&mut self.durability, value),
            _ => {} // a key without effect
        }
    }

    /// In-sync replicas without which `acks=all` is refused, for a partition of `replicas` replicas: what is
    /// configured, else 2; never more than there are, as in Kafka, and at least 1.
    pub fn min_insync_replicas(&self, replicas: usize) -> usize {
        let configured = self.min_insync_replicas.map_or(2, |count| usize::try_from(count).unwrap_or(1));
        configured.clamp(1, replicas.max(1))
    }

    /// What holds for topics that set nothing, from what was set before the start.
    pub(super) fn of_settings(settings: &Settings) -> Self {
        let none = ConfigValues::new();
        Self::resolve(&Layers { settings, cluster: &none, broker: &none }, &none)
    }
}

impl Default for TopicConfig {
    /// Kafka's defaults, with durability `fsync`.
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            cleanup_delete: true,
            cleanup_compact: false,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: DAY_MS,
            retention_ms: Some(7 * DAY_MS),
            retention_bytes: None,
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            index_max_bytes: 10 * 1024 * 1024,
            index_interval_bytes: 4096,
            max_message_bytes: 1024 * 1024 + 12,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 60 * 60 * 1000,
            compression: CompressionType::Producer,
            min_insync_replicas: None,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            file_delete_delay_ms: 60 * 1000,
            durability: Durability::Fsync,
            overrides: ConfigValues::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn defaults_of_the_type_are_those_of_the_key_table() {
        assert_eq!(TopicConfig::of_settings(&Settings::default()), TopicConfig::default());
    }

    #[test]
    fn overrides_reach_their_fields() {
        let settings = Settings::default();
        let none = ConfigValues::new();
        let layers = Layers { settings: &settings, cluster: &none, broker: &none };
        let overrides: ConfigValues = [
            ("retention.ms", "-1"),
            ("retention.bytes", "1000"),
            ("cleanup.policy", "compact,delete"),
            ("min.insync.replicas", "3"),
            ("mainstem.durability", "replicated"),
            ("message.timestamp.type", "LogAppendTime"),
            ("segment.bytes", "unreadable"),
        ]
        .map(|(key, value)| (Arc::from(key), Arc::from(value)))
        .into();
        let config = TopicConfig::resolve(&layers, &overrides);
        assert_eq!(config.retention_ms, None);
        assert_eq!(config.retention_bytes, Some(1000));
        assert!(config.cleanup_compact && config.cleanup_delete);
        assert_eq!([1, 3, 5].map(|replicas| config.min_insync_replicas(replicas)), [1, 3, 3]);
        assert_eq!(config.durability, Durability::Replicated);
        assert_eq!(config.timestamp_type, TimestampType::LogAppendTime);
        assert_eq!(config.segment_bytes, 1 << 30);
        assert_eq!(config.overrides, overrides);
    }

    #[test]
    fn without_a_setting_the_least_isr_follows_the_replicas() {
        let config = TopicConfig::default();
        assert_eq!([0, 1, 2, 3].map(|replicas| config.min_insync_replicas(replicas)), [1, 1, 2, 2]);
    }
}
