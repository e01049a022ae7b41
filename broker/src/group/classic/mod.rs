//! Classic consumer groups: members join, the coordinator picks a leader and a protocol, the leader hands in the
//! assignment, and everyone takes its part. Any kind of group (consumers, Connect workers) goes this way; the coordinator
//! does not read what the members tell one another.
//!
//! ```text
//!            first member            initial delay over            leader's SyncGroup
//!    Empty ---------------> PreparingRebalance ---------> CompletingRebalance ---------> Stable
//!      ^                      |    ^   ^  all joined, or         |                        |
//!      +----- nobody left ----+    |   |  rebalance timeout      |                        |
//!                                  |   +--- a member is missing -+                        |
//!                                  +---- a member comes, goes or changes -----------------+
//! ```
//! Above: the machine of groups, which finds the group and applies records; `consumer`, which takes groups over and gives
//! them back (online migration). Below: the messages, `coordinator`. Pure: time and settings come with each event.
//!
//! Only Empty and Stable are in the log (one record a group). Everything else, and every waiting request, is soft: after a
//! reload the last stable generation stands again, its members have their whole session, and those that were about to
//! rebalance are told to join again. A failed append unloads the shard, so a decision may change this value at once.
//!
//! Reading order: [`group`] (the value and its small questions), [`member`], [`members`], [`refuse`] (before there is a
//! group), [`join`], [`fixed`] (static members), [`rebalance`], [`sync`], [`live`] (heartbeats, leaving, silence), [`offsets`] (what
//! commits ask), [`record`], [`view`], [`handover`] (online migration).

mod answer;
mod fixed;
mod group;
mod handover;
mod join;
mod live;
mod member;
mod members;
mod offsets;
mod rebalance;
mod record;
pub(crate) mod refuse;
mod sync;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use group::{ClassicGroup, ClassicState};
