//! What committed offsets ask of a consumer group. Above: the machine of groups. Below: the state of the group.

use super::{ConsumerGroup, Epoch, member::Member};
use mainstem_protocol::{
    error::ErrorCode,
    model::{PartitionIndex, TopicId},
};

/// OffsetCommit carries a member epoch from this version on.
const MEMBER_EPOCH_VERSION: i16 = 9;

impl ConsumerGroup {
    /// Whether a commit is accepted, as a whole. A member that has not yet heard of its present epoch may commit what it
    /// has held since: its partitions have the epoch in which it got them (KIP-1251).
    pub(crate) fn check_commit(
        &self,
        member_id: &str,
        member_epoch: i32,
        version: i16,
        partitions: &[(TopicId, PartitionIndex)],
    ) -> Result<(), ErrorCode> {
        let epoch = Epoch(member_epoch);
        if epoch < Epoch(0) && self.state.members().is_empty() {
            return Ok(());
        }
        let member = self.state.member(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !member.uses_classic_protocol() && version < MEMBER_EPOCH_VERSION {
            return Err(ErrorCode::UnsupportedVersion);
        }
        let current = &member.current;
        let has_held = |(topic, partition): &(TopicId, PartitionIndex)| {
            let since = current.assigned.epoch_of(*topic, *partition);
            let since = since.or_else(|| current.pending_revocation.epoch_of(*topic, *partition));
            since.is_some_and(|since| since <= epoch)
        };
        let accepted = epoch == current.epoch || (epoch < current.epoch && partitions.iter().all(has_held));
        if accepted { Ok(()) } else { Err(wrong_epoch(member)) }
    }

    /// Whether a member reads offsets in its present epoch; without a member nothing is checked.
    pub(crate) fn check_fetch(&self, member_id: Option<&str>, member_epoch: i32) -> Result<(), ErrorCode> {
        let Some(member_id) = member_id else {
            return if member_epoch < 0 { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        };
        let member = self.state.member(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if Epoch(member_epoch) == member.current.epoch { Ok(()) } else { Err(wrong_epoch(member)) }
    }

    /// Whether the group subscribes to a topic, by name or by an expression that matched it: then its offsets are in use.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.state.subscriptions().names(topic)
    }
}

fn wrong_epoch(member: &Member) -> ErrorCode {
    if member.uses_classic_protocol() { ErrorCode::IllegalGeneration } else { ErrorCode::StaleMemberEpoch }
}
