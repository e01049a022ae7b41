//! `StreamsGroupDescribe`, key 89, version 0. State, topology and members of streams groups (KIP-1071).

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    wire::WireStr,
};

/// Which groups to describe.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 89, side = "request", versions = 0..=0, flexible = 0)]
pub struct StreamsGroupDescribeRequest {
    /// Groups by id.
    pub group_ids: Vec<GroupId>,
    /// Whether the answer shall say what the caller may do with each group.
    pub include_authorized_operations: bool,
}

/// The groups.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 89, side = "response", versions = 0..=0, flexible = 0)]
pub struct StreamsGroupDescribeResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a group.
    pub groups: Vec<DescribedGroup>,
}

/// A streams group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribedGroup {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Group that is meant.
    pub group_id: GroupId,
    /// `NotReady`, `Assigning`, `Reconciling`, `Stable`, `Empty` or `Dead`.
    pub group_state: WireStr,
    /// Number of the group's membership and subscription state; rises with every change of them.
    pub group_epoch: i32,
    /// Epoch of the group for which the target assignment was computed.
    pub assignment_epoch: i32,
    /// What the application computes; null = no member has told yet.
    #[wire(nullable)]
    pub topology: Option<Topology>,
    /// Members of the group.
    pub members: Vec<Member>,
    /// Bit set of what the caller may do with the group; `i32::MIN` = not asked for.
    #[wire(default = i32::MIN)]
    pub authorized_operations: i32,
}

/// What the application computes, cut into parts that run on their own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Topology {
    /// Version of the topology as the application counts it.
    pub epoch: i32,
    /// The parts; null = the topology is not usable yet.
    #[wire(nullable)]
    pub subtopologies: Option<Vec<Subtopology>>,
}

/// A part of the topology that runs as one task for each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Subtopology {
    /// Subtopology, as the application numbers it.
    pub subtopology_id: WireStr,
    /// Topics that it reads and did not make.
    pub source_topics: Vec<TopicName>,
    /// Internal topics that it writes for other parts.
    pub repartition_sink_topics: Vec<TopicName>,
    /// Topics that keep its state.
    pub state_changelog_topics: Vec<TopicInfo>,
    /// Internal topics that it reads from other parts.
    pub repartition_source_topics: Vec<TopicInfo>,
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

/// A member of a streams group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Member {
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
    /// Epoch that the member has reached.
    pub member_epoch: i32,
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
    /// Topology that the member runs.
    pub topology_epoch: i32,
    /// Process that the member is part of.
    pub process_id: WireStr,
    /// Where the application answers queries of its state; null = nowhere.
    #[wire(nullable)]
    pub user_endpoint: Option<Endpoint>,
    /// Tags by which standby tasks are spread.
    pub client_tags: Vec<KeyValue>,
    /// Position of each task's state in its changelogs.
    pub task_offsets: Vec<TaskOffset>,
    /// End of the same changelogs.
    pub task_end_offsets: Vec<TaskOffset>,
    /// Tasks that it has.
    pub assignment: Assignment,
    /// Tasks that it shall have in the end.
    pub target_assignment: Assignment,
    /// Whether it joined by `JoinGroup` (classic).
    pub is_classic: bool,
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

/// A set of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Assignment {
    /// Tasks that the member runs.
    pub active_tasks: Vec<TaskIds>,
    /// Tasks whose state it keeps ready.
    pub standby_tasks: Vec<TaskIds>,
    /// Tasks whose state it builds up.
    pub warmup_tasks: Vec<TaskIds>,
}

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TaskIds {
    /// Subtopology, as the application numbers it.
    pub subtopology_id: WireStr,
    /// Partitions, one a task.
    pub partitions: Vec<i32>,
}
