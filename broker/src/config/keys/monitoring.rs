//! Metrics and telemetry of the Java broker; ours are under `mainstem.metrics`.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::{AtLeast, OneOf};
use super::key::{Key, int, list, long, string};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    list("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter")
        .no_effect(reasons::JMX)
        .cluster_wide()
        .doc("Classes that report metrics."),
    int("metrics.num.samples", "2")
        .check(AtLeast(1))
        .no_effect(reasons::JMX)
        .doc("Samples kept for each metric."),
    long("metrics.sample.window.ms", "30000")
        .check(AtLeast(1))
        .no_effect(reasons::JMX)
        .doc("Length of a sample of a metric."),
    string("metrics.recording.level", "INFO")
        .check(OneOf(&["INFO", "DEBUG", "TRACE"]))
        .no_effect(reasons::JMX)
        .doc("Level of detail of recorded metrics."),
    list("kafka.metrics.reporters", "").no_effect(reasons::JMX).doc("Further classes that report metrics."),
    int("kafka.metrics.polling.interval.secs", "10")
        .check(AtLeast(1))
        .no_effect(reasons::JMX)
        .doc("How often those reporters are asked."),
    int("telemetry.max.bytes", "1048576")
        .check(AtLeast(1))
        .no_effect(reasons::TELEMETRY)
        .doc("Largest batch of metrics that a client may push."),
];
