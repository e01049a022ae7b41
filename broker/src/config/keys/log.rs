//! Logs: where partitions live, when segments roll, what is kept and flushed.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::{AtLeast, Between, EachOf, GzipLevel, OneOf, Within};
use super::key::ValueType::{Int, List, Long};
use super::key::{Key, boolean, double, int, list, long, string};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    Key::unset(List, "log.dirs").doc("Folders of partition data. One folder is served."),
    list("log.dir", "/var/lib/mainstem/data")
        .doc("The folder of partition data, where `log.dirs` is not set."),
    long("log.dir.failure.timeout.ms", "30000")
        .check(AtLeast(1))
        .no_effect(reasons::CLUSTER)
        .doc("A broker that cannot report a failed folder for so long stops."),
    list("cordoned.log.dirs", "")
        .no_effect(reasons::ONE_DIR)
        .per_broker()
        .doc("Folders that take no new partitions."),
    int("num.recovery.threads.per.data.dir", "2")
        .check(AtLeast(1))
        .doc("Threads that open and recover logs, for each folder: at the start, and when many are created at once."),
    Key::unset(Int, "num.replica.alter.log.dirs.threads")
        .no_effect(reasons::ONE_DIR)
        .doc("Threads that move replicas between folders."),
    int("log.segment.bytes", "1073741824")
        .check(AtLeast(1_048_576))
        .cluster_wide()
        .doc("A segment that would grow beyond this is rolled."),
    Key::unset(Long, "log.roll.ms")
        .check(AtLeast(1))
        .cluster_wide()
        .doc("A segment whose first record is older is rolled; before `log.roll.hours`."),
    int("log.roll.hours", "168").check(AtLeast(1)).doc("The same in hours."),
    Key::unset(Long, "log.roll.jitter.ms")
        .check(AtLeast(0))
        .no_effect(reasons::JITTER)
        .cluster_wide()
        .doc("Most that is taken off the roll time at random; before `log.roll.jitter.hours`."),
    int("log.roll.jitter.hours", "0").check(AtLeast(0)).no_effect(reasons::JITTER).doc("The same in hours."),
    int("log.index.size.max.bytes", "10485760")
        .check(AtLeast(4))
        .cluster_wide()
        .doc("Size of an index file at which its segment is rolled."),
    int("log.index.interval.bytes", "4096")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("Bytes of log between two entries of the offset index."),
    boolean("log.preallocate", "false")
        .no_effect(reasons::ALLOCATE)
        .cluster_wide()
        .doc("Whether the space of a segment is reserved when it is created."),
    Key::unset(Long, "log.retention.ms").check(AtLeast(-1)).cluster_wide().doc(
        "Records older than this are removed; -1 keeps them. Before `log.retention.minutes` \
             and `log.retention.hours`.",
    ),
    Key::unset(Int, "log.retention.minutes").doc("The same in minutes."),
    int("log.retention.hours", "168").doc("The same in hours."),
    long("log.retention.bytes", "-1").cluster_wide().doc("Bytes that a partition keeps; -1 keeps all."),
    long("log.retention.check.interval.ms", "300000")
        .check(AtLeast(1))
        .doc("How often logs are looked through for what may be removed."),
    long("log.segment.delete.delay.ms", "60000")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("How long the files of removed segments stay for readers."),
    list("log.cleanup.policy", "delete")
        .check(EachOf(&["compact", "delete"]))
        .cluster_wide()
        .doc("Whether old records are deleted or compacted by key."),
    long("log.flush.interval.messages", "9223372036854775807")
        .check(AtLeast(1))
        .cluster_wide()
        .doc("Records after which a log is flushed, with durability `replicated`."),
    Key::unset(Long, "log.flush.interval.ms")
        .cluster_wide()
        .doc("Time after which a log is flushed, with durability `replicated`."),
    long("log.flush.scheduler.interval.ms", "9223372036854775807")
        .doc("Stands in for `log.flush.interval.ms` where that is not set."),
    int("log.flush.offset.checkpoint.interval.ms", "60000")
        .check(AtLeast(0))
        .no_effect(reasons::CHECKPOINTS)
        .doc("How often recovery points are written."),
    int("log.flush.start.offset.checkpoint.interval.ms", "60000")
        .check(AtLeast(0))
        .no_effect(reasons::TRIM)
        .doc("How often log start offsets are written."),
    string("log.message.timestamp.type", "CreateTime")
        .check(OneOf(&["CreateTime", "LogAppendTime"]))
        .cluster_wide()
        .doc("Whose clock stamps records: the producer's or the leader's."),
    long("log.message.timestamp.before.max.ms", "9223372036854775807")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("How far a producer's timestamp may lie in the past."),
    long("log.message.timestamp.after.max.ms", "3600000")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("How far a producer's timestamp may lie in the future."),
    int("message.max.bytes", "1048588")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("Largest record batch, as compressed."),
    string("compression.type", "producer")
        .check(OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]))
        .cluster_wide()
        .doc("Codec in which batches are kept; `producer` keeps what was sent."),
    int("compression.gzip.level", "-1")
        .check(GzipLevel)
        .no_effect(reasons::RECOMPRESS)
        .cluster_wide()
        .doc("Level of gzip, 1 to 9, or -1 for the codec's default."),
    int("compression.lz4.level", "9")
        .check(Between(1, 17))
        .no_effect(reasons::RECOMPRESS)
        .cluster_wide()
        .doc("Level of LZ4."),
    int("compression.zstd.level", "3")
        .check(Between(-131_072, 22))
        .no_effect(reasons::RECOMPRESS)
        .cluster_wide()
        .doc("Level of Zstandard."),
    boolean("log.cleaner.enable", "true").doc("Whether logs are compacted."),
    int("log.cleaner.threads", "1").check(AtLeast(0)).cluster_wide().doc("Threads that compact."),
    long("log.cleaner.backoff.ms", "15000")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("Pause of the compaction when nothing is to be done."),
    long("log.cleaner.dedupe.buffer.size", "134217728")
        .cluster_wide()
        .doc("Memory of the key maps of all compactions."),
    int("log.cleaner.io.buffer.size", "524288")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("Buffers of all compactions."),
    double("log.cleaner.io.buffer.load.factor", "0.9").cluster_wide().doc("How full a key map may get."),
    double("log.cleaner.io.max.bytes.per.second", "1.7976931348623157E308")
        .cluster_wide()
        .doc("Bytes a second that compaction reads and writes."),
    long("log.cleaner.delete.retention.ms", "86400000")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("How long tombstones stay after compaction."),
    double("log.cleaner.min.cleanable.ratio", "0.5")
        .check(Within(0.0, 1.0))
        .cluster_wide()
        .doc("Part of a log that must be uncompacted before it is compacted."),
    long("log.cleaner.min.compaction.lag.ms", "0")
        .check(AtLeast(0))
        .cluster_wide()
        .doc("How long a record stays uncompacted at least."),
    long("log.cleaner.max.compaction.lag.ms", "9223372036854775807")
        .check(AtLeast(1))
        .cluster_wide()
        .doc("How long a record stays uncompacted at most."),
    int("producer.id.expiration.ms", "86400000")
        .check(AtLeast(1))
        .doc("The state of a producer idle for so long is forgotten."),
];
