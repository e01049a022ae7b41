//! Assignors on the side of the broker: who shall own which partition.
//!
//! Above: target assignments. Below: sets of partitions. An assignor is a pure function; equal groups get equal
//! assignments, on every broker.
//!
//! - [`uniform`]: members get equally many partitions and keep what they have; [`balance`] is its form for members that
//!   subscribe to different topics.
//! - [`range`]: of each topic every member gets a range of neighbours.
//!
//! Neither looks at racks: those of Kafka 4.3 do not either. A changed rack still leads to a new assignment, since racks are
//! part of the metadata hash.

mod balance;
mod range;
#[cfg(test)]
mod tests;
mod uniform;

use super::{partitions::Partitions, subscriptions::SubscriptionType};
use mainstem_protocol::{
    model::{PartitionIndex, TopicId},
    wire::WireStr,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

/// An assignor that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignor {
    /// `uniform`
    Uniform,
    /// `range`
    Range,
}

impl Assignor {
    pub(super) fn by_name(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    /// One set of partitions for each member, in the order of the members.
    pub(super) fn assign(self, group: &Group) -> Vec<Partitions> {
        if group.members.is_empty() {
            return Vec::new();
        }
        match (self, group.subscription_type) {
            (Self::Uniform, SubscriptionType::Homogeneous) => uniform::assign(group),
            (Self::Uniform, SubscriptionType::Heterogeneous) => balance::assign(group),
            (Self::Range, _) => range::assign(group),
        }
    }
}

/// What an assignor is told.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) subscription_type: SubscriptionType,
    /// By rising member id.
    pub(super) members: Vec<MemberSpec>,
    /// Number of partitions of each topic that somebody subscribes to.
    pub(super) topics: BTreeMap<TopicId, i32>,
}

/// A member as an assignor sees it.
#[derive(Debug)]
pub(super) struct MemberSpec {
    pub(super) id: Arc<str>,
    pub(super) instance_id: Option<WireStr>,
    /// Topics that it subscribes to and that exist; members of a homogeneous group share one set.
    pub(super) topics: Rc<BTreeSet<TopicId>>,
    /// What it was to own so far.
    pub(super) target: Arc<Partitions>,
}

impl Group {
    fn partition_count(&self, topic: TopicId) -> i32 {
        self.topics.get(&topic).copied().unwrap_or(0)
    }

    fn partitions(&self, topic: TopicId) -> impl Iterator<Item = PartitionIndex> + use<> {
        (0..self.partition_count(topic)).map(PartitionIndex)
    }
}

/// Kafka compares the halves of an id as signed numbers.
fn order_of(topic: TopicId) -> (i64, i64) {
    let (high, low) = topic.0.split_at(8);
    let half = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_be_bytes);
    (half(high), half(low))
}
