//! Our own settings, where no key of Kafka fits.
//!
//! A new one needs a reason why no Kafka key fits and why no good default exists, and is never both a value and a prefix.

use super::key::Check::{AtLeast, Between, OneOf, SocketAddress};
use super::key::{Key, int, long, string};

pub(super) const KEYS: &[Key] = &[
    string("mainstem.durability", "fsync").check(OneOf(&["fsync", "replicated"])).doc(
        "When `acks=all` is answered: with the records on disk on every in-sync replica, or \
             in their page caches.",
    ),
    int("mainstem.batch.decompressed.max.bytes", "268435456").check(AtLeast(1_048_576)).doc(
        "Bytes that one batch of a producer may become when it is decompressed; a batch that becomes \
             more is refused.",
    ),
    string("mainstem.advertise", "")
        .doc("Short form of `advertised.listeners`: `name=host:port` each, separated by commas."),
    string("mainstem.admin.listen", "127.0.0.1:9644")
        .check(SocketAddress)
        .doc("Where health, metrics and administration answer over HTTP; empty = nowhere."),
    string("mainstem.metrics.level", "topic")
        .check(OneOf(&["broker", "topic", "partition"]))
        .doc("How finely metrics of traffic and logs are split."),
    string("mainstem.metrics.groups", "topic")
        .check(OneOf(&["off", "group", "topic", "partition"]))
        .doc("How finely metrics of groups are split; off = nothing of single groups."),
    int("mainstem.metrics.series.max", "100000")
        .check(AtLeast(0))
        .doc("Series that one scrape may hold; the rest is left out and counted."),
    string("mainstem.logging.filter", "info")
        .doc("Which log lines are written, as `level` or `target=level`, separated by commas."),
    string("mainstem.logging.format", "text")
        .check(OneOf(&["text", "json", "journald"]))
        .doc("Form of the log lines."),
    string("mainstem.logging.file", "").doc("File of the log lines; empty = standard error."),
    long("mainstem.shutdown.timeout", "30000")
        .check(AtLeast(0))
        .doc("How long a stop waits for requests in flight, in milliseconds."),
    long("mainstem.disk.free.min", "-1").check(AtLeast(-1)).doc(
        "Free bytes below which client writes are refused; -1 = a tenth of the disk, at most \
             2 GiB.",
    ),
    int("mainstem.flush.parallelism", "4").check(Between(1, 64)).doc("Concurrent flushes of one folder."),
    long("mainstem.log.allocate.max.bytes", "16777216")
        .check(AtLeast(65_536))
        .doc("Largest step in which the space of a segment is reserved."),
];
