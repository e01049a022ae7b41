//! Tiered storage, which is not served.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::AtLeast;
use super::key::ValueType::String;
use super::key::{Key, boolean, int, long, string};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    boolean("follower.fetch.last.tiered.offset.enable", "false")
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Whether a new follower starts behind what is in remote storage."),
    long("log.local.retention.bytes", "-2")
        .check(AtLeast(-2))
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Bytes that stay local when remote storage is on; -2 = as `log.retention.bytes`."),
    long("log.local.retention.ms", "-2")
        .check(AtLeast(-2))
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("How long records stay local when remote storage is on; -2 = as `log.retention.ms`."),
    boolean("remote.log.storage.system.enable", "false")
        .refused(reasons::REMOTE_ON)
        .doc("Whether segments are copied to remote storage."),
    int("remote.fetch.max.wait.ms", "500")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Longest wait of a fetch for remote storage."),
    long("remote.list.offsets.request.timeout.ms", "30000")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Longest wait of an offset look-up for remote storage."),
    long("remote.log.index.file.cache.total.size.bytes", "1073741824")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Space for indexes fetched from remote storage."),
    int("remote.log.manager.copier.thread.pool.size", "10")
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Threads that copy segments away."),
    long("remote.log.manager.copy.max.bytes.per.second", "9223372036854775807")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Bytes a second that are copied away."),
    int("remote.log.manager.copy.quota.window.num", "11")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .doc("Samples over which copying is measured."),
    int("remote.log.manager.copy.quota.window.size.seconds", "1")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .doc("Length of a sample of copying."),
    int("remote.log.manager.expiration.thread.pool.size", "10")
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Threads that remove remote segments."),
    long("remote.log.manager.fetch.max.bytes.per.second", "9223372036854775807")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Bytes a second that are read from remote storage."),
    int("remote.log.manager.fetch.quota.window.num", "11")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .doc("Samples over which remote reads are measured."),
    int("remote.log.manager.fetch.quota.window.size.seconds", "1")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .doc("Length of a sample of remote reads."),
    int("remote.log.manager.follower.thread.pool.size", "2")
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Threads of remote work for followed partitions."),
    long("remote.log.manager.task.interval.ms", "30000")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .doc("How often remote work is looked for."),
    int("remote.log.manager.thread.pool.size", "2")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .doc("Threads of remote work."),
    int("remote.log.metadata.custom.metadata.max.bytes", "128")
        .check(AtLeast(0))
        .no_effect(reasons::REMOTE)
        .doc("Longest note that a plug-in may keep with a remote segment."),
    string(
        "remote.log.metadata.manager.class.name",
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
    )
    .no_effect(reasons::REMOTE)
    .doc("Class that keeps the list of remote segments."),
    Key::unset(String, "remote.log.metadata.manager.class.path")
        .no_effect(reasons::REMOTE)
        .doc("Where that class is found."),
    string("remote.log.metadata.manager.impl.prefix", "rlmm.config.")
        .no_effect(reasons::REMOTE)
        .doc("Prefix of that class's own settings."),
    Key::unset(String, "remote.log.metadata.manager.listener.name")
        .no_effect(reasons::REMOTE)
        .doc("Listener that the class connects to."),
    int("remote.log.reader.max.pending.tasks", "100")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .doc("Remote reads that may wait."),
    int("remote.log.reader.threads", "10")
        .check(AtLeast(1))
        .no_effect(reasons::REMOTE)
        .cluster_wide()
        .doc("Threads that read from remote storage."),
    Key::unset(String, "remote.log.storage.manager.class.name")
        .no_effect(reasons::REMOTE)
        .doc("Class that stores segments remotely."),
    Key::unset(String, "remote.log.storage.manager.class.path")
        .no_effect(reasons::REMOTE)
        .doc("Where that class is found."),
    string("remote.log.storage.manager.impl.prefix", "rsm.config.")
        .no_effect(reasons::REMOTE)
        .doc("Prefix of that class's own settings."),
];
