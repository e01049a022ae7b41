//! A fake cluster with one topic `t` of real batches, that keeps fetch sessions and fails on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use mainstem_protocol::api::ApiKey;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::message::Request;
use mainstem_protocol::messages::api_versions::ApiVersionsRequest;
use mainstem_protocol::messages::fetch::{
    AbortedTransaction, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use mainstem_protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use mainstem_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use mainstem_protocol::model::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicId, TopicPartition,
};
use mainstem_protocol::records::{
    BatchBuilder, BatchHeader, BatchOptions, Compression, ControlRecord, ControlType, ProducerFields,
};
use mainstem_protocol::wire::Records;
use parking_lot::Mutex;

use crate::consumer::{Consumer, ConsumerBuilder, Start};
use crate::fake::{Arrived, FakeBroker, Reply, versions};
use crate::kafka::Kafka;

const KEYS: &[ApiKey] = &[ApiKey::API_VERSIONS, ApiKey::METADATA, ApiKey::LIST_OFFSETS, ApiKey::FETCH];
/// Broker `n` listens on this port plus `n`.
const PORT: i32 = 9000;

/// One partition of the fake.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    pub(super) leader: i32,
    pub(super) leader_epoch: i32,
    pub(super) start: i64,
    pub(super) batches: Vec<Bytes>,
    pub(super) aborted: Vec<AbortedTransaction>,
}

impl Partition {
    fn end(&self) -> i64 {
        self.batches.last().map_or(self.start, |last| BatchHeader::parse(last).unwrap().next_offset().get())
    }
}

/// Offset and bytes wanted of each partition.
type Positions = BTreeMap<i32, (i64, i32)>;

/// State of the fake cluster; tests change it while the consumer runs.
#[derive(Debug)]
pub(super) struct State {
    pub(super) topic_id: TopicId,
    pub(super) partitions: BTreeMap<i32, Partition>,
    /// What each fetch said: `broker session/epoch partition@offset.. -forgotten`.
    pub(super) fetches: Vec<String>,
    /// Bytes that each fetch allowed.
    pub(super) max_bytes: Vec<i32>,
    /// Replies that take the place of the next answers, whole or by partition.
    pub(super) next: VecDeque<Instead>,
    /// Whether the limits of requests cut even the first batch, as no real broker does.
    pub(super) cuts: bool,
    /// Next epoch and positions of each session.
    sessions: BTreeMap<i32, (i32, Positions)>,
    pub(super) asked_for_offsets: bool,
    last_session: i32,
}

#[derive(Debug)]
pub(super) enum Instead {
    Close,
    SessionError(ErrorCode),
    Partition(PartitionData),
}

#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) kafka: Kafka,
}

pub(super) fn tp(index: i32) -> TopicPartition {
    TopicPartition::new("t", PartitionIndex(index))
}

/// A batch of records with the values `r<offset>`.
pub(super) fn batch(base: i64, count: i64, change: impl FnOnce(&mut BatchOptions)) -> Bytes {
    let mut options = BatchOptions {
        base_offset: Offset(base),
        partition_leader_epoch: LeaderEpoch(3),
        ..BatchOptions::default()
    };
    change(&mut options);
    let mut builder = BatchBuilder::new(options);
    for offset in base..base + count {
        let value = format!("r{offset}");
        builder.append(Timestamp(1000 + offset), None, Some(value.as_bytes()), []).unwrap();
    }
    builder.finish().unwrap()
}

pub(super) fn plain(base: i64, count: i64) -> Bytes {
    batch(base, count, |_| ())
}

pub(super) fn compressed(base: i64, count: i64, codec: Compression) -> Bytes {
    batch(base, count, |options| options.compression = codec)
}

pub(super) fn transactional(base: i64, count: i64, producer: i64) -> Bytes {
    batch(base, count, |options| {
        options.transactional = true;
        options.producer =
            Some(ProducerFields { id: ProducerId(producer), epoch: ProducerEpoch(0), base_sequence: 0 });
    })
}

pub(super) fn marker(offset: i64, producer: i64, control_type: ControlType) -> Bytes {
    let record = ControlRecord { control_type, coordinator_epoch: 1 };
    let (producer, epoch) = (ProducerId(producer), ProducerEpoch(0));
    record.to_batch(Offset(offset), LeaderEpoch(3), Timestamp(1), producer, epoch).unwrap()
}

