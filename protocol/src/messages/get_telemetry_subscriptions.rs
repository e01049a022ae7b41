//! `GetTelemetrySubscriptions`, key 71, version 0. Which metrics a client shall push (KIP-714).

use crate::{message::Message, model::Uuid, wire::WireStr};

/// A client asks what to push.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 71, side = "request", versions = 0..=0, flexible = 0)]
pub struct GetTelemetrySubscriptionsRequest {
    /// Id of this client process; all zero = give me one.
    pub client_instance_id: Uuid,
}

/// What to push, how often, in which form.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 71, side = "response", versions = 0..=0, flexible = 0)]
pub struct GetTelemetrySubscriptionsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Id that the client uses from now on; all zero = it had one already.
    pub client_instance_id: Uuid,
    /// Number of this set of wishes; the client sends it with each push.
    pub subscription_id: i32,
    /// Codecs that the broker can read, best first; numbers as in record batches.
    pub accepted_compression_types: Vec<i8>,
    /// Time between two pushes, in milliseconds.
    pub push_interval_ms: i32,
    /// Largest push after compression, in bytes.
    pub telemetry_max_bytes: i32,
    /// Whether counters are sent as differences since the last push; else as sums since the start.
    pub delta_temporality: bool,
    /// Prefixes of metric names; empty = none, one empty prefix = all.
    pub requested_metrics: Vec<WireStr>,
}
