//! `LeaveGroup`, key 13, versions 0-5. Members leave a classic group without waiting for their session to
//! end.
//!
//! History: v3 many members at once, static ones too (KIP-345), v4 flexible, v5 reason (KIP-800).

use crate::{message::Message, messages::GroupId, wire::WireStr};

/// Who leaves.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 13, side = "request", versions = 0..=5, flexible = 4)]
pub struct LeaveGroupRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// The only member that leaves, before version 3.
    #[wire(until = 2)]
    pub member_id: WireStr,
    /// Members that leave, from version 3.
    #[wire(since = 3)]
    pub members: Vec<MemberIdentity>,
}

/// A member that leaves.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct MemberIdentity {
    /// Id of the member; may be empty for a static one.
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(nullable)]
    pub group_instance_id: Option<WireStr>,
    /// Why it leaves, for the broker's log; null = not told.
    #[wire(since = 5, nullable, ignorable)]
    pub reason: Option<WireStr>,
}

/// Who has left.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 13, side = "response", versions = 0..=5, flexible = 4)]
pub struct LeaveGroupResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 1, ignorable)]
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// One result a member, from version 3.
    #[wire(since = 3)]
    pub members: Vec<MemberResponse>,
}

/// Outcome for one member.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct MemberResponse {
    /// Id of the member as it was asked.
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(nullable)]
    pub group_instance_id: Option<WireStr>,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
