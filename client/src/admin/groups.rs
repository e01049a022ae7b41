//! Consumer groups: list, describe, delete; positions of groups: look up, move, delete; lag. Coordinators answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::consumer_group_describe::{
    Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
    DescribedGroup as DescribedModern, Member,
};
use mainstem_protocol::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use mainstem_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup as DescribedClassic, DescribedGroupMember,
};
use mainstem_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use mainstem_protocol::messages::offset_commit::OffsetCommitResponse;
use mainstem_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetDeleteResponse,
};
use mainstem_protocol::messages::offset_fetch::OffsetFetchResponse;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::{Admin, OffsetAt};
use crate::cluster::{GroupResults, Repeat, Target, Versions, by_topic};
use crate::connection::ConnectionError;
use crate::consumer::group::blob;
use crate::consumer::group::offsets::{
    Asker, BY_NAME, MANY_GROUPS, commit_request, commit_results, fetch_request, fetch_results,
};
use crate::consumer::{Committed, IsolationLevel, OffsetAndMetadata};
use crate::error::{BrokerError, Error};

/// What `type` says of groups whose members compute the assignment.
const CLASSIC: &str = "classic";

/// A group, as the list of its coordinator shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupListing {
    /// Id of the group.
    pub group_id: String,
    /// `classic`, `consumer`, `share` or `streams`.
    pub group_type: String,
    /// State, such as `Stable` or `Empty`; empty from brokers below Kafka 2.6.
    pub state: String,
    /// What the members are, such as `consumer`; empty where there never was one.
    pub protocol_type: String,
    /// Broker that coordinates it.
    pub coordinator: i32,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Id of the group.
    pub group_id: String,
    /// `classic` or `consumer`.
    pub group_type: &'static str,
    /// State, such as `Stable` or `Empty`.
    pub state: String,
    /// Assignor in use; empty = none.
    pub assignor: String,
    /// Group epoch and epoch of the assignment, in a `consumer` group.
    pub epochs: Option<(i32, i32)>,
    /// What a `classic` group waits for in a rebalance, as a phrase. Only Mainstem says so.
    pub waits: Option<String>,
    /// The members.
    pub members: Vec<MemberDescription>,
}

impl GroupDescription {
    /// Whether members read for the group, so that its positions are theirs to move.
    pub fn is_active(&self) -> bool {
        !self.members.is_empty()
    }
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Id of the member.
    pub member_id: String,
    /// Name of a static member.
    pub instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Where it says that it runs.
    pub rack: Option<String>,
    /// Member epoch, in a `consumer` group.
    pub epoch: Option<i32>,
    /// Topics that it subscribes to.
    pub topics: Vec<String>,
    /// Regular expression that it subscribes to.
    pub regex: Option<String>,
    /// Partitions that it owns.
    pub assignment: BTreeSet<TopicPartition>,
    /// Partitions that it shall own in the end, in a `consumer` group.
    pub target: Option<BTreeSet<TopicPartition>>,
}

/// How far a group is behind in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionLag {
    /// The group's position; `None` = it has none.
    pub committed: Option<OffsetAndMetadata>,
    /// End of the log: its high watermark.
    pub end: i64,
}

impl PartitionLag {
    /// Offsets between position and end, never negative; `None` = the group has no position.
    pub fn lag(&self) -> Option<i64> {
        let position = self.committed.as_ref()?.offset;
        Some(self.end.saturating_sub(position).max(0))
    }
}

type PerPartition<T> = Vec<(TopicPartition, Result<T, Error>)>;

impl Admin {
    /// Lists the groups that each broker coordinates.
    pub async fn list_groups(&self) -> Result<Vec<(i32, Result<Vec<GroupListing>, Error>)>, Error> {
        let deadline = self.cluster.call_deadline();
        let ids = self.live_brokers().await?;
        let lists = ids.into_iter().map(|id| async move {
            let ask = async {
                let request = ListGroupsRequest::default();
                let target = Target::Broker(id);
                let mut failures = 0;
                loop {
                    let response: ListGroupsResponse =
                        self.cluster.request(target, Repeat::Always, &request, deadline).await?;
                    match BrokerError::check(response.error_code, None) {
                        Ok(()) => return Ok(response.groups),
                        Err(error) => {
                            failures += 1;
                            if !error.is_retriable() || !self.cluster.back_off(failures, deadline).await {
                                return Err(error.into());
                            }
                        }
                    }
                }
            };
            let listed = ask
                .await
                .map(|groups| groups.into_iter().map(|group| listing(&group, id)).collect::<Vec<_>>());
            (id, listed)
        });
        Ok(join_all(lists).await)
    }

