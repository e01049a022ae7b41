//! Configs of topics, brokers, groups and client metrics: describe, change, list the things that have any.

use mainstem_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use mainstem_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use mainstem_protocol::messages::list_config_resources::ListConfigResourcesRequest;

use super::{Admin, Apply};
use crate::cluster::{Repeat, Target};
use crate::error::{BrokerError, Error};

/// What kind of thing has configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A topic.
    Topic,
    /// A broker by node id, or all of them by the empty name.
    Broker,
    /// The loggers of a broker.
    BrokerLogger,
    /// A subscription of client metrics.
    ClientMetrics,
    /// A group.
    Group,
}

impl ResourceKind {
    const ALL: [Self; 5] = [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group];

    /// Kafka's number.
    pub const fn id(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    /// The kind with this number.
    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// A thing that has configs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name; of a broker the node id.
    pub name: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set on this broker while it runs.
    DynamicBroker,
    /// Set on all brokers while they run.
    DynamicDefaultBroker,
    /// The broker's configuration file.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// Level of a logger.
    DynamicBrokerLogger,
    /// Set on the client metrics subscription.
    ClientMetrics,
    /// Set on the group.
    Group,
    /// A number that is not known here.
    Unknown(i8),
}

impl ConfigSource {
    const fn from_id(id: i8) -> Self {
        match id {
            1 => Self::Topic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            6 => Self::DynamicBrokerLogger,
            7 => Self::ClientMetrics,
            8 => Self::Group,
            other => Self::Unknown(other),
        }
    }
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32-bit number.
    Int,
    /// 16-bit number.
    Short,
    /// 64-bit number.
    Long,
    /// Floating point number.
    Double,
    /// Comma-separated list.
    List,
    /// Name of a class.
    Class,
    /// Text that is not shown.
    Password,
    /// The broker did not say.
    Unknown,
}

impl ConfigType {
    const fn from_id(id: i8) -> Self {
        match id {
            1 => Self::Boolean,
            2 => Self::String,
            3 => Self::Int,
            4 => Self::Short,
            5 => Self::Long,
            6 => Self::Double,
            7 => Self::List,
            8 => Self::Class,
            9 => Self::Password,
            _ => Self::Unknown,
        }
    }
}

/// One config with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Name.
    pub name: String,
    /// Value; `None` = not set, or not shown.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Whether its value is not shown.
    pub sensitive: bool,
    /// Type of the value.
    pub value_type: ConfigType,
    /// All settings that could supply the value, the one in force first.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it does, if asked for.
    pub documentation: Option<String>,
}

/// A setting that supplies, or would supply, a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Name.
    pub name: String,
    /// Value; `None` = not shown.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// The configs of one thing.
pub type ResourceConfigs = (ConfigResource, Result<Vec<ConfigEntry>, BrokerError>);

/// What to do with one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigAlteration {
    /// Give it this value.
    Set(String),
    /// Take its value away, so that the default holds.
    Delete,
    /// Add these to a list.
    Append(String),
    /// Take these from a list.
    Subtract(String),
}

/// A change of one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// Name of the config.
    pub name: String,
    /// What to do with it.
    pub alteration: ConfigAlteration,
}

