//! What the broker was told about groups.
//!
//! Above: the machine. Below: the configuration, which fills this in.

use crate::config::{BrokerConfig, ConfigValues, GroupMigration, TopicConfig};
use std::{sync::Arc, time::Duration};

/// Kafka's default for a setting that it keeps to itself.
const REGEX_REFRESH: Duration = Duration::from_mins(10);

/// Settings of a broker that hold for every group; a consumer group may have some of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupSettings {
    /// `group.initial.rebalance.delay.ms`
    pub(crate) initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`, inclusive
    pub(crate) classic_session_min: Duration,
    /// `group.max.session.timeout.ms`, inclusive
    pub(crate) classic_session_max: Duration,
    /// `group.max.size`
    pub(crate) classic_size_max: usize,
    /// `group.consumer.max.size`
    pub(crate) consumer_size_max: usize,
    /// `group.consumer.session.timeout.ms`, or the group's `consumer.session.timeout.ms`
    pub(crate) consumer_session: Duration,
    /// `group.consumer.heartbeat.interval.ms`, or the group's `consumer.heartbeat.interval.ms`
    pub(crate) consumer_heartbeat: Duration,
    /// `group.consumer.assignment.interval.ms`, or the group's `consumer.assignment.interval.ms`
    pub(crate) assignment_interval: Duration,
    /// `group.consumer.assignors`; the first is the default
    pub(crate) assignors: Vec<Arc<str>>,
    /// `group.consumer.migration.policy`: from the classic protocol
    pub(crate) may_upgrade: bool,
    /// `group.consumer.migration.policy`: to the classic protocol
    pub(crate) may_downgrade: bool,
    /// How old the topics of a regular expression may be before they are looked for again
    pub(crate) regex_refresh: Duration,
    /// `offset.metadata.max.bytes`
    pub(crate) offset_metadata_max: usize,
    /// `offsets.retention.minutes`
    pub(crate) offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`
    pub(crate) offsets_retention_check: Duration,
    /// Largest batch of the internal topic (`offsets.topic` `max.message.bytes`): a group's record has to fit
    pub(crate) record_max: usize,
}

impl GroupSettings {
    /// What the configuration of the broker says.
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        let groups = &config.groups;
        let migration = groups.consumer_migration;
        Self {
            initial_rebalance_delay: groups.initial_rebalance_delay,
            classic_session_min: groups.classic_session_min,
            classic_session_max: groups.classic_session_max,
            classic_size_max: groups.classic_size_max,
            consumer_size_max: groups.consumer_size_max,
            consumer_session: groups.consumer_session,
            consumer_heartbeat: groups.consumer_heartbeat,
            assignment_interval: groups.consumer_assignment_interval,
            assignors: groups.consumer_assignors.iter().map(|name| name.as_str().into()).collect(),
            may_upgrade: matches!(migration, GroupMigration::Upgrade | GroupMigration::Bidirectional),
            may_downgrade: matches!(migration, GroupMigration::Downgrade | GroupMigration::Bidirectional),
            regex_refresh: REGEX_REFRESH,
            offset_metadata_max: groups.offset_metadata_max,
            offsets_retention: groups.offsets_retention,
            offsets_retention_check: groups.offsets_retention_check,
            record_max: usize::try_from(config.topics.config.max_message_bytes).unwrap_or(0),
        }
    }

    /// The same, less what was changed while the brokers run: of this broker, else of all; and the internal topic as it is. A
    /// value that cannot be read leaves what was set before the start in force.
    pub(crate) fn changed(
        mut self,
        broker: &ConfigValues,
        cluster: &ConfigValues,
        internal: &TopicConfig,
    ) -> Self {
        let text = |key: &str| broker.get(key).or_else(|| cluster.get(key));
        let millis = |key: &str| text(key)?.parse().ok().map(Duration::from_millis);
        // The one key of groups that Kafka changes at run time.
        if let Some(interval) = millis("group.consumer.assignment.interval.ms") {
            self.assignment_interval = interval;
        }
        self.record_max = usize::try_from(internal.max_message_bytes).unwrap_or(0);
        self
    }
}
