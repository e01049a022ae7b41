//! A scripted broker that keeps logs, one classic group of one member, and its positions with their metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mainstem_protocol::api::ApiKey;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::message::Request;
use mainstem_protocol::messages::api_versions::ApiVersionsRequest;
use mainstem_protocol::messages::fetch::{
    FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use mainstem_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use mainstem_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use mainstem_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use mainstem_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use mainstem_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use mainstem_protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use mainstem_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use mainstem_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use mainstem_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
};
use mainstem_protocol::messages::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use mainstem_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use mainstem_protocol::model::{LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};
use mainstem_protocol::records::{BatchBuilder, BatchHeader, BatchOptions, RecordBatch};
use mainstem_protocol::wire::Records;
use parking_lot::Mutex;

use super::tp;
use crate::consumer::group::blob;
use crate::consumer::{Committed, Consumer, OffsetAndMetadata, OffsetReset};
use crate::fake::{Arrived, FakeBroker, Reply, versions};
use crate::kafka::Kafka;

const KEYS: &[ApiKey] = &[
    ApiKey::API_VERSIONS,
    ApiKey::METADATA,
    ApiKey::FIND_COORDINATOR,
    ApiKey::JOIN_GROUP,
    ApiKey::SYNC_GROUP,
    ApiKey::HEARTBEAT,
    ApiKey::LEAVE_GROUP,
    ApiKey::OFFSET_COMMIT,
    ApiKey::OFFSET_FETCH,
    ApiKey::LIST_OFFSETS,
    ApiKey::FETCH,
    ApiKey::PRODUCE,
    ApiKey::INIT_PRODUCER_ID,
];
/// How long a fetch waits when there is nothing to read.
const FETCH_WAIT: Duration = Duration::from_millis(500);

/// What the broker keeps; tests change it at any time.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) logs: BTreeMap<TopicPartition, Vec<Bytes>>,
    pub(super) stored: Committed,
    /// What the member gets with its next join.
    pub(super) assigned: BTreeSet<TopicPartition>,
    /// What the next heartbeats say, in place of nothing.
    pub(super) heartbeats: Vec<ErrorCode>,
    /// What the next commits say, in place of nothing.
    pub(super) commits: Vec<ErrorCode>,
    /// Whether commits are not answered.
    pub(super) silent: bool,
    /// Kinds of requests about the group, in their order, without heartbeats.
    pub(super) seen: Vec<String>,
    generation: i32,
}

/// The broker, and a client of it.
pub(super) struct Broker {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) kafka: Kafka,
}

impl Broker {
    /// One with these partitions, all of which the member gets.
    pub(super) fn new(partitions: &[(&str, i32)]) -> Self {
        let assigned: BTreeSet<_> = partitions.iter().map(|(topic, index)| tp(topic, *index)).collect();
        let logs = assigned.iter().map(|partition| (partition.clone(), Vec::new())).collect();
        let state = Arc::new(Mutex::new(State { logs, assigned, ..State::default() }));
        let script = Arc::clone(&state);
        let fake = FakeBroker::new(move |request| script.lock().answer(request));
        let kafka = Kafka::builder("fake:9092").dialer(fake).build().unwrap();
        Self { state, kafka }
    }

    /// Records with these keys, the value of each being its offset.
    pub(super) fn fill<'a>(
        &self,
        partition: &TopicPartition,
        keys: impl IntoIterator<Item = Option<&'a str>>,
    ) {
        let mut state = self.state.lock();
        let log = state.logs.get_mut(partition).unwrap();
        let base = end(log);
        let options = BatchOptions {
            base_offset: Offset(base),
            partition_leader_epoch: LeaderEpoch(3),
            ..Default::default()
        };
        let mut builder = BatchBuilder::new(options);
        for (key, offset) in keys.into_iter().zip(base..) {
            let value = offset.to_string();
            let key = key.map(str::as_bytes);
            builder.append(Timestamp(1000 + offset), key, Some(value.as_bytes()), []).unwrap();
        }
        log.push(builder.finish().unwrap());
    }

    pub(super) fn consumer(&self) -> Consumer {
        let builder = self.kafka.consumer().group("g").offset_reset(OffsetReset::Earliest);
        let mut consumer = builder.build().unwrap();
        consumer.subscribe(["t"]).unwrap();
        consumer
    }

    pub(super) fn stored(&self, partition: &TopicPartition) -> Option<OffsetAndMetadata> {
        self.state.lock().stored.get(partition).cloned()
    }

    /// Headers of each record of a partition, as text.
    pub(super) fn headers(&self, partition: &TopicPartition) -> Vec<BTreeMap<String, String>> {
        let state = self.state.lock();
        let batches = state.logs[partition].iter().map(|batch| RecordBatch::parse(batch.clone()).unwrap().0);
        let records = batches.flat_map(|batch| {
            let records = batch.records(1 << 20).unwrap();
            let records = records.iter().map(|record| {
                let record = record.unwrap();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                record.headers().map(|header| (text(header.key), text(header.value.unwrap()))).collect()
            });
            records.collect::<Vec<_>>()
        });
        records.collect()
    }
}

