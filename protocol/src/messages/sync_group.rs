//! `SyncGroup`, key 14, versions 0-5. The leader of a classic group hands in the assignment, and each member
//! takes its part.
//!
//! History: v3 static members, v4 flexible, v5 protocol type and name are checked (KIP-559).

use crate::{message::Message, messages::GroupId, wire::WireStr};
use bytes::Bytes;

/// A member waits for its part; the leader brings all parts.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 14, side = "request", versions = 0..=5, flexible = 4)]
pub struct SyncGroupRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Generation that the member joined.
    pub generation_id: i32,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(since = 3, nullable)]
    pub group_instance_id: Option<WireStr>,
    /// Kind of group that the member takes this for; null = do not check.
    #[wire(since = 5, nullable, ignorable)]
    pub protocol_type: Option<WireStr>,
    /// Protocol that the member takes for chosen; null = do not check.
    #[wire(since = 5, nullable, ignorable)]
    pub protocol_name: Option<WireStr>,
    /// Every member's part, from the leader; empty from the others.
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

/// One member's part.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct SyncGroupRequestAssignment {
    /// Member whose part this is.
    pub member_id: WireStr,
    /// The part, in the form of the group's protocol.
    pub assignment: Bytes,
}

/// This member's part.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 14, side = "response", versions = 0..=5, flexible = 4)]
pub struct SyncGroupResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 1, ignorable)]
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Kind of group; null on an error.
    #[wire(since = 5, nullable, ignorable)]
    pub protocol_type: Option<WireStr>,
    /// Protocol of the generation; null on an error.
    #[wire(since = 5, nullable, ignorable)]
    pub protocol_name: Option<WireStr>,
    /// The part as the leader wrote it; empty when it gave none.
    pub assignment: Bytes,
}
