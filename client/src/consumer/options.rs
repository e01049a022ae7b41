//! How a consumer behaves.

use std::time::Duration;

use super::group::GroupOptions;
use crate::properties::ConfigError;

/// Which records a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// All below the high watermark.
    #[default]
    ReadUncommitted,
    /// Those outside transactions and of committed ones, below the first open transaction.
    ReadCommitted,
}

impl IsolationLevel {
    pub(crate) const fn wire(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// Where to go when there is no position to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// Go on at the first record.
    Earliest,
    /// Go on at the end.
    #[default]
    Latest,
    /// Go on at the first record with this timestamp or a later one (milliseconds since the Unix epoch).
    Timestamp(i64),
    /// Go on at the first record that is at most so old (KIP-1106).
    Ago(Duration),
    /// Report an error.
    Fail,
}

/// How a consumer behaves. The defaults are those of Kafka's Java client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Which records are seen.
    pub isolation: IsolationLevel,
    /// Where a partition starts that was assigned without a start, and for which the group has no position.
    pub offset_reset: OffsetReset,
    /// What happens when a position lies outside the log, or behind the point where the log was truncated. The property
    /// `auto.offset.reset` sets this and [`ConsumerOptions::offset_reset`] alike.
    pub out_of_range: OffsetReset,
    /// Wanted bound of one answer, in bytes, and about the most that one poll hands out.
    pub fetch_max_bytes: i32,
    /// A broker answers as soon as it has so many bytes.
    pub fetch_min_bytes: i32,
    /// Longest wait of a broker for them.
    pub fetch_max_wait: Duration,
    /// Wanted bound of one partition's part of an answer, in bytes.
    pub partition_max_bytes: i32,
    /// Bytes of answers that wait to be handed out or are under way, over all brokers. Only a single batch that is larger
    /// than what is free passes it.
    pub buffer_bytes: usize,
    /// Most bytes that one batch may decompress to. They come on top of [`ConsumerOptions::buffer_bytes`], for one batch of
    /// those that wait at a time, and for as long as records of it are held.
    pub decompressed_bytes_max: usize,
    /// Whether the CRC of each batch is checked.
    pub check_crc: bool,
    /// Whether a missing topic may be created by asking for it.
    pub create_topics: bool,
    /// Rack of the reader, so that the leader can name a nearer replica; empty = not told.
    pub rack: String,
    /// Whether control records (the ends of transactions) are handed out.
    pub control_records: bool,
    /// Membership in a group.
    pub group: GroupOptions,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            isolation: IsolationLevel::ReadUncommitted,
            offset_reset: OffsetReset::Latest,
            out_of_range: OffsetReset::Latest,
            fetch_max_bytes: 50 << 20,
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            partition_max_bytes: 1 << 20,
            buffer_bytes: 64 << 20,
            decompressed_bytes_max: 256 << 20,
            check_crc: true,
            create_topics: false,
            rack: String::new(),
            control_records: false,
            group: GroupOptions::default(),
        }
    }
}

impl ConsumerOptions {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.fetch_max_bytes <= 0 || self.partition_max_bytes <= 0 {
            return Err(ConfigError::Combination(
                "fetch.max.bytes and max.partition.fetch.bytes must be at least 1",
            ));
        }
        if self.fetch_min_bytes < 0 {
            return Err(ConfigError::Combination("fetch.min.bytes must not be negative"));
        }
        self.group.check()?;
        if self.buffer_bytes == 0 {
            return Err(ConfigError::Combination("a consumer needs room for at least one byte"));
        }
        Ok(())
    }
}
