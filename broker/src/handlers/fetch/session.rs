//! Fetch sessions (KIP-227): a client names its partitions once, then only what changes, and is told only what changed.
//! Pure: requests and time in, plans and answers out; nothing is read here. Rule F3.
//!
//! Above: the handler beside it. Below: nothing.
//!
//! ```text
//! (id, epoch)   (0, -1) no session          (x, 0)  a new session, x ends       (x, n) the next fetch of x
//!               (x, -1) no session, x ends                                      n = 1, 2, .. i32::MAX, 1, ..
//! ```

use crate::env::Moment;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        fetch::{FetchTopic, ForgottenTopic, PartitionData},
    },
    model::TopicId,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// A session that was used within this time is not evicted for a new one.
const EVICTABLE_AFTER: Duration = Duration::from_mins(2);

/// Most partitions of one fetch, and so of a session.
const PARTITIONS_MAX: usize = 10_000;

/// A topic as the request names it. Only one of the two is set: which one depends on the version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TopicKey {
    pub(super) name: TopicName,
    pub(super) id: TopicId,
}

/// What a client wants of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) topic: TopicKey,
    pub(super) partition: i32,
    pub(super) current_leader_epoch: i32,
    pub(super) fetch_offset: i64,
    pub(super) last_fetched_epoch: i32,
    pub(super) max_bytes: i32,
}

/// What a request means for its session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every partition is answered, nothing is remembered.
    Sessionless,
    /// Every partition is answered, and remembered if there is room.
    New,
    /// The next fetch of this session: only changes are answered.
    Next {
        /// Id of the session.
        id: i32,
    },
}

/// Whether topics are named by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Names,
    Ids,
}

/// All sessions of a broker.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    max: usize,
    sessions: HashMap<i32, Session>,
}

#[derive(Debug)]
struct Session {
    naming: Naming,
    /// Epoch that the next request has to carry.
    next_epoch: i32,
    used: Moment,
    /// In the order of service: who was given records goes to the end.
    partitions: BTreeMap<u64, Remembered>,
    places: HashMap<(TopicKey, i32), u64>,
    next_place: u64,
}

#[derive(Debug)]
struct Remembered {
    wanted: Wanted,
    /// What the client was told last; `None` = nothing, or an error.
    told: Option<Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    high_watermark: i64,
    last_stable_offset: i64,
    log_start_offset: i64,
}

impl FetchSessions {
    /// No sessions, and never more than `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, sessions: HashMap::new() }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.sessions.len()
    }

    /// What to read for a request of session `id` and `epoch` that names `topics` and forgets `forgotten`. `INVALID_REQUEST`
    /// for more partitions than one fetch may read; a session that has grown beyond that ends.
    pub(super) fn begin(
        &mut self,
        (id, epoch): (i32, i32),
        naming: Naming,
        topics: &[FetchTopic],
        forgotten: &[ForgottenTopic],
        now: Moment,
    ) -> Result<(Kind, Vec<Wanted>), ErrorCode> {
        if epoch == 0 || epoch == -1 {
            self.sessions.remove(&id);
            let kind = if epoch == 0 { Kind::New } else { Kind::Sessionless };
            let wanted = last_of_each(topics);
            return if wanted.len() <= PARTITIONS_MAX {
                Ok((kind, wanted))
            } else {
                Err(ErrorCode::InvalidRequest)
            };
        }
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.next_epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.naming != naming {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.update(topics, forgotten);
        session.used = now;
        if PARTITIONS_MAX < session.partitions.len() {
            self.sessions.remove(&id);
            return Err(ErrorCode::InvalidRequest);
        }
        if session.partitions.is_empty() {
            self.sessions.remove(&id);
            return Ok((Kind::Sessionless, Vec::new()));
        }
        session.next_epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        let wanted = session.partitions.values().map(|remembered| remembered.wanted.clone()).collect();
        Ok((Kind::Next { id }, wanted))
    }

    /// Remembers a new session under `id` if there is room; the id to tell the client, 0 = none.
    pub(super) fn create(
        &mut self,
        id: i32,
        naming: Naming,
        answered: &[(Wanted, PartitionData)],
        now: Moment,
    ) -> i32 {
        if answered.is_empty() || self.sessions.contains_key(&id) || !self.make_room(now) {
            return 0;
        }
        let mut session = Session {
            naming,
            next_epoch: 1,
            used: now,
            partitions: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
        };
        for (wanted, data) in answered {
            session.put(Remembered { wanted: wanted.clone(), told: told(data) });
        }
        self.sessions.insert(id, session);
        id
    }

    /// Keeps of an answer of session `id` what the client has to be told, and remembers that it was.
    pub(super) fn changes(&mut self, id: i32, answered: &mut Vec<(Wanted, PartitionData)>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        answered.retain(|(wanted, data)| session.is_news(wanted, data));
    }

    /// Whether one more session fits, at the price of one that nobody used for long.
    fn make_room(&mut self, now: Moment) -> bool {
        if self.sessions.len() < self.max {
            return true;
        }
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used);
        let Some((id, _)) = oldest.filter(|(_, session)| EVICTABLE_AFTER <= now.since(session.used)) else {
            return false;
        };
        let id = *id;
        self.sessions.remove(&id).is_some()
    }
}

