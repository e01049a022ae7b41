//! The key table against what Apache Kafka 4.3.1 says of itself (`testdata/kafka-4.3.1`), and against its own rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::*;
use crate::config::describe::{self, DescribedConfig};
use crate::config::{ConfigValues, Layers, Settings, plain};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fact {
    name: String,
    value: Option<String>,
    #[serde(rename = "type")]
    value_type: String,
    source: String,
    read_only: bool,
    sensitive: bool,
    synonyms: Vec<FactSynonym>,
}

#[derive(Debug, Deserialize)]
struct FactSynonym {
    name: String,
    value: Option<String>,
    source: String,
}

impl Fact {
    /// Kafka's default, from below what the recorded node was told.
    fn default(&self) -> Option<&str> {
        let among_synonyms = self.synonyms.iter().find(|one| one.source == "DEFAULT_CONFIG");
        match among_synonyms {
            Some(one) => one.value.as_deref(),
            None if self.source == "DEFAULT_CONFIG" => self.value.as_deref(),
            None => None,
        }
    }
}

fn facts(text: &str) -> BTreeMap<String, Fact> {
    let facts: Vec<Fact> = serde_json::from_str(text).unwrap();
    facts.into_iter().map(|fact| (fact.name.clone(), fact)).collect()
}

fn broker_facts() -> BTreeMap<String, Fact> {
    facts(include_str!("../../../testdata/kafka-4.3.1/broker-configs.json"))
}

/// Where a default of ours is not Kafka's, and why.
const OWN_DEFAULTS: &[(&str, &str)] = &[
    ("advertised.listeners", "not set in Kafka either: the recorded value follows from `listeners`"),
    ("controller.listener.names", "has a default, so that a file without it describes a whole node"),
    ("default.replication.factor", "-1: min(3, brokers) is safe in a cluster and works on one node"),
    ("inter.broker.listener.name", "not set in Kafka either"),
    ("listeners", "loopback only, until an address is chosen"),
    ("log.dir", "a folder that survives a restart of the machine"),
    ("log.dirs", "not set in Kafka either"),
    ("max.connection.creation.rate", "bounded"),
    ("max.connections", "bounded"),
    ("max.connections.per.ip", "bounded"),
    ("min.insync.replicas", "-1: min(2, replicas)"),
    ("node.id", "has a default, so that a node starts without a file"),
    ("offsets.topic.replication.factor", "-1: min(3, brokers)"),
    ("process.roles", "has a default: one process serves both"),
    ("socket.receive.buffer.bytes", "-1: a fixed size switches off the kernel's own sizing"),
    ("socket.send.buffer.bytes", "-1: a fixed size switches off the kernel's own sizing"),
    ("share.coordinator.state.topic.replication.factor", "-1: min(3, brokers)"),
    ("transaction.state.log.replication.factor", "-1: min(3, brokers)"),
];

/// Keys that Kafka changes while running and we at the start only.
const STATIC_HERE: &[&str] = &[
    "listener.security.protocol.map",
    "listeners",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "num.recovery.threads.per.data.dir",
    "producer.id.expiration.ms",
    "ssl.client.auth",
];

#[test]
fn every_broker_key_of_kafka_is_known_with_its_type_and_default() {
    let facts = broker_facts();
    for fact in facts.values() {
        let key = broker_key(&fact.name).unwrap_or_else(|| panic!("{} is missing", fact.name));
        assert_eq!(key.value_type.name(), fact.value_type, "{}", fact.name);
        assert_eq!(key.is_sensitive(), fact.sensitive, "{}", fact.name);
        let differs = OWN_DEFAULTS.iter().any(|(name, _)| *name == fact.name);
        if !differs {
            assert_eq!(key.default, fact.default(), "{}", fact.name);
        }
        if fact.read_only {
            assert_eq!(key.scope, Scope::Static, "{} is read-only in Kafka", fact.name);
        } else {
            assert_eq!(key.scope == Scope::Static, STATIC_HERE.contains(&key.name), "{}", fact.name);
        }
    }
    for key in broker_keys().filter(|key| !key.name.starts_with("mainstem.")) {
        assert!(facts.contains_key(key.name), "{} is no key of Kafka", key.name);
    }
}

