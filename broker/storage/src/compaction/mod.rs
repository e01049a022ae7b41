//! Compaction: of each key a log keeps the last record, and what replaced it goes (`cleanup.policy=compact`).
//!
//! Above: the directory, which chooses the log and lends a thread. Below: the log, which exchanges segments for their
//! successors while everybody reads on. Reading order: `plan` (what, and whether it is worth it), `offset_map` (last offset
//! of each key), `transactions` and `filter` (what stays of a batch), `source` and `output` (reading and writing segments),
//! `pass` (one log, once), `budget` (how fast).
//!
//! What a reader can rely on: offsets never change, order never changes, the last record of each key stays, and a tombstone
//! stays for `delete.retention.ms` after the first pass that met it. Replicas compact on their own: their bytes differ, what
//! a reader learns does not.

pub(crate) mod budget;
mod filter;
mod offset_map;
pub(crate) mod output;
pub(crate) mod pass;
pub(crate) mod plan;
mod source;
mod transactions;

pub(crate) use filter::{LastOfProducer, LastOfProducers};

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionStats {
    /// Bytes that were read: the dirty part for its keys, then everything.
    pub bytes_read: u64,
    /// Bytes of batches that were written.
    pub bytes_written: u64,
    /// Records that were looked at in the copy.
    pub records_read: u64,
    /// Records that stayed.
    pub records_kept: u64,
    /// Records without a key, which a compacted log should not have; none of them stays.
    pub keyless_records: u64,
}

/// How a pass ended, for whoever counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionOutcome {
    /// The log is compacted as far as the pass meant to.
    Compacted,
    /// The log was cut or closed meanwhile, or the directory is closing; a later pass goes on.
    Aborted,
    /// There was no room for the output; tried again later.
    NoSpace,
    /// The log holds damage. It is left alone until the next start.
    Uncleanable,
}

/// Sees compaction at work. How long a pass took is for the observer to find out: storage knows no clock.
pub trait CompactionObserver: Send + Sync {
    /// A pass begins on this thread; what is returned is handed to its end.
    fn begins(&self) -> u64;
    /// The pass that `began` is over.
    fn ended(&self, began: u64, outcome: CompactionOutcome, stats: &CompactionStats);
    /// The logs were looked at: how dirty the dirtiest is, how long the most overdue one is overdue, and how many are left alone
    /// since they cannot be compacted.
    fn looked(&self, dirty_ratio_max: f64, overdue_ms_max: i64, uncleanable: usize);
}
