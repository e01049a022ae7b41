//! Sticky assignment where members want different topics. Pure.
//!
//! What is owned and still wanted stays. The rest goes to whoever has least and wants it, topics with the fewest
//! subscribers first. Then partitions move from members with more to members with less until no move makes the group more
//! even; if all the moving gained nothing, it is undone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::GroupTopics;
use super::sticky::{Claim, Divided, Owners};

/// A partition, as place of its topic and index.
type Part = (usize, i32);

#[derive(Debug, Clone, Default)]
struct Holdings {
    /// By place of the member, in the order of member ids.
    of: Vec<Vec<Part>>,
    owner: HashMap<Part, usize>,
}

struct General {
    /// Number of partitions by topic.
    counts: Vec<usize>,
    /// Subscribers by topic, in the order of the members' claims.
    subscribers: Vec<Vec<usize>>,
    /// Topics by member.
    wanted: Vec<BTreeSet<usize>>,
    holdings: Holdings,
    /// Members that can give or take, those with least first.
    by_size: BTreeSet<(usize, usize)>,
    /// Where a partition was in an older generation.
    formerly: HashMap<Part, usize>,
    movements: Movements,
}

pub(super) fn divide(topics: &GroupTopics, claims: &[Claim<'_>], owners: Owners) -> Divided {
    let names: Vec<&Arc<str>> = topics.keys().collect();
    let place_of: HashMap<&Arc<str>, usize> = names.iter().copied().zip(0..).collect();
    let mut ids: Vec<&str> = claims.iter().map(|claim| claim.member.member_id.as_str()).collect();
    ids.sort_unstable();
    let member_of = |claim: &Claim<'_>| ids.binary_search(&claim.member.member_id.as_str()).unwrap_or(0);
    let part =
        |partition: &TopicPartition| Some((*place_of.get(&partition.topic)?, partition.partition.get()));
    let mut general = General {
        counts: topics.values().map(Vec::len).collect(),
        subscribers: vec![Vec::new(); names.len()],
        wanted: vec![BTreeSet::new(); ids.len()],
        holdings: Holdings { of: vec![Vec::new(); ids.len()], owner: HashMap::new() },
        by_size: BTreeSet::new(),
        formerly: HashMap::new(),
        movements: Movements::default(),
    };
    let mut former_generation: HashMap<Part, i32> = HashMap::new();
    let mut must_give_up = false;
    for (claim, owned) in claims.iter().zip(owners.owned) {
        let member = member_of(claim);
        for topic in claim.member.topics.iter().filter_map(|topic| place_of.get(topic).copied()) {
            let news = general.wanted.get_mut(member).is_some_and(|wanted| wanted.insert(topic));
            if let Some(subscribers) = general.subscribers.get_mut(topic).filter(|_| news) {
                subscribers.push(member);
            }
        }
        let generation = claim.generation.unwrap_or(-1);
        if generation < owners.newest_generation {
            for part in claim.owned.iter().filter_map(part) {
                if former_generation.get(&part).is_none_or(|known| *known < generation) {
                    former_generation.insert(part, generation);
                    general.formerly.insert(part, member);
                }
            }
        }
        for part in owned.iter().filter_map(part) {
            if !general.exists(part) {
                continue;
            }
            if general.wants(member, part) {
                general.holdings.add(member, part);
            } else {
                must_give_up = true;
            }
        }
    }
    general.balance(must_give_up);
    let assignment = ids.iter().zip(general.holdings.of).map(|(id, parts)| {
        let parts = parts.into_iter().filter_map(|(topic, index)| {
            Some(TopicPartition::new(Arc::clone(names.get(topic)?), PartitionIndex(index)))
        });
        ((*id).to_owned(), parts.collect())
    });
    Divided { assignment: assignment.collect(), changing_hands: None }
}

impl Holdings {
    fn size(&self, member: usize) -> usize {
        self.of.get(member).map_or(0, Vec::len)
    }

    fn add(&mut self, member: usize, part: Part) {
        if let Some(parts) = self.of.get_mut(member) {
            parts.push(part);
            self.owner.insert(part, member);
        }
    }

    fn remove(&mut self, member: usize, part: Part) {
        if let Some(parts) = self.of.get_mut(member) {
            parts.retain(|held| *held != part);
        }
    }
}

impl General {
    fn exists(&self, (topic, index): Part) -> bool {
        let count = self.counts.get(topic).copied().unwrap_or(0);
        usize::try_from(index).is_ok_and(|index| index < count)
    }

    fn wants(&self, member: usize, (topic, _): Part) -> bool {
        self.wanted.get(member).is_some_and(|wanted| wanted.contains(&topic))
    }

    fn subscribers(&self, (topic, _): Part) -> &[usize] {
        self.subscribers.get(topic).map_or(&[], Vec::as_slice)
    }

    /// Partitions of all topics, those with the fewest subscribers first.
    fn all_parts(&self) -> Vec<Part> {
        let mut topics: Vec<usize> = (0..self.counts.len()).collect();
        topics.sort_by_key(|topic| (self.subscribers((*topic, 0)).len(), *topic));
        let parts = topics.into_iter().flat_map(|topic| {
            let count = self.counts.get(topic).copied().unwrap_or(0);
            (0..).take(count).map(move |index| (topic, index))
        });
        parts.collect()
    }

    fn balance(&mut self, must_give_up: bool) {
        let members = 0..self.wanted.len();
        self.by_size = members.map(|member| (self.holdings.size(member), member)).collect();
        let from_nothing = self.by_size.last().is_none_or(|(size, _)| *size == 0);
        let all = self.all_parts();
        let new: Vec<Part> =
            all.iter().copied().filter(|part| !self.holdings.owner.contains_key(part)).collect();
        for part in &new {
            let taker = self.by_size.iter().copied().find(|(_, member)| self.wants(*member, *part));
            if let Some((_, member)) = taker {
                self.shift(member, |holdings| holdings.add(member, *part));
            }
        }
        // What only one member wants stays where it is, and so do members that have only such partitions, all of them.
        let shared = |general: &Self, part: &Part| 2 <= general.subscribers(*part).len();
        let all: Vec<Part> = all.into_iter().filter(|part| shared(self, part)).collect();
        let new: Vec<Part> = new.into_iter().filter(|part| shared(self, part)).collect();
        let fixed: Vec<_> = self
            .by_size
            .iter()
            .copied()
            .filter(|(size, member)| {
                let most = self.most(*member);
                let parts = self.holdings.of.get(*member).map_or(&[][..], Vec::as_slice);
                most <= *size && !parts.iter().any(|part| shared(self, part))
            })
            .collect();
        self.by_size.retain(|entry| !fixed.contains(entry));
        let before = self.holdings.clone();
        let unevenness_before = unevenness(&self.by_size);
        if !must_give_up {
            self.even_out(&new);
        }
        let moved = self.even_out(&all);
        if !from_nothing && moved && unevenness_before <= unevenness(&self.by_size) {
            self.holdings = before;
        }
    }

    /// Partitions that a member could have at most.
    fn most(&self, member: usize) -> usize {
        let wanted = self.wanted.get(member).into_iter().flatten();
        wanted.filter_map(|topic| self.counts.get(*topic)).sum()
    }

    /// Moves `parts` to members with less until nothing more can be gained; true = something moved.
    fn even_out(&mut self, parts: &[Part]) -> bool {
        let mut moved_any = false;
        let mut changed = true;
        let mut balanced = false;
        while std::mem::take(&mut changed) {
            for part in parts {
                if !moved_any || !balanced {
                    balanced = self.is_balanced();
                }
                if balanced {
                    break;
                }
                let Some(owner) = self.holdings.owner.get(part).copied() else { continue };
                let size = self.holdings.size(owner);
                let gains = |general: &Self, other: usize| general.holdings.size(other) + 1 < size;
                let former = self.formerly.get(part).copied();
                let former = former.filter(|former| self.wants(*former, *part) && gains(self, *former));
                let to = former.or_else(|| {
                    let better = self.subscribers(*part).iter().any(|other| gains(self, *other));
                    let mut least = self.by_size.iter().filter(|_| better);
                    least.find(|(_, member)| self.wants(*member, *part)).map(|(_, member)| *member)
                });
                let Some(to) = to else { continue };
                self.move_one(*part, owner, to);
                moved_any = true;
                changed = true;
                balanced = false;
            }
        }
        moved_any
    }

    /// Moves `part`, or another one of its topic that went the opposite way before and so need not have moved at all.
    fn move_one(&mut self, part: Part, from: usize, to: usize) {
        let part = self.movements.instead_of(part, from, to);
        let Some(from) = self.holdings.owner.get(&part).copied() else { return };
        self.movements.record(part, from, to);
        self.shift(from, |holdings| holdings.remove(from, part));
        self.shift(to, |holdings| holdings.add(to, part));
    }

    /// Changes what a member holds, and keeps `by_size` in step.
    fn shift(&mut self, member: usize, change: impl FnOnce(&mut Holdings)) {
        let known = self.by_size.remove(&(self.holdings.size(member), member));
        change(&mut self.holdings);
        if known {
            self.by_size.insert((self.holdings.size(member), member));
        }
    }

    /// Whether no member could get a partition from another that has at least two more.
    fn is_balanced(&self) -> bool {
        let (Some((least, _)), Some((most, _))) = (self.by_size.first(), self.by_size.last()) else {
            return true;
        };
        if *most <= least + 1 {
            return true;
        }
        // The greatest holding among the owners of each topic's partitions.
        let mut greatest: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for ((topic, _), owner) in &self.holdings.owner {
            greatest.entry(*topic).or_default().push((self.holdings.size(*owner), *owner));
        }
        for list in greatest.values_mut() {
            list.sort_unstable_by_key(|entry| Reverse(*entry));
            list.dedup();
        }
        self.by_size.iter().all(|(size, member)| {
            let topics = self.wanted.get(*member).into_iter().flatten();
            let mut owners = topics.filter_map(|topic| greatest.get(topic)).flatten();
            *size == self.most(*member) || !owners.any(|(other, owner)| owner != member && size + 1 < *other)
        })
    }
}

/// Sum of the differences between all pairs of the members' sizes: 0 = as even as can be.
fn unevenness(members: &BTreeSet<(usize, usize)>) -> usize {
    let sizes: Vec<usize> = members.iter().map(|(size, _)| *size).collect();
    let with_others = |(at, size): (usize, &usize)| -> usize {
        sizes.iter().skip(at + 1).map(|other| other.abs_diff(*size)).sum()
    };
    sizes.iter().enumerate().map(with_others).sum()
}

/// Which partitions went from whom to whom, by topic.
#[derive(Debug, Default)]
struct Movements {
    of: HashMap<Part, (usize, usize)>,
    between: BTreeMap<(usize, usize, usize), BTreeSet<Part>>,
}

impl Movements {
    fn record(&mut self, part: Part, from: usize, to: usize) {
        let origin = match self.of.remove(&part) {
            None => from,
            Some((origin, last)) => {
                if let Some(parts) = self.between.get_mut(&(part.0, origin, last)) {
                    parts.remove(&part);
                }
                origin
            }
        };
        if origin != to {
            self.of.insert(part, (origin, to));
            self.between.entry((part.0, origin, to)).or_default().insert(part);
        }
    }

    fn instead_of(&self, part: Part, from: usize, to: usize) -> Part {
        let origin = self.of.get(&part).map_or(from, |(origin, _)| *origin);
        let opposite = self.between.get(&(part.0, to, origin)).and_then(BTreeSet::first);
        opposite.copied().unwrap_or(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_comes_back_has_not_moved() {
        let mut movements = Movements::default();
        movements.record((0, 1), 1, 2);
        movements.record((0, 1), 2, 1);
        assert!(movements.of.is_empty());
        movements.record((0, 1), 1, 2);
        // Instead of a second one the other way, the first goes back.
        assert_eq!(movements.instead_of((0, 7), 2, 1), (0, 1));
        assert_eq!(movements.instead_of((1, 7), 2, 1), (1, 7), "another topic");
        assert_eq!(movements.of.len(), 1);
    }
}
