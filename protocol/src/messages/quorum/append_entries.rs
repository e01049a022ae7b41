//! `AppendEntries`, key 20002, version 0. Own, between the nodes of a quorum only: the leader's entries, and its sign of life.

use super::{Ballot, Envelope, Position};
use crate::{message::Message, wire::WireStr};
use bytes::Bytes;

/// Entries to be written behind `previous`; none = a sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20002, side = "request", versions = 0..=0, flexible = 0)]
pub struct AppendEntriesRequest {
    /// From whom to whom.
    pub envelope: Envelope,
    /// The leadership; its voter is the sender.
    pub ballot: Ballot,
    /// Entry right before the first one sent; null = they are the first of the log.
    #[wire(nullable)]
    pub previous: Option<Position>,
    /// The entries, without holes.
    pub entries: Vec<LogEntry>,
    /// Last entry that the leader knows to be committed; null = none.
    #[wire(nullable)]
    pub committed: Option<Position>,
}

/// One entry, as it stands in the log file.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct LogEntry {
    /// Its place.
    pub position: Position,
    /// What it holds: 0 = nothing, 1 = a proposal, 2 = the voters.
    pub kind: i8,
    /// The proposal, or the voters.
    pub body: Bytes,
}

/// What became of the entries.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20002, side = "response", versions = 0..=0, flexible = 0)]
pub struct AppendEntriesResponse {
    /// Outcome; 0 = the leadership was considered.
    pub error_code: i16,
    /// Outcome in words for a human; null = no error.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// 0 = all entries are on disk, 1 = those up to `matching` are, 2 = `previous` is not in the log, 3 = there is a higher
    /// ballot.
    pub verdict: i8,
    /// Last entry that is on disk, where only some are; null otherwise.
    #[wire(nullable)]
    pub matching: Option<Position>,
    /// The higher ballot; null otherwise.
    #[wire(nullable)]
    pub ballot: Option<Ballot>,
}
