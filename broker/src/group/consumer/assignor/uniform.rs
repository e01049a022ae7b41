//! `uniform` for members that all subscribe to the same topics.
//!
//! With `P` partitions and `M` members each gets `P / M`, and `P % M` of them one more. A member keeps what it has up to its
//! share, so a change of one member moves no partition between two others:
//!
//! ```text
//! members  a: 0 1 2   b: 3 4 5     c joins, share 2
//!          a: 0 1     b: 3 4       c: 2 5
//! ```
//!
//! Above: `super`. Below: sets of partitions.

use super::{Group, MemberSpec};
use crate::group::consumer::partitions::Partitions;
use mainstem_protocol::model::{PartitionIndex, TopicId};
use std::collections::{HashSet, VecDeque};

pub(super) fn assign(group: &Group) -> Vec<Partitions> {
    let Some(first) = group.members.first() else { return Vec::new() };
    let topics = &first.topics;
    let total: usize =
        topics.iter().map(|topic| usize::try_from(group.partition_count(*topic)).unwrap_or(0)).sum();
    let mut taken = HashSet::new();
    let held: Vec<Vec<(TopicId, PartitionIndex)>> =
        group.members.iter().map(|member| still_valid(group, member, &mut taken)).collect();
    let share = total / group.members.len();
    let shares = shares(&held, share, total % group.members.len());

    // What nobody has comes before what is taken away.
    let mut free: VecDeque<_> = topics
        .iter()
        .flat_map(|topic| group.partitions(*topic).map(|partition| (*topic, partition)))
        .filter(|partition| !taken.contains(partition))
        .collect();
    let mut assignment = Vec::with_capacity(group.members.len());
    for (held, share) in held.iter().zip(&shares) {
        let mut kept = Partitions::default();
        for (nth, (topic, partition)) in held.iter().enumerate() {
            if nth < *share {
                kept.insert(*topic, *partition);
            } else {
                free.push_back((*topic, *partition));
            }
        }
        assignment.push(kept);
    }
    for ((kept, held), share) in assignment.iter_mut().zip(&held).zip(&shares) {
        for _ in held.len()..*share {
            if let Some((topic, partition)) = free.pop_front() {
                kept.insert(topic, partition);
            }
        }
    }
    assignment
}

/// What a member had and may keep: partitions that exist, of topics that it subscribes to, and that no earlier member has.
fn still_valid(
    group: &Group,
    member: &MemberSpec,
    taken: &mut HashSet<(TopicId, PartitionIndex)>,
) -> Vec<(TopicId, PartitionIndex)> {
    member
        .target
        .iter()
        .filter(|(topic, partition)| {
            member.topics.contains(topic)
                && (0..group.partition_count(*topic)).contains(&partition.get())
                && taken.insert((*topic, *partition))
        })
        .collect()
}

/// Those that have more than the share keep one more, as far as it goes round; if there are too few, the last members
/// get it.
fn shares(held: &[Vec<(TopicId, PartitionIndex)>], share: usize, mut extra: usize) -> Vec<usize> {
    let mut shares = vec![share; held.len()];
    for (own, held) in shares.iter_mut().zip(held) {
        if 0 < extra && share < held.len() {
            *own += 1;
            extra -= 1;
        }
    }
    for own in shares.iter_mut().rev() {
        if 0 < extra && *own == share {
            *own += 1;
            extra -= 1;
        }
    }
    shares
}
