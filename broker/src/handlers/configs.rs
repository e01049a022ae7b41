//! Configurations as answers show them: which value holds, where it comes from, what else is set (rule A1).
//!
//! Above: DescribeConfigs, CreateTopics. Below: `config`, `metadata`.

use super::Services;
use crate::{
    config::{
        ConfigValues, Layers,
        describe::{self, DescribedConfig},
    },
    metadata::{ConfigResource, MetadataImage},
};
use mainstem_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfigs};
use std::sync::Arc;

/// What brokers set while they run, as far as it concerns this one.
pub(super) struct DynamicLayers {
    cluster: Arc<ConfigValues>,
    broker: Arc<ConfigValues>,
}

impl DynamicLayers {
    pub(super) fn of(services: &Services, image: &MetadataImage) -> Self {
        Self {
            cluster: image.configs.of(&ConfigResource::all_brokers()),
            broker: image.configs.of(&ConfigResource::broker(services.config.node_id)),
        }
    }

    pub(super) fn layers<'a>(&'a self, services: &'a Services) -> Layers<'a> {
        Layers { settings: &services.config.settings, cluster: &self.cluster, broker: &self.broker }
    }
}

/// The configuration of a topic that was created, or would have been.
pub(super) fn created_topic_configs(
    services: &Services,
    topic: &CreatableTopic,
    replication_factor: i16,
) -> Vec<CreatableTopicConfigs> {
    let image = services.metadata.current();
    let dynamic = DynamicLayers::of(services, &image);
    let stored = image.configs.of(&ConfigResource::topic(topic.name.as_str()));
    let asked: ConfigValues = topic
        .configs
        .iter()
        .filter_map(|config| Some(((*config.name).into(), config.value.as_deref()?.into())))
        .collect();
    // After a mere check nothing is stored; then what was asked for would hold.
    let overrides = if stored.is_empty() { &asked } else { &*stored };
    let replicas = usize::try_from(replication_factor).unwrap_or(1);
    let described = describe::topic(&dynamic.layers(services), overrides, replicas);
    described.into_iter().map(created).collect()
}

fn created(config: DescribedConfig) -> CreatableTopicConfigs {
    CreatableTopicConfigs {
        name: config.name.into(),
        value: config.value.map(Into::into),
        read_only: config.read_only,
        config_source: config.source.code(),
        is_sensitive: config.sensitive,
    }
}
