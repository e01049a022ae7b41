//! Changing the configuration of a topic, a broker, a group or a client-metrics subscription (rule A1).
//!
//! Pure: current values and changes in, new values or a refusal out. Above: the handlers of CreateTopics, AlterConfigs
//! and IncrementalAlterConfigs. Below: `value`, `layers`, `served`. Messages follow Kafka's where clients know them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::group_bounds;
use super::keys::{self, Class, Key, Scope, ValueType};
use super::layers::{ConfigValues, Layers};
use super::names;
use super::served;
use super::value;

/// What is being configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Configured {
    /// A topic.
    Topic,
    /// One broker.
    Broker,
    /// All brokers together: the broker resource without a name.
    Cluster,
    /// A group.
    Group,
    /// A client-metrics subscription.
    ClientMetrics,
}

/// What a change does to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Replaces the value.
    Set,
    /// Removes the value, so that the next weaker layer holds.
    Delete,
    /// Adds words to a list.
    Append,
    /// Takes words out of a list.
    Subtract,
}

impl Operation {
    /// The operation of this number in an IncrementalAlterConfigs request.
    pub const fn from_code(code: i8) -> Option<Self> {
        Some(match code {
            0 => Self::Set,
            1 => Self::Delete,
            2 => Self::Append,
            3 => Self::Subtract,
            _ => return None,
        })
    }
}

/// One change of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The key.
    pub key: &'a str,
    /// What happens to it.
    pub operation: Operation,
    /// The value; ignored by [`Operation::Delete`].
    pub value: Option<&'a str>,
}

/// Why a configuration was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(String),
    /// INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
}