impl Session {
    fn update(&mut self, topics: &[FetchTopic], forgotten: &[ForgottenTopic]) {
        for wanted in each(topics) {
            let key = (wanted.topic.clone(), wanted.partition);
            match self.places.get(&key).and_then(|place| self.partitions.get_mut(place)) {
                Some(remembered) => remembered.wanted = wanted,
                None => self.put(Remembered { wanted, told: None }),
            }
        }
        for topic in forgotten {
            let name = TopicKey { name: topic.topic.detached(), id: topic.topic_id };
            for partition in &topic.partitions {
                if let Some(place) = self.places.remove(&(name.clone(), *partition)) {
                    self.partitions.remove(&place);
                }
            }
        }
    }

    /// Puts a partition at the end.
    fn put(&mut self, remembered: Remembered) {
        let place = self.next_place;
        self.next_place += 1;
        self.places.insert((remembered.wanted.topic.clone(), remembered.wanted.partition), place);
        self.partitions.insert(place, remembered);
    }

    fn is_news(&mut self, wanted: &Wanted, data: &PartitionData) -> bool {
        let Some(place) = self.places.get(&(wanted.topic.clone(), wanted.partition)).copied() else {
            return false;
        };
        let Some(remembered) = self.partitions.get_mut(&place) else { return false };
        let told_now = told(data);
        let is_news = told_now.is_none() || remembered.told != told_now || !data.records.is_empty();
        remembered.told = told_now;
        if !data.records.is_empty()
            && let Some(served) = self.partitions.remove(&place)
        {
            self.put(served);
        }
        is_news
    }
}

/// What stays the same for a client between two answers; none after an error or a divergence, which are always told.
fn told(data: &PartitionData) -> Option<Told> {
    let diverges = 0 <= data.diverging_epoch.epoch;
    (data.error_code == 0 && !diverges).then_some(Told {
        high_watermark: data.high_watermark,
        last_stable_offset: data.last_stable_offset,
        log_start_offset: data.log_start_offset,
    })
}

/// The partitions of a request, in its order. State that outlives the request shares none of its bytes.
fn each(topics: &[FetchTopic]) -> impl Iterator<Item = Wanted> {
    topics.iter().flat_map(|topic| {
        let key = TopicKey { name: topic.topic.detached(), id: topic.topic_id };
        topic.partitions.iter().map(move |partition| Wanted {
            topic: key.clone(),
            partition: partition.partition,
            current_leader_epoch: partition.current_leader_epoch,
            fetch_offset: partition.fetch_offset,
            last_fetched_epoch: partition.last_fetched_epoch,
            max_bytes: partition.partition_max_bytes,
        })
    })
}

