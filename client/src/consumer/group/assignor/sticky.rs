//! `sticky` and `cooperative-sticky`: as even as can be, and what need not move stays. Pure.
//!
//! Both find out who owned what (a claim from a newer generation beats an older one; two claims from the same generation
//! void each other), then divide: `sticky_equal` where all members want the same topics, `sticky_general` otherwise. The
//! cooperative one leaves partitions that change hands out of the assignment: their owner has to give them up first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::{
    Assignor, GroupAssignment, GroupMember, GroupTopics, RebalanceProtocol, sticky_equal, sticky_general,
};

/// Even and sticky. Members give everything up before they join; what they had travels in their user data.
#[derive(Debug, Clone, Copy, Default)]
pub struct StickyAssignor;

/// Even and sticky. Members keep what they own while they join.
#[derive(Debug, Clone, Copy, Default)]
pub struct CooperativeStickyAssignor;

impl Assignor for StickyAssignor {
    fn name(&self) -> &'static str {
        "sticky"
    }

    fn rebalance(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    fn user_data(&self, last: Option<(&[TopicPartition], i32)>) -> Option<Bytes> {
        let (partitions, generation) = last?;
        write_previous(partitions, generation)
    }

    fn assign(&self, topics: &GroupTopics, members: &[GroupMember]) -> GroupAssignment {
        let claims = members.iter().map(|member| {
            let (owned, generation) = member.user_data.clone().and_then(read_previous).unwrap_or_default();
            Claim { member, owned, generation }
        });
        divide(topics, claims.collect()).assignment
    }
}

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &'static str {
        "cooperative-sticky"
    }

    fn rebalance(&self) -> RebalanceProtocol {
        RebalanceProtocol::Cooperative
    }

    fn user_data(&self, last: Option<(&[TopicPartition], i32)>) -> Option<Bytes> {
        let mut data = BytesMut::new();
        data.put_i32(last.map_or(-1, |(_, generation)| generation));
        Some(data.freeze())
    }

    fn assign(&self, topics: &GroupTopics, members: &[GroupMember]) -> GroupAssignment {
        let claims = members.iter().map(|member| {
            // Members below version 2 of the protocol tell the generation in their user data only.
            let told = member.user_data.clone().filter(|data| data.len() == 4).map(|mut data| data.get_i32());
            let generation = if 0 <= member.generation { Some(member.generation) } else { told };
            Claim { member, owned: member.owned.clone(), generation }
        });
        let Divided { mut assignment, changing_hands } = divide(topics, claims.collect());
        let changing_hands = changing_hands.unwrap_or_else(|| moves(members, &assignment));
        for (partition, member) in changing_hands {
            if let Some(list) = assignment.get_mut(&member) {
                list.retain(|other| *other != partition);
            }
        }
        assignment
    }
}

/// What a member says it owned.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) member: &'a GroupMember,
    pub(super) owned: Vec<TopicPartition>,
    /// `None` = not told.
    pub(super) generation: Option<i32>,
}

/// Who owned what, as far as it counts.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// By place of the member.
    pub(super) owned: Vec<Vec<TopicPartition>>,
    /// Claimed by two members of the same generation: nobody's.
    pub(super) doubly_claimed: BTreeSet<TopicPartition>,
    pub(super) newest_generation: i32,
}

pub(super) struct Divided {
    pub(super) assignment: GroupAssignment,
    /// Partitions that go from one owner to another, with the new one; `None` = not kept book of.
    pub(super) changing_hands: Option<BTreeMap<TopicPartition, String>>,
}

fn divide(topics: &GroupTopics, claims: Vec<Claim<'_>>) -> Divided {
    let wanted: BTreeSet<&Arc<str>> = claims.iter().flat_map(|claim| &claim.member.topics).collect();
    let topics: GroupTopics = topics
        .iter()
        .filter(|(topic, partitions)| wanted.contains(topic) && !partitions.is_empty())
        .map(|(topic, partitions)| (Arc::clone(topic), partitions.clone()))
        .collect();
    let claims = in_map_order(claims);
    let owners = owners(&topics, &claims);
    let mut sets = claims.iter().map(|claim| claim.member.topics.iter().collect::<BTreeSet<_>>());
    let first = sets.next().unwrap_or_default();
    if sets.all(|set| set == first) {
        sticky_equal::divide(&topics, &claims, &owners)
    } else {
        sticky_general::divide(&topics, &claims, owners)
    }
}

