//! The consumer.

mod options;

pub use options::{ConsumerOptions, IsolationLevel, OffsetReset};
