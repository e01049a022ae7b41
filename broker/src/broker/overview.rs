//! One read-only view of the whole broker, for health and metrics: what the HTTP server is handed.
//!
//! Above: `admin`, through its trait. Below: everyone. It exists before any room does, since health must answer while logs
//! are still being opened; rooms are added as they come to be.

use super::{
    group_numbers::GroupNumbers,
    life::{Life, Phase},
    measure,
    storage::Storage,
};
use crate::{
    admin::{ClusterHealth, Liveness, Readiness, StartUp, View},
    config::BrokerConfig,
    controller::Controller,
    env::{Clock, Moment},
    group::Groups,
    metadata::{MetadataImage, MetadataPublisher},
    net::Serving,
    partition::Partitions,
    telemetry::{BrokerState, GroupsState, StateSnapshot, Telemetry},
};
use mainstem_protocol::model::{BrokerEpoch, BrokerId};
use std::sync::{Arc, OnceLock};

/// Partitions that a list of health names at most.
const NAMED_MAX: usize = 100;

/// The broker as a whole.
pub(super) struct Overview {
    node_id: BrokerId,
    clock: Clock,
    started: Moment,
    group_numbers: GroupNumbers,
    telemetry: Telemetry,
    pub(super) life: Arc<Life>,
    storage: OnceLock<Arc<Storage>>,
    rooms: OnceLock<Rooms>,
}

/// What is there once the metadata is.
pub(super) struct Rooms {
    pub(super) metadata: Arc<MetadataPublisher>,
    pub(super) controller: Controller,
    pub(super) partitions: Arc<Partitions>,
    pub(super) groups: Groups,
    pub(super) serving: Arc<Serving>,
    /// Epoch of this run's registration.
    pub(super) broker_epoch: BrokerEpoch,
}

impl Overview {
    pub(super) fn new(config: &BrokerConfig, clock: Clock, telemetry: Telemetry) -> Arc<Self> {
        let started = clock.now();
        Arc::new(Self {
            node_id: config.node_id,
            clock,
            started,
            group_numbers: GroupNumbers::new(config.metrics.groups),
            telemetry,
            life: Arc::new(Life::new()),
            storage: OnceLock::new(),
            rooms: OnceLock::new(),
        })
    }

    /// The directories are open, and their logs are next.
    pub(super) fn add_storage(&self, storage: Arc<Storage>) {
        // Each part of a broker comes to be once.
        let _ = self.storage.set(storage);
        self.life.enter(Phase::Recovering);
    }

    /// The broker is registered.
    pub(super) fn add_rooms(&self, rooms: Rooms) {
        let _ = self.rooms.set(rooms);
    }

    /// Why clients should not be sent here.
    fn obstacles(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.life.phase() {
            Phase::Starting => reasons.push("starting".to_owned()),
            Phase::Recovering => reasons.push("logs are being opened".to_owned()),
            Phase::Running => {}
            Phase::Draining => reasons.push("draining".to_owned()),
        }
        if let Some(rooms) = self.rooms.get() {
            let image = rooms.metadata.current();
            let registered = image.broker(self.node_id).filter(|broker| broker.epoch == rooms.broker_epoch);
            if registered.is_none_or(|broker| broker.fenced) {
                reasons.push("not registered with the controller".to_owned());
            }
        }
        if self.storage.get().is_some_and(|storage| storage.directories.iter().all(|one| one.is_failed())) {
            reasons.push("no log directory works".to_owned());
        }
        if self.life.failure().is_some() {
            reasons.push("failed, and about to end".to_owned());
        }
        reasons
    }
}

impl View for Overview {
    fn liveness(&self) -> Liveness {
        Liveness { live: self.life.failure().is_none() }
    }

    fn readiness(&self) -> Readiness {
        let reasons = self.obstacles();
        Readiness { ready: reasons.is_empty(), reasons }
    }

    fn start_up(&self) -> StartUp {
        let started = Phase::Running <= self.life.phase();
        let (found, open) = self.storage.get().map_or((0, 0), |storage| storage.progress());
        StartUp { started, logs_recovered: open, logs_total: found }
    }

    fn cluster_health(&self) -> ClusterHealth {
        let Some(rooms) = self.rooms.get() else {
            return ClusterHealth {
                unhealthy_reasons: vec!["this broker does not know the cluster yet".to_owned()],
                ..ClusterHealth::default()
            };
        };
        let controller_id = rooms.controller.status().leader.map(|leader| leader.node.get());
        cluster_health(&rooms.metadata.current(), controller_id)
    }

    fn state(&self) -> StateSnapshot {
        let phase = self.life.phase();
        let mut broker = BrokerState {
            uptime: self.clock.now().since(self.started),
            state: phase as u8,
            workers_busy: measure::workers_busy(),
            ..BrokerState::default()
        };
        let (mut topics, mut open, mut groups) = (Vec::new(), Vec::new(), GroupsState::default());
        if let Some(rooms) = self.rooms.get() {
            let (image, status) = (rooms.metadata.current(), rooms.controller.status());
            open = rooms.partitions.all();
            broker.cluster = measure::cluster(&image, &status);
            broker.quorum = Some(measure::quorum(&status));
            broker.request_memory_bytes = measure::count(rooms.serving.request_memory());
            measure::add_partitions(&mut broker, &image, self.node_id);
            measure::add_margins(&mut broker, &open);
            groups = self.group_numbers.gather(
                &rooms.groups,
                &rooms.partitions,
                (self.node_id, self.clock.wall()),
            );
            topics = measure::topics(&rooms.partitions, &open, self.node_id);
        }
        let mut directories = Vec::new();
        if let Some(storage) = self.storage.get() {
            broker.segment_files = measure::segment_files(storage);
            directories = measure::directories(storage, &open, phase < Phase::Running);
        }
        StateSnapshot { broker, topics, directories, groups, software: self.telemetry.software.read() }
    }
}

/// How the cluster looks in `image`.
fn cluster_health(image: &MetadataImage, controller_id: Option<i32>) -> ClusterHealth {
    let mut health = ClusterHealth {
        controller_id,
        all_nodes: image.brokers.keys().map(|id| id.get()).collect(),
        nodes_down: image.brokers.values().filter(|node| node.fenced).map(|node| node.id.get()).collect(),
        ..ClusterHealth::default()
    };
    for topic in image.topics.iter() {
        for (index, partition) in topic.indexed_partitions() {
            let name = || format!("{}/{index}", topic.name);
            if partition.leader == BrokerId::NONE {
                note(&mut health.leaderless_count, &mut health.leaderless_partitions, name);
            }
            if partition.in_sync_replicas.len() < partition.replicas.len() {
                note(&mut health.under_replicated_count, &mut health.under_replicated_partitions, name);
            }
        }
    }
    let counted = |count: usize, what: &str| (count != 0).then(|| format!("{count} {what}"));
    let partitions = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    health.unhealthy_reasons = [
        controller_id.is_none().then(|| "no active controller is known".to_owned()),
        counted(health.nodes_down.len(), "nodes are down"),
        counted(partitions(health.leaderless_count), "partitions have no leader"),
        counted(partitions(health.under_replicated_count), "partitions have a replica out of the ISR"),
    ]
    .into_iter()
    .flatten()
    .collect();
    health.is_healthy = health.unhealthy_reasons.is_empty();
    health
}

/// Counts a partition, and names it if there is still room in the list.
fn note(count: &mut u64, named: &mut Vec<String>, name: impl FnOnce() -> String) {
    *count += 1;
    if named.len() < NAMED_MAX {
        named.push(name());
    }
}
