//! What can go wrong, one enum per family of operations. Above: the broker turns each into an answer in one match.
//!
//! A refused append (too large, fenced, out of space) left no trace. An I/O error has failed the log directory: see
//! [`crate::LogDirectory`].

use mainstem_protocol::model::{LeaderEpoch, Offset};
use std::{io, path::PathBuf};

/// A file operation failed. The directory that it belongs to is failed from then on.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct IoFailure {
    /// What was tried, as a verb.
    pub operation: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl IoFailure {
    /// Whether there was no room for a file that is replaced or written anew: nothing is broken, and it can be tried again.
    pub(crate) fn is_of_space(&self) -> bool {
        self.source.kind() == io::ErrorKind::StorageFull
    }

    /// Whether nothing was changed by what failed, so that it says nothing about other files.
    pub(crate) fn is_of_reading(&self) -> bool {
        ["read", "open", "list", "look at"].contains(&self.operation)
    }
}

/// Bytes of a log that should be valid and are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {position}: {what}", path.display())]
pub struct Damage {
    /// The segment's file.
    pub path: PathBuf,
    /// Where the first wrong byte, or the batch that it belongs to, begins.
    pub position: u64,
    /// What was found there.
    pub what: String,
}

/// Why a log directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("log directory {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// It belongs to another cluster or node.
    #[error("log directory {} belongs to {found}, this node is {expected}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What its `meta.properties` says.
        found: String,
        /// What the configuration says.
        expected: String,
    },
    /// One of its own files cannot be understood, and cannot be rebuilt either.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// Why an operation on a log (other than reading and appending) failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The directory failed earlier and serves no writes; the text says why.
    #[error("log directory failed: {0}")]
    Failed(String),
    /// The log is damaged below what was durable, and waits for repair.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The log was closed or deleted.
    #[error("the log is closed")]
    Closed,
    /// The folder holds a partition of another topic of the same name.
    #[error("the folder {} belongs to topic id {found}, not {expected}", path.display())]
    OtherTopic {
        /// The partition's folder.
        path: PathBuf,
        /// Id in its `partition.metadata`.
        found: String,
        /// Id that was asked for.
        expected: String,
    },
    /// An offset that lies outside what the operation allows.
    #[error("offset {offset} is not in [{low}, {high}]")]
    OutOfRange {
        /// The offset asked for.
        offset: Offset,
        /// Least allowed.
        low: Offset,
        /// Greatest allowed.
        high: Offset,
    },
    /// A leader epoch older than one the log knows.
    #[error("leader epoch {epoch} is older than {current}")]
    FencedEpoch {
        /// The epoch given.
        epoch: LeaderEpoch,
        /// The latest one.
        current: LeaderEpoch,
    },
    /// Readers kept hold of records that are to be cut off. Nothing was changed.
    #[error("readers still hold records beyond offset {0}")]
    Busy(Offset),
    /// The log is being cut; it takes appends again when that is done.
    #[error("the log is being truncated")]
    Truncating,
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log takes no appends: failed directory, damage, closed.
    #[error(transparent)]
    Unavailable(#[from] StorageError),
    /// There is no space; the log is healthy and may have some later.
    #[error("no space left for {0} bytes")]
    NoSpace(u64),
    /// The bytes are not what was promised: one well-formed batch (leader) or whole batches (follower).
    #[error("malformed batch: {0}")]
    Malformed(String),
    /// The batch is larger than a segment.
    #[error("a batch of {len} bytes is larger than the limit of {max}")]
    TooLarge {
        /// Bytes of the batch.
        len: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// The caller's leadership is not the current one.
    #[error("leader epoch {epoch} is not the current {current}")]
    FencedEpoch {
        /// What the caller believed.
        epoch: LeaderEpoch,
        /// What the log knows.
        current: LeaderEpoch,
    },
    /// A follower's batch does not continue its log.
    #[error("the batch begins at {found}, the log ends at {expected}")]
    NotContiguous {
        /// Base offset of the batch.
        found: Offset,
        /// Log end offset.
        expected: Offset,
    },
    /// The producer's sequence, epoch or transaction forbids it.
    #[error(transparent)]
    Producer(#[from] crate::ProducerError),
    /// A partition has used up its 2^63 offsets.
    #[error("the offsets of this partition are used up")]
    OffsetsExhausted,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is below the log start or above the log end.
    #[error("offset {offset} is outside of [{log_start}, {log_end}]")]
    OutOfRange {
        /// The offset asked for.
        offset: Offset,
        /// First offset of the log.
        log_start: Offset,
        /// Offset that the next record will get.
        log_end: Offset,
    },
    /// The log holds bytes that are not batches. A leader should step down.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl From<ReadError> for StorageError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::OutOfRange { offset, log_start, log_end } => {
                Self::OutOfRange { offset, low: log_start, high: log_end }
            }
            ReadError::Damaged(damage) => Self::Damaged(damage),
            ReadError::Io(failure) => Self::Io(failure),
        }
    }
}

/// Adds what was tried on which path to an I/O error.
pub(crate) trait Context<T> {
    fn or_failure(self, operation: &'static str, path: &std::path::Path) -> Result<T, IoFailure>;
}

impl<T> Context<T> for io::Result<T> {
    fn or_failure(self, operation: &'static str, path: &std::path::Path) -> Result<T, IoFailure> {
        self.map_err(|source| IoFailure { operation, path: path.to_owned(), source })
    }
}