    /// Describes groups of both kinds, with their members. A group that does not exist is `GROUP_ID_NOT_FOUND`.
    pub async fn describe_groups(&self, groups: &[String]) -> GroupResults<GroupDescription> {
        let deadline = self.cluster.call_deadline();
        let build = |_: i16, groups: &[String]| ConsumerGroupDescribeRequest {
            group_ids: groups.iter().map(|group| group.as_str().into()).collect(),
            include_authorized_operations: false,
        };
        let split = |response: ConsumerGroupDescribeResponse, _: &[String]| {
            let groups = response.groups.into_iter().map(|group| {
                let outcome = BrokerError::check(group.error_code, group.error_message.as_deref());
                (group.group_id.to_string(), outcome.map(|()| modern(group)))
            });
            groups.collect()
        };
        let mut results = self.cluster.per_coordinator(groups, Versions::ALL, deadline, build, split).await;
        // What is not of the one kind, or cannot be asked about it, may be of the other.
        let others: Vec<String> = results
            .iter()
            .filter(|(_, result)| match result {
                Err(Error::Connection(ConnectionError::Unsupported { .. })) => true,
                Err(error) => error.code() == Some(ErrorCode::GroupIdNotFound),
                Ok(_) => false,
            })
            .map(|(group, _)| group.clone())
            .collect();
        let build = |_: i16, groups: &[String]| DescribeGroupsRequest {
            groups: groups.iter().map(|group| group.as_str().into()).collect(),
            include_authorized_operations: false,
        };
        let split = |response: DescribeGroupsResponse, _: &[String]| {
            let groups = response.groups.into_iter().map(|group| {
                let mut outcome = BrokerError::check(group.error_code, group.error_message.as_deref());
                if outcome.is_ok() && &*group.group_state == "Dead" {
                    // Below Kafka 4.0.
                    outcome = Err(ErrorCode::GroupIdNotFound.into());
                }
                (group.group_id.to_string(), outcome.map(|()| classic(group)))
            });
            groups.collect()
        };
        let others = self.cluster.per_coordinator(&others, Versions::ALL, deadline, build, split).await;
        let mut others: BTreeMap<_, _> = others.into_iter().collect();
        for (group, result) in &mut results {
            if let Some(other) = others.remove(group) {
                *result = other;
            }
        }
        results
    }

    /// Deletes groups with their positions. They must not have members.
    pub async fn delete_groups(&self, groups: &[String]) -> GroupResults<()> {
        let build = |_: i16, groups: &[String]| DeleteGroupsRequest {
            groups_names: groups.iter().map(|group| group.as_str().into()).collect(),
        };
        let split = |response: DeleteGroupsResponse, _: &[String]| {
            let results = response.results.into_iter();
            results
                .map(|group| (group.group_id.to_string(), BrokerError::check(group.error_code, None)))
                .collect()
        };
        let deadline = self.cluster.call_deadline();
        self.cluster.per_coordinator(groups, Versions::ALL, deadline, build, split).await
    }

    /// All positions of groups, with the partitions that could not be looked up. A group that does not exist has none.
    pub async fn group_offsets(
        &self,
        groups: &[String],
    ) -> GroupResults<BTreeMap<TopicPartition, Result<Option<OffsetAndMetadata>, BrokerError>>> {
        let build = |version: i16, groups: &[String]| {
            let askers: Vec<_> = groups.iter().map(|group| outsider(group)).collect();
            fetch_request(&askers, None, version)
        };
        let split = |response: OffsetFetchResponse, groups: &[String]| {
            fetch_results(response, groups.first().map_or("", String::as_str))
        };
        let versions = Versions { newest: BY_NAME, many_groups: MANY_GROUPS };
        self.cluster.per_coordinator(groups, versions, self.cluster.call_deadline(), build, split).await
    }

