//! What others may know of a classic group: how it is listed and described, and what its consumers subscribe to.
//!
//! Above: the machine of groups. Below: [`ClassicGroup`], the consumer's own format inside a member's metadata, which is as
//! hostile as any input. Pure: values only.

use super::{
    group::{ClassicGroup, ClassicState},
    member::{Member, Waiting},
};
use bytes::Bytes;
use mainstem_protocol::{
    message::Message,
    messages::{
        GroupId, TopicName,
        blob::consumer_protocol::ConsumerProtocolSubscription,
        describe_groups::{DescribedGroup, DescribedGroupMember},
        list_groups::ListedGroup,
    },
    wire::Reader,
};
use std::collections::BTreeSet;

/// Protocol type of consumers; the only one whose metadata the broker can read.
const CONSUMERS: &str = "consumer";
/// Most members that are named as awaited.
const NAMED_MAX: usize = 10;

impl ClassicGroup {
    pub(crate) fn state(&self) -> ClassicState {
        self.state
    }

    /// Number of the generation; 0 = there was none yet.
    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    /// How many are in it.
    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Whether it only holds offsets, committed from outside.
    #[cfg(test)]
    pub(crate) fn is_simple(&self) -> bool {
        self.protocol_type.is_none() && self.state == ClassicState::Empty && self.pending.is_empty()
    }

    /// Whether it has a record in the log, beside those of its offsets.
    #[cfg(test)]
    pub(crate) fn is_written(&self) -> bool {
        self.is_written
    }

    /// Whether its members are consumers, or were.
    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMERS)
    }

    /// An entry of ListGroups.
    pub(crate) fn listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: GroupId::from(&*self.id),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            group_state: self.state.name().into(),
            group_type: "classic".into(),
        }
    }

    /// Whom or what the group waits for, as a phrase behind its name; `None` = nothing. Kafka's protocol has no field for it: it
    /// travels as the message of a description without an error.
    fn waits_for(&self) -> Option<String> {
        match self.state {
            ClassicState::PreparingRebalance if self.initial.is_some() => Some(
                "waits for more members to come, for group.initial.rebalance.delay.ms each time".to_owned(),
            ),
            ClassicState::PreparingRebalance => {
                let missing =
                    || self.members.iter().filter(|member| !matches!(member.waiting, Waiting::Join(_)));
                let named: Vec<_> = missing().take(NAMED_MAX).map(|member| &*member.id).collect();
                let count = missing().count();
                let again = (count != 0).then(|| {
                    let more = if NAMED_MAX < count { ", .." } else { "" };
                    format!(
                        "{count} of {} members to join again ({}{more})",
                        self.members.len(),
                        named.join(", ")
                    )
                });
                let newcomers = (!self.pending.is_empty())
                    .then(|| format!("{} newcomers to use the ids that they were given", self.pending.len()));
                let both: Vec<_> = [again, newcomers].into_iter().flatten().collect();
                (!both.is_empty()).then(|| format!("waits for {}", both.join(", and for ")))
            }
            ClassicState::CompletingRebalance => {
                let leader = self.leader.as_deref().unwrap_or_default();
                Some(format!("waits for its leader {leader} to assign the partitions"))
            }
            ClassicState::Empty | ClassicState::Stable => None,
        }
    }

    /// An entry of DescribeGroups. Subscriptions are shown of a stable group only.
    pub(crate) fn described(&self) -> DescribedGroup {
        let protocol = match self.state {
            ClassicState::Stable => self.protocol.clone(),
            ClassicState::Empty | ClassicState::PreparingRebalance | ClassicState::CompletingRebalance => {
                None
            }
        };
        let described = |member: &Member| DescribedGroupMember {
            member_id: (&*member.id).into(),
            group_instance_id: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            member_metadata: protocol.as_deref().map(|name| member.metadata(name)).unwrap_or_default(),
            member_assignment: member.assignment.clone(),
        };
        DescribedGroup {
            group_id: GroupId::from(&*self.id),
            error_message: self.waits_for().map(Into::into),
            group_state: self.state.name().into(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members.iter().map(described).collect(),
            protocol_data: protocol.unwrap_or_default(),
            ..DescribedGroup::default()
        }
    }

    /// Reads what the group's consumers subscribe to in this generation. `None` = not known: they are of another kind, or one
    /// of them writes in a form that cannot be read.
    pub(super) fn read_topics(&mut self) {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let mut topics = self.is_of_consumers().then(BTreeSet::new);
        for member in self.members.iter() {
            let more = topics_of(member.metadata(protocol));
            topics = topics.zip(more).map(|(mut topics, more)| {
                topics.extend(more);
                topics
            });
        }
        self.topics = topics;
    }
}

/// Topics in the metadata of a consumer. Every version begins like version 0, so later ones can be read too.
fn topics_of(metadata: Bytes) -> Option<Vec<TopicName>> {
    let mut reader = Reader::response(metadata);
    let version = reader.i16().ok()?;
    if version < 0 {
        return None;
    }
    let subscription = ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?;
    Some(subscription.topics.iter().map(TopicName::detached).collect())
}
