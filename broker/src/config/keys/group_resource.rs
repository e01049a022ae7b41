//! Keys that a group may set.
//!
//! Named as in Kafka 4.3. The broker key of the same meaning has `group.` before the name and holds the default.

use super::key::Check::{AtLeast, OneOf};
use super::key::{Key, boolean, int, string};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    int("consumer.assignment.interval.ms", "1000")
        .check(AtLeast(0))
        .doc("Shortest time between two assignments of a consumer group."),
    int("consumer.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .doc("Time between heartbeats of a member."),
    int("consumer.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .doc("A member silent for so long is removed."),
    int("share.assignment.interval.ms", "1000")
        .check(AtLeast(0))
        .no_effect(reasons::SHARE)
        .doc("Shortest time between two assignments of a share group."),
    string("share.auto.offset.reset", "latest").no_effect(reasons::SHARE).doc(
        "Where a share group begins in a partition: `earliest`, `latest`, or `by_duration:` \
             and an ISO 8601 duration.",
    ),
    int("share.delivery.count.limit", "5")
        .check(AtLeast(2))
        .no_effect(reasons::SHARE)
        .doc("Deliveries after which a record is given up."),
    int("share.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Time between heartbeats of a share member."),
    string("share.isolation.level", "read_uncommitted")
        .check(OneOf(&["read_committed", "read_uncommitted"]))
        .no_effect(reasons::SHARE)
        .doc("Whether records of open transactions are delivered."),
    int("share.partition.max.record.locks", "2000")
        .check(AtLeast(100))
        .no_effect(reasons::SHARE)
        .doc("Records of a partition that may be in delivery at once."),
    int("share.record.lock.duration.ms", "30000")
        .check(AtLeast(1000))
        .no_effect(reasons::SHARE)
        .doc("How long a delivered record is locked."),
    boolean("share.renew.acknowledge.enable", "true")
        .no_effect(reasons::SHARE)
        .doc("Whether a consumer may prolong the lock of a record."),
    int("share.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("A share member silent for so long is removed."),
    int("streams.assignment.interval.ms", "1000")
        .check(AtLeast(0))
        .no_effect(reasons::STREAMS)
        .doc("Shortest time between two assignments of a streams group."),
    int("streams.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("Time between heartbeats of a streams member."),
    int("streams.initial.rebalance.delay.ms", "3000")
        .check(AtLeast(0))
        .no_effect(reasons::STREAMS)
        .doc("How long a new streams group waits for more members."),
    int("streams.num.standby.replicas", "0")
        .check(AtLeast(0))
        .no_effect(reasons::STREAMS)
        .doc("Standby tasks of each task."),
    int("streams.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("A streams member silent for so long is removed."),
];
