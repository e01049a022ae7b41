//! The table of every metric family that this broker serves. Names are public API.
//!
//! Pure data. Above: the recorder (help texts), the state writer, the generated page docs/metrics.md.

/// Type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution in buckets.
    Histogram,
}

impl Kind {
    /// The word of the Prometheus text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Who writes a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The recorder.
    Recorder,
    /// The state writer, at scrape time.
    State,
}

/// One metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Full name.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Who writes it.
    pub source: Source,
    /// Labels, separated by commas.
    pub labels: &'static str,
    /// What it counts, in one sentence.
    pub help: &'static str,
    /// The metric of Apache Kafka that says the same, if any.
    pub kafka: &'static str,
}

/// Upper bounds of every histogram of seconds.
pub const SECONDS_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Every family, in the order of the documentation.
pub fn families() -> &'static [Family] {
    FAMILIES
}

/// The family of this name.
pub(super) fn family(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}

const fn r(
    kind: Kind,
    name: &'static str,
    labels: &'static str,
    help: &'static str,
    kafka: &'static str,
) -> Family {
    Family { name, kind, source: Source::Recorder, labels, help, kafka }
}

const fn s(
    kind: Kind,
    name: &'static str,
    labels: &'static str,
    help: &'static str,
    kafka: &'static str,
) -> Family {
    Family { name, kind, source: Source::State, labels, help, kafka }
}

