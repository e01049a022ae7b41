//! `DescribeCluster`, key 60, versions 0-2. Brokers and controller, for admin clients.
//!
//! History: v1 asks brokers or controllers, v2 shows fenced brokers (KIP-1073).

use crate::{message::Message, wire::WireStr};

/// What to tell beside the list of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 60, side = "request", versions = 0..=2, flexible = 0)]
pub struct DescribeClusterRequest {
    /// Whether to say what the caller may do with the cluster.
    pub include_cluster_authorized_operations: bool,
    /// Nodes to list: 1 brokers, 2 controllers.
    #[wire(since = 1, default = 1)]
    pub endpoint_type: i8,
    /// Whether to list brokers that are registered but fenced.
    #[wire(since = 2)]
    pub include_fenced_brokers: bool,
}

/// Nodes of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 60, side = "response", versions = 0..=2, flexible = 0)]
pub struct DescribeClusterResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Kind of nodes listed, as it was asked.
    #[wire(since = 1, default = 1)]
    pub endpoint_type: i8,
    /// Id of the cluster.
    pub cluster_id: WireStr,
    /// Node to send admin requests to; -1 = none known.
    #[wire(default = -1)]
    pub controller_id: i32,
    /// The nodes.
    pub brokers: Vec<DescribeClusterBroker>,
    /// Bit set of what the caller may do with the cluster; `i32::MIN` = not asked for.
    #[wire(default = i32::MIN)]
    pub cluster_authorized_operations: i32,
}

/// A node and where it listens, on the listener that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeClusterBroker {
    /// Id of the broker.
    pub broker_id: i32,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: i32,
    /// Rack or zone of the node; null = not configured.
    #[wire(nullable)]
    pub rack: Option<WireStr>,
    /// Whether the controller fenced it: registered, but without leadership.
    #[wire(since = 2)]
    pub is_fenced: bool,
}
