//! A group's positions: the requests that store them and ask for them, and what their answers say.
//!
//! Topics go by name, so versions with topic ids (10) are not used. Above: `driver`, `membership`, the admin calls. Below:
//! `cluster`.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use mainstem_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse,
};
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use mainstem_protocol::wire::WireStr;

use super::book::{Committed, OffsetAndMetadata};
use crate::cluster::{Cluster, Lane, by_topic};
use crate::error::{BrokerError, Error};
use crate::retry::Action;
use crate::runtime::Instant;

/// Newest version of both requests that names topics.
pub(crate) const BY_NAME: i16 = 9;
/// First version of OffsetFetch that asks for many groups.
pub(crate) const MANY_GROUPS: i16 = 8;
/// First version of OffsetFetch that can wait for open transactions.
const STABLE: i16 = 7;

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    pub(crate) group_id: String,
    /// Generation or member epoch, and member id; `None` = somebody outside the group.
    pub(crate) member: Option<(i32, WireStr)>,
    pub(crate) instance_id: Option<String>,
}

/// The position of each partition asked for; `None` = there is none.
pub(crate) type Positions = BTreeMap<TopicPartition, Result<Option<OffsetAndMetadata>, BrokerError>>;

pub(crate) fn commit_request(asker: &Asker, offsets: &Committed) -> OffsetCommitRequest {
    let (generation_id_or_member_epoch, member_id) = asker.member.clone().unwrap_or((-1, WireStr::default()));
    let items = offsets.iter().map(|(partition, offset)| (partition.clone(), offset));
    let topics = by_topic(items).into_iter().map(|(topic, partitions)| OffsetCommitRequestTopic {
        name: (&*topic).into(),
        partitions: partitions
            .into_iter()
            .map(|(index, offset)| OffsetCommitRequestPartition {
                partition_index: index.get(),
                committed_offset: offset.offset,
                committed_leader_epoch: offset.leader_epoch.unwrap_or(-1),
                committed_metadata: Some(offset.metadata.as_str().into()),
            })
            .collect(),
        ..OffsetCommitRequestTopic::default()
    });
    OffsetCommitRequest {
        group_id: asker.group_id.as_str().into(),
        generation_id_or_member_epoch,
        member_id,
        group_instance_id: asker.instance_id.as_deref().map(WireStr::from),
        topics: topics.collect(),
        ..OffsetCommitRequest::default()
    }
}

pub(crate) fn commit_results(
    response: OffsetCommitResponse,
) -> Vec<(TopicPartition, Result<(), BrokerError>)> {
    let topics = response.topics.into_iter();
    let results = topics.flat_map(|topic| {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        topic.partitions.into_iter().map(move |partition| {
            let key = TopicPartition::new(Arc::clone(&name), PartitionIndex(partition.partition_index));
            (key, BrokerError::check(partition.error_code, None))
        })
    });
    results.collect()
}

/// Asks for the positions of `partitions`, or (`None`) for all that there are, in the form of `version`.
pub(crate) fn fetch_request(
    askers: &[Asker],
    partitions: Option<&[TopicPartition]>,
    version: i16,
) -> OffsetFetchRequest {
    let topics = || {
        let items = partitions?.iter().map(|partition| (partition.clone(), ()));
        Some(by_topic(items).into_iter().map(|(topic, list)| {
            let indexes: Vec<i32> = list.into_iter().map(|(index, ())| index.get()).collect();
            (topic, indexes)
        }))
    };
    let mut request =
        OffsetFetchRequest { require_stable: STABLE <= version, ..OffsetFetchRequest::default() };
    if version < MANY_GROUPS {
        request.group_id = askers.first().map(|asker| asker.group_id.as_str().into()).unwrap_or_default();
        request.topics = topics().map(|topics| {
            let topics = topics.map(|(topic, partition_indexes)| OffsetFetchRequestTopic {
                name: (&*topic).into(),
                partition_indexes,
            });
            topics.collect()
        });
        return request;
    }
    let groups = askers.iter().map(|asker| OffsetFetchRequestGroup {
        group_id: asker.group_id.as_str().into(),
        member_id: asker.member.as_ref().map(|(_, id)| id.clone()),
        member_epoch: asker.member.as_ref().map_or(-1, |(epoch, _)| *epoch),
        topics: topics().map(|topics| {
            let topics = topics.map(|(topic, partition_indexes)| OffsetFetchRequestTopics {
                name: (&*topic).into(),
                partition_indexes,
                ..OffsetFetchRequestTopics::default()
            });
            topics.collect()
        }),
    });
    request.groups = groups.collect();
    request
}