impl Admin {
    /// Configs of each resource, all or those named in `names`.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        names: Option<&[String]>,
        include_documentation: bool,
    ) -> Result<Vec<ResourceConfigs>, Error> {
        let deadline = self.cluster.call_deadline();
        let mut results = Vec::with_capacity(resources.len());
        for (target, shard) in shards(resources) {
            let mut request = DescribeConfigsRequest {
                resources: shard
                    .iter()
                    .map(|resource| DescribeConfigsResource {
                        resource_type: resource.kind.id(),
                        resource_name: resource.name.as_str().into(),
                        configuration_keys: names
                            .map(|names| names.iter().map(|name| name.as_str().into()).collect()),
                    })
                    .collect(),
                include_synonyms: true,
                include_documentation,
            };
            let connection = match self.cluster.connect_to(target, deadline).await {
                Ok(connection) => connection,
                Err(Error::Broker(error)) => {
                    results.extend(shard.into_iter().map(|resource| (resource, Err(error.clone()))));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if connection.version_for::<DescribeConfigsRequest>()? < 3 {
                request.include_documentation = false;
            }
            let response = self.cluster.request(target, Repeat::Always, &request, deadline).await?;
            for result in response.results {
                let Some(kind) = ResourceKind::from_id(result.resource_type) else { continue };
                let resource = ConfigResource { kind, name: result.resource_name.as_str().to_owned() };
                let outcome = BrokerError::check(result.error_code, result.error_message.as_deref());
                let entries = result.configs.into_iter().map(entry).collect();
                results.push((resource, outcome.map(|()| entries)));
            }
        }
        Ok(results)
    }

    /// Changes single configs and leaves the others alone. All changes of one resource are made or none.
    pub async fn alter_configs(
        &self,
        changes: &[(ConfigResource, Vec<ConfigChange>)],
        apply: Apply,
    ) -> Result<Vec<(ConfigResource, Result<(), BrokerError>)>, Error> {
        let deadline = self.cluster.call_deadline();
        let resources: Vec<ConfigResource> = changes.iter().map(|(resource, _)| resource.clone()).collect();
        let mut results = Vec::with_capacity(changes.len());
        for (target, shard) in shards(&resources) {
            let target = if target == Target::Any { Target::Controller } else { target };
            let request = IncrementalAlterConfigsRequest {
                resources: changes
                    .iter()
                    .filter(|(resource, _)| shard.contains(resource))
                    .map(|(resource, changes)| alteration(resource, changes))
                    .collect(),
                validate_only: apply == Apply::ValidateOnly,
            };
            let response = self.cluster.request(target, Repeat::IfNotArrived, &request, deadline).await?;
            for result in response.responses {
                let Some(kind) = ResourceKind::from_id(result.resource_type) else { continue };
                let resource = ConfigResource { kind, name: result.resource_name.as_str().to_owned() };
                results
                    .push((resource, BrokerError::check(result.error_code, result.error_message.as_deref())));
            }
        }
        Ok(results)
    }

    /// All things of these kinds that have configs of their own; empty = of every kind.
    pub async fn list_config_resources(&self, kinds: &[ResourceKind]) -> Result<Vec<ConfigResource>, Error> {
        let request =
            ListConfigResourcesRequest { resource_types: kinds.iter().map(|kind| kind.id()).collect() };
        let deadline = self.cluster.call_deadline();
        let response = self.cluster.request(Target::Any, Repeat::Always, &request, deadline).await?;
        BrokerError::check(response.error_code, None)?;
        let known = response.config_resources.into_iter().filter_map(|resource| {
            let kind = ResourceKind::from_id(resource.resource_type)?;
            Some(ConfigResource { kind, name: resource.resource_name.as_str().to_owned() })
        });
        Ok(known.collect())
    }
}

/// Which broker to ask for what: the settings of one broker are known to it alone.
fn shards(resources: &[ConfigResource]) -> Vec<(Target, Vec<ConfigResource>)> {
    let mut shards: Vec<(Target, Vec<ConfigResource>)> = Vec::new();
    for resource in resources {
        let own = matches!(resource.kind, ResourceKind::Broker | ResourceKind::BrokerLogger);
        let id = resource.name.parse().ok().filter(|_| own);
        let target = id.map_or(Target::Any, Target::Broker);
        match shards.iter_mut().find(|(known, _)| *known == target) {
            Some((_, shard)) => shard.push(resource.clone()),
            None => shards.push((target, vec![resource.clone()])),
        }
    }
    shards
}

fn entry(config: DescribeConfigsResourceResult) -> ConfigEntry {
    let text = |text: Option<mainstem_protocol::wire::WireStr>| text.map(|text| text.as_str().to_owned());
    ConfigEntry {
        name: config.name.as_str().to_owned(),
        value: text(config.value),
        source: ConfigSource::from_id(config.config_source),
        read_only: config.read_only,
        sensitive: config.is_sensitive,
        value_type: ConfigType::from_id(config.config_type),
        synonyms: config
            .synonyms
            .into_iter()
            .map(|synonym| ConfigSynonym {
                name: synonym.name.as_str().to_owned(),
                value: text(synonym.value),
                source: ConfigSource::from_id(synonym.source),
            })
            .collect(),
        documentation: text(config.documentation),
    }
}

fn alteration(resource: &ConfigResource, changes: &[ConfigChange]) -> AlterConfigsResource {
    AlterConfigsResource {
        resource_type: resource.kind.id(),
        resource_name: resource.name.as_str().into(),
        configs: changes
            .iter()
            .map(|change| {
                let (config_operation, value) = match &change.alteration {
                    ConfigAlteration::Set(value) => (0, Some(value)),
                    ConfigAlteration::Delete => (1, None),
                    ConfigAlteration::Append(value) => (2, Some(value)),
                    ConfigAlteration::Subtract(value) => (3, Some(value)),
                };
                AlterableConfig {
                    name: change.name.as_str().into(),
                    config_operation,
                    value: value.map(|value| value.as_str().into()),
                }
            })
            .collect(),
    }
}
