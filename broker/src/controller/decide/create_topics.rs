//! CreateTopics: checks a topic as a whole, chooses its id and the places of its replicas.
//!
//! `validate_only` goes the same way and drops the records. Pure; above: `decide`.

use super::{
    Decision, NEW_PARTITIONS_MAX, Surroundings, leadership,
    placement::{Ring, check_manual},
    preview, refuse, topic_name,
};
use crate::{
    controller::{
        Alteration, ApiError,
        request::{CreateTopics, Done, NewTopic},
    },
    metadata::{
        ConfigResource, ConfigValues, MetadataImage, MetadataRecord, ReplicaList, is_internal,
        record::{Config, Topic},
    },
};
use mainstem_protocol::{
    error::ErrorCode,
    model::{PartitionIndex, TopicId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(super) fn decide(
    surroundings: &Surroundings,
    image: &Arc<MetadataImage>,
    request: &CreateTopics,
) -> Decision {
    let mut decision = Decision::default();
    let mut image = Arc::clone(image);
    let mut names = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for topic in &request.topics {
        if !names.insert(&topic.name) {
            twice.insert(&topic.name);
        }
    }
    let mut room = NEW_PARTITIONS_MAX;
    for topic in &request.topics {
        let decided = if twice.contains(&topic.name) {
            refuse(ErrorCode::InvalidRequest, "Duplicate topic name.")
        } else {
            create(surroundings, &image, topic, room)
        };
        decision.answers.push(match decided {
            Ok((mut done, records)) => match preview(&image, &records) {
                Ok(next) => {
                    image = next;
                    room = room.saturating_sub(usize::try_from(done.value).unwrap_or(usize::MAX));
                    if request.validate_only {
                        done.topic_id = TopicId::NONE;
                    } else {
                        decision.records.extend(records);
                    }
                    Ok(done)
                }
                Err(error) => refuse(ErrorCode::UnknownServerError, error.to_string()),
            },
            Err(error) => Err(error),
        });
    }
    decision
}

const CLEANUP_POLICY: &str = "cleanup.policy";

fn create(
    surroundings: &Surroundings,
    image: &MetadataImage,
    topic: &NewTopic,
    room: usize,
) -> Result<(Done, Vec<MetadataRecord>), ApiError> {
    topic_name::check(&topic.name)?;
    topic_name::check_free(image, &topic.name)?;
    let configs = configs(surroundings, image, topic)?;
    let assignments = if topic.assignments.is_empty() {
        placed(surroundings, image, topic, room)?
    } else {
        manual(image, topic, room)?
    };
    let topic_id = surroundings.random.id();
    let replication_factor = assignments.first().map_or(0, ReplicaList::len);
    let mut records = Vec::with_capacity(1 + configs.len() + assignments.len());
    records.push(Topic { name: topic.name.as_ref().into(), topic_id }.into());
    let resource_type = crate::metadata::ConfigResourceKind::Topic.code();
    records.extend(configs.iter().map(|(key, value)| {
        let (resource_name, name) = (topic.name.as_ref().into(), key.as_ref().into());
        Config { resource_type, resource_name, name, value: Some(value.as_ref().into()) }.into()
    }));
    for (index, replicas) in (0..).map(PartitionIndex).zip(&assignments) {
        records.push(leadership::new_partition(image, topic_id, index, replicas)?.into());
    }
    let done = Done {
        topic_id,
        name: Arc::clone(&topic.name),
        value: i64::try_from(assignments.len()).unwrap_or(i64::MAX),
        replication_factor: i16::try_from(replication_factor).unwrap_or(i16::MAX),
    };
    Ok((done, records))
}

fn configs(
    surroundings: &Surroundings,
    image: &MetadataImage,
    topic: &NewTopic,
) -> Result<ConfigValues, ApiError> {
    let resource = ConfigResource::topic(Arc::clone(&topic.name));
    let mut values = topic.configs.clone();
    // Of what coordinators write, the last record of each key is the state: anything else would lose it or grow for ever.
    if is_internal(&topic.name) && !values.iter().any(|(key, _)| &**key == CLEANUP_POLICY) {
        values.push((CLEANUP_POLICY.into(), Some("compact".into())));
    }
    let alteration = Alteration::Replace(values);
    surroundings.rules.alter(image, &resource, &ConfigValues::new(), &alteration)
}

/// Replicas that the controller chooses.
fn placed(
    surroundings: &Surroundings,
    image: &MetadataImage,
    topic: &NewTopic,
    room: usize,
) -> Result<Vec<ReplicaList>, ApiError> {
    let replicas = match topic.replication_factor {
        -1 => default_replication_factor(surroundings, image),
        factor => usize::try_from(factor).unwrap_or(0),
    };
    if replicas == 0 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return refuse(ErrorCode::InvalidReplicationFactor, message);
    }
    let partitions = match topic.num_partitions {
        -1 => surroundings.rules.default_partitions(),
        partitions => partitions,
    };
    let partitions = usize::try_from(partitions).unwrap_or(0);
    if partitions == 0 {
        let message = "Number of partitions was set to an invalid non-positive value.";
        return refuse(ErrorCode::InvalidPartitions, message);
    }
    check_room(partitions, room)?;
    Ring::new(image).place(random_start(surroundings), 0, partitions, replicas)
}

/// min(3, brokers), unless configured: every registered broker counts, fenced ones too, since a topic that is created
/// while a cluster starts must not stay at factor 1.
fn default_replication_factor(surroundings: &Surroundings, image: &MetadataImage) -> usize {
    match surroundings.rules.default_replication_factor() {
        Some(factor) => usize::try_from(factor).unwrap_or(0),
        None => image.brokers.len().clamp(1, 3),
    }
}

/// Where on the ring partition 0 begins.
pub(super) fn random_start(surroundings: &Surroundings) -> usize {
    usize::try_from(surroundings.random.positive_i32()).unwrap_or(0)
}

pub(super) fn check_room(partitions: usize, room: usize) -> Result<(), ApiError> {
    if room < partitions {
        let message = format!(
            "Excessively large number of partitions per request: at most {NEW_PARTITIONS_MAX} can be created at once."
        );
        return refuse(ErrorCode::PolicyViolation, message);
    }
    Ok(())
}

/// Replicas that the user chose.
fn manual(image: &MetadataImage, topic: &NewTopic, room: usize) -> Result<Vec<ReplicaList>, ApiError> {
    if topic.replication_factor != -1 {
        let message =
            "A manual partition assignment was specified, but replication factor was not set to -1.";
        return refuse(ErrorCode::InvalidRequest, message);
    }
    if topic.num_partitions != -1 {
        let message = "A manual partition assignment was specified, but numPartitions was not set to -1.";
        return refuse(ErrorCode::InvalidRequest, message);
    }
    check_room(topic.assignments.len(), room)?;
    let mut by_partition = BTreeMap::new();
    for assignment in &topic.assignments {
        if by_partition.insert(assignment.partition, &assignment.brokers).is_some() {
            let message =
                format!("Found multiple manual partition assignments for partition {}", assignment.partition);
            return refuse(ErrorCode::InvalidReplicaAssignment, message);
        }
    }
    let mut replicas: Vec<ReplicaList> = Vec::with_capacity(by_partition.len());
    for (expected, (partition, brokers)) in (0..).zip(by_partition) {
        if partition != expected {
            let message = "partitions should be a consecutive 0-based integer sequence";
            return refuse(ErrorCode::InvalidReplicaAssignment, message);
        }
        let expected_len = replicas.first().map(ReplicaList::len);
        replicas.push(check_manual(image, brokers, expected_len)?);
    }
    Ok(replicas)
}
