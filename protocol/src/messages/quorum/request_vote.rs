//! `RequestVote`, key 20001, version 0. Own, between the nodes of a quorum only: a candidate asks for a vote.

use super::{Ballot, Envelope, Position};
use crate::{message::Message, wire::WireStr};

/// A candidacy.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20001, side = "request", versions = 0..=0, flexible = 0)]
pub struct RequestVoteRequest {
    /// From whom to whom.
    pub envelope: Envelope,
    /// The candidacy; its voter is the sender.
    pub ballot: Ballot,
    /// Last entry in the candidate's log; null = it is empty.
    #[wire(nullable)]
    pub last: Option<Position>,
}

/// The vote.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20001, side = "response", versions = 0..=0, flexible = 0)]
pub struct RequestVoteResponse {
    /// Outcome; 0 = the candidacy was considered.
    pub error_code: i16,
    /// Outcome in words for a human; null = no error.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// What the voter has voted for last; equal to the candidacy if it was granted.
    pub ballot: Ballot,
    /// Whether the vote was given.
    pub is_granted: bool,
    /// Last entry in the voter's log; null = it is empty.
    #[wire(nullable)]
    pub last: Option<Position>,
}
