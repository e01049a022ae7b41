//! The node, its roles and the metadata quorum.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::{AtLeast, EachOf};
use super::key::ValueType::String;
use super::key::{Key, boolean, int, list, long};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    int("node.id", "1").check(AtLeast(0)).doc(
        "Id of this node; unique in its cluster and written into the data directory at the \
             first start.",
    ),
    int("broker.id", "-1")
        .check(AtLeast(-1))
        .doc("Older name of `node.id`. Where both are set they must agree."),
    Key::unset(String, "broker.rack")
        .doc("Rack or zone of this node, as told to clients that prefer a near replica."),
    list("process.roles", "broker,controller")
        .check(EachOf(&["broker", "controller"]))
        .doc("Roles of this node. One process serves both, `broker,controller`."),
    int("initial.broker.registration.timeout.ms", "60000")
        .no_effect(reasons::CLUSTER)
        .doc("How long a broker waits to be registered by the controller at its start."),
    int("broker.heartbeat.interval.ms", "2000")
        .no_effect(reasons::CLUSTER)
        .doc("Time between two signs of life from a broker to the controller."),
    int("broker.session.timeout.ms", "9000")
        .no_effect(reasons::CLUSTER)
        .doc("A broker silent for so long is fenced."),
    boolean("controlled.shutdown.enable", "true")
        .no_effect(reasons::SHUTDOWN)
        .doc("Whether a stopping broker hands its leaderships away first."),
    list("controller.quorum.voters", "").doc(
        "The voters of the metadata quorum, `id@host:port` each. Only this node itself may be \
             named.",
    ),
    list("controller.quorum.bootstrap.servers", "").doc(
        "Where the metadata quorum can be found. Only this node's own controller listener may \
             be named.",
    ),
    boolean("controller.quorum.auto.join.enable", "false")
        .no_effect(reasons::CLUSTER)
        .doc("Whether a controller adds itself to the voters."),
    int("controller.quorum.append.linger.ms", "25")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("How long the leader of the quorum gathers records before it writes."),
    int("controller.quorum.election.timeout.ms", "1000")
        .check(AtLeast(0))
        .doc("Without a leader for so long, a controller asks for votes; less than 1500 counts as 1500."),
    int("controller.quorum.election.backoff.max.ms", "1000")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("Longest pause before a failed election is tried again."),
    int("controller.quorum.fetch.timeout.ms", "2000")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("A voter that could not fetch for so long becomes a candidate."),
    int("controller.quorum.fetch.max.bytes", "1048576")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("Most bytes of metadata in one fetch of a quorum member."),
    int("controller.quorum.fetch.snapshot.max.bytes", "1048576")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("Most bytes of a metadata snapshot in one fetch."),
    int("controller.quorum.request.timeout.ms", "2000")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("How long a request between quorum members may take."),
    int("controller.quorum.retry.backoff.ms", "20")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("Pause before a request between quorum members is tried again."),
    int("controller.socket.timeout.ms", "30000")
        .no_effect(reasons::CLUSTER)
        .doc("Socket timeout between controller and brokers."),
    Key::unset(String, "metadata.log.dir")
        .doc("Folder of the metadata log; the first of `log.dirs` if not set."),
    long("metadata.log.max.record.bytes.between.snapshots", "20971520")
        .check(AtLeast(1))
        .no_effect(reasons::SNAPSHOTS)
        .doc("Bytes of metadata records after which a snapshot is written."),
    long("metadata.log.max.snapshot.interval.ms", "3600000")
        .check(AtLeast(0))
        .no_effect(reasons::SNAPSHOTS)
        .doc("Longest time between two metadata snapshots."),
    int("metadata.log.segment.bytes", "1073741824")
        .check(AtLeast(1_048_576))
        .no_effect(reasons::SNAPSHOTS)
        .doc("Size at which a segment of the metadata log is rolled."),
    long("metadata.log.segment.ms", "604800000")
        .no_effect(reasons::SNAPSHOTS)
        .doc("Age at which a segment of the metadata log is rolled."),
    int("metadata.max.idle.interval.ms", "500")
        .check(AtLeast(0))
        .no_effect(reasons::CLUSTER)
        .doc("How often the active controller writes an empty record when nothing happens."),
    long("metadata.max.retention.bytes", "104857600")
        .no_effect(reasons::SNAPSHOTS)
        .doc("Bytes of metadata log and snapshots that are kept."),
    long("metadata.max.retention.ms", "604800000")
        .no_effect(reasons::SNAPSHOTS)
        .doc("How long metadata log and snapshots are kept."),
    long("leader.imbalance.check.interval.seconds", "300")
        .check(AtLeast(1))
        .no_effect(reasons::CLUSTER)
        .doc("How often the controller looks for leaders that are not the preferred ones."),
    boolean("auto.leader.rebalance.enable", "true")
        .no_effect(reasons::CLUSTER)
        .doc("Whether leadership is moved back to preferred replicas by itself."),
    boolean("unclean.leader.election.enable", "false").no_effect(reasons::CLUSTER).cluster_wide().doc(
        "Whether a replica outside the in-sync set may lead when no other can, at the price \
             of acknowledged records.",
    ),
    list("config.providers", "")
        .refused(reasons::PROVIDERS)
        .cluster_wide()
        .doc("Classes that replace `${..}` in values by secrets kept elsewhere."),
    int("background.threads", "10")
        .check(AtLeast(1))
        .no_effect(reasons::THREADS)
        .cluster_wide()
        .doc("Threads for background work."),
];