    /// Moves positions of a group that has no members (else `UNKNOWN_MEMBER_ID`). A group that does not exist is created.
    ///
    /// A broker refuses a commit that does not fit into one batch of its internal topic, 1 MiB by default, so many positions
    /// go in several requests, one after the other: if one fails, earlier ones are done. `Err` means that none is.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &Committed,
    ) -> Result<PerPartition<()>, Error> {
        let mut done = PerPartition::new();
        for (number, part) in parts(group, offsets).iter().enumerate() {
            match self.alter_some_offsets(group, part).await {
                Ok(results) => done.extend(results),
                Err(error) if number == 0 => return Err(error),
                Err(error) => {
                    done.extend(part.keys().map(|partition| (partition.clone(), Err(error.clone()))));
                }
            }
        }
        Ok(done)
    }

    async fn alter_some_offsets(&self, group: &str, offsets: &Committed) -> Result<PerPartition<()>, Error> {
        let build = |_: i16, _: &[String]| commit_request(&outsider(group), offsets);
        let split = |response: OffsetCommitResponse, groups: &[String]| {
            // A coordinator that is none says so for each partition.
            let results = commit_results(response);
            vec![(groups.first().cloned().unwrap_or_default(), whole(results))]
        };
        let versions = Versions { newest: BY_NAME, many_groups: i16::MAX };
        let groups = [group.to_owned()];
        let deadline = self.cluster.call_deadline();
        let results = self.cluster.per_coordinator(&groups, versions, deadline, build, split).await;
        only(results)
    }

    /// Deletes positions of a group in topics that no member of it subscribes to (else `GROUP_SUBSCRIBED_TO_TOPIC`).
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<PerPartition<()>, Error> {
        let topics = by_topic(partitions.iter().map(|partition| (partition.clone(), ())));
        let topics = topics.into_iter().map(|(topic, list)| OffsetDeleteRequestTopic {
            name: (&*topic).into(),
            partitions: list
                .into_iter()
                .map(|(index, ())| OffsetDeleteRequestPartition { partition_index: index.get() })
                .collect(),
        });
        let request = OffsetDeleteRequest { group_id: group.into(), topics: topics.collect() };
        let build = |_: i16, _: &[String]| request.clone();
        let split = |response: OffsetDeleteResponse, groups: &[String]| {
            let outcome = BrokerError::check(response.error_code, None);
            let topics = response.topics.into_iter().flat_map(|topic| {
                let name: Arc<str> = Arc::from(topic.name.as_str());
                topic.partitions.into_iter().map(move |partition| {
                    let index = PartitionIndex(partition.partition_index);
                    let key = TopicPartition::new(Arc::clone(&name), index);
                    (key, BrokerError::check(partition.error_code, None))
                })
            });
            let results = outcome.and_then(|()| whole(topics.collect()));
            vec![(groups.first().cloned().unwrap_or_default(), results)]
        };
        let versions = Versions { newest: i16::MAX, many_groups: i16::MAX };
        let groups = [group.to_owned()];
        let deadline = self.cluster.call_deadline();
        let results = self.cluster.per_coordinator(&groups, versions, deadline, build, split).await;
        only(results)
    }

    /// How far a group is behind, in each partition that it has a position in and in each of `more`.
    pub async fn group_lag(
        &self,
        group: &str,
        more: &BTreeSet<TopicPartition>,
    ) -> Result<PerPartition<PartitionLag>, Error> {
        let positions = only(self.group_offsets(&[group.to_owned()]).await)?;
        let all: BTreeSet<_> = positions.keys().chain(more).cloned().collect();
        let wanted: Vec<_> = all.into_iter().map(|partition| (partition, OffsetAt::Latest)).collect();
        let ends = self.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
        let lags = ends.into_iter().map(|(partition, end)| {
            let lag = end.and_then(|end| {
                let end = end.offset.ok_or(Error::Answer("the log has no end"))?.get();
                let committed = positions.get(&partition).cloned().unwrap_or(Ok(None))?;
                Ok(PartitionLag { committed, end })
            });
            (partition, lag)
        });
        Ok(lags.collect())
    }
}

/// Positions whose records fit into one batch together, however the broker is set up within reason: half of a default batch. At
/// least one part, so that a group is asked about even with nothing to do.
fn parts(group: &str, offsets: &Committed) -> Vec<Committed> {
    const MOST: usize = 512 * 1024;
    // key, value and frame of a record, lengths and numbers
    const FIXED: usize = 80;
    let mut parts = vec![Committed::new()];
    let mut bytes = 0;
    for (partition, offset) in offsets {
        let record = FIXED + group.len() + partition.topic.len() + offset.metadata.len();
        bytes += record;
        if MOST < bytes && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(Committed::new());
            bytes = record;
        }
        if let Some(part) = parts.last_mut() {
            part.insert(partition.clone(), offset.clone());
        }
    }
    parts
}

