//! `Produce`, key 0, versions 3-13 (advertised from 0, rule C4). Above: request::router. Below: partition.
//! Appends one record batch a partition. acks=1 is answered after the leader's append; acks=-1 when the high watermark
//! has passed the batch, which with durability `fsync` means on disk on every in-sync replica; acks=0 never, not even an
//! error: the connection is closed then (rule C8).
//! Left out: transactional writes, until transactions are served (INVALID_TXN_STATE).
//! v8 errors with text and records, v10 leader hints, v13 topic ids.

use super::{
    Context, Counted, Reply, Services, Staged,
    endpoints::{LeaderHints, leader_of},
    lookup::{TopicRef, append_code, append_message, not_leader_code},
};
use crate::partition::{LeaderAppend, Partition, RefusedBatch, prepare_produced};
use mainstem_protocol::{
    error::ErrorCode,
    messages::produce::{
        BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
        PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
    },
    model::Offset,
    records::{BatchHeader, ProduceLimits},
    wire::Records,
};
use mainstem_storage::AppendOrigin;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// First version that names topics by id.
const BY_ID: i16 = 13;
/// First version with leader hints.
const HINTS: i16 = 10;

pub(crate) fn handle(context: &Context<'_>, request: ProduceRequest) -> Staged<ProduceResponse> {
    // authorise: every topic is open until there are access rules
    // validate
    let acks = match request.acks {
        -1 => Acks::All,
        0 => Acks::None,
        1 => Acks::Leader,
        other => {
            let why = format!("acks is {other} instead of -1, 0 or 1");
            return Staged::ready(refuse_all(context, request, ErrorCode::InvalidRequiredAcks, &why));
        }
    };
    if request.transactional_id.is_none() && has_transactional_batch(&request) {
        let (code, why) =
            (ErrorCode::TransactionalIdAuthorizationFailed, "a transactional batch needs a transactional id");
        return Staged::ready(refuse_all(context, request, code, why));
    }
    // act
    let deadline = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut produced =
        Produced { response: ProduceResponse::default(), waits: Vec::new(), hints: Vec::new() };
    let mut seen = HashSet::new();
    for mut topic in request.topic_data {
        let partition_data = std::mem::take(&mut topic.partition_data);
        let reference = named_by(context.version, &topic);
        let topic_index = produced.response.responses.len();
        let mut partition_responses = Vec::with_capacity(partition_data.len());
        for data in partition_data {
            let place = (topic_index, partition_responses.len());
            let first_time = seen.insert((topic.name.clone(), topic.topic_id, data.index));
            let result = if first_time {
                append(context, reference, &data, acks)
            } else {
                Err(Refusal::new(ErrorCode::InvalidRequest, "the partition is named twice in one request"))
            };
            let result =
                result.map_err(|refusal| refusal.named(&reference.describe(context.services, data.index)));
            partition_responses.push(produced.note(context, place, data.index, result, acks));
        }
        produced.response.responses.push(TopicProduceResponse {
            name: topic.name.detached(),
            topic_id: topic.topic_id,
            partition_responses,
        });
    }
    // answer
    produced.answer(context, acks, deadline)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Acks {
    None,
    Leader,
    All,
}

/// A batch that is in the log.
struct Written {
    partition: Arc<Partition>,
    base_offset: Offset,
    /// Offset behind its last record.
    end: Offset,
    log_append_time_ms: i64,
    log_start_offset: Offset,
}

struct Refusal {
    code: ErrorCode,
    message: String,
    records: Vec<(i32, String)>,
    /// Who leads instead, if that is the reason.
    leader: Option<LeaderIdAndEpoch>,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), records: Vec::new(), leader: None }
    }

    /// The client may write to many partitions in one request: the message says which one this is about. Where records are
    /// named, each tells it.
    fn named(self, partition: &str) -> Self {
        if !self.records.is_empty() {
            return self;
        }
        Self { message: format!("{partition}: {}", self.message), ..self }
    }
}