/// Applies changes to what a resource sets now, and checks the whole that comes out (IncrementalAlterConfigs).
pub fn apply(
    configured: Configured,
    current: &ConfigValues,
    changes: &[Change<'_>],
    layers: &Layers<'_>,
) -> Result<ConfigValues, Refusal> {
    let mut seen = BTreeSet::new();
    if changes.iter().any(|change| !seen.insert(change.key)) {
        return Err(Refusal::InvalidRequest("Error due to duplicate config keys".to_owned()));
    }
    let mut next = current.clone();
    for change in changes {
        if change.operation == Operation::Delete {
            // Also a key that is not known: a newer version may have set it.
            next.remove(change.key);
            continue;
        }
        let Some(value) = change.value else {
            return Err(Refusal::InvalidRequest(format!("Null value not supported for : {}", change.key)));
        };
        let key = known(configured, change.key)?;
        let value = match change.operation {
            Operation::Set | Operation::Delete => value.to_owned(),
            Operation::Append | Operation::Subtract => {
                changed_list(configured, key, current, layers, change.operation, value)?
            }
        };
        next.insert(Arc::from(key.name), Arc::from(value));
    }
    // What was there before is not questioned again: only what this request writes.
    let written: ConfigValues = next
        .iter()
        .filter(|(key, _)| seen.contains(key.as_ref()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    next.extend(check(configured, &written)?);
    check_whole(configured, &next, layers)?;
    Ok(next)
}

/// Checks the whole of what a resource shall set (CreateTopics, AlterConfigs) and answers it normalised.
pub fn replace(
    configured: Configured,
    values: &[(&str, Option<&str>)],
    layers: &Layers<'_>,
) -> Result<ConfigValues, Refusal> {
    let mut next = ConfigValues::new();
    for (name, value) in values {
        let Some(value) = value else {
            return Err(match configured {
                Configured::Topic => {
                    Refusal::InvalidConfig(format!("Null value not supported for topic configs: {name}"))
                }
                _ => Refusal::InvalidRequest(format!("Null value not supported for : {name}")),
            });
        };
        if next.insert(Arc::from(*name), Arc::from(*value)).is_some() {
            return Err(Refusal::InvalidRequest("Error due to duplicate config keys".to_owned()));
        }
    }
    let next = check(configured, &next)?;
    check_whole(configured, &next, layers)?;
    Ok(next)
}

/// Checks what values mean together, and beside what holds on the broker.
fn check_whole(configured: Configured, values: &ConfigValues, layers: &Layers<'_>) -> Result<(), Refusal> {
    match configured {
        Configured::Topic => check_together(values, layers),
        Configured::Group => group_bounds::check(values, layers),
        Configured::Broker | Configured::Cluster => group_bounds::check_broker(values, layers),
        Configured::ClientMetrics => Ok(()),
    }
}

/// Checks each value for itself and answers it normalised.
fn check(configured: Configured, values: &ConfigValues) -> Result<ConfigValues, Refusal> {
    values
        .iter()
        .map(|(name, text)| {
            let key = known(configured, name)?;
            let text = value::validated(key, text).map_err(|error| match configured {
                // Kafka's code for a broker's bad value
                Configured::Broker | Configured::Cluster => Refusal::InvalidRequest(error.to_string()),
                Configured::Topic | Configured::Group | Configured::ClientMetrics => {
                    Refusal::InvalidConfig(error.to_string())
                }
            })?;
            let reason = match key.class {
                Class::Refused(reason) if key.default != Some(text.as_str()) => Some(reason),
                _ => served::refusal(key.name, &text),
            };
            match reason {
                Some(reason) => Err(Refusal::InvalidConfig(format!(
                    "Invalid value {text} for configuration {}: {reason}",
                    key.name
                ))),
                None => Ok((Arc::from(key.name), Arc::from(text))),
            }
        })
        .collect()
}

/// Checks what no single value shows.
fn check_together(overrides: &ConfigValues, layers: &Layers<'_>) -> Result<(), Refusal> {
    let number = |name| {
        let topic_key = keys::topic_key(name)?;
        layers.topic_value(topic_key, overrides).parse::<i64>().ok()
    };
    if let (Some(least), Some(most)) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"))
        && most < least
    {
        return Err(Refusal::InvalidConfig(format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
        )));
    }
    Ok(())
}

fn known(configured: Configured, name: &str) -> Result<&'static Key, Refusal> {
    let unknown = |kind: &str, near: Vec<&'static str>| {
        let hint =
            if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
        Refusal::InvalidConfig(format!("Unknown {kind} config name: {name}{hint}"))
    };
    match configured {
        Configured::Topic => keys::topic_key(name)
            .map(|topic_key| &topic_key.key)
            .ok_or_else(|| unknown("topic", names::nearest(name, keys::topic_keys().map(|k| k.key.name)))),
        Configured::Group => keys::group_keys()
            .find(|key| key.name == name)
            .ok_or_else(|| unknown("group", names::nearest(name, keys::group_keys().map(|key| key.name)))),
        Configured::ClientMetrics => keys::client_metrics_keys()
            .find(|key| key.name == name)
            .ok_or_else(|| unknown("client metrics", Vec::new())),
        Configured::Broker | Configured::Cluster => {
            let key = keys::broker_key(name).ok_or_else(|| {
                unknown("broker", names::nearest(name, keys::broker_keys().map(|key| key.name)))
            })?;
            match (key.scope, configured) {
                (Scope::Static, _) => {
                    Err(Refusal::InvalidRequest(format!("Cannot update these configs dynamically: [{name}]")))
                }
                (Scope::PerBroker, Configured::Cluster) => Err(Refusal::InvalidRequest(format!(
                    "Cannot update these configs at default cluster level, they belong to one broker: [{name}]"
                ))),
                (Scope::AllBrokers, Configured::Broker) => Err(Refusal::InvalidConfig(format!(
                    "{name} cannot differ between brokers: set it for all of them, or for a topic"
                ))),
                _ => Ok(key),
            }
        }
    }
}