fn outsider(group: &str) -> Asker {
    Asker { group_id: group.to_owned(), ..Asker::default() }
}

fn only<T>(results: GroupResults<T>) -> Result<T, Error> {
    results.into_iter().next().map_or(Err(Error::Answer("the group is missing")), |(_, result)| result)
}

/// Results of partitions as one of the group, if what failed is the coordinator, which the whole request goes to again.
fn whole(results: Vec<(TopicPartition, Result<(), BrokerError>)>) -> Result<PerPartition<()>, BrokerError> {
    let moved = results.iter().find_map(|(_, result)| {
        let error = result.as_ref().err()?;
        let code = error.known()?;
        matches!(
            code,
            ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::CoordinatorLoadInProgress
        )
        .then(|| error.clone())
    });
    match moved {
        Some(error) => Err(error),
        None => Ok(results.into_iter().map(|(key, result)| (key, result.map_err(Error::from))).collect()),
    }
}

fn listing(group: &ListedGroup, coordinator: i32) -> GroupListing {
    let group_type = group.group_type.to_lowercase();
    GroupListing {
        group_id: group.group_id.to_string(),
        // Before Kafka 4.0 there was only one type.
        group_type: if group_type.is_empty() { CLASSIC.to_owned() } else { group_type },
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        coordinator,
    }
}

fn modern(group: DescribedModern) -> GroupDescription {
    let members = group.members.into_iter().map(|member: Member| MemberDescription {
        member_id: member.member_id.to_string(),
        instance_id: member.instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        rack: member.rack_id.map(|rack| rack.to_string()),
        epoch: Some(member.member_epoch),
        topics: member.subscribed_topic_names.iter().map(ToString::to_string).collect(),
        regex: member.subscribed_topic_regex.map(|regex| regex.to_string()).filter(|regex| !regex.is_empty()),
        assignment: partitions(&member.assignment),
        target: Some(partitions(&member.target_assignment)),
    });
    GroupDescription {
        group_id: group.group_id.to_string(),
        group_type: "consumer",
        state: group.group_state.to_string(),
        assignor: group.assignor_name.to_string(),
        epochs: Some((group.group_epoch, group.assignment_epoch)),
        waits: None,
        members: members.collect(),
    }
}

fn partitions(assignment: &Assignment) -> BTreeSet<TopicPartition> {
    let topics = assignment.topic_partitions.iter();
    let partitions = topics.flat_map(|topic| {
        let name: Arc<str> = Arc::from(topic.topic_name.as_str());
        let indexes = topic.partitions.iter();
        indexes.map(move |index| TopicPartition::new(Arc::clone(&name), PartitionIndex(*index)))
    });
    partitions.collect()
}

fn classic(group: DescribedClassic) -> GroupDescription {
    let members = group.members.into_iter().map(|member: DescribedGroupMember| MemberDescription {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        rack: None,
        epoch: None,
        topics: blob::subscribed(member.member_metadata).unwrap_or_default(),
        regex: None,
        assignment: blob::assigned(member.member_assignment).unwrap_or_default(),
        target: None,
    });
    GroupDescription {
        group_id: group.group_id.to_string(),
        group_type: CLASSIC,
        state: group.group_state.to_string(),
        assignor: group.protocol_data.to_string(),
        epochs: None,
        waits: group.error_message.filter(|message| !message.is_empty()).map(|message| message.to_string()),
        members: members.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_parted_by_the_size_of_their_records_and_none_is_lost() {
        let at = |index: i32, metadata: usize| {
            let offset = OffsetAndMetadata { metadata: "m".repeat(metadata), ..OffsetAndMetadata::new(7) };
            (TopicPartition::new("orders", PartitionIndex(index)), offset)
        };
        let few: Committed = (0..1_000).map(|index| at(index, 0)).collect();
        assert_eq!(parts("group", &few), std::slice::from_ref(&few));
        let many: Committed = (0..10_000).map(|index| at(index, 0)).collect();
        let parted = parts("group", &many);
        assert_eq!(parted.len(), 2);
        assert_eq!(parted.into_iter().flatten().collect::<Committed>(), many);
        // one that is larger than all goes alone, for the broker to judge
        let large: Committed = (0..3).map(|index| at(index, 600_000)).collect();
        assert_eq!(parts("group", &large).len(), 3);
        assert_eq!(parts("group", &Committed::new()), [Committed::new()]);
    }
}
