//! Partitions as this broker holds them: the waist between handlers and logs.
//!
//! Above: handlers, replication, coordinators. Below: `metadata` (who leads what), the crate `storage` (the logs).
//!
//! In reading order: `replica` (one partition: append, read, offsets), `isr` (when is a record committed), `waiters` (who
//! waits for that), `produced` (may a client's batch enter), `partitions` (all of them, following the metadata).

mod isr;
mod log_config;
mod partitions;
mod produced;
mod replica;
mod waiters;

pub(crate) use partitions::{LookupError, Partitions};
pub(crate) use produced::{RefusedBatch, prepare_produced};
pub(crate) use replica::{AppendRefusal, ByteRegistration, LeaderAppend, NotLeader, Partition, ReadRefusal};
pub(crate) use waiters::ByteWait;
