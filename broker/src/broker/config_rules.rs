//! What configurations may hold, for the controller: the room `config` behind the controller's seam.
//!
//! Above: the composition root. Below: `config`, `metadata` (which dynamic values the brokers have set).

use crate::{
    config::{
        BrokerConfig, ConfigValues, Layers, TopicConfig,
        alter::{self, Change, Configured, Operation, Refusal},
    },
    controller::{Alteration, ApiError, ConfigRules},
    metadata::{ConfigResource, ConfigResourceKind},
};
use mainstem_protocol::error::ErrorCode;
use std::sync::Arc;

/// The rules of a broker's own configuration.
pub(super) struct BrokerConfigRules {
    config: Arc<BrokerConfig>,
    none: ConfigValues,
}

impl BrokerConfigRules {
    pub(super) fn new(config: Arc<BrokerConfig>) -> Self {
        Self { config, none: ConfigValues::new() }
    }

    /// What was set before the start. A decision must not depend on which broker makes it, so dynamic values of brokers
    /// are left out.
    fn layers(&self) -> Layers<'_> {
        Layers { settings: &self.config.settings, cluster: &self.none, broker: &self.none }
    }
}

impl ConfigRules for BrokerConfigRules {
    fn alter(
        &self,
        resource: &ConfigResource,
        current: &ConfigValues,
        alteration: &Alteration,
    ) -> Result<ConfigValues, ApiError> {
        let configured = match resource.kind {
            ConfigResourceKind::Topic => Configured::Topic,
            ConfigResourceKind::Broker if resource.name.is_empty() => Configured::Cluster,
            ConfigResourceKind::Broker => Configured::Broker,
            ConfigResourceKind::Group => Configured::Group,
            ConfigResourceKind::ClientMetrics => Configured::ClientMetrics,
        };
        let altered = match alteration {
            Alteration::Replace(values) => {
                let values: Vec<_> = values.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
                alter::replace(configured, &values, &self.layers())
            }
            Alteration::Incremental(changes) => {
                let changes: Vec<_> = changes
                    .iter()
                    .map(|change| {
                        let operation = Operation::from_code(change.operation).ok_or_else(|| {
                            let message = format!("Unknown operation type {}", change.operation);
                            ApiError::new(ErrorCode::InvalidRequest, message)
                        })?;
                        Ok(Change { key: &change.key, operation, value: change.value.as_deref() })
                    })
                    .collect::<Result<_, ApiError>>()?;
                alter::apply(configured, current, &changes, &self.layers())
            }
        };
        altered.map_err(|refusal| match refusal {
            Refusal::InvalidConfig(message) => ApiError::new(ErrorCode::InvalidConfig, message),
            Refusal::InvalidRequest(message) => ApiError::new(ErrorCode::InvalidRequest, message),
        })
    }

    fn default_partitions(&self) -> i32 {
        self.config.topics.partitions
    }

    fn default_replication_factor(&self) -> Option<i16> {
        self.config.topics.replication_factor
    }

    fn min_in_sync_replicas(&self, topic_configs: &ConfigValues, replicas: usize) -> usize {
        TopicConfig::resolve(&self.layers(), topic_configs).min_insync_replicas(replicas)
    }
}
