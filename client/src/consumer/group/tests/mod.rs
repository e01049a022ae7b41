//! The machines of both protocols: transcripts of one member, random groups against small coordinators; and a whole
//! consumer against a broker that loses and refuses.

mod classic;
mod faulty;
mod model;
mod modern;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::handover::Offer;
use super::options::GroupOptions;
use crate::retry::Backoff;
use crate::runtime::Instant;

/// Chance of jitter that adds and takes nothing.
const EVEN: f64 = 0.5;

fn options() -> GroupOptions {
    GroupOptions { group_id: "g".into(), ..GroupOptions::default() }
}

fn backoff() -> Backoff {
    Backoff::default()
}

fn tp(index: i32) -> TopicPartition {
    TopicPartition::new("t", PartitionIndex(index))
}

fn set(indexes: impl IntoIterator<Item = i32>) -> BTreeSet<TopicPartition> {
    indexes.into_iter().map(tp).collect()
}

fn topics(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn words(offer: &Offer) -> String {
    let (what, partitions) = match offer {
        Offer::Assign(partitions) => ("assign", partitions),
        Offer::Revoke(partitions) => ("revoke", partitions),
        Offer::Lost(partitions) => ("lost", partitions),
    };
    let partitions: Vec<_> = partitions.iter().map(ToString::to_string).collect();
    format!("{what} {}", partitions.join(","))
}

fn until(moment: Option<Instant>, now: Instant) -> String {
    moment.map_or("wait".into(), |moment| format!("wait {} ms", (moment - now).as_millis()))
}

fn later(now: Instant, millis: u64) -> Instant {
    now + Duration::from_millis(millis)
}
