//! `range`: each topic is cut into ranges of neighbours, one for each of its subscribers, static members first.
//!
//! ```text
//! topic of 5 partitions, members a b c     a: 0 1   b: 2 3   c: 4
//! ```
//! The same ranges of topics with equally many partitions go to the same members, so that they can be joined by key.
//! Nothing is sticky but the order of the members.
//!
//! Above: `super`. Below: sets of partitions.

use super::{Group, MemberSpec};
use crate::group::consumer::partitions::Partitions;
use mainstem_protocol::model::{PartitionIndex, TopicId};
use std::collections::BTreeMap;

pub(super) fn assign(group: &Group) -> Vec<Partitions> {
    let mut order: Vec<usize> = (0..group.members.len()).collect();
    order.sort_by(|a, b| rank(group.members.get(*a)).cmp(&rank(group.members.get(*b))));

    let mut ranges: BTreeMap<TopicId, Ranges> = BTreeMap::new();
    for topic in group.members.iter().flat_map(|member| member.topics.iter()) {
        ranges.entry(*topic).or_insert_with(|| Ranges::of(group.partition_count(*topic))).members += 1;
    }
    let mut assignment = vec![Partitions::default(); group.members.len()];
    for index in order {
        let (Some(member), Some(own)) = (group.members.get(index), assignment.get_mut(index)) else {
            continue;
        };
        for topic in member.topics.iter() {
            if let Some(ranges) = ranges.get_mut(topic) {
                own.insert_all(*topic, ranges.next());
            }
        }
    }
    assignment
}

/// Static members by instance id, then the others by member id.
fn rank(member: Option<&MemberSpec>) -> (bool, &str) {
    match member {
        Some(MemberSpec { instance_id: Some(instance), .. }) => (false, instance.as_str()),
        Some(member) => (true, &member.id),
        None => (true, ""),
    }
}

/// A topic on its way to be handed out.
struct Ranges {
    partitions: i32,
    /// Subscribers in all.
    members: i32,
    /// Subscribers that have their range.
    served: i32,
    /// First partition that nobody has yet.
    next: i32,
}

impl Ranges {
    fn of(partitions: i32) -> Self {
        Self { partitions, members: 0, served: 0, next: 0 }
    }

    fn next(&mut self) -> impl Iterator<Item = PartitionIndex> + use<> {
        let larger = i32::from(self.served < self.partitions % self.members.max(1));
        let start = self.next;
        self.next += self.partitions / self.members.max(1) + larger;
        self.served += 1;
        (start..self.next).map(PartitionIndex)
    }
}
