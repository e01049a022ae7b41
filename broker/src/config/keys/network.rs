//! Listeners, sockets, connections and the limits on requests.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::{AtLeast, NonEmpty, OneOf};
use super::key::ValueType::{List, String};
use super::key::{Key, int, list, long, string};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    list("listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093").doc(
        "Where to listen: `NAME://host:port`, separated by commas. An empty host binds every \
             interface.",
    ),
    Key::unset(List, "advertised.listeners").doc(
        "What clients are told to connect to, `NAME://host:port` each. Without it: the host \
             of `listeners`, or this machine's name if that binds every interface.",
    ),
    string(
        "listener.security.protocol.map",
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
    )
    .doc("Security protocol of each listener name, `NAME:PROTOCOL` each."),
    Key::unset(String, "inter.broker.listener.name").doc(
        "Listener that brokers use among themselves; by default the one whose protocol is \
             `security.inter.broker.protocol`.",
    ),
    string("security.inter.broker.protocol", "PLAINTEXT")
        .check(OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]))
        .doc("Security protocol among brokers, where `inter.broker.listener.name` is not set."),
    list("controller.listener.names", "CONTROLLER")
        .check(NonEmpty)
        .doc("Names of the listeners that serve controllers; they are never advertised to clients."),
    Key::unset(List, "early.start.listeners")
        .no_effect(reasons::READY)
        .doc("Listeners that answer before the node is ready."),
    int("socket.listen.backlog.size", "50")
        .check(AtLeast(1))
        .doc("Connections that the operating system queues before they are accepted."),
    // Any fixed size switches off the kernel's own sizing: with 100 KiB a read brings one large batch at most.
    int("socket.send.buffer.bytes", "-1").doc(
        "Send buffer of a connection; -1 leaves it to the operating system, which fits it to the traffic.",
    ),
    int("socket.receive.buffer.bytes", "-1").doc(
        "Receive buffer of a connection; -1 leaves it to the operating system, which fits it to the traffic.",
    ),
    int("socket.request.max.bytes", "104857600")
        .check(AtLeast(1))
        .doc("Longest request of any kind. Most kinds have smaller limits of their own."),
    long("socket.connection.setup.timeout.ms", "10000")
        .no_effect(reasons::CLUSTER)
        .doc("How long connecting to another node may take at first."),
    long("socket.connection.setup.timeout.max.ms", "30000")
        .no_effect(reasons::CLUSTER)
        .doc("How long connecting to another node may take after repeated failures."),
    int("max.connections", "16384")
        .check(AtLeast(0))
        .doc("Connections of the whole broker; further ones are closed."),
    int("max.connections.per.ip", "512")
        .check(AtLeast(0))
        .doc("Connections from one address; the loopback address is exempt."),
    string("max.connections.per.ip.overrides", "")
        .doc("Addresses with a limit of their own, `address:count` each."),
    int("max.connection.creation.rate", "500")
        .check(AtLeast(0))
        .doc("New connections accepted in a second, each listener for itself."),
    long("connections.max.idle.ms", "600000").doc("A connection idle for so long is closed."),
    long("connections.max.reauth.ms", "0")
        .no_effect(reasons::SASL)
        .doc("How long a SASL session lasts before it must authenticate again."),
    int("connection.failed.authentication.delay.ms", "100")
        .check(AtLeast(0))
        .no_effect(reasons::SASL)
        .doc("How long the answer to a failed authentication is held back."),
    int("queued.max.requests", "500")
        .check(AtLeast(1))
        .no_effect(reasons::QUEUES)
        .doc("Requests queued before sockets are no longer read."),
    long("queued.max.request.bytes", "-1").doc(
        "Bytes of requests held for all connections together before sockets are no longer \
             read; -1 = a quarter of the memory.",
    ),
    int("num.network.threads", "3")
        .check(AtLeast(1))
        .no_effect(reasons::THREADS)
        .cluster_wide()
        .doc("Threads that read and write sockets."),
    int("num.io.threads", "8")
        .check(AtLeast(1))
        .no_effect(reasons::THREADS)
        .cluster_wide()
        .doc("Threads that handle requests."),
    int("request.timeout.ms", "30000")
        .doc("How long the metadata log may take over a change before the client is told so."),
    int("fetch.max.bytes", "57671680")
        .check(AtLeast(1024))
        .doc("Most bytes one Fetch answers; clients may ask for less."),
    int("max.incremental.fetch.session.cache.slots", "1000")
        .check(AtLeast(0))
        .doc("Incremental fetch sessions that are kept."),
    int("max.request.partition.size.limit", "2000")
        .check(AtLeast(1))
        .doc("Partitions in one answer to DescribeTopicPartitions."),
    int("fetch.purgatory.purge.interval.requests", "1000")
        .no_effect(reasons::PURGATORY)
        .doc("Requests after which finished fetches are cleared away."),
    int("producer.purgatory.purge.interval.requests", "1000")
        .no_effect(reasons::PURGATORY)
        .doc("Requests after which finished produce requests are cleared away."),
    int("delete.records.purgatory.purge.interval.requests", "1")
        .no_effect(reasons::PURGATORY)
        .doc("Requests after which finished record deletions are cleared away."),
    int("share.fetch.purgatory.purge.interval.requests", "1000")
        .no_effect(reasons::PURGATORY)
        .doc("Requests after which finished share fetches are cleared away."),
];
