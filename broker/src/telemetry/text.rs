//! Writer of the families that come from state, in the Prometheus text format.
//!
//! Pure: numbers in, text out. Above: `recorder`. Series beyond the budget are left out and counted; numbers of the whole
//! broker come first, so that they are never the ones that are missing.

use std::fmt::{Display, Write as _};

use super::group_text;
use super::process::ProcessState;
use super::state::{PartitionState, StateSnapshot, TopicState};
use super::table::{Family, Source, family};
use crate::config::MetricsLevel;

/// Appends everything that comes from state; at most `budget` series of topics, partitions and clients. `dropped` counts those
/// that were left out at each scrape so far; the sum with those of this one is given back.
pub(super) fn write_state(
    out: &mut String,
    state: &StateSnapshot,
    process: &ProcessState,
    level: MetricsLevel,
    budget: usize,
    dropped: u64,
) -> u64 {
    let mut writer = Writer { out, budget, dropped };
    write_broker(&mut writer, state);
    write_process(&mut writer, process);
    if level != MetricsLevel::Broker {
        write_topics(&mut writer, &state.topics);
        write_logs(&mut writer, &state.topics, level);
    }
    group_text::write(&mut writer, &state.groups);
    writer.family("mainstem_connections_software", |writer| {
        for (name, version, count) in &state.software {
            writer.sample("mainstem_connections_software", &[("name", name), ("version", version)], count);
        }
    });
    let dropped = writer.dropped;
    writer.one("mainstem_metrics_series_dropped_total", Some(dropped));
    dropped
}

fn write_broker(writer: &mut Writer<'_>, state: &StateSnapshot) {
    let broker = &state.broker;
    writer.one("mainstem_uptime_seconds", Some(broker.uptime.as_secs_f64()));
    writer.one("mainstem_broker_state", Some(broker.state));
    writer.one("mainstem_controller_active", Some(u8::from(broker.cluster.is_some())));
    writer.one("mainstem_cluster_brokers", broker.cluster.map(|cluster| cluster.brokers));
    writer.one("mainstem_cluster_brokers_down", broker.cluster.map(|cluster| cluster.brokers_down));
    writer.one("mainstem_cluster_topics", broker.cluster.map(|cluster| cluster.topics));
    writer.one("mainstem_cluster_partitions", broker.cluster.map(|cluster| cluster.partitions));
    writer
        .one("mainstem_cluster_partitions_offline", broker.cluster.map(|cluster| cluster.partitions_offline));
    writer.one("mainstem_partitions", Some(broker.partitions));
    writer.one("mainstem_partition_leaders", Some(broker.leaders));
    writer.one("mainstem_partitions_under_replicated", Some(broker.under_replicated));
    writer.one("mainstem_partitions_under_min_isr", Some(broker.under_min_isr));
    writer.one("mainstem_partitions_at_min_isr", Some(broker.at_min_isr));
    writer.one("mainstem_quorum_epoch", broker.quorum.map(|quorum| quorum.epoch));
    writer.one("mainstem_quorum_high_watermark", broker.quorum.map(|quorum| quorum.high_watermark));
    writer.one("mainstem_request_memory_bytes", Some(broker.request_memory_bytes));
    writer.one("mainstem_worker_busy_seconds_total", Some(broker.workers_busy.as_secs_f64()));
    let files = &broker.segment_files;
    write_segment_files(writer, "mainstem_segment_files_open", files.descriptors, files.maps);
    write_segment_files(writer, "mainstem_segment_files_limit", files.descriptors_max, files.maps_max);
    writer.family("mainstem_dir_bytes", |writer| {
        for directory in &state.directories {
            for (kind, bytes) in [("total", directory.bytes_total), ("free", directory.bytes_free)] {
                writer.sample("mainstem_dir_bytes", &[("dir", &directory.path), ("kind", kind)], bytes);
            }
        }
    });
    writer.family("mainstem_dir_offline", |writer| {
        for directory in &state.directories {
            let offline = u8::from(directory.is_offline);
            writer.sample("mainstem_dir_offline", &[("dir", &directory.path)], offline);
        }
    });
    writer.family("mainstem_dir_writes_refused", |writer| {
        for directory in &state.directories {
            let refused = u8::from(directory.is_short_of_space);
            writer.sample("mainstem_dir_writes_refused", &[("dir", &directory.path)], refused);
        }
    });
    writer.family("mainstem_log_flush_waiters", |writer| {
        for directory in &state.directories {
            let waiters = directory.flush_waiters;
            writer.sample("mainstem_log_flush_waiters", &[("dir", &directory.path)], waiters);
        }
    });
    writer.family("mainstem_recovery_logs_remaining", |writer| {
        for directory in &state.directories {
            let remaining = directory.logs_to_recover;
            writer.sample("mainstem_recovery_logs_remaining", &[("dir", &directory.path)], remaining);
        }
    });
}

