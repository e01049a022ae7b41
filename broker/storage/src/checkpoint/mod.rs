//! The small files of a log directory and of a partition folder, as values: to bytes and back.
//!
//! Above: the log directory and recovery, which read them with `fs::read_small` and replace them with `fs::replace_small`
//! (temporary file, sync, rename, sync of the folder; never edited in place). Below: nothing. No I/O.
//!
//! Kafka's: [`offsets`] (four text checkpoints), [`meta_properties`], [`partition_metadata`], [`kafka_clean`]. Ours:
//! [`clean`] (proof of a clean shutdown), [`durable`] (how far each log is known to be on disk). [`text`] is the frame that
//! Kafka's text checkpoints share.

pub mod clean;
pub mod durable;
pub mod kafka_clean;
pub mod meta_properties;
pub mod offsets;
pub mod partition_metadata;
pub(crate) mod text;