fn end(log: &[Bytes]) -> i64 {
    log.last().map_or(0, |last| BatchHeader::parse(last).unwrap().next_offset().get())
}

impl State {
    fn answer(&mut self, request: &Arrived) -> Reply {
        let name = request.key().name().to_owned();
        match request.key() {
            ApiVersionsRequest::KEY => return Reply::to(request, &versions(KEYS)),
            MetadataRequest::KEY => return self.metadata(request),
            ListOffsetsRequest::KEY => return self.offsets(request),
            FetchRequest::KEY => return self.fetch(request),
            InitProducerIdRequest::KEY => {
                let response = InitProducerIdResponse { producer_id: 7, ..Default::default() };
                return Reply::to(request, &response);
            }
            HeartbeatRequest::KEY => {
                let code = self.heartbeats.pop().unwrap_or(ErrorCode::None);
                return Reply::to(
                    request,
                    &HeartbeatResponse { error_code: code.code(), ..Default::default() },
                );
            }
            _ => {}
        }
        self.seen.push(name);
        match request.key() {
            ProduceRequest::KEY => self.produce(request),
            FindCoordinatorRequest::KEY => {
                let coordinator = Coordinator {
                    key: "g".into(),
                    node_id: 1,
                    host: "fake".into(),
                    port: 9092,
                    ..Coordinator::default()
                };
                let coordinators = vec![coordinator];
                Reply::to(request, &FindCoordinatorResponse { coordinators, ..Default::default() })
            }
            JoinGroupRequest::KEY => self.join(request),
            SyncGroupRequest::KEY => {
                let assignment = blob::assignment(&self.assigned).unwrap();
                Reply::to(request, &SyncGroupResponse { assignment, ..SyncGroupResponse::default() })
            }
            LeaveGroupRequest::KEY => Reply::to(request, &LeaveGroupResponse::default()),
            OffsetFetchRequest::KEY => self.positions(request),
            OffsetCommitRequest::KEY if self.silent => Reply::Silence,
            OffsetCommitRequest::KEY => self.commit(request),
            key => panic!("{key:?}"),
        }
    }

    fn topics(&self) -> BTreeSet<Arc<str>> {
        self.logs.keys().map(|partition| Arc::clone(&partition.topic)).collect()
    }

    fn id(&self, name: &str) -> TopicId {
        let index = self.topics().iter().position(|topic| &**topic == name);
        TopicId([u8::try_from(index.unwrap() + 1).unwrap(); 16])
    }

    /// The name of a topic that a request names in one way or the other.
    fn name(&self, name: &str, id: TopicId) -> Arc<str> {
        let found = self.topics().into_iter().find(|topic| &**topic == name || self.id(topic) == id);
        found.unwrap()
    }

    fn metadata(&self, request: &Arrived) -> Reply {
        let asked = request.body::<MetadataRequest>().topics.unwrap_or_default();
        let topics = asked.into_iter().map(|topic| {
            let name: Arc<str> = Arc::from(topic.name.as_ref().map_or("", |name| name.as_str()));
            let known = self.topics().contains(&name);
            let partitions = self.logs.keys().filter(|partition| partition.topic == name);
            let partitions = partitions.map(|partition| MetadataResponsePartition {
                partition_index: partition.partition.get(),
                leader_id: 1,
                leader_epoch: 3,
                ..MetadataResponsePartition::default()
            });
            MetadataResponseTopic {
                error_code: if known { 0 } else { 3 },
                name: topic.name,
                topic_id: if known { self.id(&name) } else { TopicId::NONE },
                partitions: partitions.collect(),
                ..MetadataResponseTopic::default()
            }
        });
        let topics = topics.collect();
        let broker = MetadataResponseBroker {
            node_id: 1,
            host: "fake".into(),
            port: 9092,
            ..MetadataResponseBroker::default()
        };
        Reply::to(request, &MetadataResponse { brokers: vec![broker], topics, ..Default::default() })
    }

    fn offsets(&self, request: &Arrived) -> Reply {
        let asked = request.body::<ListOffsetsRequest>();
        let topics = asked.topics.into_iter().map(|topic| ListOffsetsTopicResponse {
            partitions: topic
                .partitions
                .iter()
                .map(|wanted| ListOffsetsPartitionResponse {
                    partition_index: wanted.partition_index,
                    offset: match wanted.timestamp {
                        -2 => 0,
                        _ => end(&self.logs[&tp(topic.name.as_str(), wanted.partition_index)]),
                    },
                    ..ListOffsetsPartitionResponse::default()
                })
                .collect(),
            name: topic.name,
        });
        let topics = topics.collect();
        Reply::to(request, &ListOffsetsResponse { topics, ..ListOffsetsResponse::default() })
    }

