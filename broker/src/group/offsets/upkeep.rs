//! What goes by itself: offsets that have expired, offsets of topics that are gone.
//!
//! Pure. Above: the machine, which goes through the groups in pieces, so that no batch grows too large and no step too long.
//! Below: the group's word on its state. Retention follows Kafka's rules (KIP-211).

use super::{
    super::{
        GroupRecord,
        membership::{ExpirySince, Membership},
    },
    Committed, Offsets, Position, tombstone,
};
use crate::metadata::MetadataImage;
use mainstem_protocol::model::Timestamp;
use std::{sync::Arc, time::Duration};

/// Groups that one step looks at.
const GROUPS_AT_A_TIME: usize = 1_000;
/// Records after which a step ends; a group is never left half done.
const RECORDS_AT_A_TIME: usize = 1_000;

/// How far a pass through all groups has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Upkeep {
    /// The last group that was looked at.
    after: Option<Arc<str>>,
}

impl Upkeep {
    /// Goes on with the pass: `look` gives the records for a group. Gives them, and the pass if it is not over.
    pub(crate) fn go_on<'a>(
        self,
        groups: impl Iterator<Item = &'a Arc<str>>,
        mut look: impl FnMut(&str) -> Vec<GroupRecord>,
    ) -> (Vec<GroupRecord>, Option<Self>) {
        let mut records = Vec::new();
        let is_next = |group: &&Arc<str>| self.after.as_ref().is_none_or(|after| *after < **group);
        let mut looked_at = 0;
        for group in groups.filter(is_next) {
            records.extend(look(group));
            looked_at += 1;
            if GROUPS_AT_A_TIME <= looked_at || RECORDS_AT_A_TIME <= records.len() {
                return (records, Some(Self { after: Some(Arc::clone(group)) }));
            }
        }
        (records, None)
    }
}

/// What became of a group's offsets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) records: Vec<GroupRecord>,
    /// Nothing is left in it: a group without members can go.
    pub(crate) is_empty: bool,
}

impl Offsets {
    /// The tombstones of those offsets of a group that have expired.
    pub(crate) fn expire(
        &self,
        group_id: &str,
        group: Option<&dyn Membership>,
        now: Timestamp,
        retention: Duration,
    ) -> Expired {
        let mut expired = Expired { records: Vec::new(), is_empty: true };
        let Some(topics) = self.groups.get(group_id) else { return expired };
        // Without a group there are only offsets, as of a consumer that assigns itself.
        let Some(since) = group.map_or(Some(ExpirySince::Commit), Membership::expiry) else {
            return Expired { is_empty: false, ..expired };
        };
        for (topic, positions) in topics {
            let is_read = group.is_some_and(|group| group.is_subscribed_to(topic));
            for (index, position) in positions {
                if !is_read && has_expired(position, since, now, retention) {
                    expired.records.push(tombstone(group_id, topic, *index));
                } else {
                    expired.is_empty = false;
                }
            }
        }
        expired
    }

    /// The tombstones of those offsets of a group whose topic is gone. Records of older brokers do not say which incarnation
    /// of a topic they mean: `by_name` lets them go when there is no topic of that name.
    pub(crate) fn delete_gone(
        &self,
        group_id: &str,
        image: &MetadataImage,
        by_name: bool,
    ) -> Vec<GroupRecord> {
        let is_gone = |topic: &str, committed: &Committed| {
            if committed.topic_id.is_none() {
                by_name && image.topics.by_name(topic).is_none()
            } else {
                image.topics.by_id(committed.topic_id).is_none()
            }
        };
        let topics = self.groups.get(group_id).into_iter().flatten();
        let gone = topics.flat_map(|(topic, positions)| {
            let gone = positions.iter().filter(move |(_, position)| {
                let mut all = position.committed.iter().chain(position.pending.values());
                all.all(|committed| is_gone(topic, committed))
            });
            gone.map(move |(index, _)| tombstone(group_id, topic, *index))
        });
        gone.collect()
    }
}

fn has_expired(position: &Position, since: ExpirySince, now: Timestamp, retention: Duration) -> bool {
    // A transaction may be about to say something newer.
    let (Some(committed), true) = (&position.committed, position.pending.is_empty()) else { return false };
    if committed.expire_timestamp != -1 {
        return committed.expire_timestamp <= now.get();
    }
    let since = match since {
        ExpirySince::Commit => committed.commit_timestamp,
        ExpirySince::Empty(at) => at.get(),
    };
    let age = now.get().saturating_sub(since);
    i64::try_from(retention.as_millis()).is_ok_and(|retention| retention <= age)
}
