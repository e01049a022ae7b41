//! Counters of one topic, raised where records pass and read at scrape time.
//!
//! Above: `partition` and the handlers of Produce and Fetch. Plain integers: each is a statistic of its own, so relaxed
//! order suffices.

use std::sync::atomic::{AtomicU64, Ordering};

/// What passed through the partitions of a topic on this broker since it started.
#[derive(Debug, Default)]
pub struct TopicTraffic {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    bytes_rejected: AtomicU64,
    records_in: AtomicU64,
    produce_errors: AtomicU64,
    fetch_errors: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of batches that were appended.
    pub bytes_in: u64,
    /// Bytes of batches that consumers fetched.
    pub bytes_out: u64,
    /// Bytes of batches that were refused.
    pub bytes_rejected: u64,
    /// Records that were appended.
    pub records_in: u64,
    /// Partitions of Produce requests that were answered with an error.
    pub produce_errors: u64,
    /// Partitions of Fetch requests that were answered with an error.
    pub fetch_errors: u64,
}

impl TopicTraffic {
    /// A batch was appended.
    pub fn appended(&self, bytes: u64, records: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
        self.records_in.fetch_add(records, Ordering::Relaxed);
    }

    /// A batch was refused.
    pub fn rejected(&self, bytes: u64) {
        self.bytes_rejected.fetch_add(bytes, Ordering::Relaxed);
        self.produce_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch was appended, and its producer was answered with an error all the same: it was not committed in time.
    pub fn produce_failed(&self) {
        self.produce_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes were handed to a consumer.
    pub fn fetched(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A fetch of a partition was answered with an error.
    pub fn fetch_failed(&self) {
        self.fetch_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn read(&self) -> Traffic {
        Traffic {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            bytes_rejected: self.bytes_rejected.load(Ordering::Relaxed),
            records_in: self.records_in.load(Ordering::Relaxed),
            produce_errors: self.produce_errors.load(Ordering::Relaxed),
            fetch_errors: self.fetch_errors.load(Ordering::Relaxed),
        }
    }
}
