//! The layers in which a value may be set, and which of them wins.
//!
//! Pure. Above: effective topic values, DescribeConfigs, changes of configurations. Below: `settings`, the key table.
//! From strong to weak: the topic's own, this broker's dynamic, the cluster's dynamic, what was set before the start, the
//! default.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keys::{self, Key, TopicKey};
use super::settings::Settings;

/// What one resource (a topic, a broker, the cluster) sets dynamically: plain values by key.
pub type ConfigValues = BTreeMap<Arc<str>, Arc<str>>;

/// Where a value comes from, as DescribeConfigs tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The topic sets it.
    Topic,
    /// It was set for this broker while it ran.
    Broker,
    /// It was set for all brokers while they ran.
    Cluster,
    /// It was set before the start: file, environment or command line.
    Static,
    /// Nobody set it.
    Default,
    /// The client-metrics subscription sets it.
    ClientMetrics,
    /// The group sets it.
    Group,
}

impl Source {
    /// The number that stands for this source in a DescribeConfigs answer.
    pub const fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Broker => 2,
            Self::Cluster => 3,
            Self::Static => 4,
            Self::Default => 5,
            Self::ClientMetrics => 7,
            Self::Group => 8,
        }
    }
}

/// A value, the key that holds it, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// The key that holds the value: a topic's `retention.ms` may come from `log.retention.hours`.
    pub name: &'static str,
    /// The value in Kafka's plain form and in the unit of `name`.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// Everything that is set above the topics.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// Set before the start.
    pub settings: &'a Settings,
    /// Set for all brokers while they run.
    pub cluster: &'a ConfigValues,
    /// Set for this broker while it runs.
    pub broker: &'a ConfigValues,
}

impl Layers<'_> {
    /// Every value of a broker key, the strongest first, ending in its default if it has one.
    pub fn of_key(&self, key: &'static Key) -> Vec<Sourced> {
        let mut found = Vec::new();
        let mut add = |value: Option<&str>, source| {
            if let Some(value) = value {
                found.push(Sourced { name: key.name, value: value.to_owned(), source });
            }
        };
        add(self.broker.get(key.name).map(AsRef::as_ref), Source::Broker);
        add(self.cluster.get(key.name).map(AsRef::as_ref), Source::Cluster);
        add(self.settings.get(key.name).map(|setting| setting.value.as_str()), Source::Static);
        add(key.default, Source::Default);
        found
    }

    /// Every value that says what this broker key says, other units included, the strongest first.
    pub fn of_family(&self, name: &'static str) -> Vec<Sourced> {
        keys::family(&name)
            .iter()
            .filter_map(|name| keys::broker_key(name))
            .flat_map(|key| self.of_key(key))
            .collect()
    }

    /// Every value of a topic key, the strongest first; empty where only the topic key's own default holds.
    pub fn of_topic_key(&self, topic_key: &TopicKey, overrides: &ConfigValues) -> Vec<Sourced> {
        let own = overrides.get(topic_key.key.name).map(|value| Sourced {
            name: topic_key.key.name,
            value: value.as_ref().to_owned(),
            source: Source::Topic,
        });
        let inherited = topic_key
            .broker_keys
            .iter()
            .filter_map(|(name, _)| keys::broker_key(name))
            .flat_map(|key| self.of_key(key));
        own.into_iter().chain(inherited).collect()
    }

    /// The value that holds for a topic key, in its unit.
    pub fn topic_value(&self, topic_key: &TopicKey, overrides: &ConfigValues) -> String {
        let Some(strongest) = self.of_topic_key(topic_key, overrides).into_iter().next() else {
            return topic_key.key.default.unwrap_or_default().to_owned();
        };
        let factor =
            topic_key.broker_keys.iter().find(|(name, _)| *name == strongest.name).map_or(1, |(_, f)| *f);
        match strongest.value.parse::<i64>() {
            // Below zero stands for "no limit" in every unit.
            Ok(number) if factor != 1 && 0 <= number => number.saturating_mul(factor).to_string(),
            _ => strongest.value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Origin;

    fn values(pairs: &[(&str, &str)]) -> ConfigValues {
        pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }

    /// What `retention.ms` is, with `(key, value)` set before the start, for the cluster, for the broker, by the topic.
    fn check(
        fixed: &[(&'static str, &str)],
        cluster: &[(&str, &str)],
        broker: &[(&str, &str)],
        own: &[(&str, &str)],
        expected: &str,
    ) {
        let mut settings = Settings::default();
        for (name, value) in fixed {
            settings.set(keys::broker_key(name).unwrap(), (*value).to_owned(), Origin::Override);
        }
        let (cluster, broker) = (values(cluster), values(broker));
        let layers = Layers { settings: &settings, cluster: &cluster, broker: &broker };
        let key = keys::topic_key("retention.ms").unwrap();
        assert_eq!(layers.topic_value(key, &values(own)), expected);
    }

    #[test]
    fn the_nearest_layer_wins() {
        check(&[], &[], &[], &[], "604800000");
        check(&[("log.retention.ms", "1")], &[], &[], &[], "1");
        check(&[("log.retention.ms", "1")], &[("log.retention.ms", "2")], &[], &[], "2");
        check(
            &[("log.retention.ms", "1")],
            &[("log.retention.ms", "2")],
            &[("log.retention.ms", "3")],
            &[],
            "3",
        );
        check(&[], &[("log.retention.ms", "2")], &[], &[("retention.ms", "4")], "4");
    }

    #[test]
    fn other_units_are_converted_and_the_finer_one_wins() {
        check(&[("log.retention.hours", "2")], &[], &[], &[], "7200000");
        check(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")], &[], &[], &[], "180000");
        check(&[("log.retention.hours", "-1")], &[], &[], &[], "-1");
        check(&[("log.retention.hours", "2147483647")], &[], &[], &[], "7730941129200000");
    }
}
