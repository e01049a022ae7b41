//! What a handler may see: the services of the broker and who is asking.
//!
//! Above: every handler. Below: the floors that the services live on.

use super::{AutoCreate, FetchSessions, ProducerIds};
use crate::{
    config::BrokerConfig,
    controller::{Controller, QuorumDoor, RequestDoor},
    env::Env,
    group::Groups,
    metadata::MetadataPublisher,
    partition::Partitions,
    telemetry::{SoftwareSeat, Telemetry},
};
use mainstem_protocol::{api::ApiKey, header::ClientId};
use parking_lot::Mutex;
use std::{net::SocketAddr, ops::RangeInclusive, sync::Arc};

/// The rooms that handlers act on; one set for a broker.
pub(crate) struct Services {
    /// Time, tasks, randomness.
    pub(crate) env: Env,
    /// What the broker was told at its start.
    pub(crate) config: Arc<BrokerConfig>,
    /// What the cluster is like.
    pub(crate) metadata: Arc<MetadataPublisher>,
    /// Who changes that.
    pub(crate) controller: Controller,
    /// The logs that are here.
    pub(crate) partitions: Arc<Partitions>,
    /// The groups that this broker coordinates.
    pub(crate) groups: Groups,
    /// What is measured.
    pub(crate) telemetry: Telemetry,
    /// What clients fetch.
    pub(super) fetch_sessions: Mutex<FetchSessions>,
    /// Topics that are being created because a client asked for them.
    pub(super) auto_create: AutoCreate,
    /// Ids for idempotent producers.
    pub(super) producer_ids: ProducerIds,
}

impl Services {
    /// Puts the rooms together.
    pub(crate) fn new(
        env: Env,
        config: Arc<BrokerConfig>,
        metadata: Arc<MetadataPublisher>,
        controller: Controller,
        partitions: Arc<Partitions>,
        groups: Groups,
        telemetry: Telemetry,
    ) -> Self {
        Self {
            fetch_sessions: Mutex::new(FetchSessions::new(config.requests.fetch_sessions_max)),
            auto_create: AutoCreate::default(),
            producer_ids: ProducerIds::default(),
            env,
            config,
            metadata,
            controller,
            partitions,
            groups,
            telemetry,
        }
    }
}

/// The other end of a connection.
pub(crate) struct Peer {
    /// Name of the listener that it came in through.
    pub(crate) listener: Arc<str>,
    /// Its address.
    pub(crate) address: SocketAddr,
    /// What it runs, once it has said so.
    pub(crate) software: SoftwareSeat,
}

/// One API as ApiVersions tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedApi {
    pub(crate) key: ApiKey,
    pub(crate) versions: RangeInclusive<i16>,
}

/// One request, less its body.
pub(crate) struct Context<'a> {
    /// What handlers act on; a second stage clones it.
    pub(crate) services: &'a Arc<Services>,
    /// Everything that is served.
    pub(crate) apis: &'a [ServedApi],
    /// Who is asking.
    pub(crate) peer: &'a Peer,
    /// Version of the request, and so of its answer.
    pub(crate) version: i16,
    /// What the client calls itself; `None` if it does not.
    pub(crate) client_id: Option<&'a ClientId>,
}

/// What the handlers of the listeners between nodes act on. It is there before the rooms of [`Services`] are.
pub(crate) struct NodeServices {
    /// Where other voters of the metadata quorum knock.
    pub(crate) door: QuorumDoor,
    /// Where other nodes knock with changes of the metadata.
    pub(crate) requests: RequestDoor,
}

/// One request of another node, less its body.
pub(crate) struct NodeContext<'a> {
    /// What handlers act on.
    pub(crate) services: &'a NodeServices,
    /// Everything that is served between nodes.
    pub(crate) apis: &'a [ServedApi],
}
