//! What is known of the peer of one connection, and what it may send in that state.
//!
//! Above: `net`, which owns one per connection. Below: the words of the protocol.

use crate::{
    handlers::Peer,
    telemetry::{ConnectedSoftware, ListenerRequests, SoftwareSeat},
};
use mainstem_protocol::api::ApiKey;
use std::{net::SocketAddr, sync::Arc};

const MIB: usize = 1024 * 1024;

/// State of one connection.
pub(crate) struct Session {
    pub(super) peer: Peer,
    /// Counts requests of this listener.
    pub(super) requests: Arc<ListenerRequests>,
}

impl Session {
    /// A peer that has just connected to `listener`, whose requests are counted in `requests`.
    pub(crate) const fn new(
        listener: Arc<str>,
        address: SocketAddr,
        requests: Arc<ListenerRequests>,
        software: ConnectedSoftware,
    ) -> Self {
        let software = SoftwareSeat::new(software);
        Self { peer: Peer { listener, address, software }, requests }
    }

    /// Longest frame, prefix excluded, that is read for `key` in this state. Requests whose size follows from what users
    /// put in them are given room; the rest fits into a MiB.
    #[expect(
        clippy::unused_self,
        reason = "what a peer may send depends on its state: authentication narrows it"
    )]
    pub(crate) fn frame_bytes_max(&self, key: ApiKey) -> usize {
        match key {
            ApiKey::PRODUCE => 100 * MIB,
            ApiKey::JOIN_GROUP
            | ApiKey::SYNC_GROUP
            | ApiKey::OFFSET_COMMIT
            | ApiKey::TXN_OFFSET_COMMIT
            | ApiKey::CREATE_TOPICS
            | ApiKey::DELETE_TOPICS
            | ApiKey::CREATE_PARTITIONS
            | ApiKey::DELETE_RECORDS
            | ApiKey::ALTER_CONFIGS
            | ApiKey::INCREMENTAL_ALTER_CONFIGS
            | ApiKey::CREATE_ACLS
            | ApiKey::DELETE_ACLS
            | ApiKey::ALTER_PARTITION_REASSIGNMENTS
            | ApiKey::ALTER_CLIENT_QUOTAS
            | ApiKey::APPEND_ENTRIES
            | ApiKey::ASK_CONTROLLER
            | ApiKey::INSTALL_SNAPSHOT => 16 * MIB,
            _ => MIB,
        }
    }
}
