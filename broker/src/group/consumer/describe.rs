//! What others may know of a consumer group: how it is listed, described and deleted. Above: the machine of groups. Below:
//! the state of the group, metadata for the names of topics.

use super::{
    Around, ConsumerGroup,
    member::Member,
    partitions::{Held, Partitions},
    records::Records,
};
use crate::{group::GroupRecord, metadata::MetadataImage};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        GroupId,
        consumer_group_describe::{Assignment, DescribedGroup, Member as DescribedMember, TopicPartitions},
        list_groups::ListedGroup,
    },
    model::TopicId,
    wire::WireStr,
};
use std::sync::Arc;

/// Where a group stands, as Kafka names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumerGroupState {
    /// Nobody is in it.
    Empty,
    /// Its target is older than the group.
    Assigning,
    /// Not all members are at the target.
    Reconciling,
    /// All are.
    Stable,
}

impl ConsumerGroupState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

impl ConsumerGroup {
    pub(crate) fn state(&self) -> ConsumerGroupState {
        let target = self.state.target_epoch();
        let reconciled = |member: &Member| member.current.is_reconciled_to(target);
        if self.state.members().is_empty() {
            ConsumerGroupState::Empty
        } else if target < self.state.epoch() {
            ConsumerGroupState::Assigning
        } else if self.state.members().values().all(reconciled) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }

    /// Whether nobody is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.state() == ConsumerGroupState::Empty
    }

    /// How many are in it.
    pub(crate) fn member_count(&self) -> usize {
        self.state.members().len()
    }

    /// Number of its last change: each leads to another distribution of partitions.
    pub(crate) fn epoch(&self) -> i32 {
        self.state.epoch().get()
    }

    /// An entry of ListGroups.
    pub(crate) fn listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: GroupId::from(&*self.id),
            protocol_type: WireStr::from_static("consumer"),
            group_state: WireStr::from_static(self.state().name()),
            group_type: WireStr::from_static("consumer"),
        }
    }

    /// An entry of ConsumerGroupDescribe. Topics that are gone are left out.
    pub(crate) fn described(&self, around: &Around<'_>) -> DescribedGroup {
        let wishes = self.state.server_assignors().iter().max_by_key(|(_, count)| **count);
        let default = || around.settings.assignors.first().map_or("", |name| name).into();
        DescribedGroup {
            group_id: GroupId::from(&*self.id),
            group_state: WireStr::from_static(self.state().name()),
            group_epoch: self.state.epoch().get(),
            assignment_epoch: self.state.target_epoch().get(),
            assignor_name: wishes.map_or_else(default, |(name, _)| name.clone()),
            members: self
                .state
                .members()
                .iter()
                .map(|(id, member)| self.described_member(id, member, around.metadata))
                .collect(),
            ..DescribedGroup::default()
        }
    }

    fn described_member(&self, id: &Arc<str>, member: &Member, image: &MetadataImage) -> DescribedMember {
        let metadata = &member.metadata;
        let mut held = Held::clone(&member.current.assigned);
        held.extend(&member.current.pending_revocation);
        let target = self.state.target(id).map_or(&Partitions::default(), |target| target).clone();
        DescribedMember {
            member_id: WireStr::from(&**id),
            instance_id: metadata.instance_id.clone(),
            rack_id: metadata.rack_id.clone(),
            member_epoch: member.current.epoch.get(),
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            subscribed_topic_names: metadata.topics.iter().cloned().collect(),
            subscribed_topic_regex: Some(metadata.regex.clone().unwrap_or_default()),
            assignment: named(held.by_topic(), image),
            target_assignment: named(
                target.topics().map(|(topic, all)| (topic, all.iter().map(|index| index.get()).collect())),
                image,
            ),
            member_type: i8::from(!member.uses_classic_protocol()),
        }
    }

    /// The tombstones of a group that nobody is in.
    pub(crate) fn delete(&self) -> Result<Vec<GroupRecord>, ErrorCode> {
        if !self.state.members().is_empty() {
            return Err(ErrorCode::NonEmptyGroup);
        }
        let mut records = Records::of(&self.id);
        records.remove_group(std::iter::empty(), self.state.regexes().keys());
        Ok(records.into_list())
    }
}

fn named(topics: impl Iterator<Item = (TopicId, Vec<i32>)>, image: &MetadataImage) -> Assignment {
    let topic_partitions = topics
        .filter_map(|(topic_id, partitions)| {
            let topic_name = (&*image.topics.by_id(topic_id)?.name).into();
            Some(TopicPartitions { topic_id, topic_name, partitions })
        })
        .collect();
    Assignment { topic_partitions }
}
