//! How logs are compacted on this broker: the keys `log.cleaner.*` that are not defaults of topics.
//!
//! Pure. Above: `partition`, at the start and whenever one of them changes. Below: `layers`, the key table.

use super::keys;
use super::layers::{ConfigValues, Layers};
use super::settings::Settings;

/// Effective values. Kafka's `log.cleaner.enable` = false is `threads` = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.threads`: logs that are compacted at the same time.
    pub threads: usize,
    /// `log.cleaner.dedupe.buffer.size`: memory of the key maps of all threads.
    pub dedupe_buffer_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`: how full a key map may get.
    pub dedupe_load_factor: f64,
    /// `log.cleaner.io.buffer.size`: memory of the buffers of all threads.
    pub io_buffer_bytes: u64,
    /// `log.cleaner.io.max.bytes.per.second`: what all threads read and write.
    pub io_bytes_per_second_max: f64,
    /// `log.cleaner.backoff.ms`: pause after nothing was to be done.
    pub backoff_ms: u64,
}

impl CleanerConfig {
    /// What holds on this broker now. A value that cannot be read leaves Kafka's default in force.
    pub fn resolve(layers: &Layers<'_>) -> Self {
        let text = |name: &'static str| {
            let values = keys::broker_key(name).map(|key| layers.of_key(key)).unwrap_or_default();
            values.into_iter().next().map(|strongest| strongest.value).unwrap_or_default()
        };
        let is_enabled = text("log.cleaner.enable") != "false";
        let threads = text("log.cleaner.threads").parse().unwrap_or(1);
        Self {
            threads: if is_enabled { threads } else { 0 },
            dedupe_buffer_bytes: text("log.cleaner.dedupe.buffer.size").parse().unwrap_or(128 << 20),
            dedupe_load_factor: text("log.cleaner.io.buffer.load.factor").parse().unwrap_or(0.9),
            io_buffer_bytes: text("log.cleaner.io.buffer.size").parse().unwrap_or(512 << 10),
            io_bytes_per_second_max: text("log.cleaner.io.max.bytes.per.second").parse().unwrap_or(f64::MAX),
            backoff_ms: text("log.cleaner.backoff.ms").parse().unwrap_or(15_000),
        }
    }

    /// What was set before the start.
    pub fn of_settings(settings: &Settings) -> Self {
        let none = ConfigValues::new();
        Self::resolve(&Layers { settings, cluster: &none, broker: &none })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn defaults_are_kafkas() {
        let expected = CleanerConfig {
            threads: 1,
            dedupe_buffer_bytes: 134_217_728,
            dedupe_load_factor: 0.9,
            io_buffer_bytes: 524_288,
            io_bytes_per_second_max: f64::MAX,
            backoff_ms: 15_000,
        };
        assert_eq!(CleanerConfig::of_settings(&Settings::default()), expected);
    }

    #[test]
    fn what_is_set_while_the_broker_runs_wins() {
        let settings = Settings::default();
        let values = |key: &str, value: &str| ConfigValues::from([(Arc::from(key), Arc::from(value))]);
        let (cluster, broker) = (values("log.cleaner.backoff.ms", "7"), values("log.cleaner.threads", "2"));
        let config =
            CleanerConfig::resolve(&Layers { settings: &settings, cluster: &cluster, broker: &broker });
        assert_eq!((config.backoff_ms, config.threads), (7, 2));
        let off = values("log.cleaner.enable", "false");
        let config = CleanerConfig::resolve(&Layers { settings: &settings, cluster: &off, broker: &broker });
        assert_eq!(config.threads, 0, "nothing is compacted");
    }
}
