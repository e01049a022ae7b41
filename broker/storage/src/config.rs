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
#[derive(Debug, Clone, PartialEq, Eq)]
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
