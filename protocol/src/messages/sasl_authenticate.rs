//! `SaslAuthenticate`, key 36, versions 0-2. One step of a SASL exchange after `SaslHandshake` v1.
//!
//! History: v1 lifetime of the session (KIP-368), v2 flexible.

use crate::{message::Message, wire::WireStr};
use bytes::Bytes;

/// The client's token.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 36, side = "request", versions = 0..=2, flexible = 2)]
pub struct SaslAuthenticateRequest {
    /// Token in the form of the mechanism.
    pub auth_bytes: Bytes,
}

/// The broker's token, or the refusal.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 36, side = "response", versions = 0..=2, flexible = 2)]
pub struct SaslAuthenticateResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Token in the form of the mechanism; empty when there is nothing to say.
    pub auth_bytes: Bytes,
    /// After how many milliseconds the client must have authenticated again; 0 = never.
    #[wire(since = 1, ignorable)]
    pub session_lifetime_ms: i64,
}
