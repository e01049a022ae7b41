//! Replication between brokers.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::AtLeast;
use super::key::ValueType::String;
use super::key::{Key, int, long};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    long("replica.lag.time.max.ms", "30000")
        .no_effect(reasons::CLUSTER)
        .doc("A follower behind for longer leaves the in-sync replicas."),
    long("replica.high.watermark.checkpoint.interval.ms", "5000")
        .no_effect(reasons::CHECKPOINTS)
        .doc("How often high watermarks are written."),
    int("replica.fetch.backoff.ms", "1000")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("Pause of a follower after a failed fetch."),
    int("replica.fetch.max.bytes", "1048576")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("Bytes a follower asks for, for each partition."),
    int("replica.fetch.min.bytes", "1")
        .no_effect(reasons::CLUSTER)
        .doc("Bytes that a follower's fetch waits for."),
    int("replica.fetch.response.max.bytes", "10485760")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("Bytes a follower asks for in one fetch."),
    int("replica.fetch.wait.max.ms", "500")
        .no_effect(reasons::CLUSTER)
        .doc("Longest wait of a follower's fetch."),
    Key::unset(String, "replica.selector.class")
        .refused(reasons::SELECTOR)
        .doc("Class that picks the replica a consumer reads from."),
    int("replica.socket.receive.buffer.bytes", "65536")
        .no_effect(reasons::CLUSTER)
        .doc("Receive buffer of a follower's connection."),
    int("replica.socket.timeout.ms", "30000")
        .no_effect(reasons::CLUSTER)
        .doc("Socket timeout of a follower."),
    int("num.replica.fetchers", "1")
        .check(AtLeast(1))
        .no_effect(reasons::CLUSTER)
        .cluster_wide()
        .doc("Connections over which a follower fetches from one leader."),
];
