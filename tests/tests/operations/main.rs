//! What an operator sees of a broker and what it does when its machine lets it down: health, metrics, failed and full disks.
//!
//! Every test runs a whole broker in this process, on a disk in memory, and speaks to its sockets.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_cmp,
    reason = "a test is no broker: it has its own clock, tasks and locks, and compares counts, which are whole numbers"
)]

mod disks;
mod folders;
mod group_metrics;
mod health;
mod house;
mod metrics;
