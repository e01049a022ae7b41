//! `BrokerRegistration`, key 62, versions 0-4. A broker introduces itself to the controller after its start
//! (KIP-631). Between nodes only.
//!
//! History: v1 migration from ZooKeeper, v2 log directories (KIP-858), v3 epoch of the last run (KIP-966), v4
//! features whose minimum is 0.

use crate::{message::Message, model::Uuid, wire::WireStr};

/// A broker as it comes up.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 62, side = "request", versions = 0..=4, flexible = 0)]
pub struct BrokerRegistrationRequest {
    /// Id of the broker.
    pub broker_id: i32,
    /// Cluster that it belongs to.
    pub cluster_id: WireStr,
    /// Id of this run of the process.
    pub incarnation_id: Uuid,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Features that its software knows.
    pub features: Vec<Feature>,
    /// Rack or zone of the node; null = not configured.
    #[wire(nullable)]
    pub rack: Option<WireStr>,
    /// Left from the move away from ZooKeeper; always false.
    #[wire(since = 1)]
    pub is_migrating_zk_broker: bool,
    /// Ids of its usable log directories.
    #[wire(since = 2, ignorable)]
    pub log_dirs: Vec<Uuid>,
    /// Epoch of its last run if that ended cleanly; -1 = unknown.
    #[wire(since = 3, default = -1, ignorable)]
    pub previous_broker_epoch: i64,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Listener {
    /// Name of the listener.
    pub name: WireStr,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 `SASL_PLAINTEXT`, 3 `SASL_SSL`.
    pub security_protocol: i16,
}

/// A feature with the levels that this software can run at.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Feature {
    /// Name of the feature.
    pub name: WireStr,
    /// Lowest level, inclusive.
    pub min_supported_version: i16,
    /// Highest level, inclusive.
    pub max_supported_version: i16,
}

/// Whether the broker is in.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 62, side = "response", versions = 0..=4, flexible = 0)]
pub struct BrokerRegistrationResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Epoch of this registration; -1 on an error.
    #[wire(default = -1)]
    pub broker_epoch: i64,
}
