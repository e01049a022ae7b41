//! CreatePartitions: more partitions for topics that exist. Pure; above: `decide`.
//!
//! Internal topics grow too, as in Kafka. There every group is then looked for in another partition from the next start on, and
//! not found; here it is written down how many partitions there were, and the new ones stay empty.

use super::{
    Decision, NEW_PARTITIONS_MAX, Surroundings,
    create_topics::{check_room, random_start},
    leadership,
    placement::{Ring, check_manual},
    refuse,
};
use crate::{
    controller::{
        ApiError,
        request::{CreatePartitions, Done, MorePartitions},
    },
    metadata::{
        MetadataImage, MetadataRecord, ReplicaList, TopicImage, is_internal, record::KeyedPartitions,
    },
};
use mainstem_protocol::{error::ErrorCode, model::PartitionIndex};
use std::{collections::BTreeMap, sync::Arc};

pub(super) fn decide(
    surroundings: &Surroundings,
    image: &MetadataImage,
    request: &CreatePartitions,
) -> Decision {
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *named.entry(&topic.name).or_default() += 1;
    }
    let mut room = NEW_PARTITIONS_MAX;
    let mut decision = Decision::default();
    for topic in &request.topics {
        let decided = if named.get(topic.name.as_ref()).is_some_and(|times| 1 < *times) {
            refuse(ErrorCode::InvalidRequest, "Duplicate topic name.")
        } else {
            add(surroundings, image, topic, room)
        };
        decision.answers.push(decided.map(|(done, records)| {
            room = room.saturating_sub(records.len());
            if !request.validate_only {
                decision.records.extend(records);
            }
            done
        }));
    }
    decision
}

fn add(
    surroundings: &Surroundings,
    image: &MetadataImage,
    wanted: &MorePartitions,
    room: usize,
) -> Result<(Done, Vec<MetadataRecord>), ApiError> {
    let Some(topic) = image.topics.by_name(&wanted.name) else {
        return refuse(ErrorCode::UnknownTopicOrPartition, ErrorCode::UnknownTopicOrPartition.text());
    };
    let current = topic.partitions.len();
    let additional =
        usize::try_from(wanted.count).ok().and_then(|count| count.checked_sub(current)).unwrap_or(0);
    if additional == 0 {
        return refuse(
            ErrorCode::InvalidPartitions,
            format!(
                "The topic {} currently has {current} partition(s); {} would not be an increase.",
                wanted.name, wanted.count
            ),
        );
    }
    check_room(additional, room)?;
    let replicas = replicas_of(surroundings, image, topic, wanted, additional)?;
    let indexes = (0..).map(PartitionIndex).skip(current);
    let records = indexes.zip(&replicas).map(|(index, replicas)| {
        leadership::new_partition(image, topic.id, index, replicas).map(MetadataRecord::from)
    });
    let done = Done { topic_id: topic.id, name: Arc::clone(&topic.name), ..Done::default() };
    let keyed = keyed_partitions(topic).map(|record| Ok(record.into()));
    Ok((done, keyed.into_iter().chain(records).collect::<Result<_, _>>()?))
}

/// What keeps the keys of a coordinator where they are, when its topic grows for the first time.
fn keyed_partitions(topic: &TopicImage) -> Option<KeyedPartitions> {
    let is_first = is_internal(&topic.name) && topic.keyed_partitions.is_none();
    let count = i32::try_from(topic.partitions.len()).ok().filter(|count| is_first && 0 < *count)?;
    Some(KeyedPartitions { topic_id: topic.id, count })
}

fn replicas_of(
    surroundings: &Surroundings,
    image: &MetadataImage,
    topic: &TopicImage,
    wanted: &MorePartitions,
    additional: usize,
) -> Result<Vec<ReplicaList>, ApiError> {
    let factor = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
    let Some(assignments) = &wanted.assignments else {
        return Ring::new(image).place(
            random_start(surroundings),
            topic.partitions.len(),
            additional,
            factor,
        );
    };
    if assignments.len() != additional {
        let message = format!(
            "Attempted to add {additional} additional partition(s), but {} assignment(s) were specified.",
            assignments.len()
        );
        return refuse(ErrorCode::InvalidReplicaAssignment, message);
    }
    assignments.iter().map(|brokers| check_manual(image, brokers, Some(factor))).collect()
}
