//! OffsetDelete and the offsets of a deleted group.
//!
//! Pure. Above: the machine. Below: the group's word on what it reads. Topics that a member reads keep their positions.

use super::{
    super::{GroupRecord, membership::Membership},
    Offsets, tombstone,
};
use crate::metadata::MetadataImage;
use mainstem_protocol::{
    error::ErrorCode,
    messages::offset_delete::{
        OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
        OffsetDeleteResponseTopic,
    },
    model::PartitionIndex,
};

impl Offsets {
    /// Decides about the deletion of single positions. `group` is the group with its members, if there is one.
    pub(crate) fn delete(
        &self,
        group: Option<&dyn Membership>,
        request: &OffsetDeleteRequest,
        image: &MetadataImage,
    ) -> (Vec<GroupRecord>, OffsetDeleteResponse) {
        let allowed = match group {
            Some(group) => group.check_offset_delete(),
            None if self.has_group(&request.group_id) => Ok(()),
            None => Err(ErrorCode::GroupIdNotFound),
        };
        if let Err(code) = allowed {
            let refused = OffsetDeleteResponse { error_code: code.code(), ..OffsetDeleteResponse::default() };
            return (Vec::new(), refused);
        }
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let is_subscribed = group.is_some_and(|group| group.is_subscribed_to(&topic.name));
            topics.push(self.delete_in(&request.group_id, topic, is_subscribed, image, &mut records));
        }
        (records, OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() })
    }

    fn delete_in(
        &self,
        group: &str,
        topic: &OffsetDeleteRequestTopic,
        is_subscribed: bool,
        image: &MetadataImage,
        records: &mut Vec<GroupRecord>,
    ) -> OffsetDeleteResponseTopic {
        let known = image.topics.by_name(&topic.name);
        let partitions = topic.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let code = if known.is_none_or(|known| known.partition(PartitionIndex(index)).is_none()) {
                ErrorCode::UnknownTopicOrPartition
            } else if is_subscribed {
                ErrorCode::GroupSubscribedToTopic
            } else {
                if self.position(group, &topic.name, index).is_some() {
                    records.push(tombstone(group, &topic.name, index));
                }
                ErrorCode::None
            };
            OffsetDeleteResponsePartition { partition_index: index, error_code: code.code() }
        });
        let partitions = partitions.collect();
        OffsetDeleteResponseTopic { name: topic.name.detached(), partitions }
    }

    /// The tombstones of everything that a group has committed or is about to.
    pub(crate) fn delete_all(&self, group: &str) -> Vec<GroupRecord> {
        let topics = self.groups.get(group).into_iter().flatten();
        let places = topics.flat_map(|(topic, positions)| positions.keys().map(move |index| (topic, *index)));
        places.map(|(topic, index)| tombstone(group, topic, index)).collect()
    }
}
