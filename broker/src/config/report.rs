//! What a configuration amounts to: what took effect, what did not, and what looks like a mistake.
//!
//! Pure. Above: `serve` (start-up lines), `config check`, `config diff`, `config explain`. Secrets are hidden.

use std::fmt::Write as _;

use super::keys::{self, Check, Class, Key, Scope, ValueType};
use super::names::{self, Named};
use super::settings::{Settings, shown};

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

/// Everything that is known of a key, for people; or the names nearest to it.
pub fn explain(name: &str) -> Result<String, Vec<&'static str>> {
    let mut text = String::new();
    if let Named::Known(key) = names::find(name) {
        describe(&mut text, key, "broker");
        for topic_key in
            keys::topic_keys().filter(|one| one.broker_keys.iter().any(|(broker, _)| *broker == name))
        {
            let _ = writeln!(text, "  topics set it as {}", topic_key.key.name);
        }
    }
    if let Some(topic_key) = keys::topic_key(name) {
        describe(&mut text, &topic_key.key, "topic");
        let holders: Vec<&str> = topic_key.broker_keys.iter().map(|(name, _)| *name).collect();
        if !holders.is_empty() {
            let _ = writeln!(text, "  default from {}", holders.join(", else "));
        }
    }
    for key in keys::group_keys().filter(|key| key.name == name) {
        describe(&mut text, key, "group");
    }
    if let Named::Foreign(reason) = names::find(name) {
        let _ = writeln!(text, "{name}\n  no effect: {reason}");
    }
    if text.is_empty() {
        let all = keys::broker_keys().map(|key| key.name).chain(keys::topic_keys().map(|one| one.key.name));
        return Err(names::nearest(name, all));
    }
    Ok(text)
}

fn describe(text: &mut String, key: &Key, resource: &str) {
    let default = key.default.map_or("none".to_owned(), |default| format!("`{default}`"));
    let kind = key.value_type.name().to_ascii_lowercase();
    let _ = writeln!(text, "{} ({resource}, {kind}, default {default})\n  {}", key.name, key.doc);
    if let Some(bounds) = bounds(key) {
        let _ = writeln!(text, "  {bounds}");
    }
    let _ = match key.class {
        Class::Honoured => writeln!(text, "  honoured"),
        Class::NoEffect(reason) => writeln!(text, "  accepted without effect: {reason}"),
        Class::Refused(reason) => writeln!(text, "  refused unless it is the default: {reason}"),
    };
    if resource == "broker" {
        let _ = match key.scope {
            Scope::Static => writeln!(text, "  takes effect at the start"),
            Scope::ClusterWide => writeln!(text, "  may be changed while running, for all brokers or one"),
            Scope::PerBroker => writeln!(text, "  may be changed while running, for one broker"),
        };
    }
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
        Check::OneOf(words) => words.join(", "),
        Check::EachOf(words) => format!("one or more of {}", words.join(", ")),
        Check::NonEmpty => "not empty".to_owned(),
        Check::SocketAddress => "address:port, or empty".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_explained_with_its_class_and_its_topic_name() {
        let text = explain("log.retention.ms").unwrap();
        for part in
            ["broker, long", "honoured", "may be changed while running", "topics set it as retention.ms"]
        {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        assert!(
            explain("retention.ms")
                .unwrap()
                .contains("default from log.retention.ms, else log.retention.minutes")
        );
        assert!(explain("num.network.threads").unwrap().contains("without effect"));
        assert!(explain("zookeeper.connect").unwrap().contains("ZooKeeper"));
        assert_eq!(explain("retention.mss"), Err(vec!["retention.ms"]));
    }
}
