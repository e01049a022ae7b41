//! The files of a partition: log, indexes, sidecars, recovery, and the log directory that holds them.
//!
//! Synchronous: no sockets, no async runtime, no clock; the time comes in as an argument. Above: the broker's partitions,
//! and its network code for the slices it sends. Below: the file system, through the seam [`fs`].
//!
//! In reading order: [`fs`] and `mmap` (the machine); [`epoch_cache`] (leader epochs), [`producer_state`] and
//! [`txn_index`] (idempotence and transactions); [`seal`] (finished segments), [`retention`] (what may
//! go); [`checkpoint`] and [`format`] (small files).

pub mod checkpoint;
pub mod epoch_cache;
pub mod format;
pub mod fs;
mod mmap;
pub mod producer_state;
pub mod retention;
pub mod seal;
pub mod txn_index;

pub use mmap::{Published, View};

/// A length in memory as a length in a file. `usize` is at most 64 bits wide on every platform there is.
const fn bytes_of(len: usize) -> u64 {
    len as u64
}
