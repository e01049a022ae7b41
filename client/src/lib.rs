//! The client library for Apache Kafka and Mainstem.
//!
//! [`Kafka`] is the handle that everything is made from: [`Admin`], producers, consumers. It speaks to every
//! broker of Kafka's protocol from Kafka 2.1 on. Nothing is sent before the first call; every task ends at `close`.
//!
//! Reading order: [`kafka`](Kafka), `cluster` (who leads what, connections), [`connection`] (one socket), [`retry`] (what
//! an error code means), [`admin`], [`producer`], [`consumer`], [`process`] (handlers over the records of a group), [`properties`],
//! [`mod@format`] (record format language, no I/O).

pub mod admin;
pub mod cluster;
pub mod connection;
pub mod consumer;
#[cfg(test)]
mod dice;
mod error;
#[cfg(test)]
mod fake;
pub mod format;
mod kafka;
pub mod process;
pub mod producer;
pub mod properties;
pub mod retry;
mod runtime;

pub use admin::Admin;
pub use error::{BrokerError, Error};
pub use kafka::{Kafka, KafkaBuilder};
pub use runtime::Spawn;
