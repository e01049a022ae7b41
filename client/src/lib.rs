//! The client library for Apache Kafka and Mainstem.

pub mod format;
