//! State of streams groups (KIP-1071) in `__consumer_offsets`: record types 17 and 19 to 23. A null value is
//! a tombstone: what the key names is gone.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    wire::WireStr,
};

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 17)]
pub struct StreamsGroupMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// The group's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 17, versions = 0..=0, flexible = 0)]
pub struct StreamsGroupMetadataValue {
    /// Number of the group's membership and topology state; rises with every change of them.
    pub epoch: i32,
    /// Hash over the topics of the topology and their partitions.
    pub metadata_hash: i64,
    /// Topology whose topics were last found in order; -1 = none.
    #[wire(tag = 0, default = -1)]
    pub validated_topology_epoch: i32,
    /// Configs under which the last assignment was computed; null = unknown.
    #[wire(tag = 1, nullable)]
    pub last_assignment_configs: Option<Vec<LastAssignmentConfig>>,
}

/// One of those configs.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct LastAssignmentConfig {
    /// Key of the config.
    pub key: WireStr,
    /// Value as text.
    pub value: WireStr,
}

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 19)]
pub struct StreamsGroupMemberMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member told of itself.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 19, versions = 0..=0, flexible = 0)]
pub struct StreamsGroupMemberMetadataValue {
    /// Name of a static member, which survives restarts; null for a dynamic one.
    #[wire(nullable)]
    pub instance_id: Option<WireStr>,
    /// Rack or zone of the member; null = not told.
    #[wire(nullable)]
    pub rack_id: Option<WireStr>,
    /// Client id of the member's requests.
    pub client_id: WireStr,
    /// Address from which the member connected.
    pub client_host: WireStr,
    /// How long the member may take to give up tasks, in milliseconds; -1 = unknown.
    #[wire(default = -1)]
    pub rebalance_timeout_ms: i32,
    /// Topology that the member runs.
    pub topology_epoch: i32,
    /// Process that the member is part of.
    pub process_id: WireStr,
    /// Where the application answers queries of its state; null = nowhere.
    #[wire(nullable)]
    pub user_endpoint: Option<Endpoint>,
    /// Tags by which standby tasks are spread.
    pub client_tags: Vec<KeyValue>,
}

/// Where the application answers queries of its state.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Endpoint {
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: u16,
}

/// A pair of texts.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct KeyValue {
    /// The key.
    pub key: WireStr,
    /// The value.
    pub value: WireStr,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 20)]
pub struct StreamsGroupTargetAssignmentMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// To what state of the group the target assignment belongs.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 20, versions = 0..=0, flexible = 0)]
pub struct StreamsGroupTargetAssignmentMetadataValue {
    /// Epoch of the group for which the target assignment was computed.
    pub assignment_epoch: i32,
    /// When it was computed, in milliseconds since the epoch; 0 = unknown.
    #[wire(tag = 0)]
    pub assignment_timestamp: i64,
}

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 21)]
pub struct StreamsGroupTargetAssignmentMemberKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member shall have in the end.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 21, versions = 0..=0, flexible = 0)]
pub struct StreamsGroupTargetAssignmentMemberValue {
    /// Tasks that it shall run.
    pub active_tasks: Vec<TargetTaskIds>,
    /// Tasks whose state it shall keep ready.
    pub standby_tasks: Vec<TargetTaskIds>,
    /// Tasks whose state it shall build up.
    pub warmup_tasks: Vec<TargetTaskIds>,
}

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TargetTaskIds {
    /// Subtopology, as the application numbers it.
    pub subtopology_id: WireStr,
    /// Partitions, one a task.
    pub partitions: Vec<i32>,
}

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 22)]
pub struct StreamsGroupCurrentMemberAssignmentKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member has now, on its way to the target.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 22, versions = 0..=0, flexible = 0)]
pub struct StreamsGroupCurrentMemberAssignmentValue {
    /// Epoch that the member has reached.
    pub member_epoch: i32,
    /// Epoch before that, still accepted in case the answer got lost.
    pub previous_member_epoch: i32,
    /// 0 stable, 1 has to give up tasks, 2 waits until others have given up tasks; 127 = unknown.
    pub state: i8,
    /// Tasks that it runs.
    pub active_tasks: Vec<CurrentTaskIds>,
    /// Tasks whose state it keeps ready.
    pub standby_tasks: Vec<CurrentTaskIds>,
    /// Tasks whose state it builds up.
    pub warmup_tasks: Vec<CurrentTaskIds>,
    /// Tasks that it runs and has to give up first.
    pub active_tasks_pending_revocation: Vec<CurrentTaskIds>,
    /// Tasks that it keeps ready and has to give up first.
    pub standby_tasks_pending_revocation: Vec<CurrentTaskIds>,
    /// Tasks that it builds up and has to give up first.
    pub warmup_tasks_pending_revocation: Vec<CurrentTaskIds>,
}

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CurrentTaskIds {
    /// Subtopology, as the application numbers it.
    pub subtopology_id: WireStr,
    /// Partitions, one a task.
    pub partitions: Vec<i32>,
    /// For each task the member epoch in which it was handed out; null = not kept.
    #[wire(tag = 0, nullable)]
    pub assignment_epochs: Option<Vec<i32>>,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 23)]
pub struct StreamsGroupTopologyKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// What the application computes, cut into parts that run on their own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 23, versions = 0..=0, flexible = 0)]
pub struct StreamsGroupTopologyValue {
    /// Version of the topology as the application counts it.
    pub epoch: i32,
    /// The parts.
    pub subtopologies: Vec<Subtopology>,
}

/// A part of the topology that runs as one task for each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Subtopology {
    /// Subtopology, as the application numbers it.
    pub subtopology_id: WireStr,
    /// Topics that it reads and did not make.
    pub source_topics: Vec<TopicName>,
    /// Regular expressions of topics that it reads.
    pub source_topic_regex: Vec<WireStr>,
    /// Topics that keep its state.
    pub state_changelog_topics: Vec<TopicInfo>,
    /// Internal topics that it writes for other parts.
    pub repartition_sink_topics: Vec<TopicName>,
    /// Internal topics that it reads from other parts.
    pub repartition_source_topics: Vec<TopicInfo>,
    /// Sets of topics that must have equally many partitions.
    pub copartition_groups: Vec<CopartitionGroup>,
}

/// An internal topic of the application.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicInfo {
    /// Name of the topic.
    pub name: TopicName,
    /// Number of partitions; 0 = as the topics it goes with.
    pub partitions: i32,
    /// Replicas of each partition; 0 = the broker's default.
    pub replication_factor: i16,
    /// Configs of the topic that differ from the defaults.
    pub topic_configs: Vec<TopicConfig>,
}

/// A config of an internal topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicConfig {
    /// Key of the config.
    pub key: WireStr,
    /// Value as text.
    pub value: WireStr,
}

/// Topics that must have equally many partitions, by their place in the lists of the subtopology.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CopartitionGroup {
    /// Places in `source_topics`, from 0.
    pub source_topics: Vec<i16>,
    /// Places in `source_topic_regex`, from 0.
    pub source_topic_regex: Vec<i16>,
    /// Places in `repartition_source_topics`, from 0.
    pub repartition_source_topics: Vec<i16>,
}
