//! What was set before the start: every value by key, with where it came from.
//!
//! Pure. Above: the typed configuration, the report, DescribeConfigs. Below: the key table. A later source replaces an
//! earlier one (file, then environment, then overrides); the replaced value is not remembered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::keys::{self, Class, Key};
use super::value::REDACTED;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file, from 1.
    File {
        /// The file's name as it was given.
        path: Arc<str>,
        /// The line.
        line: usize,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// `--override` on the command line.
    Override,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Override => f.write_str("--override"),
        }
    }
}

/// One value that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Kafka's plain form. May be a secret: use [`shown`] to print it.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// The value of a key as it may be printed.
pub(super) fn shown<'a>(key: &Key, value: &'a str) -> &'a str {
    if key.is_sensitive() { REDACTED } else { value }
}

/// Every value that was set, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<&'static str, Setting>,
}

impl Settings {
    /// Sets a value that was already checked; replaces what an earlier source set.
    pub fn set(&mut self, key: &'static Key, value: String, origin: Origin) {
        self.values.insert(key.name, Setting { value, origin });
    }

    /// What was set for this key.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.values.get(name)
    }

    /// What holds for this key: the value that was set, else the default; `None` where there is neither.
    pub fn value(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(setting) => Some(setting.value.as_str()),
            None => keys::broker_key(name).and_then(|key| key.default),
        }
    }

    /// Everything that was set, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Key, &Setting)> {
        self.values.iter().filter_map(|(name, setting)| Some((keys::broker_key(name)?, setting)))
    }

    /// Settings that take effect and differ from the default.
    pub fn non_default(&self) -> impl Iterator<Item = (&'static Key, &Setting)> {
        self.iter().filter(|(key, setting)| {
            key.class == Class::Honoured && key.default != Some(setting.value.as_str())
        })
    }
}