impl From<RefusedBatch> for Refusal {
    fn from(refused: RefusedBatch) -> Self {
        Self { records: refused.records, ..Self::new(refused.code, refused.message) }
    }
}

fn append(
    context: &Context<'_>,
    topic: TopicRef<'_>,
    data: &PartitionProduceData,
    acks: Acks,
) -> Result<Written, Refusal> {
    if topic.is_internal(context.services) {
        // Its coordinator would not know what stands in its own log.
        return Err(Refusal::new(
            ErrorCode::InvalidTopicException,
            "clients do not write to internal topics",
        ));
    }
    let partition =
        topic.partition(context.services, data.index).map_err(|code| Refusal::new(code, code.text()))?;
    let appended = append_to(&partition, context, data, acks);
    if appended.is_err() {
        let bytes = data.records.bytes().map_or(0, bytes::Bytes::len);
        partition.traffic().rejected(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
    appended
}

fn append_to(
    partition: &Arc<Partition>,
    context: &Context<'_>,
    data: &PartitionProduceData,
    acks: Acks,
) -> Result<Written, Refusal> {
    // The leadership first: whoever is not the leader need not look at the bytes.
    partition.check_leader(None).map_err(|refusal| Refusal {
        leader: Some(leader_of(partition)),
        ..Refusal::new(not_leader_code(refusal), "this broker does not lead the partition")
    })?;
    let bytes = match &data.records {
        Records::Bytes(bytes) => bytes.clone(),
        Records::Null | Records::Hole { .. } => {
            return Err(Refusal::new(ErrorCode::InvalidRecord, "there is no record batch"));
        }
    };
    let now = context.services.env.clock.wall();
    let limits =
        ProduceLimits { max_decompressed_bytes: context.services.config.requests.decompressed_batch_max };
    let produced =
        prepare_produced(bytes, context.version, partition.name(), &partition.config(), limits, now)?;
    if is_transactional(&produced.bytes) {
        return Err(Refusal::new(ErrorCode::InvalidTxnState, "transactions are not served yet"));
    }
    let append = LeaderAppend { now, origin: AppendOrigin::Client, all_in_sync: acks == Acks::All };
    let appended = partition
        .append(&produced.bytes, append, None)
        .map_err(|refusal| Refusal::new(append_code(&refusal), append_message(&refusal)))?;
    Ok(Written {
        base_offset: appended.base_offset,
        end: Offset(appended.last_offset.get().saturating_add(1)),
        log_append_time_ms: appended.log_append_time.map_or(-1, i64::from),
        log_start_offset: appended.log_start_offset,
        partition: Arc::clone(partition),
    })
}

fn named_by(version: i16, topic: &TopicProduceData) -> TopicRef<'_> {
    if version < BY_ID { TopicRef::Name(&topic.name) } else { TopicRef::Id(topic.topic_id) }
}

fn is_transactional(batch: &[u8]) -> bool {
    BatchHeader::parse(batch).is_ok_and(|header| header.is_transactional())
}

fn has_transactional_batch(request: &ProduceRequest) -> bool {
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    partitions.any(|data| data.records.bytes().is_some_and(|bytes| is_transactional(bytes)))
}

/// The answer as far as the first stage knows it.
struct Produced {
    response: ProduceResponse,
    waits: Vec<Wait>,
    hints: Vec<i32>,
}

/// A partition whose batch is not committed yet.
struct Wait {
    topic: usize,
    partition_place: usize,
    partition: Arc<Partition>,
    committed: oneshot::Receiver<()>,
}

impl Produced {
    fn note(
        &mut self,
        context: &Context<'_>,
        (topic, partition_place): (usize, usize),
        index: i32,
        result: Result<Written, Refusal>,
        acks: Acks,
    ) -> PartitionProduceResponse {
        match result {
            Ok(written) => {
                // What is committed already needs no second stage.
                if acks == Acks::All && !written.partition.is_committed(written.end) {
                    let committed = written.partition.committed(written.end);
                    self.waits.push(Wait { topic, partition_place, partition: written.partition, committed });
                }
                PartitionProduceResponse {
                    index,
                    base_offset: written.base_offset.get(),
                    log_append_time_ms: written.log_append_time_ms,
                    log_start_offset: written.log_start_offset.get(),
                    ..PartitionProduceResponse::default()
                }
            }
            Err(refusal) => {
                let leader = refusal.leader.filter(|_| HINTS <= context.version).unwrap_or_default();
                if 0 <= leader.leader_id {
                    self.hints.push(leader.leader_id);
                }
                refused(index, refusal.code, Some(refusal.message), &refusal.records, leader)
            }
        }
    }

    fn answer(mut self, context: &Context<'_>, acks: Acks, timeout: Duration) -> Staged<ProduceResponse> {
        match acks {
            Acks::None => {
                let mut partitions =
                    self.response.responses.iter().flat_map(|topic| &topic.partition_responses);
                if partitions.all(|partition| partition.error_code == ErrorCode::None.code()) {
                    return Staged::Silent;
                }
                return Staged::Disconnect;
            }
            Acks::Leader | Acks::All => {}
        }
        let endpoints = LeaderHints::new(context.services, &context.peer.listener, &self.hints);
        self.response.node_endpoints =
            endpoints.map(|id, host, port, rack| NodeEndpoint { node_id: id, host, port, rack });
        if self.waits.is_empty() {
            return Staged::ready(self.response);
        }
        let services = Arc::clone(context.services);
        let counted = Counted::begin(&services.telemetry.waiting_produces);
        Staged::later(async move {
            let _counted = counted;
            self.wait(&services, timeout).await;
            Reply::from(self.response)
        })
    }

    /// Waits until everything is committed, hopeless, or out of time.
    async fn wait(&mut self, services: &Services, timeout: Duration) {
        let deadline = services.env.clock.now().after(timeout);
        for wait in std::mem::take(&mut self.waits) {
            let code = match services.env.clock.before(deadline, wait.committed).await {
                Some(Ok(())) if wait.partition.has_enough_in_sync() => continue,
                Some(Ok(())) => ErrorCode::NotEnoughReplicasAfterAppend,
                Some(Err(_)) if wait.partition.directory().is_failed() => ErrorCode::KafkaStorageError,
                Some(Err(_)) => ErrorCode::NotLeaderOrFollower,
                None => ErrorCode::RequestTimedOut,
            };
            wait.partition.traffic().produce_failed();
            let topic = self.response.responses.get_mut(wait.topic);
            if let Some(partition) =
                topic.and_then(|topic| topic.partition_responses.get_mut(wait.partition_place))
            {
                partition.error_code = code.code();
            }
        }
    }
}

fn refused(
    index: i32,
    code: ErrorCode,
    message: Option<String>,
    records: &[(i32, String)],
    current_leader: LeaderIdAndEpoch,
) -> PartitionProduceResponse {
    let record_errors = records.iter().map(|(index, reason)| BatchIndexAndErrorMessage {
        batch_index: *index,
        batch_index_error_message: Some(reason.as_str().into()),
    });
    PartitionProduceResponse {
        index,
        error_code: code.code(),
        base_offset: -1,
        record_errors: record_errors.collect(),
        error_message: message.map(Into::into),
        current_leader,
        ..PartitionProduceResponse::default()
    }
}

/// The same code and reason for every partition; nothing was appended.
fn refuse_all(context: &Context<'_>, request: ProduceRequest, code: ErrorCode, why: &str) -> ProduceResponse {
    let topic = |topic: TopicProduceData| {
        let reference = named_by(context.version, &topic);
        let refuse = |data: &PartitionProduceData| {
            let refusal = Refusal::new(code, why).named(&reference.describe(context.services, data.index));
            refused(data.index, refusal.code, Some(refusal.message), &[], LeaderIdAndEpoch::default())
        };
        TopicProduceResponse {
            partition_responses: topic.partition_data.iter().map(refuse).collect(),
            name: topic.name.detached(),
            topic_id: topic.topic_id,
        }
    };
    ProduceResponse {
        responses: request.topic_data.into_iter().map(topic).collect(),
        ..ProduceResponse::default()
    }
}
