//! Who gets which partition, for classic groups, where a member decides it. Pure: subscriptions and topics in,
//! assignments out.
//!
//! The assignors here give what those of Kafka's Java client give, so that nothing moves when leadership of a group
//! passes between members of different kinds; vectors from the real classes prove it. Above: `classic` and its driver.
//! Reading order: this file, `range`, `round_robin`, `sticky` (with `sticky_equal` and `sticky_general`).

mod range;
mod round_robin;
mod sticky;
mod sticky_equal;
mod sticky_general;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mainstem_protocol::model::TopicPartition;

pub use range::RangeAssignor;
pub use round_robin::RoundRobinAssignor;
pub use sticky::{CooperativeStickyAssignor, StickyAssignor};

/// What one member of the group told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// Its name, if it is a static member.
    pub instance_id: Option<String>,
    /// Topics that it subscribes to.
    pub topics: Vec<Arc<str>>,
    /// Partitions that it owns at present.
    pub owned: Vec<TopicPartition>,
    /// Generation in which it came to own them; -1 = unknown.
    pub generation: i32,
    /// Where it runs.
    pub rack: Option<String>,
    /// What its assignor added; see [`Assignor::user_data`].
    pub user_data: Option<Bytes>,
}

/// Topics that members subscribe to and that exist: for each partition, from 0 on, the racks of its replicas.
pub type GroupTopics = BTreeMap<Arc<str>, Vec<Vec<Arc<str>>>>;

/// Partitions of each member, by member id.
pub type GroupAssignment = BTreeMap<String, Vec<TopicPartition>>;

/// What members do before they join again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebalanceProtocol {
    /// They give up everything, so any partition may go anywhere at once.
    Eager,
    /// They keep what they own. A partition that moves is left out of one assignment, and given on in the next one.
    Cooperative,
}

/// Decides who gets which partition. The name is what members of a group agree on: all must know it.
pub trait Assignor: Send + Sync + fmt::Debug {
    /// Name of the protocol, such as `range`.
    fn name(&self) -> &str;

    /// What members do before they join again.
    fn rebalance(&self) -> RebalanceProtocol;

    /// What to tell the leader besides topics and owned partitions. `last` is the latest assignment of this member, with
    /// its generation.
    fn user_data(&self, last: Option<(&[TopicPartition], i32)>) -> Option<Bytes> {
        let _ = last;
        None
    }

    /// Divides the partitions among the members. Every member must get an entry, if only an empty one.
    fn assign(&self, topics: &GroupTopics, members: &[GroupMember]) -> GroupAssignment;
}

/// The assignor with this name: `range`, `roundrobin`, `sticky` or `cooperative-sticky`; also the names of Kafka's Java
/// classes.
pub(crate) fn by_name(name: &str) -> Option<Arc<dyn Assignor>> {
    let simple = name.rsplit('.').next().unwrap_or(name);
    match simple {
        "range" | "RangeAssignor" => Some(Arc::new(RangeAssignor)),
        "roundrobin" | "RoundRobinAssignor" => Some(Arc::new(RoundRobinAssignor)),
        "sticky" | "StickyAssignor" => Some(Arc::new(StickyAssignor)),
        "cooperative-sticky" | "CooperativeStickyAssignor" => Some(Arc::new(CooperativeStickyAssignor)),
        _ => None,
    }
}

/// Members in the order of their static names, behind them the others in the order of their ids.
fn by_identity(members: &[GroupMember]) -> Vec<&GroupMember> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|a, b| match (&a.instance_id, &b.instance_id) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => a.member_id.cmp(&b.member_id),
    });
    sorted
}

/// Every member with nothing.
fn nothing(members: &[GroupMember]) -> GroupAssignment {
    members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect()
}
