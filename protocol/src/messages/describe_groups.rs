//! `DescribeGroups`, key 15, versions 0-6. State and members of classic groups.
//!
//! History: v3 authorised operations, v4 static members, v5 flexible, v6 error for groups that do not exist
//! in place of the state `Dead` (KIP-1043).

use crate::{message::Message, messages::GroupId, wire::WireStr};
use bytes::Bytes;

/// Which groups to describe.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 15, side = "request", versions = 0..=6, flexible = 5)]
pub struct DescribeGroupsRequest {
    /// Groups by id.
    pub groups: Vec<GroupId>,
    /// Whether the answer shall say what the caller may do with each group.
    #[wire(since = 3)]
    pub include_authorized_operations: bool,
}

/// The groups.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 15, side = "response", versions = 0..=6, flexible = 5)]
pub struct DescribeGroupsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 1, ignorable)]
    pub throttle_time_ms: i32,
    /// One result a group.
    pub groups: Vec<DescribedGroup>,
}

/// A classic group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribedGroup {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(since = 6, nullable)]
    pub error_message: Option<WireStr>,
    /// Group that is meant.
    pub group_id: GroupId,
    /// `PreparingRebalance`, `CompletingRebalance`, `Stable`, `Empty` or `Dead`.
    pub group_state: WireStr,
    /// Kind of group, as `consumer`; empty when unknown.
    pub protocol_type: WireStr,
    /// Protocol that the generation follows; empty while there is none.
    pub protocol_data: WireStr,
    /// Members of the group.
    pub members: Vec<DescribedGroupMember>,
    /// Bit set of what the caller may do with the group; `i32::MIN` = not asked for.
    #[wire(since = 3, default = i32::MIN)]
    pub authorized_operations: i32,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribedGroupMember {
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(since = 4, nullable, ignorable)]
    pub group_instance_id: Option<WireStr>,
    /// Client id of the member's requests.
    pub client_id: WireStr,
    /// Address from which the member connected.
    pub client_host: WireStr,
    /// What it sent for the chosen protocol; empty while the group rebalances.
    pub member_metadata: Bytes,
    /// Its part of the assignment; empty while there is none.
    pub member_assignment: Bytes,
}
