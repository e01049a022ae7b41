//! OffsetCommit: may this be committed, and what is written for it.
//!
//! Pure. Above: the machine. Below: the group's word on its members. Order of the questions as in Kafka: topics and
//! partitions first, the group only if something is left, then the size of each note.

use super::{
    super::{
        Client, GroupRecord, GroupSettings,
        membership::{Committer, Membership},
    },
    Offsets,
};
use crate::{
    coordinator::Surroundings,
    metadata::{MetadataImage, TopicImage},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        internal::offset_commit::{OffsetCommitKey, OffsetCommitValue},
        offset_commit::{
            OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
            OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
        },
    },
    model::{PartitionIndex, TopicId},
    records::record_len_upper_bound,
    wire::WireStr,
};

/// First version that names topics by id.
const BY_ID: i16 = 10;
/// First version whose clients know the code for a group that is not there.
const KNOWS_MISSING_GROUPS: i16 = 9;

impl Offsets {
    /// Decides about a commit. `group` is the group with its members; none where only offsets are known of it, or nothing.
    pub(crate) fn commit(
        &self,
        group: Option<&dyn Membership>,
        client: &Client,
        request: &OffsetCommitRequest,
        around: &Surroundings<'_, GroupSettings>,
    ) -> (Vec<GroupRecord>, OffsetCommitResponse) {
        let resolved: Vec<_> =
            request.topics.iter().map(|topic| resolve(around.metadata, topic, client.version)).collect();
        let wanted: Vec<(TopicId, i32)> = valid_partitions(request, &resolved)
            .map(|(topic, partition)| (topic.id, partition.partition_index))
            .collect();
        let refused = if wanted.is_empty() {
            None
        } else {
            self.check_committer(group, client, request, &wanted)
                .and_then(|()| check_room(request, &resolved, around.settings))
                .err()
        };
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for (topic, resolved) in request.topics.iter().zip(&resolved) {
            let partitions = topic.partitions.iter().map(|partition| {
                let outcome = match (resolved, refused) {
                    (Err(code), _) => Err(*code),
                    (Ok(topic), _) if !has(topic, partition) => Err(ErrorCode::UnknownTopicOrPartition),
                    (Ok(_), Some(code)) => Err(code),
                    (Ok(_), None) if is_note_too_long(partition, around.settings) => {
                        Err(ErrorCode::OffsetMetadataTooLarge)
                    }
                    (Ok(topic), None) => {
                        records.push(record(request, topic, partition, around.wall.get()));
                        Ok(())
                    }
                };
                let error_code = outcome.err().unwrap_or(ErrorCode::None).code();
                OffsetCommitResponsePartition { partition_index: partition.partition_index, error_code }
            });
            let partitions = partitions.collect();
            topics.push(OffsetCommitResponseTopic {
                name: topic.name.detached(),
                topic_id: topic.topic_id,
                partitions,
            });
        }
        (records, OffsetCommitResponse { topics, ..OffsetCommitResponse::default() })
    }

    /// Whether the group accepts a commit of this client (rule G5).
    fn check_committer(
        &self,
        group: Option<&dyn Membership>,
        client: &Client,
        request: &OffsetCommitRequest,
        partitions: &[(TopicId, i32)],
    ) -> Result<(), ErrorCode> {
        let by = Committer {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation_or_epoch: request.generation_id_or_member_epoch,
            version: client.version,
        };
        match group {
            Some(group) => group.check_commit(&by, partitions),
            // Outside any group: an admin client, or a consumer that assigns itself.
            None if by.generation_or_epoch < 0 => Ok(()),
            None if self.has_group(&request.group_id) => Err(ErrorCode::UnknownMemberId),
            None if by.version < KNOWS_MISSING_GROUPS => Err(ErrorCode::IllegalGeneration),
            None => Err(ErrorCode::GroupIdNotFound),
        }
    }
}

/// The topic of the request as the metadata knows it.
fn resolve<'a>(
    image: &'a MetadataImage,
    topic: &OffsetCommitRequestTopic,
    version: i16,
) -> Result<&'a TopicImage, ErrorCode> {
    if version < BY_ID {
        image.topics.by_name(&topic.name).map(AsRef::as_ref).ok_or(ErrorCode::UnknownTopicOrPartition)
    } else {
        image.topics.by_id(topic.topic_id).map(AsRef::as_ref).ok_or(ErrorCode::UnknownTopicId)
    }
}

fn has(topic: &TopicImage, partition: &OffsetCommitRequestPartition) -> bool {
    topic.partition(PartitionIndex(partition.partition_index)).is_some()
}

fn valid_partitions<'a>(
    request: &'a OffsetCommitRequest,
    resolved: &'a [Result<&TopicImage, ErrorCode>],
) -> impl Iterator<Item = (&'a TopicImage, &'a OffsetCommitRequestPartition)> {
    let known = request.topics.iter().zip(resolved).filter_map(|(topic, found)| Some((topic, found.ok()?)));
    known.flat_map(|(topic, found)| {
        topic
            .partitions
            .iter()
            .filter(|partition| has(found, partition))
            .map(move |partition| (found, partition))
    })
}

/// A commit is one batch, and has to fit into one.
fn check_room(
    request: &OffsetCommitRequest,
    resolved: &[Result<&TopicImage, ErrorCode>],
    settings: &GroupSettings,
) -> Result<(), ErrorCode> {
    /// Fixed fields of key and value, and the header of the batch.
    const FIXED: usize = 64;
    let bytes = valid_partitions(request, resolved).fold(FIXED, |bytes, (topic, partition)| {
        let note = partition.committed_metadata.as_ref().map_or(0, |note| note.len());
        let text = request.group_id.len().saturating_add(topic.name.len()).saturating_add(note);
        bytes
            .saturating_add(record_len_upper_bound(None, None, []))
            .saturating_add(FIXED)
            .saturating_add(text)
    });
    if bytes <= settings.record_max { Ok(()) } else { Err(ErrorCode::UnknownServerError) }
}

/// Java counts UTF-16 units.
fn is_note_too_long(partition: &OffsetCommitRequestPartition, settings: &GroupSettings) -> bool {
    let Some(note) = &partition.committed_metadata else { return false };
    let max = settings.offset_metadata_max;
    max < note.len() && max < note.encode_utf16().count()
}

fn record(
    request: &OffsetCommitRequest,
    topic: &TopicImage,
    partition: &OffsetCommitRequestPartition,
    now: i64,
) -> GroupRecord {
    let key = OffsetCommitKey {
        group: request.group_id.detached(),
        topic: (*topic.name).into(),
        partition: partition.partition_index,
    };
    let expire_timestamp = match request.retention_time_ms {
        -1 => -1,
        retention => now.saturating_add(retention),
    };
    let value = OffsetCommitValue {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_ref().map(WireStr::detached).unwrap_or_default(),
        commit_timestamp: now,
        expire_timestamp,
        topic_id: topic.id,
    };
    GroupRecord::Offset(key, Some(value))
}
