//! What a log is configured with. Plain values; the broker derives them from topic and broker settings.

/// When records of a topic must be on the medium. Above: replication decides what is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Appends are flushed at once, many with one call; only flushed records count as replicated.
    Fsync,
    /// Several replicas hold the records in memory; the disk follows within a second or 16 MiB.
    Replicated,
}

/// Settings of one log. Times are in milliseconds, sizes in bytes; `None` = no limit.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// Size at which a segment is full (`segment.bytes`). No batch may be larger.
    pub segment_bytes: u64,
    /// Age at which a segment is full, counted on the records' time (`segment.ms`).
    pub segment_ms: Option<u64>,
    /// Age at which records go (`retention.ms`).
    pub retention_ms: Option<u64>,
    /// Size of the log above which its oldest segments go (`retention.bytes`).
    pub retention_bytes: Option<u64>,
    /// Whether old segments are deleted at all (`cleanup.policy` has `delete`). Trimming is not affected.
    pub delete_old_segments: bool,
    /// How the log is compacted; `None` = not at all (`cleanup.policy` lacks `compact`).
    pub compaction: Option<LogCompaction>,
    /// Largest batch (`max.message.bytes`), header included.
    pub max_message_bytes: u64,
    /// Bytes of log between two index entries (`index.interval.bytes`).
    pub index_interval_bytes: u64,
    /// Size at which an index file is full, and with it the segment (`segment.index.bytes`).
    pub index_max_bytes: u64,
    /// How long a file keeps its content after it left the log (`file.delete.delay.ms`).
    pub file_delete_delay_ms: u64,
    /// Flush at the latest this long after an append (`flush.ms`).
    pub flush_ms: Option<u64>,
    /// Flush at the latest after this many records (`flush.messages`).
    pub flush_messages: Option<u64>,
    /// When records are flushed otherwise.
    pub durability: Durability,
    /// Whether the broker stamps batches with its own time (`message.timestamp.type` = `LogAppendTime`).
    pub log_append_time: bool,
    /// How long an idle producer is remembered (`producer.id.expiration.ms`).
    pub producer_id_expiration_ms: u64,
    /// Largest piece of space reserved ahead of the end (`mainstem.log.allocate.max.bytes`).
    pub allocate_bytes_max: u64,
}

impl Default for LogConfig {
    /// Kafka's defaults, with durability `fsync`.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: Some(7 * 24 * 3_600_000),
            retention_ms: Some(7 * 24 * 3_600_000),
            retention_bytes: None,
            delete_old_segments: true,
            compaction: None,
            max_message_bytes: 1_048_588,
            index_interval_bytes: 4_096,
            index_max_bytes: 10 << 20,
            file_delete_delay_ms: 60_000,
            flush_ms: None,
            flush_messages: None,
            durability: Durability::Fsync,
            log_append_time: false,
            producer_id_expiration_ms: 24 * 3_600_000,
            allocate_bytes_max: 16 << 20,
        }
    }
}

/// How one log is compacted. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogCompaction {
    /// Part of the log that has to be dirty before a pass is worth it (`min.cleanable.dirty.ratio`).
    pub min_cleanable_dirty_ratio: f64,
    /// How long a record stays as it is at least (`min.compaction.lag.ms`).
    pub min_compaction_lag_ms: u64,
    /// How long a record stays as it is at most (`max.compaction.lag.ms`); `None` = as long as the ratio says.
    pub max_compaction_lag_ms: Option<u64>,
    /// How long tombstones, and markers without data, stay after the first pass that met them (`delete.retention.ms`).
    pub delete_retention_ms: u64,
}

impl Default for LogCompaction {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: None,
            delete_retention_ms: 24 * 3_600_000,
        }
    }
}

/// How the logs of a directory are compacted, all together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactionConfig {
    /// Logs that are compacted at the same time (`log.cleaner.threads`); 0 = none is (`log.cleaner.enable` is false).
    pub threads: usize,
    /// Memory of the key maps of all threads (`log.cleaner.dedupe.buffer.size`).
    pub dedupe_buffer_bytes: u64,
    /// How full a key map may get (`log.cleaner.io.buffer.load.factor`).
    pub dedupe_load_factor: f64,
    /// Memory of the buffers of all threads (`log.cleaner.io.buffer.size`); a batch that is larger gets what it needs.
    pub io_buffer_bytes: u64,
    /// Bytes that all threads read and write a second (`log.cleaner.io.max.bytes.per.second`); infinite = as fast as it goes.
    pub io_bytes_per_second_max: f64,
    /// Pause after a look that found nothing to be done (`log.cleaner.backoff.ms`).
    pub backoff_ms: u64,
}

impl Default for CompactionConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            threads: 1,
            dedupe_buffer_bytes: 128 << 20,
            dedupe_load_factor: 0.9,
            io_buffer_bytes: 512 << 10,
            io_bytes_per_second_max: f64::INFINITY,
            backoff_ms: 15_000,
        }
    }
}
