//! `roundrobin`: all partitions of all topics are dealt out one by one, like cards. Pure.

use std::sync::Arc;

use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::{Assignor, GroupAssignment, GroupMember, GroupTopics, RebalanceProtocol, by_identity, nothing};

/// One partition for each member in turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &'static str {
        "roundrobin"
    }

    fn rebalance(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    fn assign(&self, topics: &GroupTopics, members: &[GroupMember]) -> GroupAssignment {
        let mut assignment = nothing(members);
        let sorted = by_identity(members);
        let mut turn = sorted.iter().cycle().peekable();
        for (topic, partitions) in topics {
            if !sorted.iter().any(|member| member.topics.contains(topic)) {
                continue;
            }
            for index in (0..).map(PartitionIndex).take(partitions.len()) {
                // A member that does not want the topic loses its turn.
                while turn.peek().is_some_and(|member| !member.topics.contains(topic)) {
                    turn.next();
                }
                let Some(member) = turn.next() else { break };
                let part = TopicPartition::new(Arc::clone(topic), index);
                assignment.entry(member.member_id.clone()).or_default().push(part);
            }
        }
        assignment
    }
}
