//! `PushTelemetry`, key 72, version 0. A client's metrics (KIP-714).

use crate::{message::Message, model::Uuid};
use bytes::Bytes;

/// Metrics of one client process.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 72, side = "request", versions = 0..=0, flexible = 0)]
pub struct PushTelemetryRequest {
    /// Id of the client process.
    pub client_instance_id: Uuid,
    /// Number of the wishes that this push follows.
    pub subscription_id: i32,
    /// Whether the client stops and this is its last push.
    pub terminating: bool,
    /// Codec of `metrics`; numbers as in record batches, 0 = none.
    pub compression_type: i8,
    /// Metrics in OpenTelemetry's protobuf form, compressed.
    pub metrics: Bytes,
}

/// Whether the metrics were taken.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 72, side = "response", versions = 0..=0, flexible = 0)]
pub struct PushTelemetryResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
