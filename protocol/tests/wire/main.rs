//! The codec against Kafka's own schemas and bytes, against values made from our schemas, and against hostile input.
//!
//! In reading order: `registry` (every message, type-erased), `json` (a second codec that reads schemas at run time),
//! `schemas` (ours equal Kafka's), `vectors` and `captures` (bytes that Kafka and its clients wrote), `values`,
//! `round_trip`, `hostile` (bytes that lie). The data and its origin: `tests/data/kafka-4.3.1/ORIGIN.md`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it left out"
)]

mod captures;
mod data;
mod error_codes;
mod hostile;
mod json;
mod registry;
mod round_trip;
mod schemas;
mod values;
mod vectors;
