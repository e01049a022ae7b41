//! `RenewDelegationToken`, key 39, versions 1-2. A longer life for a delegation token (KIP-48).
//!
//! History: v2 flexible.

use crate::message::Message;
use bytes::Bytes;

/// Token to renew.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 39, side = "request", versions = 1..=2, flexible = 2)]
pub struct RenewDelegationTokenRequest {
    /// Secret of the token.
    pub hmac: Bytes,
    /// How long it shall live from now, in milliseconds; -1 = the broker's default.
    pub renew_period_ms: i64,
}

/// The new end.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 39, side = "response", versions = 1..=2, flexible = 2)]
pub struct RenewDelegationTokenResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// When the token ends unless renewed, in milliseconds since the epoch.
    pub expiry_timestamp_ms: i64,
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
}
