//! `range`: each topic is cut into ranges of neighbours, one for each of its subscribers. Pure.
//!
//! Partitions of the same index of equally large topics go to the same member, so that joins over keys work; what does
//! not divide evenly goes to the first members of every topic.

use std::sync::Arc;

use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::{Assignor, GroupAssignment, GroupMember, GroupTopics, RebalanceProtocol, by_identity, nothing};

/// Ranges of neighbours, topic by topic.
#[derive(Debug, Clone, Copy, Default)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &'static str {
        "range"
    }

    fn rebalance(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    fn assign(&self, topics: &GroupTopics, members: &[GroupMember]) -> GroupAssignment {
        let mut assignment = nothing(members);
        let sorted = by_identity(members);
        for (topic, partitions) in topics {
            let subscribers: Vec<_> = sorted.iter().filter(|member| member.topics.contains(topic)).collect();
            let Some(each) = partitions.len().checked_div(subscribers.len()) else { continue };
            let more = partitions.len() % subscribers.len();
            let mut indexes = (0..).map(PartitionIndex).take(partitions.len());
            for (place, member) in subscribers.into_iter().enumerate() {
                let count = each + usize::from(place < more);
                let part = indexes.by_ref().take(count);
                let part = part.map(|index| TopicPartition::new(Arc::clone(topic), index));
                assignment.entry(member.member_id.clone()).or_default().extend(part);
            }
        }
        assignment
    }
}
