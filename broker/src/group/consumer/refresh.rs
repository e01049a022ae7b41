//! When expressions are matched against the topics of the cluster, and what follows from it.
//!
//! Above: heartbeats, the timer. Below: `regex`, metadata. A heartbeat only finds out that it is time; the matching is an
//! event of its own, in pieces, so that many expressions over many topics do not keep the shard from other groups. Until an
//! expression is resolved it matches nothing.

use super::{
    Around, ConsumerGroup, Refused,
    heartbeat::Draft,
    member::MemberMetadata,
    metadata_hash::metadata_hash,
    records::{Records, batch_size},
    regex::{self, ResolvedRegex},
};
use crate::{group::GroupStep, metadata::MetadataImage};
use mainstem_protocol::{error::ErrorCode, messages::TopicName, model::Timestamp, wire::WireStr};
use std::{collections::BTreeSet, sync::Arc};

/// No group is refreshed more often, however fast topics and expressions come.
const REFRESH_INTERVAL_MIN_MS: i64 = 10_000;

/// Names that are matched in one event, at most; a single expression is always matched against all.
const MATCHES_MAX: usize = 100_000;

/// What a request does to the expression of its member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegexChange {
    None,
    /// To one that nobody has resolved yet: the group changes when it is.
    Unresolved,
    /// To one that is resolved, or to none: the group changes now.
    Resolved,
}

/// Expressions that are still to be matched, and since when.
#[derive(Debug)]
pub(super) struct Refresh {
    remaining: BTreeSet<WireStr>,
}

/// The last time when all expressions had been matched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refreshed {
    at: Timestamp,
    /// Index of the image.
    version: i64,
}

impl ConsumerGroup {
    pub(super) fn change_regex(
        &self,
        before: &MemberMetadata,
        after: &MemberMetadata,
        around: &Around<'_>,
        draft: &mut Draft,
    ) -> Result<RegexChange, Refused> {
        let change = self.compare_regexes(before, after, draft)?;
        if self.is_refresh_due(before, after, around) {
            draft.refresh = Some(Refresh { remaining: self.regexes_after(before, after) });
            draft.timers.insert(self.refresh_timer(), Some(around.now));
        }
        Ok(change)
    }

    fn compare_regexes(
        &self,
        before: &MemberMetadata,
        after: &MemberMetadata,
        draft: &mut Draft,
    ) -> Result<RegexChange, Refused> {
        if before.regex == after.regex {
            return Ok(RegexChange::None);
        }
        if let Some(regex) = &before.regex
            && self.state.subscriptions().members_of_regex(regex) == 1
        {
            draft.records.delete_regex(regex);
        }
        let Some(regex) = &after.regex else { return Ok(RegexChange::Resolved) };
        if self.state.subscriptions().members_of_regex(regex) == 0 {
            regex::compile(regex).map_err(|error| {
                Refused::new(
                    ErrorCode::InvalidRegularExpression,
                    format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {error}."),
                )
            })?;
        }
        let resolved = self.state.regexes().contains_key(regex);
        Ok(if resolved { RegexChange::Resolved } else { RegexChange::Unresolved })
    }

    fn regexes_after(&self, before: &MemberMetadata, after: &MemberMetadata) -> BTreeSet<WireStr> {
        let subscriptions = self.state.subscriptions();
        let gone = before.regex.as_ref().filter(|regex| subscriptions.members_of_regex(regex) == 1);
        let present = subscriptions.regexes().filter(|regex| Some(*regex) != gone);
        present.chain(&after.regex).map(WireStr::detached).collect()
    }

    /// Asked with every heartbeat, so the expressions themselves come last.
    fn is_refresh_due(&self, before: &MemberMetadata, after: &MemberMetadata, around: &Around<'_>) -> bool {
        let has_some = after.regex.is_some() || self.state.subscriptions().regexes().next().is_some();
        if !has_some || self.refresh.is_some() {
            return false;
        }
        let Some(last) = self.last_refresh() else { return true };
        let age = around.wall.get().saturating_sub(last.at.get());
        let interval = i64::try_from(around.settings.regex_refresh.as_millis()).unwrap_or(i64::MAX);
        REFRESH_INTERVAL_MIN_MS < age
            && (last.version < version_of(around.metadata)
                || interval < age
                || self
                    .regexes_after(before, after)
                    .iter()
                    .any(|regex| !self.state.regexes().contains_key(regex)))
    }

