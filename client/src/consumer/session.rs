//! The fetch session with one broker (KIP-227): after a first full request, only what changed is named. Pure.
//!
//! A session is a counter that both sides keep. An answer moves it; a request whose answer never came leaves it unknown,
//! and the next request then opens a new session in place of the old one. A session names its topics either by id or by
//! name, never both. Above: `fetch`. Below: nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};
use mainstem_protocol::model::{TopicId, TopicPartition};

use crate::cluster::by_topic;

/// Session id of a request outside any session.
const NO_SESSION: i32 = 0;
/// Epoch of a request that opens a session, and ends the one that it names.
const OPEN: i32 = 0;
/// Epoch of a request that ends a session and opens none.
const END: i32 = -1;

/// What is wanted of one partition, as a session remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) topic_id: TopicId,
    pub(super) offset: i64,
    /// Leader epoch that we believe in; -1 = unknown.
    pub(super) leader_epoch: i32,
    /// Epoch of the batch before `offset`; -1 = unknown.
    pub(super) last_fetched_epoch: i32,
    pub(super) max_bytes: i32,
}

/// How a request names its topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Names,
    Ids,
}

/// What the next request says of session and partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) session_id: i32,
    pub(super) session_epoch: i32,
    pub(super) send: Vec<(TopicPartition, Want)>,
    pub(super) forget: Vec<(TopicPartition, TopicId)>,
}

/// What an answer means for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its partitions count.
    Good,
    /// The session is gone; the next request opens another one. Nothing of the answer counts.
    Renew,
    /// The same, and topic ids are not what we think: ask for metadata first.
    RenewAndRefresh,
    /// The broker refuses the request as a whole.
    Refused(i16),
}

/// Our side of one session.
#[derive(Debug)]
pub(super) struct Session {
    id: i32,
    epoch: i32,
    naming: Naming,
    /// What the broker believes that we want.
    known: BTreeMap<TopicPartition, Want>,
}

impl Default for Session {
    fn default() -> Self {
        Self { id: NO_SESSION, epoch: OPEN, naming: Naming::Ids, known: BTreeMap::new() }
    }
}

impl Session {
    /// Says what to send so that the broker knows of `wanted` and of nothing else. Takes for granted that it is sent:
    /// one of `answered` and `lost` must follow before the next plan.
    pub(super) fn plan(&mut self, wanted: &BTreeMap<TopicPartition, Want>, naming: Naming) -> Plan {
        if naming != self.naming {
            self.naming = naming;
            self.epoch = OPEN;
        }
        let full = self.epoch == OPEN;
        let before = if full { BTreeMap::new() } else { std::mem::take(&mut self.known) };
        let send = wanted
            .iter()
            .filter(|(partition, want)| before.get(partition) != Some(want))
            .map(|(partition, want)| (partition.clone(), *want))
            .collect();
        // A partition of a topic that was deleted and made anew is another one to the broker.
        let forget = before
            .into_iter()
            .filter(|(partition, old)| wanted.get(partition).is_none_or(|new| new.topic_id != old.topic_id))
            .map(|(partition, old)| (partition, old.topic_id))
            .collect();
        self.known.clone_from(wanted);
        Plan { session_id: self.id, session_epoch: self.epoch, send, forget }
    }

    /// An answer came, with this error of the whole request and this session id.
    pub(super) fn answered(&mut self, error_code: i16, session_id: i32) -> Verdict {
        match ErrorCode::from_code(error_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::FetchSessionIdNotFound) => {
                *self = Self { naming: self.naming, ..Self::default() };
                return Verdict::Renew;
            }
            Some(ErrorCode::InvalidFetchSessionEpoch) => {
                self.epoch = OPEN;
                return Verdict::Renew;
            }
            Some(
                ErrorCode::FetchSessionTopicIdError
                | ErrorCode::UnknownTopicId
                | ErrorCode::InconsistentTopicId,
            ) => {
                self.epoch = OPEN;
                return Verdict::RenewAndRefresh;
            }
            _ => {
                self.epoch = OPEN;
                return Verdict::Refused(error_code);
            }
        }
        if session_id == NO_SESSION {
            // The broker has no room for a session now: each request is a full one.
            self.id = NO_SESSION;
            self.epoch = OPEN;
        } else {
            self.id = session_id;
            self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        }
        Verdict::Good
    }

    /// No answer came: what the broker knows is unknown.
    pub(super) fn lost(&mut self) {
        self.epoch = OPEN;
    }

    /// Name of a topic that an answer names by the means of this session; `None` = it was not asked for.
    pub(super) fn topic(&self, name: &str, id: TopicId) -> Option<Arc<str>> {
        let mut known = self.known.iter();
        let found = known.find(|(partition, want)| match self.naming {
            Naming::Names => &*partition.topic == name,
            Naming::Ids => want.topic_id == id,
        });
        found.map(|(partition, _)| Arc::clone(&partition.topic))
    }

    /// What the broker was told of this partition.
    pub(super) fn want(&self, partition: &TopicPartition) -> Option<&Want> {
        self.known.get(partition)
    }

    /// The request that ends the session at the broker; `None` = there is none.
    pub(super) fn end(&self) -> Option<FetchRequest> {
        (self.id != NO_SESSION).then(|| FetchRequest {
            session_id: self.id,
            session_epoch: END,
            ..FetchRequest::default()
        })
    }
}

