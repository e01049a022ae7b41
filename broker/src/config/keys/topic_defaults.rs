//! Creation of topics, and policies on it.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::{AtLeast, Replicas};
use super::key::ValueType::Class;
use super::key::{Key, boolean, int};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    int("num.partitions", "1")
        .check(AtLeast(1))
        .doc("Partitions of a topic that is created without a count."),
    int("default.replication.factor", "-1")
        .check(Replicas)
        .doc("Replicas of a topic that is created without a count; -1 = min(3, brokers)."),
    int("min.insync.replicas", "-1")
        .check(Replicas)
        .all_brokers()
        .doc("In-sync replicas without which `acks=all` is refused; -1 = min(2, replicas)."),
    boolean("auto.create.topics.enable", "true")
        .doc("Whether a Metadata request for an unknown topic creates it."),
    boolean("delete.topic.enable", "true").doc("Whether topics can be deleted."),
    Key::unset(Class, "create.topic.policy.class.name")
        .refused(reasons::POLICY)
        .doc("Class that approves new topics."),
    Key::unset(Class, "alter.config.policy.class.name")
        .refused(reasons::POLICY)
        .doc("Class that approves changes of configuration."),
];
