//! Progress of share groups (KIP-932) in `__share_group_state`: record types 0, the whole state of a share
//! partition, and 1, a change to it. A null snapshot is a tombstone: the state is gone.

use crate::{message::Message, messages::GroupId, model::TopicId};

/// Which share partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__share_group_state", key = 0)]
pub struct ShareSnapshotKey {
    /// The share group.
    pub group_id: GroupId,
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Partition inside the topic, from 0.
    pub partition: i32,
}

/// The whole state.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__share_group_state", key = 0, versions = 0..=0, flexible = 0)]
pub struct ShareSnapshotValue {
    /// Number of the snapshot; updates name the one they build on.
    pub snapshot_epoch: i32,
    /// Epoch of the state; rises with every initialisation.
    pub state_epoch: i32,
    /// Leader epoch of the last writer.
    pub leader_epoch: i32,
    /// First offset that is not done yet; -1 = not decided yet.
    pub start_offset: i64,
    /// Records from there on that are done all the same; -1 = unknown.
    #[wire(tag = 0, default = -1)]
    pub delivery_complete_count: i32,
    /// When the first snapshot was written, in milliseconds since the epoch.
    pub create_timestamp: i64,
    /// When this one was written, in milliseconds since the epoch.
    pub write_timestamp: i64,
    /// State of the records from the start offset on.
    pub state_batches: Vec<StateBatch>,
}

/// A range of records in the same state.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct StateBatch {
    /// First offset of the range.
    pub first_offset: i64,
    /// Last offset of the range, inclusive.
    pub last_offset: i64,
    /// 0 available, 2 acknowledged, 4 archived.
    pub delivery_state: i8,
    /// How often the records were delivered.
    pub delivery_count: i16,
}

/// Which share partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__share_group_state", key = 1)]
pub struct ShareUpdateKey {
    /// The share group.
    pub group_id: GroupId,
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Partition inside the topic, from 0.
    pub partition: i32,
}

/// What has changed since the snapshot or the last update.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__share_group_state", key = 1, versions = 0..=0, flexible = 0)]
pub struct ShareUpdateValue {
    /// Snapshot that the change builds on.
    pub snapshot_epoch: i32,
    /// Leader epoch of the writer; -1 = unchanged.
    pub leader_epoch: i32,
    /// First offset that is not done yet; -1 = unchanged.
    pub start_offset: i64,
    /// Records from there on that are done all the same; -1 = unknown.
    #[wire(tag = 0, default = -1)]
    pub delivery_complete_count: i32,
    /// Records whose state has changed.
    pub state_batches: Vec<StateBatch>,
}
