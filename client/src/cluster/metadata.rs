//! What is known of the cluster. Pure: an answer and what was known before make what is known now.
//!
//! An answer with an older leader epoch than the known one does not replace it: it comes from a broker that has not
//! heard of the move yet.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use mainstem_protocol::messages::metadata::{MetadataResponse, MetadataResponseTopic};
use mainstem_protocol::model::{TopicId, TopicPartition};

use crate::error::BrokerError;
use crate::runtime::Instant;

/// A broker and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Node id.
    pub id: i32,
    /// Name or address.
    pub host: Arc<str>,
    /// TCP port.
    pub port: u16,
    /// Rack, if configured.
    pub rack: Option<String>,
}

/// A partition and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Index inside the topic, from 0.
    pub index: i32,
    /// Node that leads; `None` = nobody at present.
    pub leader: Option<i32>,
    /// Number of the leadership; -1 = unknown.
    pub leader_epoch: i32,
    /// Nodes with a replica, preferred leader first.
    pub replicas: Vec<i32>,
    /// Nodes whose replica is in sync.
    pub in_sync_replicas: Vec<i32>,
    /// Nodes whose replica is not available.
    pub offline_replicas: Vec<i32>,
}

/// A leader that a broker named in an answer about something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaderHint {
    pub(crate) partition: TopicPartition,
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Name.
    pub name: Arc<str>,
    /// Id of this incarnation; none from brokers that have no ids.
    pub id: TopicId,
    /// Whether the cluster itself owns it.
    pub is_internal: bool,
    /// Partitions by rising index.
    pub partitions: Vec<Partition>,
    /// Why it could not be described.
    pub error: Option<BrokerError>,
    pub(crate) fetched: Instant,
}

impl Topic {
    /// The partition with this index.
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions
            .binary_search_by_key(&index, |partition| partition.index)
            .ok()
            .and_then(|at| self.partitions.get(at))
    }
}

/// A picture of the cluster.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// Rises with each answer.
    pub(crate) generation: u64,
    /// Id of the cluster.
    pub cluster_id: Option<String>,
    /// Broker to send admin requests to.
    pub controller_id: Option<i32>,
    /// Live brokers by rising id.
    pub brokers: Vec<Broker>,
    topics: HashMap<Arc<str>, Arc<Topic>, RandomState>,
}

impl Metadata {
    /// The broker with this id.
    pub fn broker(&self, id: i32) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.id == id)
    }

    /// What is known of a topic.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// All known topics, in no order.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    /// Leader and leader epoch of a partition, if it has one.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let partition = self.topic(topic)?.partition(partition)?;
        Some((partition.leader?, partition.leader_epoch))
    }

    /// What is known after a broker named new leaders in passing (KIP-951); `None` = nothing of it is news. A hint with an
    /// older leader epoch than the known one, or to a broker whose address nobody told, does not count.
    pub(crate) fn hinted(&self, hints: &[LeaderHint], addresses: &[Broker]) -> Option<Self> {
        let mut next = self.clone();
        let mut news = false;
        for hint in hints {
            let known = next.topics.get(&hint.partition.topic);
            let index = hint.partition.partition.0;
            let Some(topic) = known.filter(|topic| {
                topic.partition(index).is_some_and(|partition| partition.leader_epoch < hint.leader_epoch)
            }) else {
                continue;
            };
            let address = addresses.iter().find(|broker| broker.id == hint.leader);
            match (address, next.broker(hint.leader)) {
                (None, None) => continue,
                (Some(address), known) if known != Some(address) => {
                    next.brokers.retain(|broker| broker.id != hint.leader);
                    next.brokers.push(address.clone());
                    next.brokers.sort_by_key(|broker| broker.id);
                }
                _ => {}
            }
            let mut topic = Topic::clone(topic);
            for partition in topic.partitions.iter_mut().filter(|partition| partition.index == index) {
                partition.leader = Some(hint.leader);
                partition.leader_epoch = hint.leader_epoch;
            }
            next.topics.insert(Arc::clone(&topic.name), Arc::new(topic));
            news = true;
        }
        news.then_some(next)
    }

    /// What is known after `answer`. `all` = the answer is about all topics, so those that it lacks are gone.
    pub(crate) fn merged(&self, answer: &MetadataResponse, all: bool, fetched: Instant) -> Self {
        let mut brokers: Vec<Broker> = answer
            .brokers
            .iter()
            .filter_map(|broker| {
                // A port that is none cannot be connected to.
                let port = u16::try_from(broker.port).ok().filter(|port| *port != 0)?;
                Some(Broker {
                    id: broker.node_id,
                    host: Arc::from(broker.host.as_str()),
                    port,
                    rack: broker.rack.as_ref().map(|rack| rack.as_str().to_owned()),
                })
            })
            .collect();
        brokers.sort_by_key(|broker| broker.id);
        // A broker that lost sight of all others must not make us forget them.
        if brokers.is_empty() {
            brokers.clone_from(&self.brokers);
        }
        let mut topics = if all { HashMap::default() } else { self.topics.clone() };
        for topic in &answer.topics {
            let Some(name) = &topic.name else { continue };
            let before = self.topics.get(name.as_str());
            let next = merge_topic(before, topic, name.as_str(), fetched);
            topics.insert(Arc::clone(&next.name), Arc::new(next));
        }
        Self {
            generation: self.generation + 1,
            cluster_id: answer.cluster_id.as_ref().map(|id| id.as_str().to_owned()),
            controller_id: (0 <= answer.controller_id).then_some(answer.controller_id),
            brokers,
            topics,
        }
    }
}