impl Plan {
    /// Writes session and partitions into a request. `last_epochs` = the version can carry the last fetched epoch.
    pub(super) fn write(&self, request: &mut FetchRequest, last_epochs: bool) {
        request.session_id = self.session_id;
        request.session_epoch = self.session_epoch;
        request.topics = by_topic(self.send.iter().cloned())
            .into_iter()
            .map(|(topic, wants)| FetchTopic {
                topic: (&*topic).into(),
                topic_id: wants.first().map_or(TopicId::NONE, |(_, want)| want.topic_id),
                partitions: wants
                    .into_iter()
                    .map(|(partition, want)| FetchPartition {
                        partition: partition.0,
                        current_leader_epoch: want.leader_epoch,
                        fetch_offset: want.offset,
                        last_fetched_epoch: if last_epochs { want.last_fetched_epoch } else { -1 },
                        partition_max_bytes: want.max_bytes,
                        ..FetchPartition::default()
                    })
                    .collect(),
            })
            .collect();
        let mut forgotten: BTreeMap<(Arc<str>, TopicId), Vec<i32>> = BTreeMap::new();
        for (partition, id) in &self.forget {
            forgotten.entry((Arc::clone(&partition.topic), *id)).or_default().push(partition.partition.0);
        }
        request.forgotten_topics_data = forgotten
            .into_iter()
            .map(|((topic, topic_id), partitions)| ForgottenTopic {
                topic: (&*topic).into(),
                topic_id,
                partitions,
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::PartitionIndex;

    fn tp(index: i32) -> TopicPartition {
        TopicPartition::new("t", PartitionIndex(index))
    }

    fn want(offset: i64) -> Want {
        Want { topic_id: TopicId([7; 16]), offset, leader_epoch: 3, last_fetched_epoch: -1, max_bytes: 100 }
    }

    fn wanted(offsets: &[(i32, i64)]) -> BTreeMap<TopicPartition, Want> {
        offsets.iter().map(|(index, offset)| (tp(*index), want(*offset))).collect()
    }

    /// `id/epoch`, then partitions with offsets sent, then partitions forgotten.
    fn told(plan: &Plan) -> String {
        let send = plan.send.iter().map(|(tp, want)| format!(" {}@{}", tp.partition, want.offset));
        let forget = plan.forget.iter().map(|(tp, _)| format!(" -{}", tp.partition));
        format!("{}/{}{}", plan.session_id, plan.session_epoch, send.chain(forget).collect::<String>())
    }

    /// A script of wishes and answers, and what goes out.
    #[test]
    fn only_what_changed_is_named_after_the_first_request() {
        let mut session = Session::default();
        let mut ask = |offsets: &[(i32, i64)]| told(&session.plan(&wanted(offsets), Naming::Ids));
        assert_eq!(ask(&[(0, 5), (1, 0)]), "0/0 0@5 1@0");
        assert_eq!(session.answered(0, 9), Verdict::Good);
        let mut ask = |offsets: &[(i32, i64)]| told(&session.plan(&wanted(offsets), Naming::Ids));
        assert_eq!(ask(&[(0, 7), (1, 0)]), "9/1 0@7");
        assert_eq!(session.answered(0, 9), Verdict::Good);
        let mut ask = |offsets: &[(i32, i64)]| told(&session.plan(&wanted(offsets), Naming::Ids));
        assert_eq!(ask(&[(1, 0), (2, 4)]), "9/2 2@4 -0");
    }

    fn open() -> Session {
        let mut session = Session::default();
        session.plan(&wanted(&[(0, 5)]), Naming::Ids);
        session.answered(0, 9);
        session.plan(&wanted(&[(0, 6)]), Naming::Ids);
        session
    }

    #[test]
    fn each_error_of_a_session_leads_to_a_full_request() {
        for (code, verdict, next) in [
            (70, Verdict::Renew, "0/0 0@6"),
            (71, Verdict::Renew, "9/0 0@6"),
            (106, Verdict::RenewAndRefresh, "9/0 0@6"),
            (29, Verdict::Refused(29), "9/0 0@6"),
        ] {
            let mut session = open();
            assert_eq!(session.answered(code, 0), verdict, "{code}");
            assert_eq!(told(&session.plan(&wanted(&[(0, 6)]), Naming::Ids)), next, "{code}");
        }
    }

    #[test]
    fn a_request_without_an_answer_is_followed_by_a_full_one_in_place_of_the_old_session() {
        let mut session = open();
        session.lost();
        assert_eq!(told(&session.plan(&wanted(&[(0, 6)]), Naming::Ids)), "9/0 0@6");
        session.answered(0, 10);
        assert_eq!(told(&session.plan(&wanted(&[(0, 6)]), Naming::Ids)), "10/1");
    }

    #[test]
    fn a_broker_without_sessions_gets_full_requests() {
        let mut session = Session::default();
        for _ in 0..2 {
            assert_eq!(told(&session.plan(&wanted(&[(0, 5)]), Naming::Names)), "0/0 0@5");
            session.answered(0, 0);
        }
    }

    #[test]
    fn names_after_ids_open_a_new_session() {
        let mut session = open();
        session.answered(0, 9);
        assert_eq!(told(&session.plan(&wanted(&[(0, 6)]), Naming::Names)), "9/0 0@6");
    }

    #[test]
    fn a_topic_made_anew_is_forgotten_and_named_again() {
        let mut session = open();
        session.answered(0, 9);
        let anew = Want { topic_id: TopicId([8; 16]), ..want(6) };
        let plan = session.plan(&BTreeMap::from([(tp(0), anew)]), Naming::Ids);
        assert_eq!(told(&plan), "9/2 0@6 -0");
        assert_eq!(plan.forget, [(tp(0), TopicId([7; 16]))]);
    }

    #[test]
    fn epochs_wrap_to_one_since_zero_opens() {
        let mut session = open();
        session.epoch = i32::MAX;
        session.answered(0, 9);
        assert_eq!(session.epoch, 1);
    }
}
