//! `UnregisterBroker`, key 64, version 0. Forgets a broker that will not come back (KIP-631).

use crate::{message::Message, wire::WireStr};

/// Broker to forget.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 64, side = "request", versions = 0..=0, flexible = 0)]
pub struct UnregisterBrokerRequest {
    /// Id of the broker.
    pub broker_id: i32,
}

/// Whether it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 64, side = "response", versions = 0..=0, flexible = 0)]
pub struct UnregisterBrokerResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
