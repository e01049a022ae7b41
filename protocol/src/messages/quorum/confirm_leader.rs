//! `ConfirmLeader`, key 20004, version 0. Own, between the nodes of a quorum only: a voter that has started asks how far it must
//! apply to know everything that was committed before.
//!
//! The leader writes an entry for the question: once that is committed, it was the leader, and all before it is committed.

use super::Envelope;
use crate::{message::Message, wire::WireStr};

/// How far is far enough?
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20004, side = "request", versions = 0..=0, flexible = 0)]
pub struct ConfirmLeaderRequest {
    /// From whom to whom.
    pub envelope: Envelope,
}

/// This far.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20004, side = "response", versions = 0..=0, flexible = 0)]
pub struct ConfirmLeaderResponse {
    /// Outcome; 0 = the answering voter leads.
    pub error_code: i16,
    /// Outcome in words for a human; null = no error.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Index of the entry; -1 with an error.
    #[wire(default = -1)]
    pub index: i64,
}
