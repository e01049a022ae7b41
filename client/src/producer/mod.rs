//! The producer.

mod options;

pub use options::{Acks, Partitioner, ProducerOptions};
