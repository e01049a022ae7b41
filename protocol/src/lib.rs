//! The Apache Kafka wire protocol, version level 4.3: bytes to meaning and back.
//!
//! No I/O, no async, no clock, and no allocation whose size a peer chose unchecked.
//!
//! Reading order: [`model`] (the words: offsets, epochs, ids), `wire` (reader and writer with their budgets),
//! `messages` (one file per API), [`records`] (record batch v2 and compression).

pub mod model;
pub mod records;
