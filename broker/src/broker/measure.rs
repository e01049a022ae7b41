//! The broker in numbers at one moment: what metrics are written from that is not counted as it happens.
//!
//! Above: the overview. Below: the metadata image, partitions, directories. Looks at every partition, so it takes time with
//! their number and belongs on a thread that may.

use super::storage::Storage;
use crate::{
    controller::QuorumStatus,
    metadata::MetadataImage,
    partition::{Directory, Partition, Partitions},
    telemetry::{
        BrokerState, ClusterState, DirectoryState, PartitionState, QuorumState, SegmentFiles, TopicState,
    },
};
use mainstem_protocol::model::{BrokerId, TopicPartition};
use std::{cmp::Ordering, collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// Adds what the metadata says of partitions that this broker holds.
pub(super) fn add_partitions(state: &mut BrokerState, image: &MetadataImage, local: BrokerId) {
    for topic in image.topics.iter() {
        for partition in topic.partitions.iter().filter(|partition| partition.replicas.contains(&local)) {
            state.partitions += 1;
            if partition.leader == local {
                state.leaders += 1;
                let lacks = partition.in_sync_replicas.len() < partition.replicas.len();
                state.under_replicated += u64::from(lacks);
            }
        }
    }
}

/// Adds how led partitions stand to `min.insync.replicas`.
pub(super) fn add_margins(state: &mut BrokerState, partitions: &[Arc<Partition>]) {
    for margin in partitions.iter().filter_map(|partition| partition.in_sync_margin()) {
        match margin {
            Ordering::Less => state.under_min_isr += 1,
            Ordering::Equal => state.at_min_isr += 1,
            Ordering::Greater => {}
        }
    }
}

/// The whole cluster, as its active controller sees it; nothing on other nodes.
pub(super) fn cluster(image: &MetadataImage, status: &QuorumStatus) -> Option<ClusterState> {
    if status.leader != Some(status.voter) {
        return None;
    }
    let partitions = image.topics.iter().flat_map(|topic| &topic.partitions);
    Some(ClusterState {
        brokers: count(image.brokers.len()),
        brokers_down: count(image.brokers.values().filter(|broker| broker.fenced).count()),
        topics: count(image.topics.len()),
        partitions: count(image.topics.partition_count()),
        partitions_offline: count(partitions.filter(|partition| partition.leader == BrokerId::NONE).count()),
    })
}

pub(super) const fn quorum(status: &QuorumStatus) -> QuorumState {
    QuorumState { epoch: status.epoch, high_watermark: status.applied_index }
}

/// Time that the threads of the current runtime have been busy.
pub(super) fn workers_busy() -> Duration {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Duration::ZERO };
    let metrics = runtime.metrics();
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).sum()
}

/// Every topic with a partition here, by name; its partitions are those that this broker leads.
pub(super) fn topics(partitions: &Partitions, open: &[Arc<Partition>], local: BrokerId) -> Vec<TopicState> {
    let mut topics: BTreeMap<Arc<str>, TopicState> = BTreeMap::new();
    for (name, traffic) in partitions.topics() {
        let state = TopicState { name: name.to_string(), traffic: traffic.read(), partitions: Vec::new() };
        topics.insert(name, state);
    }
    for partition in open.iter().filter(|partition| partition.leadership().leader == local) {
        if let Some(topic) = topics.get_mut(&partition.name().topic) {
            topic.partitions.push(one_partition(partition));
        }
    }
    for topic in topics.values_mut() {
        topic.partitions.sort_by_key(|partition| partition.index);
    }
    topics.into_values().collect()
}

fn one_partition(partition: &Partition) -> PartitionState {
    let offsets = partition.offsets();
    PartitionState {
        index: partition.index().get(),
        bytes: partition.log().size_bytes(),
        segments: count(partition.log().segment_count()),
        start_offset: offsets.log_start.get(),
        end_offset: offsets.log_end.get(),
        high_watermark: offsets.high_watermark.get(),
        durable_offset: offsets.durable_end.get(),
    }
}

/// Every log directory. `is_recovering` = logs are still being opened; what is closed afterwards belongs to nobody.
pub(super) fn directories(
    storage: &Storage,
    open: &[Arc<Partition>],
    is_recovering: bool,
) -> Vec<DirectoryState> {
    let mut waiters: BTreeMap<&Path, usize> = BTreeMap::new();
    for partition in open {
        *waiters.entry(partition.directory().files().path()).or_default() +=
            partition.acknowledgements_awaited();
    }
    let state = |directory: &Arc<Directory>| {
        let files = directory.files();
        let usage = files.usage().ok();
        let closed = |found: &&TopicPartition| files.log(found).is_none();
        let to_recover =
            if is_recovering { files.partitions_found().iter().filter(closed).count() } else { 0 };
        DirectoryState {
            path: files.path().display().to_string(),
            bytes_total: usage.map_or(0, |usage| usage.total),
            bytes_free: usage.map_or(0, |usage| usage.free),
            is_offline: directory.is_failed(),
            is_short_of_space: directory.is_short_of_space(),
            flush_waiters: count(waiters.get(files.path()).copied().unwrap_or(0)),
            logs_to_recover: count(to_recover),
        }
    };
    storage.directories.iter().map(state).collect()
}

/// Descriptors and maps of segments; the budgets are those of the process, shared by its directories.
pub(super) fn segment_files(storage: &Storage) -> SegmentFiles {
    let Some(usage) = storage.directories.first().map(|directory| directory.files().handle_usage()) else {
        return SegmentFiles::default();
    };
    SegmentFiles {
        descriptors: count(usage.descriptors),
        descriptors_max: count(usage.descriptors_max),
        maps: count(usage.maps),
        maps_max: count(usage.maps_max),
    }
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
