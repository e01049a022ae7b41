//! Tests of the producer as a whole: `order` (transcripts of the pure core), `fates` (which failures may have been
//! written), `exchange` (against a scripted broker), `cancel` (dropped futures).

mod cancel;
mod exchange;
mod fates;
mod order;

use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::api::ApiKey;
use mainstem_protocol::message::Request;
use mainstem_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use mainstem_protocol::messages::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use mainstem_protocol::records::{BatchHeader, RecordBatch};

use super::{Producer, Record};
use crate::fake::{Arrived, FakeBroker, Reply, basics};
use crate::kafka::Kafka;

const KEYS: &[ApiKey] = &[ApiKey::API_VERSIONS, ApiKey::METADATA, ApiKey::PRODUCE, ApiKey::INIT_PRODUCER_ID];
const LONG: Duration = Duration::from_secs(300);

/// A batch as it arrived.
#[derive(Debug, Clone)]
struct Seen {
    partition: i32,
    header: BatchHeader,
    values: Vec<String>,
}

/// What a script says of one batch: base offset, or an error code.
type Answer = Result<i64, i16>;

fn batches_of(request: &Arrived) -> Vec<Seen> {
    let body = request.body::<ProduceRequest>();
    let mut seen = Vec::new();
    for data in body.topic_data.iter().flat_map(|topic| &topic.partition_data) {
        let (batch, rest) = RecordBatch::parse(data.records.bytes().unwrap().clone()).unwrap();
        assert!(rest.is_empty(), "one batch a partition");
        let records = batch.records(1 << 20).unwrap();
        let values = records
            .iter()
            .map(|record| String::from_utf8_lossy(record.unwrap().value.unwrap_or(b"null")).into_owned());
        seen.push(Seen { partition: data.index, header: *batch.header(), values: values.collect() });
    }
    seen
}

fn respond(request: &Arrived, mut decide: impl FnMut(&Seen) -> Answer) -> Reply {
    respond_with(request, |seen| {
        let (error_code, base_offset) = match decide(seen) {
            Ok(offset) => (0, offset),
            Err(code) => (code, -1),
        };
        PartitionProduceResponse { error_code, base_offset, ..Default::default() }
    })
}

fn respond_with(request: &Arrived, mut decide: impl FnMut(&Seen) -> PartitionProduceResponse) -> Reply {
    let body = request.body::<ProduceRequest>();
    let partition_responses = batches_of(request)
        .into_iter()
        .map(|seen| PartitionProduceResponse { index: seen.partition, ..decide(&seen) });
    let topic = &body.topic_data[0];
    let response = TopicProduceResponse {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partition_responses: partition_responses.collect(),
    };
    Reply::to(request, &ProduceResponse { responses: vec![response], ..Default::default() })
}

/// Answers everything but Produce: topic `t` with `partitions` partitions led by node 1, producer id 7.
fn preamble(request: &Arrived, partitions: i32) -> Option<Reply> {
    if request.key() == InitProducerIdRequest::KEY {
        let response = InitProducerIdResponse { producer_id: 7, ..InitProducerIdResponse::default() };
        return Some(Reply::to(request, &response));
    }
    basics(request, KEYS, partitions)
}

/// A broker with topic `t` that answers each Produce as `script` says.
fn broker(partitions: i32, mut script: impl FnMut(&Arrived) -> Reply + Send + 'static) -> Arc<FakeBroker> {
    FakeBroker::new(move |request| preamble(request, partitions).unwrap_or_else(|| script(request)))
}

fn kafka(broker: &Arc<FakeBroker>, properties: &[(&str, &str)]) -> Kafka {
    let mut builder = Kafka::builder("fake:1").dialer(Arc::<FakeBroker>::clone(broker));
    for (name, value) in properties {
        builder = builder.property(name, value);
    }
    builder.build().unwrap()
}

fn producer(broker: &Arc<FakeBroker>, properties: &[(&str, &str)]) -> Producer {
    kafka(broker, properties).producer().build().unwrap()
}

/// A record for partition 0 of `t`.
fn record(value: &str) -> Record {
    Record { partition: Some(0), ..Record::new("t", value.to_owned()) }
}
