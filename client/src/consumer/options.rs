//! How a consumer behaves.

use std::time::Duration;

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

/// What to do when a position lies outside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// Go on at the first record.
    Earliest,
    /// Go on at the end.
    #[default]
    Latest,
    /// Report an error.
    Fail,
}

/// How a consumer behaves. The defaults are those of Kafka's Java client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Which records are seen.
    pub isolation: IsolationLevel,
    /// What happens when a position lies outside the log.
    pub offset_reset: OffsetReset,
    /// Wanted bound of one answer, in bytes.
    pub fetch_max_bytes: i32,
    /// A broker answers as soon as it has so many bytes.
    pub fetch_min_bytes: i32,
    /// Longest wait of a broker for them.
    pub fetch_max_wait: Duration,
    /// Wanted bound of one partition's part of an answer, in bytes.
    pub partition_max_bytes: i32,
    /// Most bytes that one batch may decompress to.
    pub decompressed_bytes_max: usize,
    /// Whether the CRC of each batch is checked.
    pub check_crc: bool,
    /// Whether a missing topic may be created by asking for it.
    pub create_topics: bool,
    /// Rack of the reader; empty = not told.
    pub rack: String,
    /// Whether control records (the ends of transactions) are handed out.
    pub control_records: bool,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            isolation: IsolationLevel::ReadUncommitted,
            offset_reset: OffsetReset::Latest,
            fetch_max_bytes: 50 << 20,
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            partition_max_bytes: 1 << 20,
            decompressed_bytes_max: 256 << 20,
            check_crc: true,
            create_topics: false,
            rack: String::new(),
            control_records: false,
        }
    }
}
