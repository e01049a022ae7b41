//! What DescribeConfigs answers: every key with its value, type, source, synonyms and documentation (rule A1).
//!
//! Pure. Above: the handler. Below: `layers`, the key table. A secret has no value here, so that none can leave.

use super::keys::{self, Key, ValueType};
use super::layers::{ConfigValues, Layers, Source, Sourced};

/// One key of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConfig {
    /// Name.
    pub name: String,
    /// Value in Kafka's plain form; `None` for a secret, or where there is none.
    pub value: Option<String>,
    /// Type.
    pub value_type: ValueType,
    /// Where the value comes from.
    pub source: Source,
    /// Whether only a restart changes it.
    pub read_only: bool,
    /// Whether it is a secret.
    pub sensitive: bool,
    /// What the key is for.
    pub doc: &'static str,
    /// Every value that is set for it, the strongest first.
    pub synonyms: Vec<Synonym>,
}

/// A value that holds, or would hold if the stronger ones were gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    /// The key that holds it.
    pub name: &'static str,
    /// The value; `None` for a secret.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// Every key of a topic whose partitions have `replicas` replicas, in alphabetical order.
pub fn topic(layers: &Layers<'_>, overrides: &ConfigValues, replicas: usize) -> Vec<DescribedConfig> {
    keys::topic_keys()
        .map(|topic_key| {
            let key = &topic_key.key;
            let mut found = layers.of_topic_key(topic_key, overrides);
            // A coarser unit at its default says nothing of its own, unless the finest one stands before it: as in Kafka.
            let finest = topic_key.broker_keys.first().map(|(name, _)| *name);
            let finest_is_set = found.iter().any(|one| Some(one.name) == finest);
            found.retain(|one| one.source != Source::Default || finest_is_set);
            let mut value = layers.topic_value(topic_key, overrides);
            if key.name == "min.insync.replicas" {
                automatic_isr(&mut value, replicas);
                for one in &mut found {
                    automatic_isr(&mut one.value, replicas);
                }
            }
            DescribedConfig { read_only: false, ..described(key, Some(value), found) }
        })
        .collect()
}

/// Every key of a broker, in alphabetical order.
pub fn broker(layers: &Layers<'_>) -> Vec<DescribedConfig> {
    let mut configs: Vec<DescribedConfig> = keys::broker_keys()
        .map(|key| {
            // Of a family of units, those that are weaker than this key follow it once it is set itself.
            let mut found = layers.of_family(key.name);
            let begin = found.iter().position(|one| one.name == key.name).unwrap_or(found.len());
            found.drain(..begin);
            let value = found.first().map(|one| one.value.clone());
            described(key, value, found)
        })
        .collect();
    configs.sort_by(|a, b| a.name.cmp(&b.name));
    configs
}

/// What was set for all brokers together.
pub fn cluster(values: &ConfigValues) -> Vec<DescribedConfig> {
    values
        .iter()
        .filter_map(|(name, value)| Some((keys::broker_key(name)?, value)))
        .map(|(key, value)| {
            let value = value.as_ref().to_owned();
            described(
                key,
                Some(value.clone()),
                vec![Sourced { name: key.name, value, source: Source::Cluster }],
            )
        })
        .collect()
}

/// Every key of a group, in alphabetical order.
pub fn group(layers: &Layers<'_>, overrides: &ConfigValues) -> Vec<DescribedConfig> {
    keys::group_keys()
        .map(|key| {
            let own = overrides.get(key.name).map(|value| Sourced {
                name: key.name,
                value: value.as_ref().to_owned(),
                source: Source::Group,
            });
            let inherited = match keys::broker_key(&format!("group.{}", key.name)) {
                Some(broker_key) => layers.of_key(broker_key),
                None => own_default(key),
            };
            let found: Vec<Sourced> = own.into_iter().chain(inherited).collect();
            let value = found.first().map(|one| one.value.clone());
            DescribedConfig { read_only: false, ..described(key, value, found) }
        })
        .collect()
}

/// Every key of a client-metrics subscription, in alphabetical order.
pub fn client_metrics(overrides: &ConfigValues) -> Vec<DescribedConfig> {
    keys::client_metrics_keys()
        .map(|key| {
            let own = overrides.get(key.name).map(|value| value.as_ref().to_owned());
            let source = if own.is_some() { Source::ClientMetrics } else { Source::Default };
            let value = own.or_else(|| key.default.map(str::to_owned));
            DescribedConfig { source, read_only: false, ..described(key, value, Vec::new()) }
        })
        .collect()
}

