//! `StreamsGroupHeartbeat`, key 88, version 0. Membership in a streams group, whose tasks the broker assigns
//! (KIP-1071).

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    wire::WireStr,
};

/// A member is alive. Null fields have not changed since the last one.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 88, side = "request", versions = 0..=0, flexible = 0)]
pub struct StreamsGroupHeartbeatRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Id of the member, made by itself.
    pub member_id: WireStr,
    /// Epoch of the member; 0 = join, -1 = leave, -2 = a static member leaves for a while.
    pub member_epoch: i32,
    /// Number of the endpoint table that the member knows; the broker sends a newer one.
    pub endpoint_information_epoch: i32,
    /// Name of a static member, which survives restarts; null for a dynamic one, or unchanged.
    #[wire(nullable)]
    pub instance_id: Option<WireStr>,
    /// Rack of the member; null = not told, or unchanged.
    #[wire(nullable)]
    pub rack_id: Option<WireStr>,
    /// How long the member may take to give up tasks, in milliseconds; -1 = unchanged.
    #[wire(default = -1)]
    pub rebalance_timeout_ms: i32,
    /// What the application computes; sent on join.
    #[wire(nullable)]
    pub topology: Option<Topology>,
    /// Tasks that the member runs; null = unchanged.
    #[wire(nullable)]
    pub active_tasks: Option<Vec<TaskIds>>,
    /// Tasks whose state it keeps ready; null = unchanged.
    #[wire(nullable)]
    pub standby_tasks: Option<Vec<TaskIds>>,
    /// Tasks whose state it builds up; null = unchanged.
    #[wire(nullable)]
    pub warmup_tasks: Option<Vec<TaskIds>>,
    /// Process that the member is part of; null = unchanged.
    #[wire(nullable)]
    pub process_id: Option<WireStr>,
    /// Where the application answers queries of its state; null = nowhere, or unchanged.
    #[wire(nullable)]
    pub user_endpoint: Option<Endpoint>,
    /// Tags by which standby tasks are spread; null = unchanged.
    #[wire(nullable)]
    pub client_tags: Option<Vec<KeyValue>>,
    /// Position of each task's state in its changelogs, summed up; null = unchanged.
    #[wire(nullable)]
    pub task_offsets: Option<Vec<TaskOffset>>,
    /// End of the same changelogs, summed up; null = unchanged.
    #[wire(nullable)]
    pub task_end_offsets: Option<Vec<TaskOffset>>,
    /// Ask all members of the application to stop.
    pub shutdown_application: bool,
}

/// What the application computes, cut into parts that run on their own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Topology {
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

/// An internal topic that the broker is to create.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicInfo {
    /// Name of the topic.
    pub name: TopicName,
    /// Number of partitions; 0 = as the topics it goes with.
    pub partitions: i32,
    /// Replicas of each partition; 0 = the broker's default.
    pub replication_factor: i16,
    /// Configs of the topic that differ from the defaults.
    pub topic_configs: Vec<KeyValue>,
}

/// A pair of texts.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct KeyValue {
    /// The key.
    pub key: WireStr,
    /// The value.
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

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TaskIds {
    /// Subtopology, as the application numbers it.
    pub subtopology_id: WireStr,
    /// Partitions, one a task.
    pub partitions: Vec<i32>,
}

/// Where the application answers queries of its state.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Endpoint {
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: u16,
}

/// A position of one task.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TaskOffset {
    /// Subtopology, as the application numbers it.
    pub subtopology_id: WireStr,
    /// Partition of the subtopology that the task runs.
    pub partition: i32,
    /// Offsets of all its changelog partitions, summed up.
    pub offset: i64,
}

/// What the member has to do next.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 88, side = "response", versions = 0..=0, flexible = 0)]
pub struct StreamsGroupHeartbeatResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
    /// Epoch of the member to send from now on.
    pub member_epoch: i32,
    /// How long to wait until the next heartbeat, in milliseconds.
    pub heartbeat_interval_ms: i32,
    /// How far behind a warmup task may be, in offsets, to count as ready.
    pub acceptable_recovery_lag: i32,
    /// How often to send task offsets, in milliseconds.
    pub task_offset_interval_ms: i32,
    /// Anything that keeps the application from running; null = unchanged.
    #[wire(nullable)]
    pub status: Option<Vec<Status>>,
    /// Tasks to run; null = unchanged.
    #[wire(nullable)]
    pub active_tasks: Option<Vec<TaskIds>>,
    /// Tasks whose state to keep ready; null = unchanged.
    #[wire(nullable)]
    pub standby_tasks: Option<Vec<TaskIds>>,
    /// Tasks whose state to build up; null = unchanged.
    #[wire(nullable)]
    pub warmup_tasks: Option<Vec<TaskIds>>,
    /// Number of the endpoint table below.
    pub endpoint_information_epoch: i32,
    /// Which endpoint answers for which partitions; null = unchanged.
    #[wire(nullable)]
    pub partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>>,
}

/// Something that keeps the application from running.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Status {
    /// 0 stale topology, 1 missing source topics, 2 wrong partition counts, 3 missing internal topics, 4
    /// somebody asked for a shutdown, 5 the assignment waits.
    pub status_code: i8,
    /// The same in words.
    pub status_detail: WireStr,
}

/// Partitions whose state can be asked for at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct EndpointToPartitions {
    /// The endpoint.
    pub user_endpoint: Endpoint,
    /// Partitions of tasks that run there.
    pub active_partitions: Vec<TopicPartition>,
    /// Partitions of tasks that are kept ready there.
    pub standby_partitions: Vec<TopicPartition>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}
