//! `DescribeVoter`, key 20000, version 0. Own, between the nodes of a quorum only: the first words of a voter that has no log yet.
//!
//! The only message whose sender does not know yet which directory the other has. From the answers a new voter learns
//! whether there is a quorum, whether it belongs to it, and, if it is the one to found it, whom to name as voters.

use super::{Position, Voter};
use crate::{message::Message, wire::WireStr};

/// Who are you?
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20000, side = "request", versions = 0..=0, flexible = 0)]
pub struct DescribeVoterRequest {
    /// The cluster that the sender belongs to.
    pub cluster_id: WireStr,
    /// Who asks.
    pub from: Voter,
    /// The node that the sender means to reach.
    pub to_node_id: i32,
}

/// A voter, and what it knows of the quorum.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20000, side = "response", versions = 0..=0, flexible = 0)]
pub struct DescribeVoterResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null = no error.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Who answers.
    pub voter: Voter,
    /// Whether it has voted, or has entries.
    pub is_founded: bool,
    /// The voters as its log names them; empty while it has no log.
    pub members: Vec<Voter>,
    /// The last committed entry that the asker was known to have, by what this voter remembers; null = nothing is.
    #[wire(nullable)]
    pub held: Option<Position>,
}
