//! What a configuration amounts to: what took effect, what did not, and what looks like a mistake.
//!
//! Pure. Above: `serve` (start-up lines), `config check`, `config diff`, `config explain`. Secrets are hidden.

use std::fmt;

use super::keys::{self, Check, Class, Key, Scope, ValueType};
use super::names::{self, Named};
use super::served;
use super::settings::{Settings, shown};
use super::units::Unit;

/// One setting, as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The key.
    pub key: String,
    /// The value, hidden if it is a secret.
    pub value: String,
    /// Where it was written.
    pub place: String,
    /// Why it has no effect, or what looks wrong; empty where it took effect.
    pub note: String,
}

/// What came out of loading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigReport {
    /// Settings that take effect and differ from the default, in the order of names.
    pub honoured: Vec<Line>,
    /// Settings that take effect and say what holds anyway.
    pub at_default: Vec<Line>,
    /// Settings that are accepted and change nothing.
    pub no_effect: Vec<Line>,
    /// Settings of keys that are not known.
    pub unknown: Vec<Line>,
}

impl ConfigReport {
    /// Sorts what was set by what became of it.
    pub(super) fn of(settings: &Settings) -> Self {
        let mut report = Self::default();
        for (key, setting) in settings.iter() {
            let line = |note: &str| Line {
                key: key.name.to_owned(),
                value: shown(key, &setting.value).to_owned(),
                place: setting.origin.to_string(),
                note: note.to_owned(),
            };
            match key.class {
                Class::NoEffect(reason) => report.no_effect.push(line(reason)),
                Class::Honoured | Class::Refused(_) if key.default == Some(setting.value.as_str()) => {
                    report.at_default.push(line(""));
                }
                Class::Honoured | Class::Refused(_) => report.honoured.push(line("")),
            }
        }
        report
    }

    /// Lines for the log at the start: one for each setting that differs from its default and takes effect.
    pub fn start_up_lines(&self) -> impl Iterator<Item = String> {
        self.honoured.iter().map(|line| format!("{} = {} ({})", line.key, line.value, line.place))
    }

    /// One line that names every setting without effect; `None` if there is none.
    pub fn no_effect_line(&self) -> Option<String> {
        let keys: Vec<&str> = self.no_effect.iter().map(|line| line.key.as_str()).collect();
        (!keys.is_empty()).then(|| format!("accepted without effect: {}", keys.join(", ")))
    }

    /// One line for each key that is not known.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.unknown.iter().map(|line| format!("{}: unknown key {}{}", line.place, line.key, line.note))
    }
}

/// Everything that is known of a name: a broker's key, a topic's, or both; or the names that resemble it.
pub fn explain(name: &str) -> Result<Vec<Explanation>, Vec<&'static str>> {
    let mut found = Vec::new();
    match names::find(name) {
        Named::Known(key) => {
            let topics = keys::topic_keys()
                .filter(|one| one.broker_keys.iter().any(|(broker, _)| *broker == name))
                .map(|one| one.key.name);
            found.push(Explanation::of(key, "broker", changed(key.scope), topics.collect()));
        }
        Named::Foreign(reason) => found.push(Explanation {
            name: name.to_owned(),
            resource: "broker",
            value_type: "string",
            default: None,
            values: None,
            refused_values: None,
            class: Class::NoEffect(reason),
            changed: changed(Scope::Static),
            doc: "A key of older versions, or one that is not served.",
            related: Vec::new(),
        }),
        Named::Unknown(_) => {}
    }
    if let Some(topic_key) = keys::topic_key(name) {
        let holders = topic_key.broker_keys.iter().map(|(name, _)| *name).collect();
        found.push(Explanation::of(&topic_key.key, "topic", ANY_TIME, holders));
    }
    let of_groups = keys::group_keys().map(|key| (key, "group"));
    let others = of_groups.chain(keys::client_metrics_keys().map(|key| (key, "client metrics")));
    for (key, resource) in others.filter(|(key, _)| key.name == name) {
        found.push(Explanation::of(key, resource, ANY_TIME, Vec::new()));
    }
    if found.is_empty() { Err(resembling(name)) } else { Ok(found) }
}

/// When settings of topics, groups and the like may change.
const ANY_TIME: &str = "while running";

const fn changed(scope: Scope) -> &'static str {
    match scope {
        Scope::Static => "at the start only",
        Scope::ClusterWide => "while running, for all brokers or one",
        Scope::AllBrokers => "while running, for all brokers",
        Scope::PerBroker => "while running, for one broker",
    }
}

/// What one key of one kind of resource is.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The key.
    pub name: String,
    /// What may set it: `broker`, `topic`, `group` or `client metrics`.
    pub resource: &'static str,
    /// Type of its value, in lower case.
    pub value_type: &'static str,
    /// Default, where there is one.
    pub default: Option<&'static str>,
    /// What values it takes, where the type does not say it.
    pub values: Option<String>,
    /// Values that Kafka has and that are refused, with the reason.
    pub refused_values: Option<(Vec<&'static str>, &'static str)>,
    /// What becomes of it.
    pub class: Class,
    /// When it may be changed.
    pub changed: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// For a broker's key the topic keys that it holds the default of; for a topic's key those that hold its default.
    pub related: Vec<&'static str>,
}

