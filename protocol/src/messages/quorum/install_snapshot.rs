//! `InstallSnapshot`, key 20003, version 0. Own, between the nodes of a quorum only: a piece of the leader's snapshot, for a
//! voter that lacks entries which the leader has no more.
//!
//! Pieces come in order. A piece that does not continue what has arrived is answered with where to go on; the voter takes the
//! snapshot over with the last piece.

use super::{Ballot, Envelope};
use crate::{message::Message, wire::WireStr};
use bytes::Bytes;

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20003, side = "request", versions = 0..=0, flexible = 0)]
pub struct InstallSnapshotRequest {
    /// From whom to whom.
    pub envelope: Envelope,
    /// The leadership; its voter is the sender.
    pub ballot: Ballot,
    /// Which snapshot: the same for all of its pieces.
    pub snapshot_id: WireStr,
    /// Place of the first byte in the snapshot.
    pub offset: i64,
    /// The bytes.
    pub data: Bytes,
    /// Whether it is the last piece.
    pub is_last: bool,
}

/// What became of the piece.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20003, side = "response", versions = 0..=0, flexible = 0)]
pub struct InstallSnapshotResponse {
    /// Outcome; 0 = the leadership was considered.
    pub error_code: i16,
    /// Outcome in words for a human; null = no error.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// What the voter has voted for last; higher than the leadership = it is over.
    pub ballot: Ballot,
    /// Whether the piece continued what had arrived. If not, the pieces are to be sent from the first on.
    pub is_taken: bool,
}
