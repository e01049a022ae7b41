//! Proofs about files: what Kafka wrote is read as Kafka reads it, and what a crash leaves is found again.
//!
//! One binary. `fixtures` holds Kafka's directories; each other module proves one thing and says which at its top.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking, and their numbers are small"
)]

mod arbitrary;
mod compacted;
mod compaction;
mod compaction_crash;
mod crash;
mod creation;
mod damage;
mod directory;
mod faults;
mod fixtures;
mod kafka_directories;
mod kafka_files;
mod machine;
mod model;
mod sidecars;
mod truncation;
