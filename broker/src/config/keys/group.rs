//! Consumer, streams and share groups.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::{AtLeast, EachOf, OneOf};
use super::key::{Key, int, list, string};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    int("group.initial.rebalance.delay.ms", "3000")
        .doc("How long a new classic group waits for more members before its first assignment."),
    int("group.max.session.timeout.ms", "1800000").doc("Longest session timeout of a classic member."),
    int("group.min.session.timeout.ms", "6000").doc("Shortest session timeout of a classic member."),
    int("group.max.size", "2147483647").check(AtLeast(1)).doc("Members of a classic group."),
    int("group.coordinator.append.linger.ms", "-1")
        .check(AtLeast(-1))
        .no_effect(reasons::LINGER)
        .doc("How long the coordinator gathers records before it writes; -1 adapts."),
    int("group.coordinator.background.threads", "2")
        .check(AtLeast(1))
        .no_effect(reasons::THREADS)
        .doc("Threads of the coordinator's background work."),
    int("group.coordinator.cached.buffer.max.bytes", "1048588")
        .check(AtLeast(524_288))
        .no_effect(reasons::BUFFERS)
        .cluster_wide()
        .doc("Largest buffer that the coordinator keeps for its next write."),
    list("group.coordinator.rebalance.protocols", "classic,consumer,streams")
        .check(EachOf(&["classic", "consumer", "streams", "share"]))
        .no_effect(reasons::PROTOCOLS)
        .doc("Group protocols that are served."),
    int("group.coordinator.threads", "4")
        .check(AtLeast(1))
        .no_effect(reasons::THREADS)
        .doc("Threads of the coordinator."),
    int("group.consumer.assignment.interval.ms", "1000")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("Shortest time between two assignments of a consumer group."),
    list("group.consumer.assignors", "uniform,range")
        .check(EachOf(&["uniform", "range"]))
        .doc("Assignors of consumer groups; the first is the default."),
    int("group.consumer.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .doc("Time between heartbeats of a member."),
    int("group.consumer.max.assignment.interval.ms", "15000")
        .doc("Upper bound of the assignment interval that a group may set."),
    int("group.consumer.min.assignment.interval.ms", "0")
        .doc("Lower bound of the assignment interval that a group may set."),
    int("group.consumer.max.heartbeat.interval.ms", "15000")
        .check(AtLeast(1))
        .doc("Upper bound of the heartbeat interval that a group may set."),
    int("group.consumer.min.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .doc("Lower bound of the heartbeat interval that a group may set."),
    int("group.consumer.max.session.timeout.ms", "60000")
        .check(AtLeast(1))
        .doc("Upper bound of the session timeout that a group may set."),
    int("group.consumer.min.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .doc("Lower bound of the session timeout that a group may set."),
    int("group.consumer.max.size", "2147483647").check(AtLeast(1)).doc("Members of a consumer group."),
    string("group.consumer.migration.policy", "bidirectional")
        .check(OneOf(&["disabled", "upgrade", "downgrade", "bidirectional"]))
        .doc("Whether groups may change between the classic and the consumer protocol."),
    int("group.consumer.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .doc("A member silent for so long is removed."),
    int("group.streams.assignment.interval.ms", "1000")
        .no_effect(reasons::STREAMS)
        .cluster_wide()
        .doc("Shortest time between two assignments of a streams group."),
    int("group.streams.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("Time between heartbeats of a streams member."),
    int("group.streams.initial.rebalance.delay.ms", "3000")
        .check(AtLeast(0))
        .no_effect(reasons::STREAMS)
        .doc("How long a new streams group waits for more members."),
    int("group.streams.max.assignment.interval.ms", "15000")
        .no_effect(reasons::STREAMS)
        .doc("Upper bound of the assignment interval that a group may set."),
    int("group.streams.min.assignment.interval.ms", "0")
        .no_effect(reasons::STREAMS)
        .doc("Lower bound of the assignment interval that a group may set."),
    int("group.streams.max.heartbeat.interval.ms", "15000")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("Upper bound of the heartbeat interval that a group may set."),
    int("group.streams.min.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("Lower bound of the heartbeat interval that a group may set."),
    int("group.streams.max.session.timeout.ms", "60000")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("Upper bound of the session timeout that a group may set."),
    int("group.streams.min.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("Lower bound of the session timeout that a group may set."),
    int("group.streams.max.size", "2147483647")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("Members of a streams group."),
    int("group.streams.max.standby.replicas", "2")
        .check(AtLeast(0))
        .no_effect(reasons::STREAMS)
        .doc("Upper bound of the standby tasks that a group may set."),
    int("group.streams.num.standby.replicas", "0")
        .check(AtLeast(0))
        .no_effect(reasons::STREAMS)
        .doc("Standby tasks of each task."),
    int("group.streams.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .no_effect(reasons::STREAMS)
        .doc("A streams member silent for so long is removed."),
    int("group.share.assignment.interval.ms", "1000")
        .no_effect(reasons::SHARE)
        .cluster_wide()
        .doc("Shortest time between two assignments of a share group."),
    list("group.share.assignors", "simple").no_effect(reasons::SHARE).doc("Assignors of share groups."),
    int("group.share.delivery.count.limit", "5")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Deliveries after which a record is given up."),
    int("group.share.min.delivery.count.limit", "2")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Lower bound of the delivery count that a group may set."),
    int("group.share.max.delivery.count.limit", "10")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Upper bound of the delivery count that a group may set."),
    int("group.share.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Time between heartbeats of a share member."),
    int("group.share.max.assignment.interval.ms", "15000")
        .no_effect(reasons::SHARE)
        .doc("Upper bound of the assignment interval that a group may set."),
    int("group.share.min.assignment.interval.ms", "0")
        .no_effect(reasons::SHARE)
        .doc("Lower bound of the assignment interval that a group may set."),
    int("group.share.max.heartbeat.interval.ms", "15000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Upper bound of the heartbeat interval that a group may set."),
    int("group.share.min.heartbeat.interval.ms", "5000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Lower bound of the heartbeat interval that a group may set."),
    int("group.share.partition.max.record.locks", "2000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Records of a partition that may be in delivery at once."),
    int("group.share.max.partition.max.record.locks", "4000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Upper bound of the record locks that a group may set."),
    int("group.share.min.partition.max.record.locks", "100")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Lower bound of the record locks that a group may set."),
    int("group.share.record.lock.duration.ms", "30000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("How long a delivered record is locked."),
    int("group.share.max.record.lock.duration.ms", "60000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Upper bound of the lock duration that a group may set."),
    int("group.share.min.record.lock.duration.ms", "15000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Lower bound of the lock duration that a group may set."),
    int("group.share.max.session.timeout.ms", "60000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Upper bound of the session timeout that a group may set."),
    int("group.share.min.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Lower bound of the session timeout that a group may set."),
    int("group.share.session.timeout.ms", "45000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("A share member silent for so long is removed."),
    int("group.share.max.share.sessions", "2000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Share sessions that a broker keeps."),
    int("group.share.max.size", "200")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Members of a share group."),
];
