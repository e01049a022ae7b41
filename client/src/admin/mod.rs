//! Questions and changes to a cluster, typed.
//!
//! Calls that are about several things give one result for each; a call fails as a whole only if it could not be made.
//! Every call ends within the client's call timeout (`default.api.timeout.ms`). Requests go where they must: topics to
//! the controller, offsets and records to the leaders, groups to their coordinators, directories to each broker. Above:
//! users. Below: `cluster`. Files: `topics`, `configs`, `records` (offsets, deletion of records, producers), `groups`,
//! `brokers`.

mod brokers;
mod configs;
mod groups;
mod records;
mod topics;

use std::sync::Arc;

pub use brokers::{BrokerVersions, ClusterDescription, ClusterNode, LogDirectory, ReplicaSize};
pub use configs::{
    ConfigAlteration, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, ConfigType,
    ResourceConfigs, ResourceKind,
};
pub use groups::{GroupDescription, GroupListing, MemberDescription, PartitionLag};
pub(crate) use records::list_offsets;
pub use records::{ActiveProducer, FoundOffset, OffsetAt};
pub use topics::{CreatedTopic, NewPartitions, NewTopic};

use crate::cluster::Cluster;
use crate::kafka::Kafka;

/// Whether a change is made or only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Apply {
    /// Make the change.
    #[default]
    Change,
    /// Check all that the change would check, and change nothing.
    ValidateOnly,
}

/// The admin calls of a client.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Arc<Cluster>,
}

impl Admin {
    pub(crate) fn new(kafka: &Kafka) -> Self {
        Self { cluster: Arc::clone(&kafka.inner.cluster) }
    }
}

/// The part of a call's time that the broker may use, in milliseconds.
fn broker_timeout_ms(cluster: &Cluster) -> i32 {
    let limit = cluster.options().request_timeout.min(cluster.options().call_timeout);
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
}
