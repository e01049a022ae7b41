//! Brokers and leaders as a client of one listener sees them, and who leads instead of us (KIP-951).
//!
//! Above: handlers. Below: `metadata`.

use super::Services;
use crate::{
    metadata::{BrokerRegistration, MetadataImage, PartitionImage},
    partition::Partition,
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::produce::LeaderIdAndEpoch,
    model::{BrokerId, PartitionIndex, TopicId},
    wire::WireStr,
};

/// Leader and epoch of a partition as this broker knows them.
pub(super) fn leader_of(partition: &Partition) -> LeaderIdAndEpoch {
    let leadership = partition.leadership();
    LeaderIdAndEpoch { leader_id: leadership.leader.get(), leader_epoch: leadership.epoch.get() }
}

/// Addresses of the leaders that an answer names; empty without leader errors, so that no answer says node 0 by default
/// (rule F8).
pub(super) struct LeaderHints(Vec<(i32, WireStr, i32, Option<WireStr>)>);

impl LeaderHints {
    /// The addresses of `leaders` on `listener`, each once.
    pub(super) fn new(services: &Services, listener: &str, leaders: &[i32]) -> Self {
        if leaders.is_empty() {
            return Self(Vec::new());
        }
        let image = services.metadata.current();
        let named = image.brokers.values().filter(|broker| leaders.contains(&broker.id.get()));
        let addresses = named.filter_map(|broker| {
            let (host, port) = address(broker, listener)?;
            Some((broker.id.get(), host, port, rack(broker)))
        });
        Self(addresses.collect())
    }

    /// As the node endpoints of some API.
    pub(super) fn map<T>(self, make: impl Fn(i32, WireStr, i32, Option<WireStr>) -> T) -> Vec<T> {
        self.0.into_iter().map(|(id, host, port, rack)| make(id, host, port, rack)).collect()
    }
}

/// The leader of a partition, if clients of `listener` can reach one; else LEADER_NOT_AVAILABLE or LISTENER_NOT_FOUND.
pub(super) fn leader_for(
    image: &MetadataImage,
    partition: &PartitionImage,
    listener: &str,
) -> Result<BrokerId, ErrorCode> {
    let broker = image.broker(partition.leader).ok_or(ErrorCode::LeaderNotAvailable)?;
    broker.endpoint(listener).map(|_| broker.id).ok_or(ErrorCode::ListenerNotFound)
}

/// The replicas that stand on no living broker, and the one here if its log cannot be used.
pub(super) fn offline_replicas(
    services: &Services,
    image: &MetadataImage,
    topic: TopicId,
    index: PartitionIndex,
    partition: &PartitionImage,
) -> Vec<i32> {
    let is_here = |id: BrokerId| id == services.config.node_id;
    let is_offline = |id: &&BrokerId| {
        image.broker(**id).is_none_or(|broker| broker.fenced)
            || is_here(**id) && services.partitions.is_offline(topic, index)
    };
    partition.replicas.iter().filter(is_offline).map(|id| id.get()).collect()
}

/// Host and port of a broker for clients of `listener`.
pub(super) fn address(broker: &BrokerRegistration, listener: &str) -> Option<(WireStr, i32)> {
    broker.endpoint(listener).map(|endpoint| ((*endpoint.host).into(), i32::from(endpoint.port)))
}

/// Rack of a broker.
pub(super) fn rack(broker: &BrokerRegistration) -> Option<WireStr> {
    broker.rack.as_deref().map(Into::into)
}