fn write_segment_files(writer: &mut Writer<'_>, name: &'static str, descriptors: u64, maps: u64) {
    writer.family(name, |writer| {
        writer.sample(name, &[("kind", "descriptor")], descriptors);
        writer.sample(name, &[("kind", "map")], maps);
    });
}

fn write_process(writer: &mut Writer<'_>, process: &ProcessState) {
    writer.one("process_cpu_seconds_total", process.cpu_seconds);
    writer.one("process_resident_memory_bytes", process.resident_bytes);
    writer.one("process_virtual_memory_bytes", process.virtual_bytes);
    writer.one("process_open_fds", process.open_fds);
    writer.one("process_max_fds", process.max_fds);
    writer.one("process_start_time_seconds", process.start_seconds);
    if let Some((minor, major)) = process.page_faults {
        writer.family("mainstem_page_faults_total", |writer| {
            writer.sample("mainstem_page_faults_total", &[("kind", "minor")], minor);
            writer.sample("mainstem_page_faults_total", &[("kind", "major")], major);
        });
    }
}

fn write_topics(writer: &mut Writer<'_>, topics: &[TopicState]) {
    let name = "mainstem_topic_bytes_total";
    writer.family(name, |writer| {
        for TopicState { name: topic, traffic, .. } in topics {
            for (direction, bytes) in
                [("in", traffic.bytes_in), ("out", traffic.bytes_out), ("rejected", traffic.bytes_rejected)]
            {
                writer.sample(name, &[("topic", topic), ("direction", direction)], bytes);
            }
        }
    });
    let name = "mainstem_topic_records_total";
    writer.family(name, |writer| {
        for topic in topics {
            writer.sample(name, &[("topic", &topic.name), ("direction", "in")], topic.traffic.records_in);
        }
    });
    let name = "mainstem_topic_errors_total";
    writer.family(name, |writer| {
        for TopicState { name: topic, traffic, .. } in topics {
            for (api, errors) in [("Produce", traffic.produce_errors), ("Fetch", traffic.fetch_errors)] {
                writer.sample(name, &[("topic", topic), ("api", api)], errors);
            }
        }
    });
}

fn write_logs(writer: &mut Writer<'_>, topics: &[TopicState], level: MetricsLevel) {
    type Number = fn(&PartitionState) -> i64;
    let sums: [(&'static str, Number); 2] = [
        ("mainstem_log_bytes", |partition| signed(partition.bytes)),
        ("mainstem_log_segments", |partition| signed(partition.segments)),
    ];
    let offsets: [(&'static str, Number); 4] = [
        ("mainstem_log_start_offset", |partition| partition.start_offset),
        ("mainstem_log_end_offset", |partition| partition.end_offset),
        ("mainstem_log_high_watermark", |partition| partition.high_watermark),
        ("mainstem_log_durable_offset", |partition| partition.durable_offset),
    ];
    let by_partition = level == MetricsLevel::Partition;
    for (name, number) in sums.into_iter().chain(offsets.into_iter().filter(|_| by_partition)) {
        writer.family(name, |writer| {
            for topic in topics {
                if by_partition {
                    for partition in &topic.partitions {
                        let index = partition.index.to_string();
                        writer.sample(
                            name,
                            &[("topic", &topic.name), ("partition", &index)],
                            number(partition),
                        );
                    }
                } else {
                    let sum = topic.partitions.iter().map(number).fold(0, i64::saturating_add);
                    writer.sample(name, &[("topic", &topic.name)], sum);
                }
            }
        });
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) struct Writer<'a> {
    out: &'a mut String,
    /// Series with labels that may still be written.
    budget: usize,
    dropped: u64,
}

impl Writer<'_> {
    /// Help and type of a family, then its samples; nothing at all for a family without samples.
    pub(super) fn family(&mut self, name: &'static str, samples: impl FnOnce(&mut Self)) {
        let known = family(name);
        debug_assert!(
            known.is_some_and(|family| family.source == Source::State),
            "{name} is not of the state"
        );
        let before = self.out.len();
        if let Some(family) = known {
            write_head(self.out, family);
        }
        let empty = self.out.len();
        samples(self);
        if self.out.len() == empty {
            self.out.truncate(before);
        }
    }

    /// A family of one series without labels; outside the budget.
    fn one(&mut self, name: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.family(name, |writer| {
                let _ = writeln!(writer.out, "{name} {value}");
            });
        }
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let Some(left) = self.budget.checked_sub(1) else {
            self.dropped += 1;
            return;
        };
        self.budget = left;
        self.out.push_str(name);
        self.out.push('{');
        write_labels(self.out, labels);
        let _ = writeln!(self.out, "}} {value}");
    }
}

