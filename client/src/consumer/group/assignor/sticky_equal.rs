//! Sticky assignment where all members want the same topics. Pure.
//!
//! With p partitions and m members everyone gets p / m, and p % m of them one more. First each member keeps what it owned,
//! up to its share; then what is left is dealt out in order to those below their share.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::GroupTopics;
use super::sticky::{Claim, Divided, Owners};

struct Shares<'a> {
    claims: &'a [Claim<'a>],
    owners: &'a Owners,
    /// What everyone gets, and what some get.
    least: usize,
    most: usize,
    /// Members that may still get `most` in place of `least`.
    extras: usize,
    assigned: Vec<Vec<TopicPartition>>,
    /// Places of members that own less than `least`, and of members with `least` that may get one more.
    below: Vec<usize>,
    level: VecDeque<usize>,
    given_up: HashMap<TopicPartition, usize>,
    changing_hands: BTreeMap<TopicPartition, String>,
}

pub(super) fn divide(topics: &GroupTopics, claims: &[Claim<'_>], owners: &Owners) -> Divided {
    let total: usize = topics.values().map(Vec::len).sum();
    let members = claims.len().max(1);
    let mut shares = Shares {
        claims,
        owners,
        least: total / members,
        most: total.div_ceil(members),
        extras: total % members,
        assigned: vec![Vec::new(); claims.len()],
        below: Vec::new(),
        level: VecDeque::new(),
        given_up: HashMap::new(),
        changing_hands: BTreeMap::new(),
    };
    shares.keep_owned();
    let kept: BTreeSet<TopicPartition> = shares.assigned.iter().flatten().cloned().collect();
    let all = topics.iter().flat_map(|(topic, partitions)| {
        let indexes = (0..).map(PartitionIndex).take(partitions.len());
        indexes.map(|index| TopicPartition::new(Arc::clone(topic), index))
    });
    shares.deal_out(all.filter(|partition| !kept.contains(partition)));
    let ids = claims.iter().map(|claim| claim.member.member_id.clone());
    Divided { assignment: ids.zip(shares.assigned).collect(), changing_hands: Some(shares.changing_hands) }
}

impl Shares<'_> {
    fn keep_owned(&mut self) {
        for (place, owned) in self.owners.owned.iter().enumerate() {
            let doubly_claimed = &self.owners.doubly_claimed;
            let mut owned: Vec<_> =
                owned.iter().filter(|partition| !doubly_claimed.contains(partition)).cloned().collect();
            owned.sort_by(|a, b| (a.partition, &a.topic).cmp(&(b.partition, &b.topic)));
            let keeps = if owned.len() < self.least {
                self.below.push(place);
                owned.len()
            } else if self.most <= owned.len() && 0 < self.extras {
                self.extras -= 1;
                if self.extras == 0 {
                    self.level.clear();
                }
                self.most
            } else {
                if 0 < self.extras {
                    self.level.push_back(place);
                }
                self.least
            };
            let rest = owned.split_off(keeps);
            self.given_up.extend(rest.into_iter().map(|partition| (partition, place)));
            if let Some(assigned) = self.assigned.get_mut(place) {
                *assigned = owned;
            }
        }
        let id = |place: &usize| self.claims.get(*place).map(|claim| &claim.member.member_id);
        self.below.sort_by(|a, b| id(a).cmp(&id(b)));
        self.level.make_contiguous().sort_by(|a, b| id(a).cmp(&id(b)));
    }

    fn deal_out(&mut self, partitions: impl Iterator<Item = TopicPartition>) {
        let mut turn = 0;
        for partition in partitions {
            if self.below.len() <= turn {
                turn = 0;
            }
            let from_below = self.below.get(turn).copied();
            // The shares add up to all partitions: somebody is always below its share.
            let Some(place) = from_below.or_else(|| self.level.pop_front()) else { return };
            let count = self.give(place, partition);
            if count == self.least {
                if from_below.is_some() {
                    self.below.remove(turn);
                }
                self.level.push_back(place);
            } else if from_below.is_some() {
                turn += 1;
            }
        }
    }

    fn give(&mut self, place: usize, partition: TopicPartition) -> usize {
        let taken_from_another = self.given_up.get(&partition).is_some_and(|owner| *owner != place);
        if taken_from_another || self.owners.doubly_claimed.contains(&partition) {
            if let Some(claim) = self.claims.get(place) {
                self.changing_hands.insert(partition.clone(), claim.member.member_id.clone());
            }
        }
        let Some(assigned) = self.assigned.get_mut(place) else { return 0 };
        assigned.push(partition);
        assigned.len()
    }
}