fn changed_list(
    configured: Configured,
    key: &'static Key,
    current: &ConfigValues,
    layers: &Layers<'_>,
    operation: Operation,
    words: &str,
) -> Result<String, Refusal> {
    if key.value_type != ValueType::List {
        let verb = if operation == Operation::Append { "APPEND" } else { "SUBTRACT" };
        return Err(Refusal::InvalidConfig(format!(
            "Can't {verb} to key {} because its type is not LIST.",
            key.name
        )));
    }
    let now = match (current.get(key.name), configured) {
        (Some(value), _) => value.as_ref().to_owned(),
        (None, Configured::Topic) => keys::topic_key(key.name)
            .map(|topic_key| layers.topic_value(topic_key, current))
            .unwrap_or_default(),
        (None, Configured::Broker | Configured::Cluster) => {
            layers.of_key(key).into_iter().next().map(|strongest| strongest.value).unwrap_or_default()
        }
        (None, Configured::Group | Configured::ClientMetrics) => key.default.unwrap_or_default().to_owned(),
    };
    let split = |text: &str| {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut list = split(&now);
    for word in split(words) {
        match operation {
            Operation::Append if !list.contains(&word) => list.push(word),
            Operation::Subtract => list.retain(|other| *other != word),
            Operation::Append | Operation::Set | Operation::Delete => {}
        }
    }
    Ok(list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Settings;

    fn values(pairs: &[(&str, &str)]) -> ConfigValues {
        pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }

    fn applied(
        configured: Configured,
        current: &[(&str, &str)],
        changes: &[(&str, Operation, Option<&str>)],
    ) -> Result<ConfigValues, String> {
        let (settings, none) = (Settings::default(), ConfigValues::new());
        let layers = Layers { settings: &settings, cluster: &none, broker: &none };
        let changes: Vec<Change<'_>> = changes
            .iter()
            .map(|(key, operation, value)| Change { key, operation: *operation, value: *value })
            .collect();
        apply(configured, &values(current), &changes, &layers).map_err(|refusal| format!("{refusal:?}"))
    }

    /// What a group sets stays within what the brokers allow, as in Kafka.
    #[test]
    fn a_group_stays_within_the_bounds_of_the_brokers() {
        let set = |key: &'static str, value: &'static str| {
            applied(Configured::Group, &[], &[(key, Operation::Set, Some(value))]).map(|_| ())
        };
        assert_eq!(set("consumer.session.timeout.ms", "50000"), Ok(()));
        for (key, value, expected) in [
            ("consumer.session.timeout.ms", "44999", "greater than or equal to group.consumer.min.session"),
            ("consumer.session.timeout.ms", "60001", "less than or equal to group.consumer.max.session"),
            ("consumer.heartbeat.interval.ms", "4999", "group.consumer.min.heartbeat.interval.ms"),
            ("consumer.heartbeat.interval.ms", "15001", "group.consumer.max.heartbeat.interval.ms"),
            ("consumer.assignment.interval.ms", "15001", "group.consumer.max.assignment.interval.ms"),
        ] {
            let found = set(key, value).unwrap_err();
            assert!(found.contains(expected), "{found} lacks {expected}");
        }
    }

    fn check_topic(
        current: &[(&str, &str)],
        changes: &[(&str, Operation, Option<&str>)],
        expected: Result<&[(&str, &str)], &str>,
    ) {
        let found = applied(Configured::Topic, current, changes);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, values(expected)),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found} lacks {expected}"),
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn set_and_delete_change_single_keys() {
        use Operation::{Delete, Set};
        check_topic(
            &[("retention.ms", "1")],
            &[("segment.bytes", Set, Some("1048576"))],
            Ok(&[("retention.ms", "1"), ("segment.bytes", "1048576")]),
        );
        check_topic(&[("retention.ms", "1")], &[("retention.ms", Delete, None)], Ok(&[]));
        check_topic(&[("future.key", "1")], &[("future.key", Delete, None)], Ok(&[]));
        check_topic(&[], &[("retention.ms", Set, None)], Err("InvalidRequest"));
    }

    /// Rule A1: APPEND and SUBTRACT work on lists only.
    #[test]
    fn append_and_subtract_work_on_lists_from_what_holds_now() {
        use Operation::{Append, Subtract};
        let throttled = "leader.replication.throttled.replicas";
        check_topic(
            &[(throttled, "0:1")],
            &[(throttled, Append, Some("0:1, 1:1"))],
            Ok(&[(throttled, "0:1,1:1")]),
        );
        check_topic(
            &[(throttled, "0:1,1:1")],
            &[(throttled, Subtract, Some("0:1"))],
            Ok(&[(throttled, "1:1")]),
        );
        check_topic(&[], &[("cleanup.policy", Append, Some("delete"))], Ok(&[("cleanup.policy", "delete")]));
        check_topic(&[], &[("cleanup.policy", Subtract, Some("delete"))], Err("must not be empty"));
        check_topic(
            &[],
            &[("retention.ms", Append, Some("1"))],
            Err("InvalidConfig(\"Can't APPEND to key retention.ms because its type is not LIST.\")"),
        );
    }

    /// Rule A1: a key twice in one request.
    #[test]
    fn a_key_twice_is_an_invalid_request() {
        use Operation::{Delete, Set};
        check_topic(
            &[],
            &[("retention.ms", Set, Some("1")), ("retention.ms", Delete, None)],
            Err("InvalidRequest"),
        );
    }

    #[test]
    fn unknown_names_and_bad_values_are_invalid_configs() {
        use Operation::Set;
        check_topic(
            &[],
            &[("retention.mss", Set, Some("1"))],
            Err("InvalidConfig(\"Unknown topic config name: retention.mss; did you mean retention.ms?\")"),
        );
        check_topic(&[], &[("retention.ms", Set, Some("7d"))], Err("Not a number of type LONG"));
        check_topic(
            &[],
            &[("max.compaction.lag.ms", Set, Some("5")), ("min.compaction.lag.ms", Set, Some("6"))],
            Err("conflict topic config"),
        );
    }

    #[test]
    fn what_is_not_served_is_refused_with_its_reason() {
        use Operation::Set;
        check_topic(&[], &[("compression.type", Set, Some("zstd"))], Err("recompression is not served"));
        check_topic(
            &[],
            &[("remote.storage.enable", Set, Some("true"))],
            Err("remote storage is not served"),
        );
        check_topic(
            &[],
            &[("remote.storage.enable", Set, Some("false"))],
            Ok(&[("remote.storage.enable", "false")]),
        );
        check_topic(
            &[],
            &[("compression.type", Set, Some("producer"))],
            Ok(&[("compression.type", "producer")]),
        );
    }

    #[test]
    fn brokers_take_only_keys_of_their_scope() {
        use Operation::Set;
        let set = |configured, key, value| applied(configured, &[], &[(key, Set, Some(value))]);
        assert!(set(Configured::Cluster, "log.retention.ms", "1").is_ok());
        assert!(set(Configured::Broker, "log.retention.ms", "1").is_ok());
        assert!(set(Configured::Cluster, "node.id", "1").unwrap_err().contains("InvalidRequest"));
        assert!(set(Configured::Cluster, "ssl.keystore.location", "/k").unwrap_err().contains("one broker"));
        assert!(set(Configured::Broker, "ssl.keystore.location", "/k").is_ok());
        assert!(set(Configured::Cluster, "min.insync.replicas", "2").is_ok());
        let refused = set(Configured::Broker, "min.insync.replicas", "2").unwrap_err();
        assert!(refused.contains("InvalidConfig") && refused.contains("between brokers"), "{refused}");
        let refused = set(Configured::Cluster, "log.retention.ms", "many").unwrap_err();
        assert!(refused.contains("InvalidRequest") && refused.contains("type LONG"), "{refused}");
    }

    #[test]
    fn a_whole_replacement_is_checked_like_single_changes() {
        let (settings, none) = (Settings::default(), ConfigValues::new());
        let layers = Layers { settings: &settings, cluster: &none, broker: &none };
        let replaced = replace(Configured::Topic, &[("retention.ms", Some(" 5 "))], &layers);
        assert_eq!(replaced, Ok(values(&[("retention.ms", "5")])));
        for bad in [("retention.ms", None), ("nonsense", Some("1")), ("compression.type", Some("zstd"))] {
            assert!(
                matches!(replace(Configured::Topic, &[bad], &layers), Err(Refusal::InvalidConfig(_))),
                "{bad:?}"
            );
        }
    }
}