/// Help and type of a family.
pub(super) fn write_head(out: &mut String, family: &Family) {
    let Family { name, help, kind, .. } = family;
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
}

/// Labels as they stand between the brackets of a sample.
pub(super) fn labels(labels: &[(&'static str, String)]) -> String {
    let mut out = String::new();
    let labels: Vec<(&str, &str)> = labels.iter().map(|(label, text)| (*label, text.as_str())).collect();
    write_labels(&mut out, &labels);
    out
}

fn write_labels(out: &mut String, labels: &[(&str, &str)]) {
    for (at, (label, text)) in labels.iter().enumerate() {
        if at != 0 {
            out.push(',');
        }
        out.push_str(label);
        out.push_str("=\"");
        escape(out, text);
        out.push('"');
    }
}

/// A label's value may hold anything but a bare backslash, quote or line end.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::traffic::Traffic;
    use super::super::{BrokerState, ClusterState, DirectoryState, GroupsState};
    use super::*;

    fn state() -> StateSnapshot {
        let partition = |index| PartitionState {
            index,
            bytes: 100,
            segments: 1,
            start_offset: 1,
            end_offset: 9,
            high_watermark: 8,
            durable_offset: 8,
        };
        StateSnapshot {
            broker: BrokerState {
                state: 3,
                cluster: Some(ClusterState { brokers: 1, ..ClusterState::default() }),
                ..BrokerState::default()
            },
            topics: vec![TopicState {
                name: "orders".to_owned(),
                traffic: Traffic { bytes_in: 7, records_in: 2, ..Traffic::default() },
                partitions: vec![partition(0), partition(1)],
            }],
            directories: vec![DirectoryState { path: "/a\"b\\c\nd".to_owned(), ..DirectoryState::default() }],
            groups: GroupsState { counts: vec![("classic", "Stable", 3)], ..GroupsState::default() },
            software: vec![("librdkafka".to_owned(), "2.16".to_owned(), 4)],
        }
    }

    fn written(level: MetricsLevel, budget: usize) -> String {
        let mut out = String::new();
        write_state(&mut out, &state(), &ProcessState::default(), level, budget, 0);
        out
    }

    fn check(text: &str, line: &str, is_there: bool) {
        assert_eq!(text.lines().any(|found| found == line), is_there, "{line} in\n{text}");
    }

    #[test]
    fn the_level_decides_how_far_topics_are_split() {
        let broker = written(MetricsLevel::Broker, 1000);
        check(&broker, "mainstem_broker_state 3", true);
        assert!(!broker.contains("orders"));
        check(&broker, "mainstem_groups{type=\"classic\",state=\"Stable\"} 3", true);
        let topic = written(MetricsLevel::Topic, 1000);
        check(&topic, "mainstem_topic_bytes_total{topic=\"orders\",direction=\"in\"} 7", true);
        check(&topic, "mainstem_log_bytes{topic=\"orders\"} 200", true);
        assert!(!topic.contains("log_end_offset"));
        let partition = written(MetricsLevel::Partition, 1000);
        check(&partition, "mainstem_log_bytes{topic=\"orders\",partition=\"1\"} 100", true);
        check(&partition, "mainstem_log_end_offset{topic=\"orders\",partition=\"0\"} 9", true);
    }

    #[test]
    fn labels_are_escaped() {
        check(&written(MetricsLevel::Topic, 1000), "mainstem_dir_offline{dir=\"/a\\\"b\\\\c\\nd\"} 0", true);
    }

    #[test]
    fn series_beyond_the_budget_are_left_out_and_counted() {
        let all = written(MetricsLevel::Partition, 1000);
        check(&all, "mainstem_metrics_series_dropped_total 0", true);
        let labelled = all.lines().filter(|line| line.contains('{')).count();
        let cut = written(MetricsLevel::Partition, 5);
        assert_eq!(cut.lines().filter(|line| line.contains('{')).count(), 5);
        check(&cut, &format!("mainstem_metrics_series_dropped_total {}", labelled - 5), true);
        check(&cut, "mainstem_broker_state 3", true);
        let mut again = String::new();
        let process = ProcessState::default();
        let dropped = write_state(&mut again, &state(), &process, MetricsLevel::Partition, labelled - 1, 7);
        assert_eq!(dropped, 8, "a counter only rises");
    }

    #[test]
    fn every_family_has_one_help_and_one_type_before_its_samples() {
        let text = written(MetricsLevel::Partition, 1000);
        let mut current = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                current = rest.split(' ').next().unwrap();
                assert_eq!(text.matches(&format!("# TYPE {current} ")).count(), 1, "{current}");
            } else if !line.starts_with('#') {
                assert_eq!(line.split(['{', ' ']).next().unwrap(), current, "{line}");
            }
        }
    }
}