impl Cluster {
    /// Partitions from 0 on with these batches, all led by broker 1 in epoch 3.
    pub(super) fn new(partitions: Vec<Vec<Bytes>>) -> Self {
        let partitions = partitions.into_iter().zip(0..).map(|(batches, index)| {
            let start = batches.first().map_or(0, |one| BatchHeader::parse(one).unwrap().base_offset.get());
            (index, Partition { leader: 1, leader_epoch: 3, start, batches, aborted: Vec::new() })
        });
        let state = Arc::new(Mutex::new(State {
            topic_id: TopicId([7; 16]),
            partitions: partitions.collect(),
            fetches: Vec::new(),
            max_bytes: Vec::new(),
            next: VecDeque::new(),
            cuts: false,
            sessions: BTreeMap::new(),
            asked_for_offsets: false,
            last_session: 0,
        }));
        let script = Arc::clone(&state);
        let fake = FakeBroker::new(move |request| script.lock().answer(request));
        let kafka = Kafka::builder("one:9001").dialer(fake).build().unwrap();
        Self { state, kafka }
    }

    pub(super) fn consumer(
        &self,
        partitions: impl IntoIterator<Item = (i32, Start)>,
        change: impl FnOnce(ConsumerBuilder) -> ConsumerBuilder,
    ) -> Consumer {
        let mut consumer = change(self.kafka.consumer()).build().unwrap();
        consumer.assign(partitions.into_iter().map(|(index, start)| (tp(index), start)));
        consumer
    }

    pub(super) fn fetches(&self) -> Vec<String> {
        self.state.lock().fetches.clone()
    }
}

impl State {
    fn answer(&mut self, request: &Arrived) -> Reply {
        match request.key() {
            ApiVersionsRequest::KEY => Reply::to(request, &versions(KEYS)),
            MetadataRequest::KEY => self.metadata(request),
            ListOffsetsRequest::KEY => self.offsets(request),
            FetchRequest::KEY => self.fetch(request),
            key => panic!("{key:?}"),
        }
    }

    fn metadata(&self, request: &Arrived) -> Reply {
        let asked = request.body::<MetadataRequest>().topics.unwrap_or_default();
        let brokers = (1..=2).map(|node_id| MetadataResponseBroker {
            node_id,
            host: "fake".into(),
            port: PORT + node_id,
            ..MetadataResponseBroker::default()
        });
        let topics = asked.into_iter().map(|topic| {
            let known = topic.name.as_ref().is_some_and(|name| *name == "t");
            let partitions = self.partitions.iter().map(|(index, partition)| MetadataResponsePartition {
                partition_index: *index,
                leader_id: partition.leader,
                leader_epoch: partition.leader_epoch,
                ..MetadataResponsePartition::default()
            });
            MetadataResponseTopic {
                error_code: if known { 0 } else { 3 },
                name: topic.name,
                topic_id: self.topic_id,
                partitions: if known { partitions.collect() } else { Vec::new() },
                ..MetadataResponseTopic::default()
            }
        });
        let (brokers, topics) = (brokers.collect(), topics.collect());
        Reply::to(request, &MetadataResponse { brokers, topics, ..MetadataResponse::default() })
    }

    /// Records have the timestamps 1000 + offset.
    fn offsets(&mut self, request: &Arrived) -> Reply {
        self.asked_for_offsets = true;
        let asked = request.body::<ListOffsetsRequest>();
        let topics = asked.topics.into_iter().map(|topic| ListOffsetsTopicResponse {
            partitions: topic
                .partitions
                .into_iter()
                .map(|wanted| {
                    let partition = &self.partitions[&wanted.partition_index];
                    let offset = match wanted.timestamp {
                        -2 => partition.start,
                        -1 => partition.end(),
                        moment if moment - 1000 < partition.end() => moment - 1000,
                        _ => -1,
                    };
                    ListOffsetsPartitionResponse {
                        partition_index: wanted.partition_index,
                        offset,
                        ..ListOffsetsPartitionResponse::default()
                    }
                })
                .collect(),
            name: topic.name,
        });
        let topics = topics.collect();
        Reply::to(request, &ListOffsetsResponse { topics, ..ListOffsetsResponse::default() })
    }

