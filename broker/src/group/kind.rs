//! The two kinds of group behind one face, as the machine sees them.
//!
//! Above: the machine. Below: `classic` and `consumer`. A group of which only offsets are known is neither.

use super::{
    GroupRecord, GroupSettings, GroupStep, GroupTimer,
    classic::{ClassicGroup, ClassicState},
    consumer::ConsumerGroup,
    membership::{Committer, ExpirySince, Membership},
};
use crate::coordinator::Surroundings;
use mainstem_protocol::{
    error::ErrorCode,
    messages::list_groups::ListedGroup,
    model::{PartitionIndex, TopicId},
};

type Around<'a> = Surroundings<'a, GroupSettings>;

/// A group that has members, or had.
#[derive(Debug)]
pub(super) enum Group {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

impl Group {
    /// Whether nobody is in it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.state() == ClassicState::Empty,
            Self::Consumer(group) => group.is_empty(),
        }
    }

    /// The replay is over: timers start.
    pub(super) fn loaded(&mut self, around: &Around<'_>) -> GroupStep {
        match self {
            Self::Classic(group) => group.loaded(around),
            Self::Consumer(group) => group.loaded(around),
        }
    }

    /// A timer of this group has run out.
    pub(super) fn fire(&mut self, timer: &GroupTimer, around: &Around<'_>) -> GroupStep {
        match (self, timer) {
            // It was a consumer group when this was set, and left members behind on the way.
            (Self::Classic(group), GroupTimer::ConsumerAssignment { .. }) => group.came_back(around),
            (Self::Classic(group), _) => group.fire(timer, around),
            (Self::Consumer(group), _) => group.fire(timer, around),
        }
    }

    /// Type and state, as Kafka names them.
    pub(super) fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Classic(group) => ("classic", group.state().name()),
            Self::Consumer(group) => ("consumer", group.state().name()),
        }
    }

    /// An entry of ListGroups.
    pub(super) fn listed(&self) -> ListedGroup {
        match self {
            Self::Classic(group) => group.listed(),
            Self::Consumer(group) => group.listed(),
        }
    }

    /// What deletes it from the log; refused while somebody is in it.
    pub(super) fn delete(&mut self) -> Result<GroupStep, ErrorCode> {
        match self {
            Self::Classic(group) => group.delete(),
            Self::Consumer(group) => {
                let records: Vec<GroupRecord> = group.delete()?;
                Ok(GroupStep { records, ..GroupStep::none() })
            }
        }
    }
}

impl Membership for Group {
    fn check_commit(&self, by: &Committer<'_>, partitions: &[(TopicId, i32)]) -> Result<(), ErrorCode> {
        match self {
            Self::Classic(group) => group.check_commit(by, partitions),
            Self::Consumer(group) => {
                let partitions: Vec<_> =
                    partitions.iter().map(|(topic, index)| (*topic, PartitionIndex(*index))).collect();
                group.check_commit(by.member_id, by.generation_or_epoch, by.version, &partitions)
            }
        }
    }

    fn check_fetch(&self, member_id: Option<&str>, member_epoch: i32) -> Result<(), ErrorCode> {
        match self {
            Self::Classic(group) => Membership::check_fetch(group, member_id, member_epoch),
            Self::Consumer(group) => group.check_fetch(member_id, member_epoch),
        }
    }

    fn check_offset_delete(&self) -> Result<(), ErrorCode> {
        match self {
            Self::Classic(group) => group.check_offset_delete(),
            Self::Consumer(_) => Ok(()),
        }
    }

    fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => Membership::is_subscribed_to(group, topic),
            Self::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    fn expiry(&self) -> Option<ExpirySince> {
        match self {
            Self::Classic(group) => group.expiry(),
            Self::Consumer(_) => Some(ExpirySince::Commit),
        }
    }
}