/// Takes the answer apart, by group. Old versions answer for the one group that was asked for.
pub(crate) fn fetch_results(
    response: OffsetFetchResponse,
    only: &str,
) -> Vec<(String, Result<Positions, BrokerError>)> {
    type Row = (i32, i64, i32, Option<WireStr>, i16);
    let position = |name: &Arc<str>, (index, offset, epoch, metadata, code): Row| {
        let key = TopicPartition::new(Arc::clone(name), PartitionIndex(index));
        let found = (0 <= offset).then(|| OffsetAndMetadata {
            offset,
            leader_epoch: Some(epoch).filter(|epoch| 0 <= *epoch),
            metadata: metadata.map(|text| text.to_string()).unwrap_or_default(),
        });
        (key, BrokerError::check(code, None).map(|()| found))
    };
    if response.groups.is_empty() {
        let positions = response.topics.into_iter().flat_map(|topic| {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            topic.partitions.into_iter().map(move |part| {
                let epoch = part.committed_leader_epoch;
                position(
                    &name,
                    (part.partition_index, part.committed_offset, epoch, part.metadata, part.error_code),
                )
            })
        });
        let positions = positions.collect();
        return vec![(only.to_owned(), BrokerError::check(response.error_code, None).map(|()| positions))];
    }
    let groups = response.groups.into_iter().map(|group| {
        let positions = group.topics.into_iter().flat_map(|topic| {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            topic.partitions.into_iter().map(move |part| {
                let epoch = part.committed_leader_epoch;
                position(
                    &name,
                    (part.partition_index, part.committed_offset, epoch, part.metadata, part.error_code),
                )
            })
        });
        let positions = positions.collect();
        (group.group_id.to_string(), BrokerError::check(group.error_code, None).map(|()| positions))
    });
    groups.collect()
}

/// Stores positions: tried again until `deadline` where that may help, always as the same member. `hint` = the
/// coordinator as last known.
pub(super) async fn commit(
    cluster: &Cluster,
    mut hint: Option<i32>,
    asker: &Asker,
    offsets: &Committed,
    deadline: Instant,
) -> Result<Vec<(TopicPartition, Result<(), BrokerError>)>, Error> {
    let request = commit_request(asker, offsets);
    let mut failures = 0;
    loop {
        let attempt = async {
            let node = match hint.take() {
                Some(node) => node,
                None => cluster.find_coordinator(&asker.group_id, deadline).await?,
            };
            let connection = cluster.connection(node, Lane::Control, deadline).await?;
            let version = connection.version_for::<OffsetCommitRequest>()?.min(BY_NAME);
            let limit = cluster.request_deadline(deadline);
            Ok::<_, Error>(connection.request_version(&request, version, limit).await?)
        };
        let last = match attempt.await {
            Ok(response) => {
                let results = commit_results(response);
                let passes = results
                    .iter()
                    .any(|(_, result)| result.as_ref().is_err_and(|error| error.action() != Action::GiveUp));
                if !passes {
                    return Ok(results);
                }
                Ok(results)
            }
            Err(error) if !error.is_retriable() => return Err(error),
            Err(error) => Err(error),
        };
        failures += 1;
        if !cluster.back_off(failures, deadline).await {
            return last;
        }
    }
}

/// Asks for positions: tried again until `deadline` where that may help.
pub(super) async fn fetch(
    cluster: &Cluster,
    mut hint: Option<i32>,
    asker: &Asker,
    partitions: &[TopicPartition],
    deadline: Instant,
) -> Result<Positions, Error> {
    let mut failures = 0;
    loop {
        let attempt = async {
            let node = match hint.take() {
                Some(node) => node,
                None => cluster.find_coordinator(&asker.group_id, deadline).await?,
            };
            let connection = cluster.connection(node, Lane::Control, deadline).await?;
            let version = connection.version_for::<OffsetFetchRequest>()?.min(BY_NAME);
            let request = fetch_request(std::slice::from_ref(asker), Some(partitions), version);
            let limit = cluster.request_deadline(deadline);
            let response = connection.request_version(&request, version, limit).await?;
            let mut groups = fetch_results(response, &asker.group_id).into_iter();
            let group = groups.find(|(group, _)| *group == asker.group_id);
            let (_, positions) = group.ok_or(Error::Answer("the group is missing"))?;
            let mut positions = positions?;
            for partition in partitions {
                // What the answer leaves out is not known: that is no "no commit".
                positions
                    .entry(partition.clone())
                    .or_insert(Err(BrokerError::from(ErrorCode::UnknownTopicOrPartition)));
            }
            let first_error = positions.values().find_map(|result| result.as_ref().err());
            first_error.cloned().map_or(Ok(positions), |error| Err(error.into()))
        };
        let error = match attempt.await {
            Ok(positions) => return Ok(positions),
            Err(error) => error,
        };
        failures += 1;
        let passes = match &error {
            Error::Broker(error) => error.action() != Action::GiveUp,
            error => error.is_retriable(),
        };
        if !passes || !cluster.back_off(failures, deadline).await {
            return Err(error);
        }
    }
}
