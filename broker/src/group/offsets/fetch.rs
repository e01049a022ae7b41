//! OffsetFetch: what a group has committed (rules G1, G2).
//!
//! Pure. Above: the machine. Below: the group's word on its members. A group or position that is not known is -1, never an
//! error.

use super::{
    super::{Client, membership::Membership},
    Committed, Offsets, Position,
};
use crate::metadata::MetadataImage;
use mainstem_protocol::{
    error::ErrorCode,
    messages::offset_fetch::{
        OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponseGroup,
        OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    },
    model::TopicId,
};
use std::sync::Arc;

/// First version that names topics by id.
const BY_ID: i16 = 10;

impl Offsets {
    /// The positions that a request asks for in one group. `group` is the group with its members, if there is one.
    pub(crate) fn fetch(
        &self,
        group: Option<&dyn Membership>,
        client: &Client,
        request: &OffsetFetchRequestGroup,
        require_stable: bool,
        image: &MetadataImage,
    ) -> OffsetFetchResponseGroup {
        let group_id = request.group_id.detached();
        let allowed = group
            .map_or(Ok(()), |group| group.check_fetch(request.member_id.as_deref(), request.member_epoch));
        if let Err(code) = allowed {
            return OffsetFetchResponseGroup { group_id, error_code: code.code(), topics: Vec::new() };
        }
        let topics = match &request.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| {
                    self.fetch_topic(&request.group_id, topic, client.version, require_stable, image)
                })
                .collect(),
            None => self.fetch_all(&request.group_id, client.version, require_stable, image),
        };
        OffsetFetchResponseGroup { group_id, topics, error_code: ErrorCode::None.code() }
    }

    fn fetch_topic(
        &self,
        group: &str,
        topic: &OffsetFetchRequestTopics,
        version: i16,
        require_stable: bool,
        image: &MetadataImage,
    ) -> OffsetFetchResponseTopics {
        let known = if version < BY_ID { None } else { image.topics.by_id(topic.topic_id) };
        let name: Option<Arc<str>> = match known {
            Some(known) => Some(Arc::clone(&known.name)),
            None if version < BY_ID => Some(topic.name.as_str().into()),
            None => None,
        };
        let partition = |index: &i32| match &name {
            None => nothing(*index, ErrorCode::UnknownTopicId),
            Some(name) => {
                let position = self.position(group, name, *index);
                answer(*index, position, topic.topic_id, require_stable)
            }
        };
        OffsetFetchResponseTopics {
            partitions: topic.partition_indexes.iter().map(partition).collect(),
            name: topic.name.detached(),
            topic_id: topic.topic_id,
        }
    }

    /// Everything that the group has committed. By id, topics that are gone have no name to be asked by, and are left out.
    fn fetch_all(
        &self,
        group: &str,
        version: i16,
        require_stable: bool,
        image: &MetadataImage,
    ) -> Vec<OffsetFetchResponseTopics> {
        let topics = self.groups.get(group).into_iter().flatten();
        let topics = topics.filter_map(|(name, positions)| {
            let topic_id = if version < BY_ID { TopicId::NONE } else { image.topics.by_name(name)?.id };
            let committed = positions.iter().filter(|(_, position)| position.committed.is_some());
            let partitions: Vec<_> = committed
                .map(|(index, position)| answer(*index, Some(position), topic_id, require_stable))
                .collect();
            (!partitions.is_empty()).then(|| OffsetFetchResponseTopics {
                name: (**name).into(),
                topic_id,
                partitions,
            })
        });
        topics.collect()
    }
}

/// The position of a topic with this id; another incarnation's is none.
fn answer(
    index: i32,
    position: Option<&Position>,
    topic_id: TopicId,
    require_stable: bool,
) -> OffsetFetchResponsePartitions {
    let Some(position) = position else { return nothing(index, ErrorCode::None) };
    if require_stable && !position.pending.is_empty() {
        return nothing(index, ErrorCode::UnstableOffsetCommit);
    }
    let is_another =
        |found: &Committed| !found.topic_id.is_none() && !topic_id.is_none() && found.topic_id != topic_id;
    match &position.committed {
        Some(found) if !is_another(found) => OffsetFetchResponsePartitions {
            partition_index: index,
            committed_offset: found.offset,
            committed_leader_epoch: found.leader_epoch,
            metadata: Some((*found.metadata).into()),
            error_code: ErrorCode::None.code(),
        },
        Some(_) | None => nothing(index, ErrorCode::None),
    }
}

fn nothing(index: i32, code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some("".into()),
        error_code: code.code(),
    }
}
