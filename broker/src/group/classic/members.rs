//! The members of a classic group, with the counts that decisions need: who waits for the join phase to end, how many can
//! follow each protocol, how much memory they take.
//!
//! Above: the group. Below: [`Member`]. Invariants: the counts are those of the members; each instance id names one member
//! that carries it. Order is that of the ids, so that the same events give the same decisions. Pure: values only.

use super::member::{Member, Protocol, Waiting};
use bytes::Bytes;
use mainstem_protocol::wire::WireStr;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    by_id: BTreeMap<Arc<str>, Member>,
    by_instance: BTreeMap<WireStr, Arc<str>>,
    /// How many members can follow each protocol.
    followers: BTreeMap<WireStr, usize>,
    /// How many members wait for the answer to JoinGroup.
    waiting_for_join: usize,
    held_bytes: usize,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_id.keys()
    }

    /// Member that carries an instance id.
    pub(super) fn id_of_instance(&self, instance: &str) -> Option<&Arc<str>> {
        self.by_instance.get(instance)
    }

    pub(super) fn waiting_for_join(&self) -> usize {
        self.waiting_for_join
    }

    pub(super) fn is_waiting_for_join(&self, id: &str) -> bool {
        self.get(id).is_some_and(|member| matches!(member.waiting, Waiting::Join(_)))
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Takes a member in; whoever had its id or its instance id before is handed back.
    pub(super) fn insert(&mut self, member: Member) -> Vec<Member> {
        let of_instance =
            member.instance.as_ref().and_then(|instance| self.by_instance.get(instance).cloned());
        let before = [Some(Arc::clone(&member.id)), of_instance];
        let before = before.into_iter().flatten().filter_map(|id| self.remove(&id)).collect();
        if let Some(instance) = &member.instance {
            self.by_instance.insert(instance.clone(), Arc::clone(&member.id));
        }
        self.count(&member);
        self.by_id.insert(Arc::clone(&member.id), member);
        before
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.by_id.remove(id)?;
        if let Some(instance) = &member.instance {
            self.by_instance.remove(instance);
        }
        self.discount(&member);
        Some(member)
    }

    /// Changes a member, whatever the change, and answers what was changed; nothing if there is no such member. Its id
    /// and instance id stay.
    pub(super) fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Member) -> T) -> Option<T> {
        let mut member = self.by_id.remove(id)?;
        self.discount(&member);
        let key = Arc::clone(&member.id);
        let instance = member.instance.clone();
        let result = change(&mut member);
        assert_eq!(member.id, key, "the id of a member stays");
        assert_eq!(member.instance, instance, "the instance id of a member stays");
        self.count(&member);
        self.by_id.insert(key, member);
        Some(result)
    }

    /// Lets a member wait for something else, and tells what it waited for.
    pub(super) fn wait(&mut self, id: &str, waiting: Waiting) -> Waiting {
        let Some(member) = self.by_id.get_mut(id) else { return Waiting::Nothing };
        let before = std::mem::replace(&mut member.waiting, waiting);
        self.waiting_for_join -= usize::from(matches!(before, Waiting::Join(_)));
        self.waiting_for_join += usize::from(matches!(waiting, Waiting::Join(_)));
        before
    }

    /// Gives every member the part that `part` knows for it.
    pub(super) fn assign(&mut self, mut part: impl FnMut(&Member) -> Bytes) {
        for member in self.by_id.values_mut() {
            let assignment = part(member);
            self.held_bytes = self.held_bytes - member.assignment.len() + assignment.len();
            member.assignment = assignment;
        }
    }

    /// The longest time that any member grants the others for joining again.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.iter().map(Member::rebalance_timeout).max().unwrap_or_default()
    }

    /// Whether one of these protocols can be followed by every member.
    pub(super) fn share_one_of(&self, protocols: &[Protocol]) -> bool {
        protocols.iter().any(|protocol| self.can_all_follow(&protocol.name))
    }

    /// The protocol that the next generation follows: of those that all can follow, the one that most members prefer, the
    /// first by name among equals. `None` without members.
    pub(super) fn choose_protocol(&self) -> Option<WireStr> {
        let mut votes: BTreeMap<&WireStr, usize> = BTreeMap::new();
        for member in self.iter() {
            let vote = member.protocols.iter().find(|protocol| self.can_all_follow(&protocol.name));
            if let Some(vote) = vote {
                *votes.entry(&vote.name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.clone())
    }

    fn can_all_follow(&self, protocol: &str) -> bool {
        self.followers.get(protocol).copied().unwrap_or(0) == self.len()
    }

    fn count(&mut self, member: &Member) {
        for protocol in &member.protocols {
            *self.followers.entry(protocol.name.clone()).or_default() += 1;
        }
        self.waiting_for_join += usize::from(matches!(member.waiting, Waiting::Join(_)));
        self.held_bytes += member.held_bytes();
    }

    fn discount(&mut self, member: &Member) {
        for protocol in &member.protocols {
            if let Some(count) = self.followers.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.followers.remove(&protocol.name);
                }
            }
        }
        self.waiting_for_join -= usize::from(matches!(member.waiting, Waiting::Join(_)));
        self.held_bytes -= member.held_bytes();
    }
}
