//! `AskController`, key 20005, version 0. Own, between nodes only: a change of the metadata, passed on to whoever leads the quorum.
//!
//! The id of the request makes a repetition harmless: one that was carried out before is answered as it was then.

use super::Envelope;
use crate::{message::Message, model::Uuid, wire::WireStr};
use bytes::Bytes;

/// A change that somebody asked another node for.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20005, side = "request", versions = 0..=0, flexible = 0)]
pub struct AskControllerRequest {
    /// From whom to whom.
    pub envelope: Envelope,
    /// Id of the request, the same for each try.
    pub request_id: Uuid,
    /// How long the answer is waited for, in milliseconds.
    pub within_ms: i32,
    /// Which change.
    pub kind: i8,
    /// The change, with its version before it.
    pub body: Bytes,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20005, side = "response", versions = 0..=0, flexible = 0)]
pub struct AskControllerResponse {
    /// Outcome of the whole; 0 = there is an answer for each item.
    pub error_code: i16,
    /// Outcome in words for a human; null = no error.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Index of the entry that the answers rest on: who has applied it sees what they say. -1 with an error.
    #[wire(default = -1)]
    pub index: i64,
    /// The answers, as they are remembered in the metadata log, with the version before them.
    pub answers: Bytes,
}