    /// After a reload the records tell; they say when a match last differed.
    fn last_refresh(&self) -> Option<Refreshed> {
        let resolved = self.state.regexes();
        let of_record = |oldest: &ResolvedRegex| Refreshed { at: oldest.timestamp, version: oldest.version };
        let from_records = || resolved.values().min_by_key(|resolved| resolved.timestamp).map(of_record);
        self.refreshed.filter(|_| !resolved.is_empty()).or_else(from_records)
    }

    /// Matches what is due, as much as one event may.
    pub(super) fn resolve(&mut self, around: &Around<'_>) -> GroupStep {
        let Some(mut refresh) = self.refresh.take() else { return GroupStep::none() };
        let mut budget = (MATCHES_MAX / around.metadata.topics.len().max(1)).max(1);
        let mut records = Records::of(&self.id);
        let mut subscriptions = self.state.subscriptions().clone();
        let mut changed = false;
        while let Some(regex) = refresh.remaining.pop_first() {
            // The last one who subscribed to it may have left meanwhile.
            if self.state.subscriptions().members_of_regex(&regex) == 0 {
                continue;
            }
            let before = self.state.regexes().get(&regex);
            let mut resolved = resolve_one(&regex, around);
            let mut alone = self.regex_record(&regex, &resolved);
            if around.settings.record_max < batch_size(alone.list()) {
                // It matches more than a record can hold, and stays as it was: new, it matches nothing.
                resolved.topics = before.map(|before| Arc::clone(&before.topics)).unwrap_or_default();
                alone = self.regex_record(&regex, &resolved);
            }
            if before.is_none_or(|before| before.topics != resolved.topics) {
                let size = batch_size(alone.list());
                if around.settings.record_max < batch_size(records.list()) + size {
                    refresh.remaining.insert(regex);
                    break;
                }
                subscriptions.change_regex(before, Some(&resolved));
                records.append(alone.into_list());
                changed = true;
            }
            budget -= 1;
            if budget == 0 {
                break;
            }
        }
        let hash = metadata_hash(subscriptions.topics().map(TopicName::as_str), around.metadata);
        if changed || hash != self.state.metadata_hash() {
            records.epoch(self.state.epoch().next(), hash);
        }
        self.metadata_checked = Some(around.metadata.last_record_index);
        let mut step = GroupStep { records: records.into_list(), ..GroupStep::none() };
        if refresh.remaining.is_empty() {
            self.refreshed = Some(Refreshed { at: around.wall, version: version_of(around.metadata) });
        } else {
            self.refresh = Some(refresh);
            step.timers.push((self.refresh_timer(), Some(around.now)));
        }
        step
    }

    fn regex_record(&self, regex: &WireStr, resolved: &ResolvedRegex) -> Records {
        let mut records = Records::of(&self.id);
        records.regex(regex, resolved);
        records
    }
}

fn resolve_one(regex: &str, around: &Around<'_>) -> ResolvedRegex {
    let topics = match regex::compile(regex) {
        Ok(regex) => around
            .metadata
            .topics
            .iter()
            .filter(|topic| regex.is_match(&topic.name))
            .map(|topic| TopicName::from(&*topic.name))
            .collect(),
        // It was accepted by an earlier version, or by Kafka, whose syntax is a little wider.
        Err(_) => BTreeSet::new(),
    };
    ResolvedRegex { topics: Arc::new(topics), version: version_of(around.metadata), timestamp: around.wall }
}

fn version_of(image: &MetadataImage) -> i64 {
    i64::try_from(image.last_record_index).unwrap_or(i64::MAX)
}