impl Explanation {
    fn of(key: &Key, resource: &'static str, changed: &'static str, related: Vec<&'static str>) -> Self {
        Self {
            name: key.name.to_owned(),
            resource,
            value_type: key.value_type.word(),
            default: key.default,
            values: bounds(key),
            refused_values: served::unserved(key),
            class: key.class,
            changed,
            doc: key.doc,
            related,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = self.default.map_or("none".to_owned(), |default| format!("`{default}`"));
        writeln!(f, "{} ({}, {}, default {default})", self.name, self.resource, self.value_type)?;
        writeln!(f, "  {}", self.doc)?;
        if let Some(values) = &self.values {
            writeln!(f, "  values: {values}")?;
        }
        if let Some((words, reason)) = &self.refused_values {
            writeln!(f, "  refused values: {} ({reason})", words.join(", "))?;
        }
        match self.class {
            Class::Honoured => writeln!(f, "  honoured")?,
            Class::NoEffect(reason) => writeln!(f, "  accepted without effect: {reason}")?,
            Class::Refused(reason) => writeln!(f, "  refused unless it is the default: {reason}")?,
        }
        writeln!(f, "  may be changed {}", self.changed)?;
        match (self.related.is_empty(), self.resource) {
            (true, _) => Ok(()),
            (false, "topic") => writeln!(f, "  default from {}", self.related.join(", else ")),
            (false, _) => writeln!(f, "  topics set it as {}", self.related.join(", ")),
        }
    }
}

/// Names that a person may have meant: mistyped, or else only a part of the name, at most six.
fn resembling(name: &str) -> Vec<&'static str> {
    let all = || {
        let of_topics = keys::topic_keys().map(|one| one.key.name);
        let others = keys::group_keys().chain(keys::client_metrics_keys()).map(|key| key.name);
        keys::broker_keys().map(|key| key.name).chain(of_topics).chain(others)
    };
    let mut found = names::nearest(name, all());
    if found.is_empty() && 2 < name.len() {
        found = all().filter(|candidate| candidate.contains(name)).take(6).collect();
    }
    found.dedup();
    found
}

/// What to write for a key, as the end of a sentence; `None` where any text will do.
pub(super) fn takes(key: &Key) -> Option<String> {
    let bounds = bounds(key);
    let kind = match (Unit::of_key(key.name), key.value_type) {
        (Some(unit), ValueType::Int | ValueType::Long) => unit.example(),
        (_, ValueType::Int | ValueType::Short | ValueType::Long) => "a whole number",
        (_, ValueType::Double) => "a number",
        _ => return bounds,
    };
    Some(bounds.map_or_else(|| kind.to_owned(), |bounds| format!("{kind}: {bounds}")))
}

/// What values a key takes, where its type alone does not say it.
pub fn bounds(key: &Key) -> Option<String> {
    Some(match key.check {
        Check::Any if key.value_type == ValueType::Boolean => "true or false".to_owned(),
        Check::Any => return None,
        Check::AtLeast(least) => format!("at least {least}"),
        Check::Between(least, most) => format!("{least} to {most}"),
        Check::Within(least, most) => format!("{least:?} to {most:?}"),
        Check::Replicas => "at least 1, or -1".to_owned(),
        Check::GzipLevel => "1 to 9, or -1".to_owned(),
        Check::OneOf(words) => format!("one of {}", words.join(", ")),
        Check::EachOf(words) => format!("one or more of {}", words.join(", ")),
        Check::NonEmpty => "not empty".to_owned(),
        Check::SocketAddress => "address:port, or empty".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        explain(name).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_key_is_explained_with_its_class_and_its_topic_name() {
        let retention = text("log.retention.ms");
        for part in
            ["broker, long", "honoured", "may be changed while running", "topics set it as retention.ms"]
        {
            assert!(retention.contains(part), "{retention} lacks {part}");
        }
        assert!(text("retention.ms").contains("default from log.retention.ms, else log.retention.minutes"));
        assert!(text("compression.type").contains("(recompression is not"));
        assert!(text("num.network.threads").contains("without effect"));
        assert!(text("zookeeper.connect").contains("ZooKeeper"));
        assert!(text("node.id").contains("may be changed at the start only"));
    }

    /// The same name means one thing to a broker and another to a topic.
    #[test]
    fn a_name_of_two_resources_is_explained_for_both() {
        let resources: Vec<&str> =
            explain("compression.type").unwrap().iter().map(|one| one.resource).collect();
        assert_eq!(resources, ["broker", "topic"]);
    }

    #[test]
    fn names_that_resemble_are_offered_for_one_that_is_not_known() {
        assert_eq!(explain("retention.mss"), Err(vec!["retention.ms"]));
        assert_eq!(explain("durability"), Err(vec!["mainstem.durability"]));
        assert_eq!(explain("nonsense"), Err(Vec::new()));
    }

    #[test]
    fn every_key_is_explained() {
        let of_topics = keys::topic_keys().map(|one| &one.key);
        let others = keys::group_keys().chain(keys::client_metrics_keys());
        for key in keys::broker_keys().chain(of_topics).chain(others) {
            assert!(text(key.name).contains(key.doc), "{}", key.name);
        }
    }
}
