//! The runtime of coordinators: event-sourced state machines over the partitions of an internal topic.
//!
//! One shard for each partition that this broker leads. A shard is loaded by replaying its partition, decides purely,
//! appends, applies what it appended, and answers when the high watermark has passed it. Any failure after a decision
//! unloads the shard: state is never patched back.
//!
//! Above: the room `group`, whose machine runs here; handlers, which call it. Below: `partition`, `metadata`, `env`.
//!
//! In reading order: `machine` (the contract), `serving` (a loaded shard), `shard` (its life), `load` (its replay), `runtime`
//! (all of them), `pending` (a request on its way), `refusal`; pure parts: `place`, `timers`, `batch`.

mod batch;
mod load;
mod machine;
mod pending;
mod place;
mod refusal;
mod runtime;
mod serving;
mod shard;
mod timers;

#[cfg(test)]
pub(crate) use load::replayed;
pub(crate) use machine::{Machine, Step, Surroundings, Ticket, Written};
pub(crate) use pending::Pending;
pub(crate) use refusal::Refusal;
pub(crate) use runtime::{Coordinator, CoordinatorOptions};
