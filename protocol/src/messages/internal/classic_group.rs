//! State of classic groups in `__consumer_offsets`: record type 2. A null value is a tombstone: the group is
//! gone.

use crate::{message::Message, messages::GroupId, wire::WireStr};
use bytes::Bytes;

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 2)]
pub struct GroupMetadataKey {
    /// Id of the group.
    pub group: GroupId,
}

/// A group after a finished rebalance, or empty. v2 time of the state, v3 static members, v4 flexible.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 2, versions = 0..=4, flexible = 4)]
pub struct GroupMetadataValue {
    /// Kind of group, as `consumer`.
    pub protocol_type: WireStr,
    /// Number of the generation.
    pub generation: i32,
    /// Protocol that the generation follows; null = there are no members.
    #[wire(nullable)]
    pub protocol: Option<WireStr>,
    /// Member that computed the assignment; null = there are no members.
    #[wire(nullable)]
    pub leader: Option<WireStr>,
    /// When the group came into this state, in milliseconds since the epoch; -1 = unknown.
    #[wire(since = 2, default = -1, ignorable)]
    pub current_state_timestamp: i64,
    /// Members of the generation.
    pub members: Vec<MemberMetadata>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct MemberMetadata {
    /// Id that the coordinator gave the member.
    pub member_id: WireStr,
    /// Name of a static member, which survives restarts; null for a dynamic one.
    #[wire(since = 3, nullable, ignorable)]
    pub group_instance_id: Option<WireStr>,
    /// Client id of the member's requests.
    pub client_id: WireStr,
    /// Address from which the member connected.
    pub client_host: WireStr,
    /// How long the others may take to join again, in milliseconds; -1 = unknown.
    #[wire(since = 1, default = -1, ignorable)]
    pub rebalance_timeout: i32,
    /// How long the member may be silent, in milliseconds.
    pub session_timeout: i32,
    /// What it sent for the chosen protocol.
    pub subscription: Bytes,
    /// Its part of the assignment.
    pub assignment: Bytes,
}
