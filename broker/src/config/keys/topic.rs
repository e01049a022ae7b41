//! Keys that a topic may set, each with the broker keys that hold its default.
//!
//! Named as in Kafka 4.3. Above: validation of topic configurations and DescribeConfigs.

use super::key::Check::{AtLeast, Between, EachOf, GzipLevel, OneOf, Within};
use super::key::{Key, boolean, double, int, list, long, string};
use super::reasons;

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;

/// A key that a topic may set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopicKey {
    /// The key itself. Its default is what holds when no broker key says otherwise.
    pub key: Key,
    /// Broker keys that hold the default, the strongest first, with the factor from their unit to this one's.
    pub broker_keys: &'static [(&'static str, i64)],
}

const fn topic(key: Key, broker_keys: &'static [(&'static str, i64)]) -> TopicKey {
    TopicKey { key, broker_keys }
}

pub(super) const KEYS: &[TopicKey] = &[
    topic(
        list("cleanup.policy", "delete")
            .check(EachOf(&["compact", "delete"]))
            .doc("Whether old records are deleted or compacted by key."),
        &[("log.cleanup.policy", 1)],
    ),
    topic(
        int("compression.gzip.level", "-1")
            .check(GzipLevel)
            .no_effect(reasons::RECOMPRESS)
            .doc("Level of gzip, 1 to 9, or -1 for the codec's default."),
        &[("compression.gzip.level", 1)],
    ),
    topic(
        int("compression.lz4.level", "9")
            .check(Between(1, 17))
            .no_effect(reasons::RECOMPRESS)
            .doc("Level of LZ4."),
        &[("compression.lz4.level", 1)],
    ),
    topic(
        string("compression.type", "producer")
            .check(OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]))
            .doc("Codec in which batches are kept; `producer` keeps what was sent."),
        &[("compression.type", 1)],
    ),
    topic(
        int("compression.zstd.level", "3")
            .check(Between(-131_072, 22))
            .no_effect(reasons::RECOMPRESS)
            .doc("Level of Zstandard."),
        &[("compression.zstd.level", 1)],
    ),
    topic(
        long("delete.retention.ms", "86400000")
            .check(AtLeast(0))
            .doc("How long tombstones stay after compaction."),
        &[("log.cleaner.delete.retention.ms", 1)],
    ),
    topic(
        long("file.delete.delay.ms", "60000")
            .check(AtLeast(0))
            .doc("How long the files of removed segments stay for readers."),
        &[("log.segment.delete.delay.ms", 1)],
    ),
    topic(
        long("flush.messages", "9223372036854775807")
            .check(AtLeast(1))
            .doc("Records after which the log is flushed, with durability `replicated`."),
        &[("log.flush.interval.messages", 1)],
    ),
    topic(
        long("flush.ms", "9223372036854775807")
            .check(AtLeast(0))
            .doc("Time after which the log is flushed, with durability `replicated`."),
        &[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)],
    ),
    topic(
        list("follower.replication.throttled.replicas", "")
            .no_effect(reasons::THROTTLE)
            .doc("Replicas whose fetching is throttled: `partition:broker` each, or `*`."),
        &[],
    ),
    topic(
        int("index.interval.bytes", "4096")
            .check(AtLeast(0))
            .doc("Bytes of log between two entries of the offset index."),
        &[("log.index.interval.bytes", 1)],
    ),
    topic(
        list("leader.replication.throttled.replicas", "")
            .no_effect(reasons::THROTTLE)
            .doc("Replicas that are throttled at the leader: `partition:broker` each, or `*`."),
        &[],
    ),
    topic(
        long("local.retention.bytes", "-2")
            .check(AtLeast(-2))
            .no_effect(reasons::REMOTE)
            .doc("Bytes that stay local when remote storage is on; -2 = as `retention.bytes`."),
        &[("log.local.retention.bytes", 1)],
    ),
    topic(
        long("local.retention.ms", "-2")
            .check(AtLeast(-2))
            .no_effect(reasons::REMOTE)
            .doc("How long records stay local when remote storage is on; -2 = as `retention.ms`."),
        &[("log.local.retention.ms", 1)],
    ),
    topic(
        string("mainstem.durability", "fsync").check(OneOf(&["fsync", "replicated"])).doc(
            "When `acks=all` is answered: with the records on disk on every in-sync replica, or \
             in their page caches.",
        ),
        &[("mainstem.durability", 1)],
    ),
    topic(
        long("max.compaction.lag.ms", "9223372036854775807")
            .check(AtLeast(1))
            .doc("How long a record stays uncompacted at most."),
        &[("log.cleaner.max.compaction.lag.ms", 1)],
    ),
    topic(
        int("max.message.bytes", "1048588").check(AtLeast(0)).doc("Largest record batch, as compressed."),
        &[("message.max.bytes", 1)],
    ),
    topic(
        long("message.timestamp.after.max.ms", "3600000")
            .check(AtLeast(0))
            .doc("How far a producer's timestamp may lie in the future."),
        &[("log.message.timestamp.after.max.ms", 1)],
    ),
    topic(
        long("message.timestamp.before.max.ms", "9223372036854775807")
            .check(AtLeast(0))
            .doc("How far a producer's timestamp may lie in the past."),
        &[("log.message.timestamp.before.max.ms", 1)],
    ),
    topic(
        string("message.timestamp.type", "CreateTime")
            .check(OneOf(&["CreateTime", "LogAppendTime"]))
            .doc("Whose clock stamps records: the producer's or the leader's."),
        &[("log.message.timestamp.type", 1)],
    ),
    topic(
        double("min.cleanable.dirty.ratio", "0.5")
            .check(Within(0.0, 1.0))
            .doc("Part of the log that must be uncompacted before it is compacted."),
        &[("log.cleaner.min.cleanable.ratio", 1)],
    ),
    topic(
        long("min.compaction.lag.ms", "0")
            .check(AtLeast(0))
            .doc("How long a record stays uncompacted at least."),
        &[("log.cleaner.min.compaction.lag.ms", 1)],
    ),
    topic(
        int("min.insync.replicas", "-1")
            .check(AtLeast(1))
            .doc("In-sync replicas without which `acks=all` is refused; without it min(2, replicas)."),
        &[("min.insync.replicas", 1)],
    ),
    topic(
        boolean("preallocate", "false")
            .no_effect(reasons::ALLOCATE)
            .doc("Whether the space of a segment is reserved when it is created."),
        &[("log.preallocate", 1)],
    ),
    topic(
        boolean("remote.log.copy.disable", "false")
            .no_effect(reasons::REMOTE)
            .doc("Whether a topic with remote storage stops copying segments there."),
        &[],
    ),
    topic(
        boolean("remote.log.delete.on.disable", "false")
            .no_effect(reasons::REMOTE)
            .doc("Whether remote segments are removed when remote storage is turned off."),
        &[],
    ),
    topic(
        boolean("remote.storage.enable", "false")
            .refused(reasons::REMOTE_ON)
            .doc("Whether segments are copied to remote storage."),
        &[],
    ),
    topic(
        long("retention.bytes", "-1").doc("Bytes that a partition keeps; -1 keeps all."),
        &[("log.retention.bytes", 1)],
    ),
    topic(
        long("retention.ms", "604800000")
            .check(AtLeast(-1))
            .doc("Records older than this are removed; -1 keeps them."),
        &[("log.retention.ms", 1), ("log.retention.minutes", MINUTE), ("log.retention.hours", HOUR)],
    ),
    topic(
        int("segment.bytes", "1073741824")
            .check(AtLeast(1_048_576))
            .doc("A segment that would grow beyond this is rolled."),
        &[("log.segment.bytes", 1)],
    ),
    topic(
        int("segment.index.bytes", "10485760")
            .check(AtLeast(4))
            .doc("Size of an index file at which its segment is rolled."),
        &[("log.index.size.max.bytes", 1)],
    ),
    topic(
        long("segment.jitter.ms", "0")
            .check(AtLeast(0))
            .no_effect(reasons::JITTER)
            .doc("Most that is taken off `segment.ms` at random."),
        &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR)],
    ),
    topic(
        long("segment.ms", "604800000")
            .check(AtLeast(1))
            .doc("A segment whose first record is older is rolled."),
        &[("log.roll.ms", 1), ("log.roll.hours", HOUR)],
    ),
    topic(
        boolean("unclean.leader.election.enable", "false").no_effect(reasons::CLUSTER).doc(
            "Whether a replica outside the in-sync set may lead when no other can, at the price \
             of acknowledged records.",
        ),
        &[("unclean.leader.election.enable", 1)],
    ),
];
