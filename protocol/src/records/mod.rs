//! Record batch v2 (magic 2): header, records, builder, compression.
//!
//! A batch is the unit of append, CRC, compression and fetch. Brokers pass its bytes on as they came.

mod header;

pub use header::{BatchHeader, Compression, HeaderError, TimestampType};