fn merge_topic(
    before: Option<&Arc<Topic>>,
    answer: &MetadataResponseTopic,
    name: &str,
    fetched: Instant,
) -> Topic {
    let name = before.map_or_else(|| Arc::from(name), |topic| Arc::clone(&topic.name));
    let mut partitions: Vec<Partition> = answer
        .partitions
        .iter()
        .map(|partition| Partition {
            index: partition.partition_index,
            leader: (0 <= partition.leader_id).then_some(partition.leader_id),
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes.clone(),
            in_sync_replicas: partition.isr_nodes.clone(),
            offline_replicas: partition.offline_replicas.clone(),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    partitions.dedup_by_key(|partition| partition.index);
    // Epochs are comparable only within one incarnation of the topic.
    if let Some(before) = before.filter(|before| before.id == answer.topic_id) {
        for partition in &mut partitions {
            if let Some(known) = before.partition(partition.index) {
                if partition.leader_epoch < known.leader_epoch {
                    *partition = known.clone();
                }
            }
        }
    }
    let error = BrokerError::check(answer.error_code, None).err();
    Topic { name, id: answer.topic_id, is_internal: answer.is_internal, partitions, error, fetched }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::messages::metadata::{MetadataResponseBroker, MetadataResponsePartition};

    fn answer(leader_id: i32, leader_epoch: i32, id: u8) -> MetadataResponse {
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 1,
                host: "a".into(),
                port: 9092,
                ..MetadataResponseBroker::default()
            }],
            controller_id: 1,
            topics: vec![MetadataResponseTopic {
                name: Some("t".into()),
                topic_id: TopicId([id; 16]),
                partitions: vec![MetadataResponsePartition {
                    leader_id,
                    leader_epoch,
                    ..MetadataResponsePartition::default()
                }],
                ..MetadataResponseTopic::default()
            }],
            ..MetadataResponse::default()
        }
    }

    #[tokio::test]
    async fn an_older_leader_epoch_does_not_replace_a_newer_one() {
        let now = crate::runtime::now();
        let known = Metadata::default().merged(&answer(1, 5, 1), false, now);
        let stale = known.merged(&answer(2, 4, 1), false, now);
        assert_eq!(stale.leader("t", 0), Some((1, 5)));
        assert_eq!(stale.merged(&answer(2, 6, 1), false, now).leader("t", 0), Some((2, 6)));
    }

    #[tokio::test]
    async fn a_hint_counts_if_it_is_newer_and_leads_somewhere() {
        use mainstem_protocol::model::PartitionIndex;
        let known = Metadata::default().merged(&answer(1, 5, 1), false, crate::runtime::now());
        let broker = Broker { id: 2, host: "b".into(), port: 9093, rack: None };
        let hint = |leader, leader_epoch| {
            [LeaderHint { partition: TopicPartition::new("t", PartitionIndex(0)), leader, leader_epoch }]
        };
        assert!(known.hinted(&hint(2, 5), std::slice::from_ref(&broker)).is_none(), "not newer");
        assert!(known.hinted(&hint(2, 6), &[]).is_none(), "no address");
        let after = known.hinted(&hint(2, 6), std::slice::from_ref(&broker)).unwrap();
        assert_eq!(after.leader("t", 0), Some((2, 6)));
        assert_eq!(after.broker(2), Some(&broker));
    }

    #[tokio::test]
    async fn a_new_incarnation_starts_its_epochs_anew() {
        let now = crate::runtime::now();
        let known = Metadata::default().merged(&answer(1, 5, 1), false, now);
        assert_eq!(known.merged(&answer(2, 0, 2), false, now).leader("t", 0), Some((2, 0)));
    }

    #[tokio::test]
    async fn an_answer_about_all_topics_forgets_those_that_it_lacks() {
        let now = crate::runtime::now();
        let known = Metadata::default().merged(&answer(1, 5, 1), false, now);
        let empty = MetadataResponse::default();
        assert!(known.merged(&empty, false, now).topic("t").is_some());
        let after = known.merged(&empty, true, now);
        assert!(after.topic("t").is_none());
        assert_eq!(after.brokers.len(), 1, "brokers are kept when an answer names none");
    }

    #[tokio::test]
    async fn ports_that_are_none_are_dropped() {
        let mut bad = answer(1, 0, 1);
        bad.brokers[0].port = 70_000;
        assert!(Metadata::default().merged(&bad, false, crate::runtime::now()).brokers.is_empty());
    }
}
