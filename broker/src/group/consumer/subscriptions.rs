//! What the members of a group subscribe to, all together: kept up to date with each record instead of counted anew.
//!
//! Above: the state of the group; decisions, which work on a copy to see what would be. Below: members, expressions.

use super::{member::MemberMetadata, regex::ResolvedRegex};
use mainstem_protocol::{messages::TopicName, wire::WireStr};
use std::collections::BTreeMap;

/// How often a topic is subscribed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    /// Members that name it.
    by_name: usize,
    /// Expressions that match it.
    by_regex: usize,
}

/// Whether an assignor may treat all members alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubscriptionType {
    /// All subscribe to the same topics.
    Homogeneous,
    /// Some may subscribe to other topics than others.
    Heterogeneous,
}

/// Topics and expressions that members subscribe to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subscriptions {
    topics: BTreeMap<TopicName, Count>,
    /// Members of each expression.
    regexes: BTreeMap<WireStr, usize>,
}

impl Subscriptions {
    /// A member comes (`from` is `None`), changes or goes (`to` is `None`).
    pub(super) fn change_member(&mut self, from: Option<&MemberMetadata>, to: Option<&MemberMetadata>) {
        for topic in from.iter().flat_map(|member| member.topics.iter()) {
            self.count(topic, |count| count.by_name = count.by_name.saturating_sub(1));
        }
        for topic in to.iter().flat_map(|member| member.topics.iter()) {
            self.count(topic, |count| count.by_name += 1);
        }
        if let Some(regex) = from.and_then(|member| member.regex.as_ref()) {
            match self.regexes.get_mut(regex) {
                Some(members) if 1 < *members => *members -= 1,
                _ => {
                    self.regexes.remove(regex);
                }
            }
        }
        if let Some(regex) = to.and_then(|member| member.regex.as_ref()) {
            *self.regexes.entry(regex.clone()).or_default() += 1;
        }
    }

    /// An expression is resolved, differently or no longer (`to` is `None`).
    pub(super) fn change_regex(&mut self, from: Option<&ResolvedRegex>, to: Option<&ResolvedRegex>) {
        for topic in from.iter().flat_map(|resolved| resolved.topics.iter()) {
            self.count(topic, |count| count.by_regex = count.by_regex.saturating_sub(1));
        }
        for topic in to.iter().flat_map(|resolved| resolved.topics.iter()) {
            self.count(topic, |count| count.by_regex += 1);
        }
    }

    fn count(&mut self, topic: &TopicName, change: impl FnOnce(&mut Count)) {
        let count = self.topics.entry(topic.clone()).or_default();
        change(count);
        if *count == Count::default() {
            self.topics.remove(topic);
        }
    }

    /// Topics by name, rising.
    pub(super) fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    pub(super) fn names(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// Expressions that members subscribe to, resolved or not.
    pub(super) fn regexes(&self) -> impl Iterator<Item = &WireStr> {
        self.regexes.keys()
    }

    pub(super) fn members_of_regex(&self, regex: &str) -> usize {
        self.regexes.get(regex).copied().unwrap_or(0)
    }

    /// For a group of so many members.
    pub(super) fn kind(&self, members: usize) -> SubscriptionType {
        let alike = match self.regexes.first_key_value() {
            None => self.topics.values().all(|count| count.by_name == members),
            Some((_, subscribers)) => {
                *subscribers == members
                    && self.topics.values().all(|count| *count == Count { by_name: 0, by_regex: 1 })
            }
        };
        if alike { SubscriptionType::Homogeneous } else { SubscriptionType::Heterogeneous }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn member(topics: &[&str], regex: Option<&str>) -> MemberMetadata {
        MemberMetadata {
            topics: Arc::new(topics.iter().map(|topic| TopicName::from(*topic)).collect()),
            regex: regex.map(WireStr::from),
            ..MemberMetadata::default()
        }
    }

    fn resolved(topics: &[&str]) -> ResolvedRegex {
        ResolvedRegex {
            topics: Arc::new(topics.iter().map(|topic| TopicName::from(*topic)).collect()),
            ..ResolvedRegex::default()
        }
    }

    fn of(members: &[MemberMetadata], regexes: &[ResolvedRegex]) -> Subscriptions {
        let mut all = Subscriptions::default();
        for member in members {
            all.change_member(None, Some(member));
        }
        for regex in regexes {
            all.change_regex(None, Some(regex));
        }
        all
    }

    /// Names and expressions count apart: a mixture is never treated as alike.
    #[test]
    fn a_group_is_homogeneous_when_all_members_name_the_same_topics_or_share_one_expression() {
        use SubscriptionType::{Heterogeneous, Homogeneous};
        let kind =
            |members: &[MemberMetadata], regexes: &[ResolvedRegex]| of(members, regexes).kind(members.len());
        assert_eq!(kind(&[], &[]), Homogeneous);
        assert_eq!(kind(&[member(&["a", "b"], None), member(&["b", "a"], None)], &[]), Homogeneous);
        assert_eq!(kind(&[member(&["a"], None), member(&["a", "b"], None)], &[]), Heterogeneous);
        assert_eq!(kind(&[member(&["a"], None), member(&[], None)], &[]), Heterogeneous);
        let (x, y) = (member(&[], Some("x.*")), member(&[], Some("y.*")));
        assert_eq!(kind(&[x.clone(), x.clone()], &[resolved(&["x1", "x2"])]), Homogeneous);
        assert_eq!(kind(&[x.clone(), y], &[resolved(&["x1"]), resolved(&["y1"])]), Heterogeneous);
        assert_eq!(kind(&[x.clone(), member(&["x1"], None)], &[resolved(&["x1"])]), Heterogeneous);
        assert_eq!(kind(&[member(&["x1"], Some("x.*")), x], &[resolved(&["x1"])]), Heterogeneous);
    }

    /// Whatever came and went, nothing is left behind.
    #[test]
    fn counts_end_at_nothing() {
        let (one, other) = (member(&["a", "b"], Some("x.*")), member(&["b"], None));
        let regex = resolved(&["a", "x1"]);
        let mut all = of(&[one.clone(), other.clone()], std::slice::from_ref(&regex));
        assert_eq!(all.members_of_regex("x.*"), 1);
        all.change_member(Some(&one), Some(&other));
        assert_eq!(all.members_of_regex("x.*"), 0);
        all.change_regex(Some(&regex), None);
        assert_eq!(all.topics().map(TopicName::as_str).collect::<Vec<_>>(), ["b"]);
        all.change_member(Some(&other), None);
        all.change_member(Some(&other), None);
        assert_eq!(all, Subscriptions::default());
    }
}
