//! `SaslHandshake`, key 17, versions 0-1. Choice of the SASL mechanism. After v1 the tokens travel in
//! `SaslAuthenticate`, after v0 bare on the connection.

use crate::{message::Message, wire::WireStr};

/// Mechanism that the client wants.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 17, side = "request", versions = 0..=1)]
pub struct SaslHandshakeRequest {
    /// Name of the mechanism, as `SCRAM-SHA-512`.
    pub mechanism: WireStr,
}

/// Whether the mechanism can be used.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 17, side = "response", versions = 0..=1)]
pub struct SaslHandshakeResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Mechanisms that this listener takes.
    pub mechanisms: Vec<WireStr>,
}