/// A partition that is named twice is read once, as it was named last.
fn last_of_each(topics: &[FetchTopic]) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut places = HashMap::new();
    for next in each(topics) {
        let key = (next.topic.clone(), next.partition);
        if let Some(earlier) = places.get(&key).and_then(|place: &usize| wanted.get_mut(*place)) {
            *earlier = next;
        } else {
            places.insert(key, wanted.len());
            wanted.push(next);
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::{messages::fetch::FetchPartition, wire::Records};

    const START: Moment = Moment::ZERO;

    fn topic(name: &str, partitions: &[(i32, i64)]) -> FetchTopic {
        let partitions = partitions.iter().map(|&(partition, fetch_offset)| FetchPartition {
            partition,
            fetch_offset,
            ..FetchPartition::default()
        });
        FetchTopic { topic: name.into(), partitions: partitions.collect(), ..FetchTopic::default() }
    }

    fn forget(name: &str, partition: i32) -> ForgottenTopic {
        ForgottenTopic { topic: name.into(), partitions: vec![partition], ..ForgottenTopic::default() }
    }

    fn data(high_watermark: i64, records: &'static [u8]) -> PartitionData {
        let records = Records::from(bytes::Bytes::from_static(records));
        PartitionData {
            high_watermark,
            last_stable_offset: high_watermark,
            records,
            ..PartitionData::default()
        }
    }

    /// A session `7` over a-0 and a-1 that has been told high watermark 5 of both.
    fn session() -> FetchSessions {
        let mut sessions = FetchSessions::new(2);
        let (kind, wanted) =
            sessions.begin((0, 0), Naming::Names, &[topic("a", &[(0, 5), (1, 5)])], &[], START).unwrap();
        assert_eq!(kind, Kind::New);
        let answered: Vec<_> = wanted.into_iter().map(|wanted| (wanted, data(5, b""))).collect();
        assert_eq!(sessions.create(7, Naming::Names, &answered, START), 7);
        sessions
    }

    fn next(sessions: &mut FetchSessions, epoch: i32) -> Result<Vec<(i32, i64)>, ErrorCode> {
        let (_, wanted) = sessions.begin((7, epoch), Naming::Names, &[], &[], START)?;
        Ok(wanted.iter().map(|wanted| (wanted.partition, wanted.fetch_offset)).collect())
    }

    #[test]
    fn epochs_count_up_and_a_wrong_one_changes_nothing() {
        let mut sessions = session();
        assert_eq!(next(&mut sessions, 2), Err(ErrorCode::InvalidFetchSessionEpoch));
        assert_eq!(next(&mut sessions, 1), Ok(vec![(0, 5), (1, 5)]));
        assert_eq!(next(&mut sessions, 1), Err(ErrorCode::InvalidFetchSessionEpoch));
        assert_eq!(next(&mut sessions, 2), Ok(vec![(0, 5), (1, 5)]));
        sessions.sessions.get_mut(&7).unwrap().next_epoch = i32::MAX;
        assert!(next(&mut sessions, i32::MAX).is_ok());
        assert!(next(&mut sessions, 1).is_ok(), "it wraps to 1, since 0 means a new session");
    }

    #[test]
    fn unknown_sessions_and_changed_naming_are_errors() {
        let mut sessions = session();
        let result = sessions.begin((0, 3), Naming::Names, &[], &[], START);
        assert_eq!(result, Err(ErrorCode::FetchSessionIdNotFound));
        let result = sessions.begin((7, 1), Naming::Ids, &[], &[], START);
        assert_eq!(result, Err(ErrorCode::FetchSessionTopicIdError));
    }

    #[test]
    fn epoch_0_and_minus_1_end_the_session() {
        for epoch in [0, -1] {
            let mut sessions = session();
            sessions.begin((7, epoch), Naming::Names, &[topic("a", &[(0, 0)])], &[], START).unwrap();
            assert_eq!(sessions.len(), 0);
        }
    }

    #[test]
    fn partitions_are_changed_added_and_forgotten() {
        let mut sessions = session();
        let topics = [topic("a", &[(1, 9)]), topic("b", &[(0, 1)])];
        let (kind, wanted) =
            sessions.begin((7, 1), Naming::Names, &topics, &[forget("a", 0)], START).unwrap();
        assert_eq!(kind, Kind::Next { id: 7 });
        let offsets: Vec<_> = wanted.iter().map(|w| (w.topic.name.to_string(), w.fetch_offset)).collect();
        assert_eq!(offsets, [("a".to_owned(), 9), ("b".to_owned(), 1)]);
        let all = [forget("a", 1), forget("b", 0)];
        let (kind, wanted) = sessions.begin((7, 2), Naming::Names, &[], &all, START).unwrap();
        assert_eq!((kind, wanted.len(), sessions.len()), (Kind::Sessionless, 0, 0));
    }

    /// Only news are told, an error each time it happens and once when it has passed.
    #[test]
    fn an_incremental_answer_holds_only_news() {
        let mut sessions = session();
        let mut check = |data: PartitionData, is_news: bool| {
            let wanted = Wanted {
                topic: TopicKey { name: "a".into(), id: TopicId::NONE },
                partition: 0,
                current_leader_epoch: -1,
                fetch_offset: 5,
                last_fetched_epoch: -1,
                max_bytes: 0,
            };
            let mut answered = vec![(wanted, data)];
            sessions.changes(7, &mut answered);
            assert_eq!(!answered.is_empty(), is_news);
        };
        check(data(5, b""), false);
        check(data(6, b""), true);
        check(data(6, b""), false);
        check(data(6, b"records"), true);
        let error = || PartitionData { error_code: 6, ..data(-1, b"") };
        check(error(), true);
        check(error(), true);
        check(data(6, b""), true);
        check(PartitionData { log_start_offset: 3, ..data(6, b"") }, true);
        check(PartitionData { log_start_offset: 3, last_stable_offset: 2, ..data(6, b"") }, true);
    }

    /// Whoever got records is served last next time, so that one busy partition does not starve the others.
    #[test]
    fn a_partition_that_was_served_goes_to_the_end() {
        let mut sessions = session();
        let (_, wanted) = sessions.begin((7, 1), Naming::Names, &[], &[], START).unwrap();
        let mut answered = vec![(wanted[0].clone(), data(6, b"records"))];
        sessions.changes(7, &mut answered);
        assert_eq!(next(&mut sessions, 2), Ok(vec![(1, 5), (0, 5)]));
    }

    #[test]
    fn a_full_cache_gives_up_only_what_is_old() {
        let mut sessions = session();
        let wanted = vec![(last_of_each(&[topic("a", &[(0, 0)])]).remove(0), data(5, b""))];
        assert_eq!(sessions.create(8, Naming::Names, &wanted, START), 8);
        assert_eq!(sessions.create(9, Naming::Names, &wanted, START), 0, "full");
        let later = START.after(EVICTABLE_AFTER);
        assert_eq!(sessions.create(9, Naming::Names, &wanted, later), 9);
        assert_eq!(sessions.len(), 2);
    }

    /// Else a client could have a session grow by a frame at a time without end.
    #[test]
    fn a_session_that_grows_beyond_one_fetch_ends() {
        let many: Vec<(i32, i64)> = (0..10_000).map(|partition| (partition, 0)).collect();
        let mut sessions = session();
        let result = sessions.begin((7, 1), Naming::Names, &[topic("b", &many)], &[], START);
        assert_eq!((result, sessions.len()), (Err(ErrorCode::InvalidRequest), 0));
        let mut sessions = session();
        let all = [forget("a", 0), forget("a", 1)];
        assert!(sessions.begin((7, 1), Naming::Names, &[topic("b", &many)], &all, START).is_ok());
        let result = sessions.begin((7, 2), Naming::Names, &[topic("b", &[(10_000, 0)])], &[], START);
        assert_eq!((result, sessions.len()), (Err(ErrorCode::InvalidRequest), 0));
        for epoch in [0, -1] {
            let both = [topic("b", &many), topic("c", &[(0, 0)])];
            assert_eq!(
                sessions.begin((0, epoch), Naming::Names, &both, &[], START),
                Err(ErrorCode::InvalidRequest)
            );
        }
    }

    #[test]
    fn a_partition_named_twice_is_read_as_named_last() {
        let wanted = last_of_each(&[topic("a", &[(0, 1), (1, 2), (0, 3)])]);
        assert_eq!(
            wanted.iter().map(|w| (w.partition, w.fetch_offset)).collect::<Vec<_>>(),
            [(0, 3), (1, 2)]
        );
    }
}
