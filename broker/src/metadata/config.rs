//! Dynamic configuration: values set through the admin API, by resource.
//!
//! Only what was set is here; defaults and files are the room `config`'s. Above: `image`. Below: `ordered_map`.

use super::OrderedMap;
use mainstem_protocol::model::BrokerId;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What a configuration belongs to, with Kafka's numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConfigResourceKind {
    /// A topic, by name.
    Topic,
    /// A broker, by node id; the empty name = all brokers.
    Broker,
    /// A subscription of client metrics, by name.
    ClientMetrics,
    /// A group, by id.
    Group,
}

impl ConfigResourceKind {
    /// The number on the wire and in records.
    pub const fn code(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    /// The kind of that number, if it is one whose values live in the metadata log.
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            16 => Some(Self::ClientMetrics),
            32 => Some(Self::Group),
            _ => None,
        }
    }
}

/// One owner of configuration values.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Its kind.
    pub kind: ConfigResourceKind,
    /// Its name; see the kind.
    pub name: Arc<str>,
}

impl ConfigResource {
    /// A topic.
    pub fn topic(name: impl Into<Arc<str>>) -> Self {
        Self { kind: ConfigResourceKind::Topic, name: name.into() }
    }

    /// A group, by its id, whether or not it is there.
    pub fn group(id: impl Into<Arc<str>>) -> Self {
        Self { kind: ConfigResourceKind::Group, name: id.into() }
    }

    /// One broker.
    pub fn broker(id: BrokerId) -> Self {
        Self { kind: ConfigResourceKind::Broker, name: id.to_string().into() }
    }

    /// What holds for every broker that does not say otherwise.
    pub fn all_brokers() -> Self {
        Self { kind: ConfigResourceKind::Broker, name: "".into() }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ConfigResourceKind::Topic => "topic",
            ConfigResourceKind::Broker => "broker",
            ConfigResourceKind::ClientMetrics => "client-metrics",
            ConfigResourceKind::Group => "group",
        };
        write!(f, "{kind} {:?}", self.name)
    }
}

impl fmt::Debug for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Values of one resource by key.
pub type ConfigValues = BTreeMap<Arc<str>, Arc<str>>;

/// All values that were set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigsImage {
    resources: OrderedMap<ConfigResource, Arc<ConfigValues>>,
}

impl ConfigsImage {
    /// The values of one resource; empty if none was set.
    pub fn of(&self, resource: &ConfigResource) -> Arc<ConfigValues> {
        self.resources.get(resource).cloned().unwrap_or_default()
    }

    /// One value.
    pub fn value(&self, resource: &ConfigResource, key: &str) -> Option<&Arc<str>> {
        self.resources.get(resource)?.get(key)
    }

    /// All resources that have a value, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<ConfigValues>)> {
        self.resources.iter()
    }

    pub(super) fn set(&mut self, resource: &ConfigResource, key: Arc<str>, value: Arc<str>) {
        match self.resources.get_mut(resource) {
            Some(values) => {
                Arc::make_mut(values).insert(key, value);
            }
            None => {
                self.resources.insert(resource.clone(), Arc::new(BTreeMap::from([(key, value)])));
            }
        }
    }

    pub(super) fn unset(&mut self, resource: &ConfigResource, key: &str) {
        let Some(values) = self.resources.get_mut(resource) else { return };
        Arc::make_mut(values).remove(key);
        if values.is_empty() {
            self.resources.remove(resource);
        }
    }

    /// Forgets all values of a resource; answers whether there were any.
    pub(super) fn remove(&mut self, resource: &ConfigResource) -> bool {
        self.resources.remove(resource).is_some()
    }
}
