//! Record batch v2 (magic 2): header, records, builder, compression.
//!
//! A batch is the unit of append, CRC, compression and fetch. Brokers pass its bytes on as they came.
//!
//! Reading order: `header`, `batch` (a whole batch, and many in a row), `record` (what is in it), `walk` (the same
//! without keeping it), `produced` (what a client may write), `builder`, `control`, `patch`, [`compression`], `error`,
//! `varint`.

mod batch;
mod builder;
pub mod compression;
mod control;
mod error;
mod header;
mod patch;
mod produced;
mod record;
mod varint;
mod walk;

pub use batch::{Batches, RecordBatch, batches};
pub use builder::{BatchBuilder, BatchOptions, BuildError, ProducerFields, record_len_upper_bound};
pub use control::{ControlRecord, ControlType};
pub use error::{BatchError, CompressError, DecompressError, RecordFault};
pub use header::{BatchHeader, Compression, HeaderError, TimestampType};
pub use patch::{patch_base_offset_and_epoch, set_log_append_time, set_max_timestamp, set_producer};
pub use produced::{ProduceLimits, ProducedBatch, check_produced};
pub use record::{Header, Headers, Record, RecordIter, RecordMark, Records};
pub use walk::RecordSummary;
