//! `uniform` for members that subscribe to different topics.
//!
//! Members keep what they have; what is free goes to the subscriber that has the fewest; then partitions move from the
//! subscriber of a topic that has the most to the one that has the fewest, topic by topic, until no move helps. Topics with
//! many partitions for each subscriber come first: they leave the least choice.
//!
//! Subscribers of a topic end within one of each other when they all subscribe to the same topics. When subscriptions
//! overlap only in part, the result is near to that: passes are bounded, and only moves within one topic are tried.
//!
//! Above: `super`. Below: sets of partitions.

use super::{Group, order_of};
use crate::group::consumer::partitions::Partitions;
use mainstem_protocol::model::{PartitionIndex, TopicId};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Passes over all topics. Each about halves what is left to balance; most groups need one.
const PASSES_MAX: usize = 16;

/// A member by its place in the group.
type MemberIndex = usize;

pub(super) fn assign(group: &Group) -> Vec<Partitions> {
    let mut plan = Plan::keep(group);
    let order = plan.topics_by_choice();
    for topic in &order {
        plan.hand_out_free(*topic);
    }
    let mut last_moved = None;
    'passes: for _ in 0..PASSES_MAX {
        for topic in &order {
            if last_moved == Some(*topic) {
                break 'passes;
            }
            if plan.balance(*topic) || last_moved.is_none() {
                last_moved = Some(*topic);
            }
        }
    }
    plan.into_assignment()
}

struct Plan {
    /// How many partitions each member has.
    loads: Vec<usize>,
    topics: BTreeMap<TopicId, TopicPlan>,
}

#[derive(Default)]
struct TopicPlan {
    /// Rising.
    subscribers: Vec<MemberIndex>,
    /// By partition.
    owners: Vec<Option<MemberIndex>>,
}

impl Plan {
    /// What the members have, as far as it exists and they still subscribe to it.
    fn keep(group: &Group) -> Self {
        let mut plan = Self { loads: vec![0; group.members.len()], topics: BTreeMap::new() };
        for (index, member) in group.members.iter().enumerate() {
            for topic in member.topics.iter() {
                let of_topic = plan.topics.entry(*topic).or_insert_with(|| TopicPlan {
                    owners: vec![None; usize::try_from(group.partition_count(*topic)).unwrap_or(0)],
                    ..TopicPlan::default()
                });
                of_topic.subscribers.push(index);
            }
        }
        for ((index, member), load) in group.members.iter().enumerate().zip(&mut plan.loads) {
            for (topic, partition) in member.target.iter().filter(|(topic, _)| member.topics.contains(topic))
            {
                let slot = plan
                    .topics
                    .get_mut(&topic)
                    .and_then(|topic| topic.owners.get_mut(usize::try_from(partition.get()).ok()?));
                if let Some(slot @ None) = slot {
                    *slot = Some(index);
                    *load += 1;
                }
            }
        }
        plan
    }

    /// Most partitions for each subscriber first, then fewest subscribers, then by id.
    fn topics_by_choice(&self) -> Vec<TopicId> {
        let mut order: Vec<_> = self.topics.iter().collect();
        order.sort_by(|(a_id, a), (b_id, b)| {
            // a.owners / a.subscribers against b.owners / b.subscribers, without a division
            (b.owners.len() * a.subscribers.len())
                .cmp(&(a.owners.len() * b.subscribers.len()))
                .then(a.subscribers.len().cmp(&b.subscribers.len()))
                .then(order_of(**a_id).cmp(&order_of(**b_id)))
        });
        order.into_iter().map(|(topic, _)| *topic).collect()
    }

    fn load(&self, member: MemberIndex) -> usize {
        self.loads.get(member).copied().unwrap_or(0)
    }

    /// The subscribers by rising load, with their loads.
    fn by_load(&self, topic: &TopicPlan) -> Vec<(usize, MemberIndex)> {
        let mut subscribers: Vec<_> =
            topic.subscribers.iter().map(|member| (self.load(*member), *member)).collect();
        subscribers.sort_unstable();
        subscribers
    }

    fn hand_out_free(&mut self, id: TopicId) {
        let Some(mut topic) = self.topics.remove(&id) else { return };
        // Ties go to who stood in front when this topic began.
        let mut least: BinaryHeap<_> = self
            .by_load(&topic)
            .into_iter()
            .enumerate()
            .map(|(place, (load, member))| Reverse((load, place, member)))
            .collect();
        for owner in topic.owners.iter_mut().filter(|owner| owner.is_none()) {
            let Some(Reverse((load, place, member))) = least.pop() else { break };
            *owner = Some(member);
            self.count(member, 1, 0);
            least.push(Reverse((load + 1, place, member)));
        }
        self.topics.insert(id, topic);
    }

    /// Whether a partition moved.
    fn balance(&mut self, id: TopicId) -> bool {
        let Some(mut topic) = self.topics.remove(&id) else { return false };
        let moves = self.balance_topic(&mut topic);
        self.topics.insert(id, topic);
        0 < moves
    }

    fn balance_topic(&mut self, topic: &mut TopicPlan) -> usize {
        let by_load = self.by_load(topic);
        let spread = |least: usize, most: usize| most.saturating_sub(least);
        match (by_load.first(), by_load.last()) {
            (Some((least, _)), Some((most, _))) if 1 < spread(*least, *most) => {}
            _ => return 0,
        }
        let mut owned: BTreeMap<MemberIndex, Vec<usize>> = BTreeMap::new();
        for (partition, owner) in topic.owners.iter().enumerate() {
            if let Some(owner) = owner {
                owned.entry(*owner).or_default().push(partition);
            }
        }
        let ranked = || by_load.iter().enumerate().map(|(place, (load, member))| (*load, place, *member));
        let mut least: BinaryHeap<_> = ranked().map(Reverse).collect();
        let mut most: BinaryHeap<_> = ranked().filter(|(_, _, member)| owned.contains_key(member)).collect();
        let mut moves = 0;
        while let (Some(from), Some(Reverse(to))) = (most.pop(), least.pop()) {
            let ((most_load, most_place, from), (least_load, least_place, to)) = (from, to);
            if spread(least_load, most_load) <= 1 {
                break;
            }
            let Some(partition) = owned.get_mut(&from).and_then(Vec::pop) else {
                // Nothing of this topic is left to give: the next one has to.
                least.push(Reverse((least_load, least_place, to)));
                continue;
            };
            if let Some(owner) = topic.owners.get_mut(partition) {
                *owner = Some(to);
            }
            self.count(from, 0, 1);
            self.count(to, 1, 0);
            most.push((most_load - 1, most_place, from));
            least.push(Reverse((least_load + 1, least_place, to)));
            moves += 1;
        }
        moves
    }

    fn count(&mut self, member: MemberIndex, more: usize, fewer: usize) {
        if let Some(load) = self.loads.get_mut(member) {
            *load = (*load + more).saturating_sub(fewer);
        }
    }

    fn into_assignment(self) -> Vec<Partitions> {
        let mut assignment = vec![Partitions::default(); self.loads.len()];
        for (id, topic) in self.topics {
            for (partition, owner) in (0..).map(PartitionIndex).zip(topic.owners) {
                if let Some(own) = owner.and_then(|owner| assignment.get_mut(owner)) {
                    own.insert(id, partition);
                }
            }
        }
        assignment
    }
}
