//! What configurations may hold, for the controller: the room `config` behind the controller's seam.
//!
//! Above: the composition root. Below: `config`, `metadata` (which dynamic values the brokers have set).

use crate::{
    config::{
        BrokerConfig, ConfigValues, Layers, TopicConfig,
        alter::{self, Change, Configured, Operation, Refusal},
    },
    controller::{Alteration, ApiError, ConfigRules},
    metadata::{ConfigResource, ConfigResourceKind, MetadataImage},
};
use mainstem_protocol::error::ErrorCode;
use std::sync::Arc;

/// The rules of a broker's own configuration.
pub(super) struct BrokerConfigRules {
    config: Arc<BrokerConfig>,
}

impl BrokerConfigRules {
    pub(super) fn new(config: Arc<BrokerConfig>) -> Self {
        Self { config }
    }

    /// Lets `decide` see what holds for all brokers: what was set before the start, and above it what was set for all of
    /// them while they run. A decision must not depend on which broker makes it, so values of one broker are left out.
    fn with_layers<T>(&self, image: &MetadataImage, decide: impl FnOnce(&Layers<'_>) -> T) -> T {
        let cluster = image.configs.of(&ConfigResource::all_brokers());
        decide(&Layers { settings: &self.config.settings, cluster: &cluster, broker: &ConfigValues::new() })
    }
}

impl ConfigRules for BrokerConfigRules {
    fn alter(
        &self,
        image: &MetadataImage,
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
                self.with_layers(image, |layers| alter::replace(configured, &values, layers))
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
                self.with_layers(image, |layers| alter::apply(configured, current, &changes, layers))
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

    fn min_in_sync_replicas(
        &self,
        image: &MetadataImage,
        topic_configs: &ConfigValues,
        replicas: usize,
    ) -> usize {
        self.with_layers(image, |layers| {
            TopicConfig::resolve(layers, topic_configs).min_insync_replicas(replicas)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        controller::ConfigChange,
        metadata::{EntryPosition, MetadataRecord, record::Config},
    };
    use mainstem_protocol::model::BrokerId;

    /// An image in which `(resource, key, value)` were set.
    fn image(values: &[(&ConfigResource, &str, &str)]) -> Arc<MetadataImage> {
        let records: Vec<MetadataRecord> = values
            .iter()
            .map(|(resource, key, value)| {
                let record = Config {
                    resource_type: resource.kind.code(),
                    resource_name: resource.name.as_ref().into(),
                    name: (*key).into(),
                    value: Some((*value).into()),
                };
                record.into()
            })
            .collect();
        let position = EntryPosition { index: 1, controller_epoch: 1, controller_id: BrokerId(1) };
        Arc::clone(Arc::new(MetadataImage::empty("c")).apply(position, &records).unwrap().after())
    }

    fn rules() -> BrokerConfigRules {
        BrokerConfigRules::new(Arc::new(BrokerConfig::default()))
    }

    /// What was set for all brokers counts, and a topic's own value above it; what one broker sets does not.
    #[test]
    fn the_least_isr_follows_what_is_set_for_all_brokers() {
        let all = ConfigResource::all_brokers();
        let one = ConfigResource::broker(BrokerId(1));
        let least = |values: &[(&ConfigResource, &str, &str)], own: &[(&str, &str)]| {
            let own: ConfigValues = own.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v))).collect();
            rules().min_in_sync_replicas(&image(values), &own, 3)
        };
        assert_eq!(least(&[], &[]), 2);
        assert_eq!(least(&[(&all, "min.insync.replicas", "3")], &[]), 3);
        assert_eq!(least(&[(&all, "min.insync.replicas", "3")], &[("min.insync.replicas", "1")]), 1);
        assert_eq!(least(&[(&one, "min.insync.replicas", "3")], &[]), 2);
    }

    /// APPEND to a list that the topic does not set begins with what holds for it.
    #[test]
    fn appending_begins_with_what_is_set_for_all_brokers() {
        let all = ConfigResource::all_brokers();
        let image = image(&[(&all, "log.cleanup.policy", "delete")]);
        let subtract =
            ConfigChange { key: "cleanup.policy".into(), operation: 3, value: Some("delete".into()) };
        let outcome = rules().alter(
            &image,
            &ConfigResource::topic("t"),
            &ConfigValues::new(),
            &Alteration::Incremental(vec![subtract]),
        );
        assert_eq!(outcome.unwrap_err().code, ErrorCode::InvalidConfig, "a policy must not be empty");
    }
}
