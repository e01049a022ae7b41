//! The table of every key that is known, by the kind of resource that may set it.
//!
//! Kafka 4.3's names, types and defaults; where a default of ours differs, a test beside this file says so. In reading
//! order: `key` (what is known of a key), `reasons`, the broker's keys by area (`node`, `network`, `log`,
//! `topic_defaults`, `replication`, `quota`, `monitoring`, `group`, `coordinator`, `remote`, `tls`, `sasl`, `mainstem`),
//! then those of topics, groups and client-metrics subscriptions. Above: loader, validation, DescribeConfigs, the
//! generated page docs/configuration.md.

mod client_metrics;
mod coordinator;
mod group;
mod group_resource;
mod key;
mod log;
mod mainstem;
mod monitoring;
mod network;
mod node;
mod quota;
mod reasons;
mod remote;
mod replication;
mod sasl;
mod tls;
mod topic;
mod topic_defaults;

#[cfg(test)]
mod tests;

pub use key::{Check, Class, Key, Scope, ValueType};
pub use topic::TopicKey;

/// The areas of a broker's keys, in the order of the documentation.
const AREAS: &[(&str, &[Key])] = &[
    ("Our own", mainstem::KEYS),
    ("Node and quorum", node::KEYS),
    ("Network", network::KEYS),
    ("Logs", log::KEYS),
    ("Topics", topic_defaults::KEYS),
    ("Replication", replication::KEYS),
    ("Groups", group::KEYS),
    ("Coordinators", coordinator::KEYS),
    ("Quotas", quota::KEYS),
    ("Monitoring", monitoring::KEYS),
    ("TLS and authorisation", tls::KEYS),
    ("SASL", sasl::KEYS),
    ("Remote storage", remote::KEYS),
];

/// Keys of a broker by area, with the heading of each.
pub fn broker_areas() -> impl Iterator<Item = (&'static str, &'static [Key])> {
    AREAS.iter().copied()
}

/// Every key of a broker.
pub fn broker_keys() -> impl Iterator<Item = &'static Key> {
    AREAS.iter().flat_map(|(_, keys)| keys.iter())
}

/// The broker key of this name.
pub fn broker_key(name: &str) -> Option<&'static Key> {
    broker_keys().find(|key| key.name == name)
}

/// Every key of a topic, in alphabetical order.
pub fn topic_keys() -> impl Iterator<Item = &'static TopicKey> {
    topic::KEYS.iter()
}

/// The topic key of this name.
pub fn topic_key(name: &str) -> Option<&'static TopicKey> {
    topic::KEYS.iter().find(|topic_key| topic_key.key.name == name)
}

/// Every key of a group, in alphabetical order.
pub fn group_keys() -> impl Iterator<Item = &'static Key> {
    group_resource::KEYS.iter()
}

/// Every key of a client-metrics subscription.
pub fn client_metrics_keys() -> impl Iterator<Item = &'static Key> {
    client_metrics::KEYS.iter()
}

/// Keys that say the same in different units, the strongest first: a weaker one holds where no stronger one is set.
const FAMILIES: &[&[&str]] = &[
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    &["log.dirs", "log.dir"],
];

/// The keys that say the same as `name`, the strongest first; `name` alone where there is no other.
pub fn family<'a>(name: &'a &'static str) -> &'a [&'static str] {
    FAMILIES.iter().find(|family| family.contains(name)).map_or(std::slice::from_ref(name), |family| family)
}
