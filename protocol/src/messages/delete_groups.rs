//! `DeleteGroups`, key 42, versions 0-2. Deletion of empty groups with their offsets.
//!
//! History: v2 flexible.

use crate::{message::Message, messages::GroupId};

/// Groups to delete, each on its own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 42, side = "request", versions = 0..=2, flexible = 2)]
pub struct DeleteGroupsRequest {
    /// Groups by id.
    pub groups_names: Vec<GroupId>,
}

/// What became of each group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 42, side = "response", versions = 0..=2, flexible = 2)]
pub struct DeleteGroupsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a group.
    pub results: Vec<DeletableGroupResult>,
}

/// Outcome for one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeletableGroupResult {
    /// Group as it was asked.
    pub group_id: GroupId,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
