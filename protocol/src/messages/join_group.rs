//! `JoinGroup`, key 11, versions 0-9. A member enters a classic group, or enters it again when the group
//! rebalances; answered when all have.
//!
//! History: v1 rebalance timeout, v4 members get their id first (KIP-394), v5 static members, v6 flexible, v7
//! protocol type in the answer, v8 reason (KIP-800), v9 lets the leader skip the assignment (KIP-814).

use crate::{message::Message, messages::GroupId, wire::WireStr};
use bytes::Bytes;

/// A member with what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 11, side = "request", versions = 0..=9, flexible = 6)]
pub struct JoinGroupRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// How long the member may be silent, in milliseconds, before it is taken for dead.
    pub session_timeout_ms: i32,
    /// How long the others may take to join again, in milliseconds; -1 (version 0) = use the session timeout.
    #[wire(since = 1, default = -1, ignorable)]
    pub rebalance_timeout_ms: i32,
    /// Id that the coordinator gave the member; empty on the first join.
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(since = 5, nullable)]
    pub group_instance_id: Option<WireStr>,
    /// Kind of group, such as `consumer`; all members must agree.
    pub protocol_type: WireStr,
    /// Protocols (assignors) that the member can follow, best first.
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// Why it joins, for the broker's log; null = not told.
    #[wire(since = 8, nullable, ignorable)]
    pub reason: Option<WireStr>,
}

/// A protocol that the member can follow.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct JoinGroupRequestProtocol {
    /// Name of the protocol, as `range`.
    pub name: WireStr,
    /// What the member tells the leader, in that protocol's own form.
    pub metadata: Bytes,
}

/// The new generation. Only the leader learns who the members are.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 11, side = "response", versions = 0..=9, flexible = 6)]
pub struct JoinGroupResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 2, ignorable)]
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Number of the new generation; -1 on an error.
    #[wire(default = -1)]
    pub generation_id: i32,
    /// Kind of group; null on an error.
    #[wire(since = 7, nullable, ignorable)]
    pub protocol_type: Option<WireStr>,
    /// Protocol that all members can follow; null on an error.
    #[wire(nullable = 7)]
    pub protocol_name: Option<WireStr>,
    /// Member that computes the assignment.
    pub leader: WireStr,
    /// Whether the leader may keep the assignment as it is: a static leader came back and nothing changed.
    #[wire(since = 9)]
    pub skip_assignment: bool,
    /// Id of this member; with `MEMBER_ID_REQUIRED` the one to join with.
    pub member_id: WireStr,
    /// All members, for the leader; empty for the others.
    pub members: Vec<JoinGroupResponseMember>,
}

/// A member, as the leader needs it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct JoinGroupResponseMember {
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(since = 5, nullable, ignorable)]
    pub group_instance_id: Option<WireStr>,
    /// What this member sent for the chosen protocol.
    pub metadata: Bytes,
}
