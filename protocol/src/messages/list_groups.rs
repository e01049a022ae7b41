//! `ListGroups`, key 16, versions 0-5. Groups that this broker coordinates.
//!
//! History: v3 flexible, v4 filter by state (KIP-518), v5 filter by type (KIP-848).

use crate::{message::Message, messages::GroupId, wire::WireStr};

/// Which groups to list.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 16, side = "request", versions = 0..=5, flexible = 3)]
pub struct ListGroupsRequest {
    /// States wanted, by name; empty = all.
    #[wire(since = 4)]
    pub states_filter: Vec<WireStr>,
    /// Types wanted: `classic`, `consumer`, `share`, `streams`; empty = all.
    #[wire(since = 5)]
    pub types_filter: Vec<WireStr>,
}

/// The groups. Ask every broker to see all of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 16, side = "response", versions = 0..=5, flexible = 3)]
pub struct ListGroupsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 1, ignorable)]
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Groups that passed the filters.
    pub groups: Vec<ListedGroup>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ListedGroup {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Kind of group, as `consumer`; empty for a group that only holds offsets.
    pub protocol_type: WireStr,
    /// State of the group by name.
    #[wire(since = 4, ignorable)]
    pub group_state: WireStr,
    /// `classic`, `consumer`, `share` or `streams`.
    #[wire(since = 5, ignorable)]
    pub group_type: WireStr,
}
