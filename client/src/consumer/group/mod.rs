//! Consumer groups: who reads which partition, and how far the group has come.
//!
//! A group's state lives in two pure machines, one for each protocol: `classic` (a member computes the assignment) and
//! `modern` (the broker does, KIP-848). Each takes answers and moments, and gives steps: a request to send, partitions to
//! hand to the user or to take back, or a moment to wait for. A task, the driver, does what they say, so that heartbeats go
//! out while the user works. Partitions change hands only inside `poll` or `allow_rebalance`: the task puts an offer on
//! the `desk`, and the consumer takes it from there.
//!
//! Reading order: `options` and `listener` (what the user sets), `assignor`, `blob`, `handover`, `finding`, `classic`,
//! `modern` (pure); `book` (which offsets may be committed, pure), `offsets` (their requests); `desk`, `driver`, and
//! `membership` (the consumer's side).

pub mod assignor;
pub(crate) mod blob;
mod book;
mod classic;
mod desk;
mod driver;
mod finding;
mod handover;
mod listener;
mod membership;
mod modern;
pub(crate) mod offsets;
mod options;
#[cfg(test)]
mod tests;
mod topics;

pub use book::{Committed, OffsetAndMetadata};
pub use desk::CommitError;
pub use listener::RebalanceListener;
pub(crate) use membership::Change;
pub use membership::GroupMetadata;
pub(super) use membership::Membership;
pub use options::{Commits, GroupOptions, GroupProtocol, Leaving};
