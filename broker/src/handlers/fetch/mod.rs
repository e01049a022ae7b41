//! `Fetch`, key 1, versions 4-18. Above: request::router. Below: partition (its waist).
//! Answers record batches as they lie in the file, whole, at least one even above the limits (rule F1). Waits up to
//! `max_wait_ms` for `min_bytes`; woken by bytes, a change of leader, the deadline. Nobody polls.
//! Left out: followers (a replica id is refused on listeners of clients), reads from followers (KIP-392).
//! v7 sessions, v9 leader epochs, v12 diverging epochs, v13 topic ids, v16 leader hints.
//!
//! In reading order: this file (the request, the wait, the answer), `session` (what the client means), `read` (one look
//! at the partitions).

mod read;
mod session;

pub(crate) use session::FetchSessions;

use super::{Context, Counted, Reply, Services, Slices, Staged, endpoints::LeaderHints};
use crate::{
    env::Moment,
    partition::{ByteRegistration, ByteWait},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, NodeEndpoint, PartitionData},
};
use mainstem_storage::{FileSlice, ReadBound};
use read::{Fetch, Look, Part};
use session::{Kind, Naming, Wanted};
use std::{sync::Arc, time::Duration};

/// First version that names topics by id.
const BY_ID: i16 = 13;
/// First version in which the replica id is part of the replica state.
const REPLICA_STATE: i16 = 15;
/// Longest wait; a longer one is cut, not refused.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// Looks after a comparison. One is enough unless limits or the log itself moved what is read.
const COMPARISONS_MAX: usize = 3;

pub(crate) fn handle(context: &Context<'_>, request: FetchRequest) -> Staged<FetchResponse> {
    // authorise
    let replica =
        if context.version < REPLICA_STATE { request.replica_id } else { request.replica_state.replica_id };
    if 0 <= replica {
        // A replica's fetch moves the high watermark: from a client it could lose data (CVE-2018-1288).
        return Staged::ready(failed(ErrorCode::ClusterAuthorizationFailed));
    }
    // validate
    let services = context.services;
    let naming = if context.version < BY_ID { Naming::Names } else { Naming::Ids };
    let now = services.env.clock.now();
    let identity = (request.session_id, request.session_epoch);
    let begun = services.fetch_sessions.lock().begin(
        identity,
        naming,
        &request.topics,
        &request.forgotten_topics_data,
        now,
    );
    let (kind, wanted) = match begun {
        Ok(begun) => begun,
        Err(code) => return Staged::ready(failed(code)),
    };
    // act
    let max_bytes =
        usize::try_from(request.max_bytes).unwrap_or(0).min(services.config.requests.fetch_max_bytes);
    let fetch = Fetch {
        version: context.version,
        naming,
        wanted,
        min_bytes: usize::try_from(request.min_bytes).unwrap_or(0).min(max_bytes),
        max_bytes,
        bound: if request.isolation_level == 1 { ReadBound::LastStable } else { ReadBound::HighWatermark },
    };
    let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT);
    let deadline = now.after(max_wait);
    let listener = Arc::clone(&context.peer.listener);
    let answerer = Answerer { kind, listener };
    let look = fetch.look(services);
    if max_wait.is_zero() || fetch.is_enough(&look) {
        return answerer.stage(services, fetch, look);
    }
    let (waiting, look) = Waiting::begin(&fetch, services, &look);
    if fetch.is_enough(&look) {
        return answerer.stage(services, fetch, look);
    }
    // answer
    let services = Arc::clone(services);
    let counted = Counted::begin(&services.telemetry.waiting_fetches);
    Staged::later(async move {
        let _counted = counted;
        let (mut waiting, mut look) = (waiting, look);
        while !fetch.is_enough(&look) {
            if services.env.clock.before(deadline, waiting.wait.satisfied()).await.is_none() {
                look = fetch.look(&services);
                break;
            }
            look = fetch.look(&services);
            if !fetch.is_enough(&look) {
                (waiting, look) = Waiting::begin(&fetch, &services, &look);
            }
        }
        drop(waiting);
        let look = compared(&fetch, &services, look).await;
        answerer.answer(&services, fetch, look)
    })
}

