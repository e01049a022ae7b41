//! `Heartbeat`, key 12, versions 0-4. A sign of life from a member of a classic group, and how the member
//! hears of a rebalance.
//!
//! History: v3 static members, v4 flexible.

use crate::{message::Message, messages::GroupId, wire::WireStr};

/// A member is alive.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 12, side = "request", versions = 0..=4, flexible = 4)]
pub struct HeartbeatRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Generation of the classic group in which the member takes part.
    pub generation_id: i32,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(since = 3, nullable)]
    pub group_instance_id: Option<WireStr>,
}

/// Whether the generation still stands; `REBALANCE_IN_PROGRESS` = join again.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 12, side = "response", versions = 0..=4, flexible = 4)]
pub struct HeartbeatResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 1, ignorable)]
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