fn check_described(described: &[DescribedConfig], facts: &BTreeMap<String, Fact>) {
    for fact in facts.values() {
        let found =
            described.iter().find(|config| config.name == fact.name).unwrap_or_else(|| panic!("{fact:?}"));
        assert_eq!(found.value_type.name(), fact.value_type, "{}", fact.name);
        assert_eq!(found.read_only, fact.read_only, "{}", fact.name);
        if fact.name != "min.insync.replicas" {
            assert_eq!(found.value.as_deref(), fact.value.as_deref(), "{}", fact.name);
            let names: Vec<&str> = found.synonyms.iter().map(|one| one.name).collect();
            let expected: Vec<&str> = fact.synonyms.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, expected, "{}", fact.name);
        }
    }
    let own = |name: &str| name.starts_with("mainstem.");
    assert_eq!(described.iter().filter(|config| !own(&config.name)).count(), facts.len());
    assert!(described.is_sorted_by_key(|config| config.name.clone()));
}

/// A topic, group or subscription that sets nothing is described as Kafka describes it: values, types and synonyms.
#[test]
fn resources_without_settings_are_described_as_kafka_does() {
    let (settings, none) = (Settings::default(), ConfigValues::new());
    let layers = Layers { settings: &settings, cluster: &none, broker: &none };
    let topic_facts = facts(include_str!("../../../testdata/kafka-4.3.1/topic-configs.json"));
    check_described(&describe::topic(&layers, &none, 1), &topic_facts);
    let group_facts = facts(include_str!("../../../testdata/kafka-4.3.1/group-configs.json"));
    check_described(&describe::group(&layers, &none), &group_facts);
    let client_facts = facts(include_str!("../../../testdata/kafka-4.3.1/client-metrics-configs.json"));
    check_described(&describe::client_metrics(&none), &client_facts);
}

#[test]
fn a_brokers_synonyms_are_kafkas_for_keys_that_nobody_set() {
    let (settings, none) = (Settings::default(), ConfigValues::new());
    let layers = Layers { settings: &settings, cluster: &none, broker: &none };
    let described = describe::broker(&layers);
    for fact in broker_facts().values().filter(|fact| fact.source == "DEFAULT_CONFIG") {
        let found = described.iter().find(|config| config.name == fact.name).unwrap();
        let own = OWN_DEFAULTS.iter().any(|(name, _)| *name == fact.name);
        if !own {
            assert_eq!(found.value, fact.value, "{}", fact.name);
            let names: Vec<&str> = found.synonyms.iter().map(|one| one.name).collect();
            let expected: Vec<&str> = fact.synonyms.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, expected, "{}", fact.name);
        }
    }
}

#[test]
fn every_default_satisfies_its_own_check_and_every_key_is_documented() {
    let topic = topic_keys().map(|topic_key| &topic_key.key).filter(|key| key.name != "min.insync.replicas");
    for key in broker_keys().chain(topic).chain(group_keys()).chain(client_metrics_keys()) {
        assert!(key.doc.ends_with('.') && !key.doc.contains("  "), "{}: {:?}", key.name, key.doc);
        if let Some(default) = key.default {
            assert_eq!(plain(key, default).as_deref(), Ok(default), "{}", key.name);
        }
    }
}

#[test]
fn names_are_unique_and_ours_are_never_both_a_value_and_a_prefix() {
    let names: Vec<&str> = broker_keys().map(|key| key.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let own = names.iter().filter(|name| name.starts_with("mainstem."));
    for name in own.clone() {
        let prefix = format!("{name}.");
        assert!(!own.clone().any(|other| other.starts_with(&prefix)), "{name}");
    }
    assert!(own.count() <= 25, "few knobs");
}

#[test]
fn broker_keys_of_topic_keys_exist() {
    for topic_key in topic_keys() {
        for (name, _) in topic_key.broker_keys {
            assert!(broker_key(name).is_some(), "{name}");
        }
    }
}
