//! The next step of one member towards the target assignment: pure, over values.
//!
//! Above: heartbeats. Below: sets of partitions.
//!
//! ```text
//!                 has to give up partitions               gave them up
//!   stable ----------------------------> unrevoked -----------------------+
//!     |  ^                                 (old epoch)                     |
//!     |  |       all its partitions are free                               v
//!     |  +----------------------------- unreleased <---- some of its partitions are still held by others
//!     |                                   (target epoch)
//!     +-> nothing to give up: target epoch at once
//! ```
//! A partition changes hands only here: it leaves a member when the member no longer names it among those that it owns,
//! and goes to the next one when nobody holds it. So no two members ever hold it at once.

use super::{
    Epoch, Refused,
    member::{Current, MemberState},
    partitions::{Held, Partitions},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::consumer_group_heartbeat::TopicPartitions,
    model::{PartitionIndex, TopicId},
};
use std::{collections::BTreeSet, sync::Arc};

/// What a step depends on besides the member itself.
pub(super) struct Goal<'a> {
    pub(super) target_epoch: Epoch,
    pub(super) target: &'a Partitions,
    /// Topics that the member subscribes to, as far as they exist: it keeps and gets nothing else, whatever the target says.
    pub(super) subscribed: &'a BTreeSet<TopicId>,
    /// Whether this very heartbeat changed them.
    pub(super) subscription_changed: bool,
    /// What the member says it owns; `None` = it does not say.
    pub(super) owned: Option<&'a [TopicPartitions]>,
    /// Whether anybody holds a partition, this member included.
    pub(super) is_held: &'a dyn Fn(TopicId, PartitionIndex) -> bool,
}

impl Goal<'_> {
    /// Where the member is after this step; the same as before if it cannot move.
    pub(super) fn next(&self, current: &Current) -> Result<Current, Refused> {
        let may_advance = match current.state {
            MemberState::Stable => current.epoch != self.target_epoch,
            MemberState::UnrevokedPartitions => !self.owns_any(&current.pending_revocation),
            MemberState::UnreleasedPartitions => true,
            MemberState::Unknown if self.owned.is_some_and(<[_]>::is_empty) => true,
            MemberState::Unknown => {
                return Err(Refused::new(
                    ErrorCode::FencedMemberEpoch,
                    "The consumer group member is in a unknown state. The member must abandon all its partitions and \
                     rejoin.",
                ));
            }
        };
        Ok(if may_advance {
            self.advance(current)
        } else if self.subscription_changed {
            self.narrow(current)
        } else {
            current.clone()
        })
    }

    /// Towards the target, as far as others allow it.
    fn advance(&self, current: &Current) -> Current {
        let (mut assigned, revoked) = current.assigned.split(|topic, partition| self.wants(topic, partition));
        if !revoked.is_empty() && self.owns_any(&revoked) {
            return Current {
                epoch: current.epoch,
                previous_epoch: current.epoch,
                state: MemberState::UnrevokedPartitions,
                assigned: Arc::new(assigned),
                pending_revocation: Arc::new(revoked),
            };
        }
        let mut unreleased = false;
        for (topic, partition) in self.target.iter() {
            if !self.subscribed.contains(&topic) || assigned.contains(topic, partition) {
                continue;
            }
            // What this member was to give up itself waits for nobody.
            if (self.is_held)(topic, partition) && !current.pending_revocation.contains(topic, partition) {
                unreleased = true;
            } else {
                assigned.insert(topic, partition, self.target_epoch);
            }
        }
        Current {
            epoch: self.target_epoch,
            previous_epoch: current.epoch,
            state: if unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable },
            assigned: Arc::new(assigned),
            pending_revocation: Arc::default(),
        }
    }

    /// Only what the member no longer subscribes to is taken from it.
    fn narrow(&self, current: &Current) -> Current {
        let (assigned, revoked) = current.assigned.split(|topic, _| self.subscribed.contains(&topic));
        if revoked.is_empty() {
            return current.clone();
        }
        let mut pending_revocation = Held::clone(&current.pending_revocation);
        pending_revocation.extend(&revoked);
        let narrowed =
            Current { previous_epoch: current.epoch, assigned: Arc::new(assigned), ..current.clone() };
        if self.owns_any(&pending_revocation) {
            Current {
                state: MemberState::UnrevokedPartitions,
                pending_revocation: Arc::new(pending_revocation),
                ..narrowed
            }
        } else {
            // It has given them up already.
            narrowed
        }
    }

    fn wants(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.subscribed.contains(&topic)
            && self.target.of(topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// Whether the member still owns some of these; it does as long as it does not say.
    fn owns_any(&self, held: &Held) -> bool {
        self.owned.is_none_or(|topics| {
            topics.iter().any(|topic| {
                topic
                    .partitions
                    .iter()
                    .any(|partition| held.contains(topic.topic_id, PartitionIndex(*partition)))
            })
        })
    }
}