fn own_default(key: &'static Key) -> Vec<Sourced> {
    let default =
        key.default.map(|value| Sourced { name: key.name, value: value.to_owned(), source: Source::Default });
    default.into_iter().collect()
}

/// Writes min(2, replicas) where nobody set a number, since tools read this value as a count.
fn automatic_isr(value: &mut String, replicas: usize) {
    if value == "-1" {
        *value = replicas.clamp(1, 2).to_string();
    }
}

fn described(key: &Key, value: Option<String>, found: Vec<Sourced>) -> DescribedConfig {
    let visible = |value: String| (!key.is_sensitive()).then_some(value);
    DescribedConfig {
        name: key.name.to_owned(),
        value: value.and_then(visible),
        value_type: key.value_type,
        source: found.first().map_or(Source::Default, |one| one.source),
        read_only: key.is_read_only(),
        sensitive: key.is_sensitive(),
        doc: key.doc,
        synonyms: found
            .into_iter()
            .map(|one| Synonym { name: one.name, value: visible(one.value), source: one.source })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{Origin, Settings};
    use std::sync::Arc;

    /// Names of the synonyms of `retention.ms`, which the topic sets, with these broker keys set before the start.
    fn synonyms(fixed: &[&'static str]) -> Vec<&'static str> {
        let mut settings = Settings::default();
        for name in fixed {
            settings.set(keys::broker_key(name).unwrap(), "5".to_owned(), Origin::Override);
        }
        let none = ConfigValues::new();
        let layers = Layers { settings: &settings, cluster: &none, broker: &none };
        let own = ConfigValues::from([("retention.ms".into(), "7".into())]);
        let described = topic(&layers, &own, 1);
        let found = described.into_iter().find(|config| config.name == "retention.ms").unwrap();
        found.synonyms.into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn the_default_of_a_coarser_unit_follows_the_finest_one_only() {
        assert_eq!(synonyms(&[]), ["retention.ms"]);
        assert_eq!(
            synonyms(&["log.retention.ms"]),
            ["retention.ms", "log.retention.ms", "log.retention.hours"]
        );
        assert_eq!(synonyms(&["log.retention.minutes"]), ["retention.ms", "log.retention.minutes"]);
    }

    fn values(pairs: &[(&str, &str)]) -> ConfigValues {
        pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }

    /// `retention.ms` as Kafka's tool prints it: value, then its synonyms. Compared with Apache Kafka 4.3.1.
    fn check(cluster: &[(&str, &str)], broker: &[(&str, &str)], own: &[(&str, &str)], expected: &str) {
        let settings = Settings::default();
        let (cluster, broker) = (values(cluster), values(broker));
        let layers = Layers { settings: &settings, cluster: &cluster, broker: &broker };
        let described = topic(&layers, &values(own), 1);
        let found = described.iter().find(|config| config.name == "retention.ms").unwrap();
        let mut said = found.value.clone().unwrap_or_default();
        for synonym in &found.synonyms {
            let value = synonym.value.as_deref().unwrap_or_default();
            said.extend([" ", &format!("{:?}:", synonym.source), synonym.name, "=", value]);
        }
        assert_eq!(said, expected);
        assert_eq!(found.source, found.synonyms.first().map_or(Source::Default, |first| first.source));
    }

    #[test]
    fn a_topics_value_tells_every_layer_that_stands_behind_it() {
        let (all, one) = ([("log.retention.ms", "1")], [("log.retention.ms", "2")]);
        check(&[], &[], &[], "604800000");
        check(&all, &[], &[], "1 Cluster:log.retention.ms=1 Default:log.retention.hours=168");
        check(
            &all,
            &one,
            &[],
            "2 Broker:log.retention.ms=2 Cluster:log.retention.ms=1 Default:log.retention.hours=168",
        );
        check(
            &all,
            &one,
            &[("retention.ms", "3")],
            "3 Topic:retention.ms=3 Broker:log.retention.ms=2 Cluster:log.retention.ms=1 \
             Default:log.retention.hours=168",
        );
        check(&[], &[], &[("retention.ms", "3")], "3 Topic:retention.ms=3");
    }
}