/// Has bytes compared with the checksums that they were sealed with, where nobody did that since the start, and looks again:
/// rot is answered with an error instead of being sent.
async fn compared(fetch: &Fetch, services: &Services, mut look: Look) -> Look {
    for _ in 0..COMPARISONS_MAX {
        let in_doubt: Vec<FileSlice> = look.slices().filter(|slice| !slice.is_compared()).cloned().collect();
        if in_doubt.is_empty() {
            break;
        }
        let comparing = move || in_doubt.iter().filter_map(|slice| slice.compare().err()).next_back();
        if let Ok(Some(error)) = services.env.tasks.blocking(comparing).await {
            tracing::warn!(target: "mainstem::log", %error, "sealed bytes cannot be compared");
        }
        look = fetch.look(services);
    }
    look
}

/// A fetch that is told of bytes.
struct Waiting {
    wait: Arc<ByteWait>,
    /// Dropped last to first; ends the telling.
    _registrations: Vec<ByteRegistration>,
}

impl Waiting {
    /// Waits for what `look` did not find, and looks again: what came between that look and the registration told nobody. What
    /// came just behind the registration counts twice, which only has the fetch look once more.
    fn begin(fetch: &Fetch, services: &Services, look: &Look) -> (Self, Look) {
        let wait = ByteWait::new(fetch.min_bytes.saturating_sub(look.bytes));
        let registrations = fetch.register(services, &wait);
        let again = fetch.look(services);
        wait.add(again.bytes.saturating_sub(look.bytes));
        (Self { wait, _registrations: registrations }, again)
    }
}

/// What the answer needs besides what was read.
struct Answerer {
    kind: Kind,
    listener: Arc<str>,
}

impl Answerer {
    /// Answers at once if all bytes are beyond doubt, which those are that were written a moment ago.
    fn stage(self, services: &Arc<Services>, fetch: Fetch, look: Look) -> Staged<FetchResponse> {
        if look.slices().all(FileSlice::is_compared) {
            return Staged::ready(self.answer(services, fetch, look));
        }
        let services = Arc::clone(services);
        Staged::later(async move {
            let look = compared(&fetch, &services, look).await;
            self.answer(&services, fetch, look)
        })
    }

    fn answer(&self, services: &Services, fetch: Fetch, look: Look) -> Reply<FetchResponse> {
        let mut slices = Slices::default();
        look.parts.iter().for_each(Part::count);
        let parts = look.parts.into_iter().map(|part| with_records(part.data, part.slice, &mut slices));
        let mut answered: Vec<(Wanted, PartitionData)> = fetch.wanted.into_iter().zip(parts).collect();
        let session_id = self.session(services, fetch.naming, &mut answered);
        let leaders: Vec<i32> = answered
            .iter()
            .map(|(_, data)| data.current_leader.leader_id)
            .filter(|leader| 0 <= *leader)
            .collect();
        let hints = LeaderHints::new(services, &self.listener, &leaders);
        let body = FetchResponse {
            session_id,
            responses: by_topic(answered),
            node_endpoints: hints.map(|node_id, host, port, rack| NodeEndpoint { node_id, host, port, rack }),
            ..FetchResponse::default()
        };
        slices.reply(body)
    }

    /// Brings the session up to date; its id, 0 = none.
    fn session(
        &self,
        services: &Services,
        naming: Naming,
        answered: &mut Vec<(Wanted, PartitionData)>,
    ) -> i32 {
        match self.kind {
            Kind::Sessionless => 0,
            Kind::New => {
                let (id, now): (i32, Moment) = (services.env.random.positive_i32(), services.env.clock.now());
                services.fetch_sessions.lock().create(id, naming, answered, now)
            }
            Kind::Next { id } => {
                services.fetch_sessions.lock().changes(id, answered);
                id
            }
        }
    }
}

fn with_records(mut data: PartitionData, slice: Option<FileSlice>, slices: &mut Slices) -> PartitionData {
    data.records = slices.records(slice);
    data
}

/// Partitions that follow each other and share a topic stand under one topic.
fn by_topic(answered: Vec<(Wanted, PartitionData)>) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    for (wanted, data) in answered {
        match topics.last_mut() {
            Some(last) if last.topic == wanted.topic.name && last.topic_id == wanted.topic.id => {
                last.partitions.push(data);
            }
            _ => topics.push(FetchableTopicResponse {
                topic: wanted.topic.name,
                topic_id: wanted.topic.id,
                partitions: vec![data],
            }),
        }
    }
    topics
}

/// An answer that is nothing but an error.
fn failed(code: ErrorCode) -> FetchResponse {
    FetchResponse { error_code: code.code(), ..FetchResponse::default() }
}
