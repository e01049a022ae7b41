//! What a member has to know of topics: how many partitions there are to divide, which names match, what an id is called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstem_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use mainstem_protocol::model::TopicId;

use super::assignor::{Assignor, GroupAssignment, GroupMember, GroupTopics};
use crate::cluster::{Cluster, Metadata, MissingTopic, Repeat, Target};
use crate::error::Error;

/// Number of partitions of each topic; none = it does not exist.
pub(super) type Layout = BTreeMap<Arc<str>, usize>;

pub(super) fn layout(metadata: &Metadata, topics: &[Arc<str>]) -> Layout {
    let count = |name: &Arc<str>| metadata.topic(name).map_or(0, |topic| topic.partitions.len());
    topics.iter().map(|name| (Arc::clone(name), count(name))).collect()
}

/// What the leader does: learns of all topics that members want, and divides them. `skip` = the old assignment stands, and
/// only the topics are learnt, to be watched.
pub(super) async fn divide(
    cluster: Arc<Cluster>,
    assignor: Arc<dyn Assignor>,
    members: Vec<GroupMember>,
    skip: bool,
) -> Result<(Option<GroupAssignment>, Layout), Error> {
    let wanted: BTreeSet<Arc<str>> =
        members.iter().flat_map(|member| member.topics.iter().cloned()).collect();
    let names: Vec<_> = wanted.into_iter().collect();
    let deadline = cluster.request_deadline(cluster.call_deadline());
    // Nobody else's answer will do: it may be older than the topic that a member has just seen.
    let metadata = cluster.refresh(Some(&names), MissingTopic::Fail, u64::MAX, deadline).await?;
    let based_on = layout(&metadata, &names);
    if skip {
        return Ok((None, based_on));
    }
    let rack = |node: &i32| metadata.broker(*node)?.rack.as_deref().map(Arc::from);
    let topics: GroupTopics = names
        .iter()
        .filter_map(|name| {
            let topic = metadata.topic(name).filter(|topic| topic.error.is_none())?;
            let partitions = topic.partitions.iter();
            let racks = partitions.map(|partition| partition.replicas.iter().filter_map(rack).collect());
            Some((Arc::clone(name), racks.collect()))
        })
        .collect();
    Ok((Some(assignor.assign(&topics, &members)), based_on))
}

/// Names of all topics that `regex` matches as a whole; without one, `topics` are looked at anew.
pub(super) async fn matching(
    cluster: Arc<Cluster>,
    regex: Option<String>,
    topics: Vec<Arc<str>>,
) -> Result<BTreeSet<Arc<str>>, Error> {
    let deadline = cluster.call_deadline();
    let Some(regex) = regex else {
        cluster.refresh(Some(&topics), MissingTopic::Fail, u64::MAX, deadline).await?;
        return Ok(BTreeSet::new());
    };
    let regex = whole(&regex).map_err(|_| Error::Answer("a regular expression that was checked"))?;
    let metadata = cluster.refresh(None, MissingTopic::Fail, u64::MAX, deadline).await?;
    let matching = metadata
        .topics()
        .filter(|topic| topic.error.is_none() && !topic.is_internal && regex.is_match(&topic.name));
    Ok(matching.map(|topic| Arc::clone(&topic.name)).collect())
}

/// A regular expression that matches names as a whole, as Kafka's brokers do it.
pub(super) fn whole(regex: &str) -> Result<regex::Regex, regex::Error> {
    regex::Regex::new(&format!("^(?:{regex})$"))
}

/// Names of topics by id, as far as they can be found.
pub(super) async fn name_topics(cluster: &Cluster, ids: &[TopicId]) -> BTreeMap<TopicId, Arc<str>> {
    let known = cluster.metadata();
    let mut names: BTreeMap<_, _> = known
        .topics()
        .filter(|topic| ids.contains(&topic.id))
        .map(|topic| (topic.id, Arc::clone(&topic.name)))
        .collect();
    let missing: Vec<TopicId> = ids.iter().copied().filter(|id| !names.contains_key(id)).collect();
    if missing.is_empty() {
        return names;
    }
    let topics = missing.iter().map(|id| MetadataRequestTopic { topic_id: *id, name: None });
    let request = MetadataRequest {
        topics: Some(topics.collect()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let deadline = cluster.request_deadline(cluster.call_deadline());
    let asked: Result<MetadataResponse, Error> =
        cluster.request(Target::Any, Repeat::Always, &request, deadline).await;
    match asked {
        Ok(response) => names.extend(response.topics.iter().filter_map(|topic| {
            let name = topic.name.as_ref().filter(|_| topic.error_code == 0)?;
            Some((topic.topic_id, Arc::from(name.as_str())))
        })),
        // The machine asks again.
        Err(error) => tracing::warn!(%error, "cannot look up the names of topics"),
    }
    names
}
