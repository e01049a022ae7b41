//! One file per Kafka API, and three for the talk of nodes. A handler authorises, validates, acts and answers; it decides nothing about the cluster and
//! touches no segment.
//!
//! Above: `request::router`. Below: `controller`, `group` on `coordinator`, `partition`, `metadata`.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a handler owns its request, whether or not it takes it apart"
)]

pub(crate) mod alter_configs;
mod alteration;
pub(crate) mod api_versions;
pub(crate) mod ask_controller;
mod auto_create;
mod configs;
pub(crate) mod consumer_group_describe;
pub(crate) mod consumer_group_heartbeat;
mod context;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_producers;
pub(crate) mod describe_topic_partitions;
mod endpoints;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
mod groups;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod keep_alive;
pub(crate) mod leave_group;
pub(crate) mod list_config_resources;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
mod lookup;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
mod operations;
pub(crate) mod produce;
pub(crate) mod quorum;
mod staged;
pub(crate) mod sync_group;

pub(crate) use context::{Context, NodeContext, NodeServices, Peer, ServedApi, Services};
use staged::Counted;
pub(crate) use staged::{Reply, Slices, Staged};

use auto_create::AutoCreate;
use fetch::FetchSessions;
use init_producer_id::ProducerIds;
use operations::ServedOperations;

use crate::env::Moment;
use mainstem_protocol::api::ApiKey;
use std::{ops::RangeInclusive, time::Duration};

/// Versions of an API that ApiVersions tells of: those served, but Produce from 0 on, since older librdkafka derives
/// from its minimum whether the broker knows compression (KAFKA-18659, rule C4).
pub(crate) fn advertised_versions(key: ApiKey, served: &RangeInclusive<i16>) -> RangeInclusive<i16> {
    if key == ApiKey::PRODUCE { 0..=*served.end() } else { served.clone() }
}

/// When a request with this timeout has to be answered. A negative timeout has passed already.
fn deadline_of(services: &Services, timeout_ms: i32) -> Moment {
    services.env.clock.now().after(Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0)))
}
