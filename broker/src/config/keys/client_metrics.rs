//! Keys of a client-metrics subscription.
//!
//! Named as in Kafka 4.3.

use super::key::Check::Between;
use super::key::{Key, int, list};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    int("interval.ms", "300000")
        .check(Between(100, 3_600_000))
        .no_effect(reasons::TELEMETRY)
        .doc("Time between two pushes of a client."),
    list("match", "")
        .no_effect(reasons::TELEMETRY)
        .doc("Which clients push: `attribute=regular expression` each."),
    list("metrics", "")
        .no_effect(reasons::TELEMETRY)
        .doc("Prefixes of the metrics that are pushed; `*` = all."),
];
