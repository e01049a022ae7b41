//! `KeepAlive`, key 20006, version 0. Own, between nodes only: a broker tells the controller that it lives and what it wants.
//!
//! Fields and meaning are those of Kafka's BrokerHeartbeat (KIP-631); whom it is from and for stands before them, as in everything
//! that nodes say.

use super::Envelope;
use crate::{message::Message, wire::WireStr};

/// State of a broker.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20006, side = "request", versions = 0..=0, flexible = 0)]
pub struct KeepAliveRequest {
    /// From whom to whom; the sending node is the broker.
    pub envelope: Envelope,
    /// Epoch of its registration.
    pub broker_epoch: i64,
    /// Index of the last entry that all rooms of the broker have seen.
    pub applied_index: i64,
    /// Whether it wants to lead nothing.
    pub wants_fence: bool,
    /// Whether it wants to stop, and to hand over what it leads.
    pub wants_shutdown: bool,
}

/// State of the broker as the controller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20006, side = "response", versions = 0..=0, flexible = 0)]
pub struct KeepAliveResponse {
    /// Outcome; 0 = the sign of life counts.
    pub error_code: i16,
    /// Outcome in words for a human; null = no error.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Whether it is fenced.
    #[wire(default = true)]
    pub is_fenced: bool,
    /// Whether it leads nothing any more.
    pub may_stop: bool,
}
