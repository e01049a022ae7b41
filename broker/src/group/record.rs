//! The records of `__consumer_offsets`, in Kafka's formats.
//!
//! Above: the machine, which writes and applies them. Below: the record formats of the protocol. `None` as a value is a
//! tombstone.

use mainstem_protocol::messages::internal::{
    classic_group::{GroupMetadataKey, GroupMetadataValue},
    consumer_group::{
        ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
        ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
        ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey, ConsumerGroupRegularExpressionKey,
        ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberKey,
        ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataKey,
        ConsumerGroupTargetAssignmentMetadataValue,
    },
    offset_commit::{OffsetCommitKey, OffsetCommitValue},
};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupRecord {
    /// A committed offset (types 0 and 1; always written as 1).
    Offset(OffsetCommitKey, Option<OffsetCommitValue>),
    /// A classic group (type 2).
    Classic(GroupMetadataKey, Option<GroupMetadataValue>),
    /// Epoch of a consumer group (type 3).
    Epoch(ConsumerGroupMetadataKey, Option<ConsumerGroupMetadataValue>),
    /// Topics as an older broker saw them (type 4): only ever deleted.
    PartitionMetadata(ConsumerGroupPartitionMetadataKey),
    /// A member of a consumer group (type 5).
    Member(ConsumerGroupMemberMetadataKey, Option<ConsumerGroupMemberMetadataValue>),
    /// Epoch of a target assignment (type 6).
    TargetEpoch(ConsumerGroupTargetAssignmentMetadataKey, Option<ConsumerGroupTargetAssignmentMetadataValue>),
    /// Target assignment of a member (type 7).
    Target(ConsumerGroupTargetAssignmentMemberKey, Option<ConsumerGroupTargetAssignmentMemberValue>),
    /// What a member owns (type 8).
    Current(ConsumerGroupCurrentMemberAssignmentKey, Option<ConsumerGroupCurrentMemberAssignmentValue>),
    /// Topics that a regular expression matched (type 16).
    Regex(ConsumerGroupRegularExpressionKey, Option<ConsumerGroupRegularExpressionValue>),
}
