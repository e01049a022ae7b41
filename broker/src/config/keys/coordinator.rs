//! Internal topics of groups, transactions and share groups.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::{AtLeast, Between, Replicas};
use super::key::{Key, boolean, int, long, short};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    int("offset.metadata.max.bytes", "4096").doc("Longest note that may be committed with an offset."),
    int("offsets.commit.timeout.ms", "5000")
        .check(AtLeast(1))
        .doc("How long a commit waits to be replicated."),
    int("offsets.load.buffer.size", "5242880")
        .check(AtLeast(1))
        .doc("Bytes read at once when offsets are loaded."),
    long("offsets.retention.check.interval.ms", "600000")
        .check(AtLeast(1))
        .doc("How often expired offsets are looked for."),
    int("offsets.retention.minutes", "10080")
        .check(AtLeast(1))
        .doc("How long the offsets of an empty group are kept."),
    int("offsets.topic.compression.codec", "0").check(Between(0, 4)).doc("Codec of `__consumer_offsets`."),
    int("offsets.topic.num.partitions", "50").check(AtLeast(1)).doc("Partitions of `__consumer_offsets`."),
    short("offsets.topic.replication.factor", "-1")
        .check(Replicas)
        .doc("Replicas of `__consumer_offsets`; -1 = min(3, brokers)."),
    int("offsets.topic.segment.bytes", "104857600")
        .check(AtLeast(1))
        .doc("Segment size of `__consumer_offsets`."),
    int("transaction.max.timeout.ms", "900000")
        .check(AtLeast(1))
        .no_effect(reasons::TRANSACTIONS)
        .doc("Longest transaction timeout that a producer may ask for."),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms", "10000")
        .check(AtLeast(1))
        .no_effect(reasons::TRANSACTIONS)
        .doc("How often transactions past their timeout are looked for."),
    int("transaction.remove.expired.transaction.cleanup.interval.ms", "3600000")
        .check(AtLeast(1))
        .no_effect(reasons::TRANSACTIONS)
        .doc("How often transactional ids past their expiry are looked for."),
    boolean("transaction.partition.verification.enable", "true")
        .no_effect(reasons::TRANSACTIONS)
        .cluster_wide()
        .doc("Whether a leader asks the coordinator before it takes a transactional batch."),
    int("transaction.state.log.load.buffer.size", "5242880")
        .check(AtLeast(1))
        .no_effect(reasons::TRANSACTIONS)
        .doc("Bytes read at once when transactions are loaded."),
    int("transaction.state.log.min.isr", "2")
        .check(AtLeast(1))
        .no_effect(reasons::TRANSACTIONS)
        .doc("In-sync replicas that `__transaction_state` needs."),
    int("transaction.state.log.num.partitions", "50")
        .check(AtLeast(1))
        .no_effect(reasons::TRANSACTIONS)
        .doc("Partitions of `__transaction_state`."),
    short("transaction.state.log.replication.factor", "-1")
        .check(Replicas)
        .no_effect(reasons::TRANSACTIONS)
        .doc("Replicas of `__transaction_state`; -1 = min(3, brokers)."),
    int("transaction.state.log.segment.bytes", "104857600")
        .check(AtLeast(1))
        .no_effect(reasons::TRANSACTIONS)
        .doc("Segment size of `__transaction_state`."),
    boolean("transaction.two.phase.commit.enable", "false")
        .no_effect(reasons::TRANSACTIONS)
        .doc("Whether transactions may be prepared and committed later."),
    int("transactional.id.expiration.ms", "604800000")
        .check(AtLeast(1))
        .no_effect(reasons::TRANSACTIONS)
        .doc("How long an idle transactional id is remembered."),
    int("add.partitions.to.txn.retry.backoff.ms", "20")
        .check(AtLeast(0))
        .no_effect(reasons::TRANSACTIONS)
        .doc("First pause before a partition is added to a transaction again."),
    int("add.partitions.to.txn.retry.backoff.max.ms", "100")
        .check(AtLeast(0))
        .no_effect(reasons::TRANSACTIONS)
        .doc("Longest pause before a partition is added to a transaction again."),
    int("share.coordinator.append.linger.ms", "-1")
        .check(AtLeast(-1))
        .no_effect(reasons::SHARE)
        .doc("How long the share coordinator gathers records before it writes; -1 adapts."),
    int("share.coordinator.cached.buffer.max.bytes", "1048588")
        .check(AtLeast(524_288))
        .no_effect(reasons::SHARE)
        .cluster_wide()
        .doc("Largest buffer that the share coordinator keeps for its next write."),
    int("share.coordinator.load.buffer.size", "5242880")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Bytes read at once when share state is loaded."),
    int("share.coordinator.snapshot.update.records.per.snapshot", "500")
        .check(Between(0, 500))
        .no_effect(reasons::SHARE)
        .doc("Updates of share state between two snapshots."),
    int("share.coordinator.state.topic.compression.codec", "0")
        .no_effect(reasons::SHARE)
        .doc("Codec of `__share_group_state`."),
    short("share.coordinator.state.topic.min.isr", "2")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("In-sync replicas that `__share_group_state` needs."),
    int("share.coordinator.state.topic.num.partitions", "50")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Partitions of `__share_group_state`."),
    short("share.coordinator.state.topic.replication.factor", "-1")
        .check(Replicas)
        .no_effect(reasons::SHARE)
        .doc("Replicas of `__share_group_state`; -1 = min(3, brokers)."),
    int("share.coordinator.state.topic.segment.bytes", "104857600")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("Segment size of `__share_group_state`."),
    int("share.coordinator.threads", "1")
        .check(AtLeast(1))
        .no_effect(reasons::THREADS)
        .doc("Threads of the share coordinator."),
    int("share.coordinator.write.timeout.ms", "5000")
        .check(AtLeast(1))
        .no_effect(reasons::SHARE)
        .doc("How long a write of share state waits to be replicated."),
];