    /// Outside any session: every fetch names all that it wants.
    fn fetch(&self, request: &Arrived) -> Reply {
        let mut found = false;
        let responses = request.body::<FetchRequest>().topics.into_iter().map(|topic| {
            let name = self.name(topic.topic.as_str(), topic.topic_id);
            let partitions = topic.partitions.iter().map(|wanted| {
                let log = &self.logs[&tp(&name, wanted.partition)];
                let next = |batch: &&Bytes| {
                    wanted.fetch_offset < BatchHeader::parse(batch).unwrap().next_offset().get()
                };
                let bytes: Vec<u8> = log.iter().filter(next).flat_map(|batch| batch.to_vec()).collect();
                found |= !bytes.is_empty();
                PartitionData {
                    partition_index: wanted.partition,
                    high_watermark: end(log),
                    last_stable_offset: end(log),
                    records: Records::from(Bytes::from(bytes)),
                    ..PartitionData::default()
                }
            });
            let partitions = partitions.collect();
            FetchableTopicResponse { topic: topic.topic, topic_id: topic.topic_id, partitions }
        });
        let response = FetchResponse { responses: responses.collect(), ..FetchResponse::default() };
        match Reply::to(request, &response) {
            Reply::Bytes(bytes) if !found => Reply::Late(FETCH_WAIT, bytes),
            reply => reply,
        }
    }

    fn produce(&mut self, request: &Arrived) -> Reply {
        let body = request.body::<ProduceRequest>();
        assert_eq!(body.acks, -1, "letters are acknowledged by all");
        let responses = body.topic_data.into_iter().map(|topic| {
            let name = self.name(topic.name.as_str(), topic.topic_id);
            let partition_responses = topic.partition_data.iter().map(|data| {
                let log = self.logs.get_mut(&tp(&name, data.index)).unwrap();
                let base = end(log);
                let mut batch = data.records.bytes().unwrap().to_vec();
                batch[..8].copy_from_slice(&base.to_be_bytes());
                log.push(Bytes::from(batch));
                PartitionProduceResponse { index: data.index, base_offset: base, ..Default::default() }
            });
            let partition_responses = partition_responses.collect();
            TopicProduceResponse { name: topic.name, topic_id: topic.topic_id, partition_responses }
        });
        Reply::to(request, &ProduceResponse { responses: responses.collect(), ..Default::default() })
    }

    fn join(&mut self, request: &Arrived) -> Reply {
        self.generation += 1;
        let metadata = request.body::<JoinGroupRequest>().protocols[0].metadata.clone();
        let member =
            JoinGroupResponseMember { member_id: "m".into(), metadata, ..JoinGroupResponseMember::default() };
        Reply::to(
            request,
            &JoinGroupResponse {
                generation_id: self.generation,
                protocol_type: Some("consumer".into()),
                protocol_name: Some("range".into()),
                leader: "m".into(),
                member_id: "m".into(),
                members: vec![member],
                ..JoinGroupResponse::default()
            },
        )
    }

    fn positions(&self, request: &Arrived) -> Reply {
        let asked = request.body::<OffsetFetchRequest>().groups.remove(0).topics.unwrap();
        let topics = asked.into_iter().map(|topic| OffsetFetchResponseTopics {
            partitions: topic
                .partition_indexes
                .iter()
                .map(|index| {
                    let found = self.stored.get(&tp(topic.name.as_str(), *index));
                    OffsetFetchResponsePartitions {
                        partition_index: *index,
                        committed_offset: found.map_or(-1, |found| found.offset),
                        committed_leader_epoch: found.and_then(|found| found.leader_epoch).unwrap_or(-1),
                        metadata: found.map(|found| found.metadata.as_str().into()),
                        ..OffsetFetchResponsePartitions::default()
                    }
                })
                .collect(),
            name: topic.name,
            ..OffsetFetchResponseTopics::default()
        });
        let group =
            OffsetFetchResponseGroup { group_id: "g".into(), topics: topics.collect(), error_code: 0 };
        Reply::to(request, &OffsetFetchResponse { groups: vec![group], ..OffsetFetchResponse::default() })
    }

    fn commit(&mut self, request: &Arrived) -> Reply {
        let asked: OffsetCommitRequest = request.body();
        let current = asked.generation_id_or_member_epoch == self.generation;
        let code = match self.commits.pop() {
            Some(code) => code,
            None if current => ErrorCode::None,
            None => ErrorCode::IllegalGeneration,
        };
        let topics = asked.topics.iter().map(|topic| OffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|part| {
                    if code == ErrorCode::None {
                        let position = OffsetAndMetadata {
                            offset: part.committed_offset,
                            leader_epoch: Some(part.committed_leader_epoch).filter(|epoch| 0 <= *epoch),
                            metadata: part
                                .committed_metadata
                                .as_ref()
                                .map(ToString::to_string)
                                .unwrap_or_default(),
                        };
                        self.stored.insert(tp(topic.name.as_str(), part.partition_index), position);
                    }
                    OffsetCommitResponsePartition {
                        partition_index: part.partition_index,
                        error_code: code.code(),
                    }
                })
                .collect(),
            ..OffsetCommitResponseTopic::default()
        });
        let topics = topics.collect();
        Reply::to(request, &OffsetCommitResponse { topics, ..OffsetCommitResponse::default() })
    }
}
