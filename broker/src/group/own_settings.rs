//! Settings that a group has of its own: the config resource of its name.
//!
//! Pure. Above: the machine. Below: the metadata. Values were checked when they were set; one that cannot be read any more
//! leaves that of the broker in force.

use super::{GroupSettings, machine::Around};
use crate::metadata::ConfigResource;
use std::time::Duration;

/// The settings of a group; `None` where it sets nothing.
pub(super) fn of_group(group: &str, around: &Around<'_>) -> Option<GroupSettings> {
    let configs = &around.metadata.configs;
    // Nearly always nothing is set at all.
    configs.iter().next()?;
    let resource = ConfigResource::group(group);
    let millis = |key: &str| configs.value(&resource, key)?.parse().ok().map(Duration::from_millis);
    let session = millis("consumer.session.timeout.ms");
    let heartbeat = millis("consumer.heartbeat.interval.ms");
    let assignment = millis("consumer.assignment.interval.ms");
    if session.is_none() && heartbeat.is_none() && assignment.is_none() {
        return None;
    }
    let broker = around.settings;
    Some(GroupSettings {
        consumer_session: session.unwrap_or(broker.consumer_session),
        consumer_heartbeat: heartbeat.unwrap_or(broker.consumer_heartbeat),
        assignment_interval: assignment.unwrap_or(broker.assignment_interval),
        ..broker.clone()
    })
}
