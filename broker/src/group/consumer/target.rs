//! The target assignment: what each member shall own once all have arrived at the epoch of the group.
//!
//! Above: heartbeats. Below: assignors, the state of the group, metadata.

use super::{
    Epoch,
    assignor::{Assignor, Group, MemberSpec},
    member::{Member, MemberMetadata},
    partitions::Partitions,
    records::Records,
    regex::ResolvedRegex,
    state::GroupState,
    subscriptions::SubscriptionType,
};
use crate::metadata::MetadataImage;
use mainstem_protocol::{
    messages::TopicName,
    model::{Timestamp, TopicId},
    wire::WireStr,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

/// Topics that a member subscribes to, by name or by expression, as far as they exist. An expression that is not resolved
/// yet matches nothing.
pub(super) fn subscribed_topics(
    metadata: &MemberMetadata,
    regexes: &BTreeMap<WireStr, ResolvedRegex>,
    image: &MetadataImage,
) -> BTreeSet<TopicId> {
    let resolved = metadata.regex.as_ref().and_then(|regex| regexes.get(regex));
    let names = metadata.topics.iter().chain(resolved.iter().flat_map(|resolved| resolved.topics.iter()));
    names.filter_map(|name| Some(image.topics.by_name(name)?.id)).collect()
}

/// What a member asks for, and the topics that this means.
type Subscription<'a> = (&'a BTreeSet<TopicName>, Option<&'a WireStr>);
type Topics = Rc<BTreeSet<TopicId>>;

/// A group of which one member changes, for which a target is computed.
pub(super) struct NextTarget<'a> {
    pub(super) state: &'a GroupState,
    pub(super) image: &'a MetadataImage,
    pub(super) assignor: Assignor,
    /// Epoch of the group after the change.
    pub(super) epoch: Epoch,
    pub(super) subscription_type: SubscriptionType,
    pub(super) member_id: &'a Arc<str>,
    /// As it will be.
    pub(super) metadata: &'a MemberMetadata,
    /// The former id of a static member that comes back.
    pub(super) replaces: Option<&'a Arc<str>>,
}

impl NextTarget<'_> {
    /// Writes what differs from the present target, and returns the target of the changed member.
    pub(super) fn compute(&self, wall: Timestamp, records: &mut Records) -> Arc<Partitions> {
        let group = self.group();
        let assignment = self.assignor.assign(&group);
        let mut own = Arc::default();
        for (member, target) in group.members.iter().zip(assignment) {
            if self.state.target(&member.id).is_none_or(|before| **before != target) {
                records.target(&member.id, &target);
            }
            if member.id == *self.member_id {
                own = Arc::new(target);
            }
        }
        records.target_epoch(self.epoch, wall);
        own
    }

    fn group(&self) -> Group {
        let present = self.state.members();
        let mut members: BTreeMap<&Arc<str>, &MemberMetadata> = present
            .iter()
            .filter(|(id, _)| Some(*id) != self.replaces)
            .map(|(id, Member { metadata, .. })| (id, &**metadata))
            .collect();
        members.insert(self.member_id, self.metadata);

        let mut topics = BTreeMap::new();
        // Most members subscribe to what others do.
        let mut known: BTreeMap<Subscription<'_>, Topics> = BTreeMap::new();
        let mut shared: Option<Topics> = None;
        let members = members
            .into_iter()
            .map(|(id, metadata)| {
                let own = match (&shared, self.subscription_type) {
                    (Some(shared), SubscriptionType::Homogeneous) => Rc::clone(shared),
                    _ => Rc::clone(known.entry((&metadata.topics, metadata.regex.as_ref())).or_insert_with(
                        || {
                            let own = subscribed_topics(metadata, self.state.regexes(), self.image);
                            topics.extend(
                                own.iter().map(|topic| (*topic, partition_count(self.image, *topic))),
                            );
                            Rc::new(own)
                        },
                    )),
                };
                shared.get_or_insert_with(|| Rc::clone(&own));
                // A static member that comes back inherits what its former self was to own.
                let target = self
                    .state
                    .target(id)
                    .or_else(|| self.state.target(self.replaces.filter(|_| id == self.member_id)?));
                MemberSpec {
                    id: Arc::clone(id),
                    instance_id: metadata.instance_id.clone(),
                    topics: own,
                    target: target.map(Arc::clone).unwrap_or_default(),
                }
            })
            .collect();
        Group { subscription_type: self.subscription_type, members, topics }
    }
}

fn partition_count(image: &MetadataImage, topic: TopicId) -> i32 {
    let count = image.topics.by_id(topic).map_or(0, |topic| topic.partitions.len());
    i32::try_from(count).unwrap_or(i32::MAX)
}
