//! Configuration: what a broker is told before it starts, and what topics may override.
//!
//! Floor 0: named by every room, names none. In reading order:
//! - `choices`: settings that are one of a few words
//! - `listener`: where to listen and what to advertise
//! - `topic`: effective values of one topic
//! - `broker`: the typed whole, [`BrokerConfig`]

mod broker;
mod choices;
mod listener;
mod topic;

pub use broker::{
    AdminConfig, BrokerConfig, Listeners, LoggingConfig, LogsConfig, MetricsConfig, NetworkConfig,
    ProducersConfig, QuorumConfig, ReplicationConfig, RequestConfig, TopicDefaults,
};
pub use choices::{
    CompressionType, Durability, GroupMetrics, LogFormat, MetricsLevel, SecurityProtocol, TimestampType,
    UnknownChoice,
};
pub use listener::{HostPort, Listener, ListenerName};
pub use topic::TopicConfig;
