//! What a group, or all brokers for their groups, may set beyond the type of a value: within the bounds that the brokers have,
//! and a session longer than the time between heartbeats. Messages are Kafka's.
//!
//! Pure. Above: changing configurations. Below: `layers`.

use super::alter::Refusal;
use super::keys;
use super::layers::{ConfigValues, Layers};

/// Key of a group, the broker's bounds for it, and the broker's own value.
const BOUNDED: &[[&str; 3]] = &[
    [
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ],
    [
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ],
    [
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ],
];

/// Checks the whole of what a group sets.
pub(super) fn check(values: &ConfigValues, layers: &Layers<'_>) -> Result<(), Refusal> {
    check_bounds("", values, layers).map_err(Refusal::InvalidConfig)?;
    let effective = |name: &str| set(values, name).or_else(|| of_broker(layers, &format!("group.{name}")));
    let (session, heartbeat) = ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms");
    if effective(session) <= effective(heartbeat) {
        return Err(Refusal::InvalidConfig(format!("{session} must be greater than {heartbeat}")));
    }
    Ok(())
}

/// Checks what brokers set for all groups against the same bounds, which only a restart moves.
pub(super) fn check_broker(values: &ConfigValues, layers: &Layers<'_>) -> Result<(), Refusal> {
    check_bounds("group.", values, layers).map_err(Refusal::InvalidRequest)
}

/// Whether each value that is set under `prefix` and a group's name for it lies within the bounds; else what Kafka says.
fn check_bounds(prefix: &str, values: &ConfigValues, layers: &Layers<'_>) -> Result<(), String> {
    for [name, min, max] in BOUNDED {
        let name = format!("{prefix}{name}");
        let Some(value) = set(values, &name) else { continue };
        if of_broker(layers, min).is_some_and(|min| value < min) {
            return Err(format!("{name} must be greater than or equal to {min}"));
        }
        if of_broker(layers, max).is_some_and(|max| max < value) {
            return Err(format!("{name} must be less than or equal to {max}"));
        }
    }
    Ok(())
}

fn set(values: &ConfigValues, name: &str) -> Option<i64> {
    values.get(name)?.parse().ok()
}

fn of_broker(layers: &Layers<'_>, name: &str) -> Option<i64> {
    layers.of_key(keys::broker_key(name)?).first()?.value.parse().ok()
}