use Kind::{Counter, Gauge, Histogram};

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    r(Gauge, "mainstem_build_info", "version,revision,rustc", "Always 1; says what is running.", "app-info"),
    s(Gauge, "mainstem_uptime_seconds", "", "Seconds since the broker started.", ""),
    s(Gauge, "mainstem_broker_state", "", "0 not running, 1 starting, 2 recovering, 3 running, 6 draining.", "BrokerState"),
    s(Gauge, "mainstem_controller_active", "", "1 on the active controller, else 0.", "ActiveControllerCount"),
    s(Gauge, "mainstem_cluster_brokers", "", "Registered brokers; from the active controller only.", "ActiveBrokerCount"),
    s(Gauge, "mainstem_cluster_brokers_down", "", "Registered brokers that are fenced; from the active controller only.", "FencedBrokerCount"),
    s(Gauge, "mainstem_cluster_topics", "", "Topics; from the active controller only.", "GlobalTopicCount"),
    s(Gauge, "mainstem_cluster_partitions", "", "Partitions; from the active controller only.", "GlobalPartitionCount"),
    s(Gauge, "mainstem_cluster_partitions_offline", "", "Partitions without a leader; from the active controller only.", "OfflinePartitionsCount"),
    s(Gauge, "mainstem_partitions", "", "Partitions with a replica here.", "PartitionCount"),
    s(Gauge, "mainstem_partition_leaders", "", "Partitions that this broker leads.", "LeaderCount"),
    s(Gauge, "mainstem_partitions_under_replicated", "", "Led partitions with a replica out of the ISR.", "UnderReplicatedPartitions"),
    s(Gauge, "mainstem_partitions_under_min_isr", "", "Led partitions with fewer in-sync replicas than min.insync.replicas.", "UnderMinIsrPartitionCount"),
    s(Gauge, "mainstem_partitions_at_min_isr", "", "Led partitions with just min.insync.replicas.", "AtMinIsrPartitionCount"),
    s(Gauge, "mainstem_quorum_epoch", "", "Term of the metadata quorum's leadership.", "current-epoch"),
    s(Gauge, "mainstem_quorum_high_watermark", "", "Last entry of the metadata log that is applied here.", "high-watermark"),
    r(Histogram, "mainstem_quorum_commit_seconds", "", "From proposing an entry of the metadata log to its application.", "commit-latency"),

    r(Counter, "mainstem_requests_total", "api,version,listener", "Requests of an API and version that is served.", "RequestsPerSec"),
    r(Counter, "mainstem_request_errors_total", "api,error", "Error codes in answers.", "ErrorsPerSec"),
    r(Histogram, "mainstem_request_seconds", "api", "From the last byte of a request to the last byte of its answer.", "TotalTimeMs"),
    r(Histogram, "mainstem_request_stage_seconds", "api,stage", "The same in stages (queue, local, remote, response) for Produce, Fetch and Metadata.", "RequestQueueTimeMs and the like"),
    r(Gauge, "mainstem_requests_in_flight", "", "Requests that were read and not yet answered.", "RequestQueueSize"),
    r(Gauge, "mainstem_waiting_requests", "op", "Requests that wait for bytes, replicas or a deadline.", "PurgatorySize"),
    s(Gauge, "mainstem_request_memory_bytes", "", "Bytes of requests held for all connections.", "MemoryPoolUsed"),
    s(Counter, "mainstem_worker_busy_seconds_total", "", "Time that the runtime's threads were busy, all together.", "RequestHandlerAvgIdlePercent"),

    r(Gauge, "mainstem_connections", "listener", "Open connections.", "connection-count"),
    r(Counter, "mainstem_connections_total", "listener,result", "Connections that were accepted or refused.", "connection-creation-rate"),
    r(Counter, "mainstem_connection_violations_total", "listener,kind", "Input that ended a connection, by kind.", ""),
    s(Gauge, "mainstem_connections_software", "name,version", "Open connections by what the client calls itself.", "clientSoftwareName"),

    s(Counter, "mainstem_topic_bytes_total", "topic,direction", "Bytes of record batches: in, out, or rejected.", "BytesInPerSec, BytesOutPerSec, BytesRejectedPerSec"),
    s(Counter, "mainstem_topic_records_total", "topic,direction", "Records that were appended.", "MessagesInPerSec"),
    s(Counter, "mainstem_topic_errors_total", "topic,api", "Partitions of Produce and Fetch that were answered with an error.", "FailedProduceRequestsPerSec, FailedFetchRequestsPerSec"),

    s(Gauge, "mainstem_groups", "type,state", "Groups that this broker coordinates.", "NumGroups"),
    s(Gauge, "mainstem_group_members", "group", "Members of a group.", ""),
    s(Counter, "mainstem_group_rebalances_total", "group", "Generations, or group epochs, that a group has had since it came to be.", "group-completed-rebalance-count, consumer-group-rebalance-count"),
    s(Gauge, "mainstem_group_offset", "group[,topic,partition]", "Sum of the committed offsets, in partitions led here.", ""),
    s(Gauge, "mainstem_group_lag_records", "group[,topic,partition]", "Records from the committed offsets up to the high watermarks, in partitions led here.", "records-lag"),
    s(Gauge, "mainstem_group_lag_seconds", "group[,topic,partition]", "Age of the oldest record that is not committed, by its own timestamp; 0 if there is none.", ""),
    s(Gauge, "mainstem_group_last_commit_timestamp_seconds", "group[,topic,partition]", "When an offset was last committed, since the Unix epoch.", ""),
    r(Counter, "mainstem_group_commits_total", "", "Offsets that were committed.", "offset-commit-count"),
    s(Gauge, "mainstem_coordinator_partitions", "coordinator,state", "Partitions of an internal topic that are led here: loading, active, or failed because of damage.", "num-partitions"),
    r(Histogram, "mainstem_coordinator_load_seconds", "coordinator", "Reading one of them when its leadership begins.", "partition-load-time-max"),

    s(Gauge, "mainstem_log_bytes", "topic[,partition]", "Bytes on disk.", "Size"),
    s(Gauge, "mainstem_log_segments", "topic[,partition]", "Segments.", "NumLogSegments"),
    s(Gauge, "mainstem_log_start_offset", "topic,partition", "First offset that is served.", "LogStartOffset"),
    s(Gauge, "mainstem_log_end_offset", "topic,partition", "Offset that the next record gets.", "LogEndOffset"),
    s(Gauge, "mainstem_log_high_watermark", "topic,partition", "Below it, consumers read.", ""),
    s(Gauge, "mainstem_log_durable_offset", "topic,partition", "Below it, records are on this broker's disk.", ""),
    r(Histogram, "mainstem_log_append_seconds", "dir", "Appending one batch, without waiting for the disk.", ""),
    r(Histogram, "mainstem_log_flush_seconds", "dir", "One flush of one log to the disk.", "LogFlushRateAndTimeMs"),
    s(Gauge, "mainstem_log_flush_waiters", "dir", "Produce requests that wait for the disk.", ""),
    s(Gauge, "mainstem_dir_bytes", "dir,kind", "Size of the file system: total and free.", ""),
    s(Gauge, "mainstem_dir_offline", "dir", "1 once the folder has failed.", "OfflineLogDirectoryCount"),
    s(Gauge, "mainstem_dir_writes_refused", "dir", "1 while free space is below mainstem.disk.free.min and clients cannot write.", ""),
    s(Gauge, "mainstem_recovery_logs_remaining", "dir", "Logs that are still to be opened.", "remainingLogsToRecover"),

    r(Counter, "mainstem_compaction_runs_total", "dir,result", "Passes over a log that compacted it, or were aborted because it was cut or closed.", ""),
    r(Counter, "mainstem_compaction_failed_total", "dir", "Passes that ended because of damage in the log, or found no room.", ""),
    r(Histogram, "mainstem_compaction_seconds", "dir", "One pass over one log.", "max-clean-time-secs"),
    r(Counter, "mainstem_compaction_bytes_total", "dir,direction", "Bytes that passes read and wrote: read, written.", "cleaner-recopy-percent"),
    r(Gauge, "mainstem_compaction_dirty_ratio_max", "dir", "Part of the dirtiest log that is not compacted, 0 to 1.", "max-dirty-percent"),
    r(Gauge, "mainstem_compaction_delay_seconds_max", "dir", "How long max.compaction.lag.ms is passed in the most overdue log.", "max-compaction-delay-secs"),
    r(Gauge, "mainstem_compaction_uncleanable_logs", "dir", "Logs that are not compacted until the next start, because of damage.", "uncleanable-partitions-count"),

    s(Gauge, "mainstem_segment_files_open", "kind", "Descriptors and maps that segments use.", ""),
    s(Gauge, "mainstem_segment_files_limit", "kind", "How many of them they may use; beyond, reads take turns.", ""),
    s(Counter, "mainstem_page_faults_total", "kind", "Pages that were not mapped: minor = in memory, major = from the disk.", ""),

    s(Counter, "mainstem_metrics_series_dropped_total", "", "Series left out because of mainstem.metrics.series.max.", ""),
    s(Counter, "process_cpu_seconds_total", "", "Processor time of this process.", "process_cpu_seconds_total"),
    s(Gauge, "process_resident_memory_bytes", "", "Memory of this process in RAM.", "process_resident_memory_bytes"),
    s(Gauge, "process_virtual_memory_bytes", "", "Address space of this process.", "process_virtual_memory_bytes"),
    s(Gauge, "process_open_fds", "", "Open file descriptors.", "process_open_fds"),
    s(Gauge, "process_max_fds", "", "Most file descriptors that may be open.", "process_max_fds"),
    s(Gauge, "process_start_time_seconds", "", "When this process started, since the Unix epoch.", "process_start_time_seconds"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_prometheus_and_are_unique() {
        let mut seen = BTreeSet::new();
        for family in families() {
            assert!(seen.insert(family.name), "{} twice", family.name);
            assert!(
                family.name.starts_with("mainstem_") || family.name.starts_with("process_"),
                "{}",
                family.name
            );
            assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
            assert!(family.kind != Kind::Histogram || family.name.ends_with("_seconds"), "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
        }
    }

    #[test]
    fn what_carries_a_topic_is_written_from_state() {
        for family in families()
            .iter()
            .filter(|family| family.labels.split(',').any(|label| label.starts_with("topic")))
        {
            assert_eq!(family.source, Source::State, "{}", family.name);
        }
    }
}
