//! Record batches from outside: bytes that Kafka wrote, rules one by one, properties, hostile compressed data.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic, helpers too")]

mod golden;
mod limits;
mod properties;
mod rules;
