//! What happens to groups, and what they answer.
//!
//! Above: handlers, which make calls; the machine and its parts. Below: the messages of the protocol.

use super::GroupRecord;
use crate::coordinator::Step;
use mainstem_protocol::{
    messages::{
        consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse},
        consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
        delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse},
        list_groups::{ListGroupsRequest, ListGroupsResponse},
        offset_commit::{OffsetCommitRequest, OffsetCommitResponse},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse},
        offset_fetch::{OffsetFetchRequest, OffsetFetchResponse},
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
    wire::WireStr,
};
use std::sync::Arc;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Client id of the request; empty when it sent none.
    pub(crate) id: WireStr,
    /// Address, as Kafka writes it: `/127.0.0.1`.
    pub(crate) host: WireStr,
    /// Version of the request.
    pub(crate) version: i16,
}

/// A request about groups of one shard. Requests that name several groups arrive here once for each shard, with the groups
/// of that shard.
#[derive(Debug)]
pub(crate) enum GroupCall {
    Join(Client, JoinGroupRequest),
    Sync(Client, SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(Client, LeaveGroupRequest),
    ConsumerHeartbeat(Client, ConsumerGroupHeartbeatRequest),
    Commit(Client, OffsetCommitRequest),
    Fetch(Client, OffsetFetchRequest),
    DeleteOffsets(OffsetDeleteRequest),
    List(ListGroupsRequest),
    Describe(Client, DescribeGroupsRequest),
    ConsumerDescribe(ConsumerGroupDescribeRequest),
    Delete(DeleteGroupsRequest),
}

/// The answer to the call of the same name.
#[derive(Debug)]
pub(crate) enum GroupAnswer {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    Leave(LeaveGroupResponse),
    ConsumerHeartbeat(ConsumerGroupHeartbeatResponse),
    Commit(OffsetCommitResponse),
    Fetch(OffsetFetchResponse),
    DeleteOffsets(OffsetDeleteResponse),
    List(ListGroupsResponse),
    Describe(DescribeGroupsResponse),
    ConsumerDescribe(ConsumerGroupDescribeResponse),
    Delete(DeleteGroupsResponse),
}

/// A timer of a shard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GroupTimer {
    /// A classic member, or one that got its id and has to join with it, was silent for its session timeout.
    ClassicSession { group: Arc<str>, member: Arc<str> },
    /// The join phase of a classic group ends (initial delay or rebalance timeout).
    ClassicJoin { group: Arc<str> },
    /// Members of a classic group had to ask for their assignment by now.
    ClassicSync { group: Arc<str> },
    /// A member of a consumer group was silent for its session timeout.
    ConsumerSession { group: Arc<str>, member: Arc<str> },
    /// A member of a consumer group had to give up partitions by now.
    ConsumerRebalance { group: Arc<str>, member: Arc<str> },
    /// A member that came by the classic protocol into a consumer group had to join or sync by now.
    ConsumerClassicMember { group: Arc<str>, member: Arc<str> },
    /// The next target assignment of a consumer group may be computed, or its subscription has to be looked at again.
    ConsumerAssignment { group: Arc<str> },
    /// Offsets that have expired, or whose topic is gone, are looked for.
    OffsetExpiry,
}

/// A step of the machine of groups.
pub(crate) type GroupStep = Step<GroupRecord, GroupAnswer, GroupTimer>;
