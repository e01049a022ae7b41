//! The coordinator of groups comes to be: it follows the metadata from before this broker is given any leadership.
//!
//! Above: the composition root. Below: `group` on `coordinator`, `partition`, `metadata`.

use crate::{
    config::{BrokerConfig, Layers, TopicConfig},
    coordinator::CoordinatorOptions,
    env::{BlockingError, Env},
    group::{GroupSettings, Groups},
    metadata::{CONSUMER_OFFSETS, ConfigResource, MetadataDelta, MetadataPublisher},
    partition::Partitions,
    telemetry::Telemetry,
};
use std::sync::Arc;

/// Starts it. Whoever waits in it for others is sent away once connections drain. It hears of each change of the metadata after the partitions, so that it finds them as the metadata says.
pub(super) async fn start(
    config: &BrokerConfig,
    (env, net_env): (&Env, &Env),
    partitions: &Arc<Partitions>,
    metadata: &Arc<MetadataPublisher>,
    telemetry: &Telemetry,
) -> Result<Groups, BlockingError> {
    let options = CoordinatorOptions {
        topic: CONSUMER_OFFSETS,
        local: config.node_id,
        compression: config.groups.offsets_topic.compression,
        load_bytes: config.groups.load_bytes,
        load_seconds: telemetry.coordinator_load("group"),
        settings: GroupSettings::new(config),
    };
    let groups = Groups::new(options, env.clone(), Arc::clone(partitions), Arc::clone(metadata));
    env.tasks.spawn("group-timers", groups.clone().run());
    let (waiting, mut stop) = (groups.clone(), net_env.tasks.stop_signal());
    net_env.tasks.spawn("group-drain", async move {
        stop.given().await;
        waiting.stop_waiting();
    });
    let follow = groups.follower(settings_of(config));
    let publisher = Arc::clone(metadata);
    env.tasks.blocking(move || publisher.subscribe("groups", follow)).await?;
    Ok(groups)
}

/// What a change of configurations, or of what they are about, makes of the settings of groups.
fn settings_of(config: &BrokerConfig) -> impl Fn(&MetadataDelta) -> Option<GroupSettings> + Send + use<> {
    let start = GroupSettings::new(config);
    let (local, settings) = (config.node_id, Arc::clone(&config.settings));
    move |delta| {
        let all = ConfigResource::all_brokers();
        let (this, topic) = (ConfigResource::broker(local), ConfigResource::topic(CONSUMER_OFFSETS));
        delta.changed_configs().find(|resource| [&all, &this, &topic].contains(resource))?;
        let configs = &delta.after().configs;
        let (cluster, broker) = (configs.of(&all), configs.of(&this));
        let layers = Layers { settings: &settings, cluster: &cluster, broker: &broker };
        let internal = TopicConfig::resolve(&layers, &configs.of(&topic));
        Some(start.clone().changed(&broker, &cluster, &internal))
    }
}
