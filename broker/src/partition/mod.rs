//! Partitions as this broker holds them: the waist between handlers and logs.
//!
//! Above: handlers, replication, coordinators. Below: `metadata` (who leads what), the crate `storage` (the logs).
//!
//! In reading order: `replica` (one partition: append, read, offsets), `isr` (when is a record committed), `waiters` (who
//! waits for that), `produced` (may a client's batch enter), `directory` (what partitions share with those beside them),
//! `offline` (logs that cannot be used), `partitions` (all of them), `apply` (how they follow the metadata), `strays` (folders of none
//! of them).

mod apply;
mod directory;
mod isr;
mod log_config;
mod offline;
mod partitions;
mod produced;
mod replica;
mod strays;
#[cfg(test)]
mod tests;
mod waiters;

pub(crate) use directory::Directory;
pub(crate) use partitions::{LookupError, Partitions};
pub(crate) use produced::{RefusedBatch, prepare_produced};
pub(crate) use replica::{AppendRefusal, ByteRegistration, LeaderAppend, NotLeader, Partition, ReadRefusal};
pub(crate) use waiters::ByteWait;
