//! Online migration between the two protocols, one member at a time (`group.consumer.migration.policy`).
//!
//! Above: the machine of groups. Below: the rest of this room. `upgrade`: the first member that uses heartbeats turns a
//! classic group into a consumer group; `classic_member`: the others stay in it by the classic protocol until they are
//! restarted; `downgrade`: the way back. `embedded`: what classic consumers tell in bytes of their own.
//!
//! Each way is one batch: tombstones of the one kind, then the records of the other. Read back at any point of the log the
//! group is of one kind.

mod classic_member;
mod downgrade;
mod embedded;
pub(crate) mod upgrade;