    fn fetch(&mut self, request: &Arrived) -> Reply {
        let asked = request.body::<FetchRequest>();
        let broker = i32::from(request.port) - PORT;
        let sent = asked.topics.iter().flat_map(|topic| &topic.partitions);
        let sent = sent.map(|part| format!(" {}@{}", part.partition, part.fetch_offset));
        let forgotten: Vec<i32> =
            asked.forgotten_topics_data.iter().flat_map(|topic| &topic.partitions).copied().collect();
        let gone = forgotten.iter().map(|index| format!(" -{index}"));
        let parts: String = sent.chain(gone).collect();
        self.fetches.push(format!("{broker} {}/{}{parts}", asked.session_id, asked.session_epoch));
        self.max_bytes.push(asked.max_bytes);
        match self.next.pop_front() {
            Some(Instead::Close) => return Reply::Close,
            Some(Instead::SessionError(code)) => {
                let response = FetchResponse { error_code: code.code(), ..FetchResponse::default() };
                return Reply::to(request, &response);
            }
            Some(Instead::Partition(data)) => return self.reply(request, asked.session_id, vec![data]),
            None => {}
        }
        let wanted = asked.topics.iter().flat_map(|topic| &topic.partitions);
        let wanted = wanted.map(|part| {
            (part.partition, (part.fetch_offset, part.current_leader_epoch, part.partition_max_bytes))
        });
        let (id, positions) = match asked.session_epoch {
            -1 => return self.reply(request, 0, Vec::new()),
            0 => {
                self.sessions.remove(&asked.session_id);
                self.last_session += 1;
                let positions = wanted.map(|(index, (offset, _, max))| (index, (offset, max))).collect();
                self.sessions.insert(self.last_session, (1, positions));
                (self.last_session, &self.sessions[&self.last_session].1)
            }
            epoch => {
                let (expected, positions) = self.sessions.get_mut(&asked.session_id).unwrap();
                assert_eq!(*expected, epoch, "epoch of the session");
                *expected += 1;
                positions.retain(|index, _| !forgotten.contains(index));
                positions.extend(wanted.map(|(index, (offset, _, max))| (index, (offset, max))));
                (asked.session_id, &*positions)
            }
        };
        let mut parts = Vec::new();
        for (index, (offset, max)) in positions.clone() {
            let partition = &self.partitions[&index];
            parts.extend(read(partition, broker, (index, offset), max, self.cuts));
        }
        if parts.is_empty() { Reply::Silence } else { self.reply(request, id, parts) }
    }

    fn reply(&self, request: &Arrived, session_id: i32, partitions: Vec<PartitionData>) -> Reply {
        let topic = FetchableTopicResponse { topic: "t".into(), topic_id: self.topic_id, partitions };
        let responses = vec![topic];
        Reply::to(request, &FetchResponse { session_id, responses, ..FetchResponse::default() })
    }
}

/// Whole batches up to `max` bytes, the first in any case; `None` = nothing new.
fn read(
    partition: &Partition,
    broker: i32,
    (index, offset): (i32, i64),
    max: i32,
    cuts: bool,
) -> Option<PartitionData> {
    let data = PartitionData {
        partition_index: index,
        high_watermark: partition.end(),
        last_stable_offset: partition.end(),
        log_start_offset: partition.start,
        aborted_transactions: Some(partition.aborted.clone()),
        records: Records::from(Bytes::new()),
        ..PartitionData::default()
    };
    if partition.leader != broker {
        return Some(PartitionData { error_code: ErrorCode::NotLeaderOrFollower.code(), ..data });
    }
    if offset < partition.start || partition.end() < offset {
        return Some(PartitionData { error_code: ErrorCode::OffsetOutOfRange.code(), ..data });
    }
    let max = usize::try_from(max).unwrap();
    let mut bytes = Vec::new();
    for batch in &partition.batches {
        let fits = bytes.is_empty() || bytes.len() + batch.len() <= max;
        if offset < BatchHeader::parse(batch).unwrap().next_offset().get() && fits {
            bytes.extend_from_slice(batch);
        }
    }
    if cuts {
        bytes.truncate(max);
    }
    (!bytes.is_empty()).then(|| PartitionData { records: Records::from(Bytes::from(bytes)), ..data })
}
