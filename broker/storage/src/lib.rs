//! The files of a partition: log, indexes, sidecars, recovery, and the log directory that holds them.
//!
//! Synchronous: no sockets, no async runtime, no clock; the time comes in as an argument. Above: the broker's partitions,
//! and its network code for the slices it sends. Below: the file system, through the seam [`fs`].
//!
//! In reading order: [`fs`] and `mmap` (the machine); `segment` (one file of batches with its indexes); `log` (a chain of
//! them); [`epoch_cache`] (leader epochs), [`producer_state`] and [`txn_index`] (idempotence and transactions); [`seal`]
//! (finished segments), [`retention`] (what may go), `compaction` (what was replaced goes); [`checkpoint`] and [`mod@format`] (small files); `recovery`; `directory`.

pub mod checkpoint;
mod compaction;
mod config;
mod directory;
pub mod epoch_cache;
mod error;
pub mod format;
pub mod fs;
mod log;
mod mmap;
pub mod producer_state;
mod recovery;
pub mod retention;
pub mod seal;
mod segment;
pub mod txn_index;

pub use compaction::{CompactionObserver, CompactionOutcome, CompactionStats};
pub use config::{CompactionConfig, Durability, LogCompaction, LogConfig};
pub use directory::{
    DirectoryState, DiskSpace, FlushObserver, LogDirectory, LogDirectoryOptions, SpaceLimits, WantedLog,
};
pub use epoch_cache::{EpochEndOffset, EpochEntry};
pub use error::{AppendError, Damage, IoFailure, OpenError, ReadError, StorageError};
pub use log::{
    AppendContext, Appended, FileSlice, Log, LogOffsets, LogRead, ReadBound, TimestampedOffset,
    TruncationFloor,
};
pub use mmap::{Published, View};
pub use producer_state::{AppendOrigin, ProducerEntry, ProducerError, VerificationGuard};
pub use recovery::{Finding, Recovery};
pub use segment::{HandleUsage, Handles};
pub use txn_index::AbortedTxn;

/// A length in memory as a length in a file. `usize` is at most 64 bits wide on every platform there is.
const fn bytes_of(len: usize) -> u64 {
    len as u64
}