/// Members in the order in which a hash map of the Java client yields them. Where several may keep one partition more
/// than the others, the first in this order do: with another order partitions would move when the leader changes.
fn in_map_order(mut claims: Vec<Claim<'_>>) -> Vec<Claim<'_>> {
    let mut capacity = 16_usize;
    while capacity / 4 * 3 < claims.len() {
        capacity *= 2;
    }
    let mask = u32::try_from(capacity - 1).unwrap_or(u32::MAX);
    claims.sort_by_key(|claim| {
        let units = claim.member.member_id.encode_utf16();
        let hash = units.fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & mask
    });
    claims
}

fn owners(topics: &GroupTopics, claims: &[Claim<'_>]) -> Owners {
    let mut owners = Owners { newest_generation: -1, ..Owners::default() };
    let mut holders: HashMap<&TopicPartition, usize> = HashMap::new();
    for (place, claim) in claims.iter().enumerate() {
        let generation = claim.generation.unwrap_or(-1);
        owners.newest_generation = owners.newest_generation.max(generation);
        owners.owned.push(Vec::new());
        for partition in claim.owned.iter().filter(|partition| topics.contains_key(&partition.topic)) {
            let other = holders.get(partition).copied();
            let other_generation = other.and_then(|other| claims.get(other)?.generation).unwrap_or(-1);
            let mut give_up = |owner: Option<usize>| {
                if let Some(list) = owner.and_then(|owner| owners.owned.get_mut(owner)) {
                    list.retain(|held| held != partition);
                }
            };
            let takes = match (other, generation.cmp(&other_generation)) {
                (None, _) => true,
                (Some(_), std::cmp::Ordering::Less) => continue,
                (Some(_), std::cmp::Ordering::Equal) => {
                    give_up(other);
                    owners.doubly_claimed.insert(partition.clone());
                    false
                }
                (Some(_), std::cmp::Ordering::Greater) => {
                    give_up(other);
                    true
                }
            };
            holders.insert(partition, place);
            if takes {
                if let Some(list) = owners.owned.get_mut(place) {
                    list.push(partition.clone());
                }
            }
        }
    }
    owners
}

/// Partitions that one member owned and another one gets.
fn moves(members: &[GroupMember], assignment: &GroupAssignment) -> BTreeMap<TopicPartition, String> {
    let mut added = BTreeMap::new();
    let mut given_up: BTreeSet<&TopicPartition> = BTreeSet::new();
    for member in members {
        let Some(assigned) = assignment.get(&member.member_id) else { continue };
        let owned: BTreeSet<_> = member.owned.iter().collect();
        let now: BTreeSet<_> = assigned.iter().collect();
        let new = now.difference(&owned);
        added.extend(new.map(|partition| ((*partition).clone(), member.member_id.clone())));
        given_up.extend(owned.difference(&now));
    }
    added.retain(|partition, _| given_up.contains(partition));
    added
}

/// A previous assignment with its generation, in the form that all clients with this assignor read.
fn write_previous(partitions: &[TopicPartition], generation: i32) -> Option<Bytes> {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(&partition.topic).or_default().push(partition.partition.get());
    }
    let mut data = BytesMut::new();
    data.put_i32(i32::try_from(by_topic.len()).ok()?);
    for (topic, indexes) in by_topic {
        data.put_i16(i16::try_from(topic.len()).ok()?);
        data.put_slice(topic.as_bytes());
        data.put_i32(i32::try_from(indexes.len()).ok()?);
        for index in indexes {
            data.put_i32(index);
        }
    }
    data.put_i32(generation);
    Some(data.freeze())
}

/// Takes [`write_previous`] apart; old clients leave the generation out. `None` = it is something else.
fn read_previous(mut data: Bytes) -> Option<(Vec<TopicPartition>, Option<i32>)> {
    let mut partitions = Vec::new();
    for _ in 0..data.try_get_i32().ok()? {
        let length = usize::try_from(data.try_get_i16().ok()?).ok()?;
        if data.remaining() < length {
            return None;
        }
        let topic: Arc<str> = Arc::from(std::str::from_utf8(&data.split_to(length)).ok()?);
        for _ in 0..data.try_get_i32().ok()? {
            let index = PartitionIndex(data.try_get_i32().ok()?);
            partitions.push(TopicPartition::new(Arc::clone(&topic), index));
        }
    }
    Some((partitions, data.try_get_i32().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_previous_assignment_survives_the_trip_and_nonsense_does_not() {
        let partition = |topic: &str, index| TopicPartition::new(topic, PartitionIndex(index));
        let partitions = vec![partition("a", 3), partition("a", 1), partition("b", 0)];
        let data = write_previous(&partitions, 7).unwrap();
        assert_eq!(read_previous(data.clone()), Some((partitions.clone(), Some(7))));
        let old = data.slice(..data.len() - 4);
        assert_eq!(read_previous(old), Some((partitions, None)));
        for cut in 0..data.len() - 4 {
            assert_eq!(read_previous(data.slice(..cut)), None, "{cut}");
        }
        assert_eq!(read_previous(Bytes::from_static(&[0x7f; 64])), None);
    }
}
