//! docs/metrics.md: the broker's table of metric families, in sections.

use crate::table;
use mainstem_broker::telemetry::{Family, SECONDS_BUCKETS, families};
use mainstem_tests::golden;

const INTRODUCTION: &str = "\
# Metrics

What a broker tells about itself under `/metrics` of `mainstem.admin.listen`, in Prometheus' text format. A scrape
configuration is in `config/prometheus.yml`.

- Counters end in `_total` and only rise, from 0 at the start of the process. Times are in seconds, sizes in bytes.
- Histograms of seconds have buckets up to BUCKETS; each has `_bucket`, `_sum` and `_count`.
- Labels of the cluster and of the instance are left to Prometheus.
- Series with a topic or partition follow `mainstem.metrics.level` (`broker`, `topic`, the default, or `partition`), those of
  single groups `mainstem.metrics.groups` (`off`, `group`, `topic`, the default, or `partition`). A label in brackets is there
  only at a level that has it. All of them end at `mainstem.metrics.series.max`; what was left out is counted.
- A partition is told by its leader only, a group by its coordinator only, so that sums are right.
- The last column names the metric of Apache Kafka that says the same, for those who bring dashboards along.

This page is made from the table in `broker/src/telemetry/table.rs` by a test.
";

/// Headings, an explaining sentence, and the beginnings of the names that belong there.
const SECTIONS: &[(&str, &str, &[&str])] = &[
    (
        "Broker and cluster",
        "Alert on `mainstem_cluster_partitions_offline` above 0.",
        &[
            "mainstem_build_",
            "mainstem_uptime_",
            "mainstem_broker_",
            "mainstem_controller_",
            "mainstem_cluster_",
            "mainstem_partition",
            "mainstem_quorum_",
        ],
    ),
    (
        "Requests",
        "Where the time of a slow request goes is told by the stages: `queue` is the wait before it is handled, `local` the \
         work here, `remote` the wait for bytes, replicas or the disk, `response` the sending.",
        &["mainstem_request", "mainstem_waiting_"],
    ),
    (
        "Connections",
        "A rising `mainstem_connection_violations_total` is somebody who speaks something else, or worse.",
        &["mainstem_connection"],
    ),
    ("Topics", "Batches as they are on the wire, that is compressed.", &["mainstem_topic_"]),
    (
        "Groups",
        "Alert on `mainstem_group_lag_seconds`: a number of records says little without their rate. Of several partitions it \
         is the greatest, the other numbers are sums. Timestamps are read from the logs, for at most 1,000 positions a scrape, \
         and remembered: of more, a series may be missing until a later scrape.",
        &["mainstem_group", "mainstem_coordinator_"],
    ),
    (
        "Logs and disks",
        "`mainstem_log_flush_seconds` is what a producer with `acks=all` waits for.",
        &["mainstem_log_", "mainstem_dir_", "mainstem_recovery_", "mainstem_segment_"],
    ),
    (
        "Compaction",
        "A log that is not compacted grows: alert on `mainstem_compaction_uncleanable_logs` above 0.",
        &["mainstem_compaction_"],
    ),
    ("The process", "", &["process_", "mainstem_metrics_", "mainstem_worker_", "mainstem_page_"]),
];

fn belongs(family: &Family, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| family.name.starts_with(beginning))
}

/// `topic[,partition]`: the label in brackets stands there only at a level that has it.
fn labels(list: &str) -> String {
    let words = |list: &str| {
        let words: Vec<String> = list.split(',').filter(|word| !word.is_empty()).map(table::code).collect();
        words.join(", ")
    };
    match list.trim_end_matches(']').split_once("[,") {
        Some((always, finely)) => format!("{} ({})", words(always), words(finely)),
        None => words(list),
    }
}

fn page() -> String {
    let most = SECONDS_BUCKETS.last().copied().unwrap_or_default();
    let mut page = INTRODUCTION.replace("BUCKETS", &format!("{most} seconds"));
    for (heading, sentence, beginnings) in SECTIONS {
        page.extend(["\n## ", heading, "\n\n"]);
        if !sentence.is_empty() {
            page.extend([*sentence, "\n\n"]);
        }
        page.push_str(&table::head(&["name", "type", "labels", "meaning", "Kafka"]));
        for family in families().iter().filter(|family| belongs(family, beginnings)) {
            page.push_str(&table::row(&[
                &table::code(family.name),
                family.kind.as_str(),
                &labels(family.labels),
                family.help,
                family.kafka,
            ]));
        }
    }
    page
}

#[test]
fn metrics_are_those_of_the_table() {
    golden::check("docs/metrics.md", &page());
}

/// A family that no section takes would be missing from the page.
#[test]
fn every_family_is_in_one_section() {
    for family in families() {
        let sections = SECTIONS.iter().filter(|(_, _, beginnings)| belongs(family, beginnings)).count();
        assert_eq!(sections, 1, "{}", family.name);
    }
}
