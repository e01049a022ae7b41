//! The records that a consumer group writes, with nothing decided about when. Above: every decision. Below: the formats.

use super::{
    Epoch,
    member::{Current, MemberMetadata},
    partitions::Partitions,
    regex::ResolvedRegex,
};
use crate::group::GroupRecord;
use mainstem_protocol::{
    message::Message,
    messages::{
        GroupId,
        internal::consumer_group::{
            ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupMemberMetadataKey,
            ConsumerGroupMetadataKey, ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey,
            ConsumerGroupRegularExpressionKey, ConsumerGroupTargetAssignmentMemberKey,
            ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataKey,
            ConsumerGroupTargetAssignmentMetadataValue,
        },
    },
    model::Timestamp,
    wire::WireStr,
};

/// What a record costs in a batch besides key and value, at most: lengths, deltas, type and version.
const RECORD_OVERHEAD: usize = 32;

/// What a batch costs besides its records.
const BATCH_OVERHEAD: usize = 64;

/// Bytes of the batch of these records, or a little more.
pub(super) fn batch_size(records: &[GroupRecord]) -> usize {
    let size = |record: &GroupRecord| RECORD_OVERHEAD.saturating_add(size_of_record(record));
    if records.is_empty() {
        0
    } else {
        records.iter().map(size).sum::<usize>().saturating_add(BATCH_OVERHEAD)
    }
}

fn size_of_record(record: &GroupRecord) -> usize {
    fn pair(key: &impl Message, value: Option<&impl Message>) -> usize {
        // What cannot be encoded does not fit either.
        let key = key.encoded_len(0).unwrap_or(usize::MAX / 2);
        key.saturating_add(value.map_or(0, |value| value.encoded_len(0).unwrap_or(usize::MAX / 2)))
    }
    match record {
        GroupRecord::Epoch(key, value) => pair(key, value.as_ref()),
        GroupRecord::PartitionMetadata(key) => pair(key, None::<&ConsumerGroupMetadataValue>),
        GroupRecord::Member(key, value) => pair(key, value.as_ref()),
        GroupRecord::TargetEpoch(key, value) => pair(key, value.as_ref()),
        GroupRecord::Target(key, value) => pair(key, value.as_ref()),
        GroupRecord::Current(key, value) => pair(key, value.as_ref()),
        GroupRecord::Regex(key, value) => pair(key, value.as_ref()),
        // Written by others, in versions of their own choice.
        GroupRecord::Offset(..) | GroupRecord::Classic(..) => 0,
    }
}

/// Records of one group, in the order in which they are to be appended.
pub(super) struct Records {
    group_id: GroupId,
    list: Vec<GroupRecord>,
}

impl Records {
    pub(super) fn of(group_id: &str) -> Self {
        Self { group_id: group_id.into(), list: Vec::new() }
    }

    pub(super) fn list(&self) -> &[GroupRecord] {
        &self.list
    }

    pub(super) fn into_list(self) -> Vec<GroupRecord> {
        self.list
    }

    /// Records that come from elsewhere, at this place of the order.
    pub(super) fn append(&mut self, records: Vec<GroupRecord>) {
        self.list.extend(records);
    }

    pub(super) fn epoch(&mut self, epoch: Epoch, metadata_hash: i64) {
        let value = ConsumerGroupMetadataValue { epoch: epoch.get(), metadata_hash };
        self.list.push(GroupRecord::Epoch(self.group_key(), Some(value)));
    }

    pub(super) fn member(&mut self, member_id: &str, metadata: &MemberMetadata) {
        self.list.push(GroupRecord::Member(self.member_key(member_id), Some(metadata.to_record())));
    }

    pub(super) fn target(&mut self, member_id: &str, target: &Partitions) {
        let value = ConsumerGroupTargetAssignmentMemberValue { topic_partitions: target.to_record() };
        self.list.push(GroupRecord::Target(self.target_key(member_id), Some(value)));
    }

    pub(super) fn target_epoch(&mut self, epoch: Epoch, computed: Timestamp) {
        let value = ConsumerGroupTargetAssignmentMetadataValue {
            assignment_epoch: epoch.get(),
            assignment_timestamp: computed.get(),
        };
        self.list.push(GroupRecord::TargetEpoch(self.target_epoch_key(), Some(value)));
    }

    pub(super) fn current(&mut self, member_id: &str, current: &Current) {
        self.list.push(GroupRecord::Current(self.current_key(member_id), Some(current.to_record())));
    }

    pub(super) fn regex(&mut self, regex: &WireStr, resolved: &ResolvedRegex) {
        self.list.push(GroupRecord::Regex(self.regex_key(regex), Some(resolved.to_record())));
    }

    pub(super) fn delete_regex(&mut self, regex: &WireStr) {
        self.list.push(GroupRecord::Regex(self.regex_key(regex), None));
    }

    pub(super) fn delete_current(&mut self, member_id: &str) {
        self.list.push(GroupRecord::Current(self.current_key(member_id), None));
    }

    pub(super) fn delete_target(&mut self, member_id: &str) {
        self.list.push(GroupRecord::Target(self.target_key(member_id), None));
    }

    pub(super) fn delete_member(&mut self, member_id: &str) {
        self.list.push(GroupRecord::Member(self.member_key(member_id), None));
    }

    /// All that is kept of one member.
    pub(super) fn remove_member(&mut self, member_id: &str) {
        self.delete_current(member_id);
        self.delete_target(member_id);
        self.delete_member(member_id);
    }

    /// All that is kept of a group with these members and expressions. Above the record of the group itself stands one of
    /// an older broker, which may be there.
    pub(super) fn remove_group<'a>(
        &mut self,
        members: impl Iterator<Item = &'a str> + Clone,
        regexes: impl Iterator<Item = &'a WireStr>,
    ) {
        members.clone().for_each(|member| self.delete_current(member));
        members.clone().for_each(|member| self.delete_target(member));
        self.list.push(GroupRecord::TargetEpoch(self.target_epoch_key(), None));
        members.for_each(|member| self.delete_member(member));
        regexes.for_each(|regex| self.delete_regex(regex));
        let key = ConsumerGroupPartitionMetadataKey { group_id: self.group_id.clone() };
        self.list.push(GroupRecord::PartitionMetadata(key));
        self.list.push(GroupRecord::Epoch(self.group_key(), None));
    }

    fn group_key(&self) -> ConsumerGroupMetadataKey {
        ConsumerGroupMetadataKey { group_id: self.group_id.clone() }
    }

    fn target_epoch_key(&self) -> ConsumerGroupTargetAssignmentMetadataKey {
        ConsumerGroupTargetAssignmentMetadataKey { group_id: self.group_id.clone() }
    }

    fn member_key(&self, member_id: &str) -> ConsumerGroupMemberMetadataKey {
        ConsumerGroupMemberMetadataKey { group_id: self.group_id.clone(), member_id: member_id.into() }
    }

    fn target_key(&self, member_id: &str) -> ConsumerGroupTargetAssignmentMemberKey {
        ConsumerGroupTargetAssignmentMemberKey {
            group_id: self.group_id.clone(),
            member_id: member_id.into(),
        }
    }

    fn current_key(&self, member_id: &str) -> ConsumerGroupCurrentMemberAssignmentKey {
        ConsumerGroupCurrentMemberAssignmentKey {
            group_id: self.group_id.clone(),
            member_id: member_id.into(),
        }
    }

    fn regex_key(&self, regex: &WireStr) -> ConsumerGroupRegularExpressionKey {
        ConsumerGroupRegularExpressionKey {
            group_id: self.group_id.clone(),
            regular_expression: regex.clone(),
        }
    }
}
