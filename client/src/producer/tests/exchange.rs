//! The producer against a scripted broker: what it sends, when, and what it makes of the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::message::Request;
use mainstem_protocol::messages::metadata::MetadataRequest;
use mainstem_protocol::messages::produce::{
    LeaderIdAndEpoch, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use mainstem_protocol::records::Compression;
use parking_lot::Mutex;

use super::super::record::{EnqueueFailure, Outcome, Record};
use super::super::{Acks, ProducerOptions};
use super::{LONG, Seen, batches_of, broker, kafka, preamble, producer, record, respond, respond_with};
use crate::error::Error;
use crate::fake::{FakeBroker, Reply};
use crate::runtime::now;

type Log = Arc<Mutex<Vec<Seen>>>;

/// A broker that takes everything and remembers it; offsets count per partition.
fn scribe(partitions: i32) -> (Arc<FakeBroker>, Log) {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let fake = broker(partitions, move |request| {
        respond(request, |seen| {
            let mut log = kept.lock();
            let before = log.iter().filter(|other| other.partition == seen.partition);
            let offset = before.map(|other| other.values.len()).sum::<usize>();
            log.push(seen.clone());
            Ok(i64::try_from(offset).unwrap())
        })
    });
    (fake, log)
}

#[tokio::test(start_paused = true)]
async fn records_get_the_offsets_of_their_batch() {
    let (fake, log) = scribe(1);
    let producer = producer(&fake, &[]);
    let mut deliveries = Vec::new();
    for value in ["a", "b", "c"] {
        deliveries.push(producer.enqueue(record(value)).await.unwrap());
    }
    for (expected, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset.unwrap().0, expected);
    }
    let log = log.lock();
    assert_eq!(log.len(), 1, "one batch after the linger");
    assert_eq!(log[0].values, ["a", "b", "c"]);
    assert_eq!((log[0].header.producer_id.0, log[0].header.base_sequence), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_lingers_and_no_longer() {
    let (fake, _) = scribe(1);
    let producer = producer(&fake, &[("linger.ms", "500")]);
    producer.prepare("t").await.unwrap();
    let started = now();
    producer.send(record("a")).await.unwrap();
    let took = now() - started;
    assert!((500..=502).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_linger_and_ends_with_every_outcome() {
    let (fake, _) = scribe(3);
    let producer = producer(&fake, &[("linger.ms", "60000")]);
    let mut deliveries = Vec::new();
    for partition in 0..3 {
        let record = Record { partition: Some(partition), ..record("a") };
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    let started = now();
    producer.flush().await.unwrap();
    assert!(now() - started < Duration::from_secs(1));
    for delivery in deliveries {
        use futures_util::FutureExt;
        assert!(delivery.now_or_never().is_some(), "an outcome after the flush");
    }
    producer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn batches_of_many_partitions_share_a_request() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let fake = broker(50, move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        respond(request, |_| Ok(0))
    });
    let producer = producer(&fake, &[]);
    for partition in 0..50 {
        drop(producer.enqueue(Record { partition: Some(partition), ..record("a") }).await.unwrap());
    }
    producer.flush().await.unwrap();
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn every_codec_arrives_readable() {
    for codec in Compression::ALL {
        let (fake, log) = scribe(1);
        let producer = producer(&fake, &[("compression.type", codec.name())]);
        let values: Vec<String> = (0..100).map(|index| format!("value {index}")).collect();
        for value in &values {
            drop(producer.enqueue(record(value)).await.unwrap());
        }
        producer.close(LONG).await.unwrap();
        let log = log.lock();
        assert_eq!(log[0].header.compression(), Some(codec));
        assert_eq!(log.iter().flat_map(|seen| seen.values.clone()).collect::<Vec<_>>(), values);
    }
}

#[tokio::test(start_paused = true)]
async fn a_moved_leader_is_asked_for_and_the_batch_sent_again_under_its_number() {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let refreshes = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&refreshes);
    let mut failures = 2;
    let fake = FakeBroker::new(move |request| {
        if request.key() == MetadataRequest::KEY {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        preamble(request, 1).unwrap_or_else(|| {
            respond(request, |batch| {
                kept.lock().push(batch.clone());
                failures -= 1;
                if 0 <= failures { Err(ErrorCode::NotLeaderOrFollower.code()) } else { Ok(9) }
            })
        })
    });
    let written = producer(&fake, &[]).send(record("a")).await.unwrap();
    assert_eq!(written.offset.unwrap().0, 9);
    assert_eq!(log.lock().iter().map(|seen| seen.header.base_sequence).collect::<Vec<_>>(), [0, 0, 0]);
    assert_eq!(refreshes.load(Ordering::Relaxed), 3);
}

/// KIP-951: the refusal names the next leader, so there is nothing to ask and nothing to wait for.
#[tokio::test(start_paused = true)]
async fn a_leader_named_in_the_refusal_gets_the_batch_at_once() {
    let refreshes = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&refreshes);
    let mut moved = false;
    let fake = FakeBroker::new(move |request| {
        if request.key() == MetadataRequest::KEY {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        preamble(request, 1).unwrap_or_else(|| {
            respond_with(request, |_| {
                let first = !std::mem::replace(&mut moved, true);
                PartitionProduceResponse {
                    error_code: if first { ErrorCode::NotLeaderOrFollower.code() } else { 0 },
                    current_leader: LeaderIdAndEpoch {
                        leader_id: 1,
                        leader_epoch: if first { 4 } else { -1 },
                    },
                    ..PartitionProduceResponse::default()
                }
            })
        })
    });
    let producer = producer(&fake, &[("linger.ms", "0")]);
    producer.prepare("t").await.unwrap();
    let started = now();
    producer.send(record("a")).await.unwrap();
    assert!(now() - started < Duration::from_millis(10), "no pause");
    assert_eq!(refreshes.load(Ordering::Relaxed), 1, "the one of the beginning");
}

/// Every third request ends its connection, before or after the append; the broker deduplicates as brokers do.
#[tokio::test(start_paused = true)]
async fn disconnects_neither_lose_nor_duplicate_nor_reorder() {
    let log: Arc<Mutex<Vec<(i32, String)>>> = Arc::default();
    let kept = Arc::clone(&log);
    let mut requests = 0;
    let mut next_sequence = 0;
    let fake = broker(1, move |request| {
        requests += 1;
        if requests % 6 == 3 {
            return Reply::Close;
        }
        let reply = respond(request, |seen| {
            let sequence = seen.header.base_sequence;
            let count = i32::try_from(seen.values.len()).unwrap();
            if next_sequence < sequence {
                return Err(ErrorCode::OutOfOrderSequenceNumber.code());
            }
            if sequence == next_sequence {
                next_sequence += count;
                kept.lock().extend(seen.values.iter().map(|value| (sequence, value.clone())));
            }
            Ok(i64::from(sequence))
        });
        if requests % 6 == 0 { Reply::Close } else { reply }
    });
    let producer = producer(&fake, &[("batch.size", "120"), ("linger.ms", "0")]);
    let values: Vec<String> = (0..200).map(|index| format!("{index:030}")).collect();
    let mut deliveries = Vec::new();
    for value in &values {
        deliveries.push(producer.enqueue(record(value)).await.unwrap());
    }
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset.unwrap().0, offset);
    }
    let arrived: Vec<String> = log.lock().iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(arrived, values);
    assert!(10 < fake.connections(), "{} connections", fake.connections());
}

#[tokio::test(start_paused = true)]
async fn without_acks_everything_leaves_and_offsets_are_unknown() {
    let (count, kept) = (Arc::new(AtomicUsize::new(0)), Log::default());
    let (counted, log) = (Arc::clone(&count), Arc::clone(&kept));
    let fake = broker(1, move |request| {
        assert_eq!(request.body::<ProduceRequest>().acks, Acks::None.wire());
        counted.fetch_add(1, Ordering::Relaxed);
        log.lock().extend(batches_of(request));
        Reply::Silence
    });
    let producer = producer(&fake, &[("acks", "0")]);
    for _ in 0..3 {
        assert_eq!(producer.send(record("a")).await.unwrap().offset, None);
    }
    producer.close(LONG).await.unwrap();
    while count.load(Ordering::Relaxed) < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kept.lock()[0].header.producer_id.0, -1);
}

#[tokio::test(start_paused = true)]
async fn full_memory_makes_enqueue_wait_and_try_enqueue_give_back() {
    let gate = Arc::new(AtomicUsize::new(0));
    let open = Arc::clone(&gate);
    let fake = broker(1, move |request| {
        if open.load(Ordering::Relaxed) == 0 { Reply::Silence } else { respond(request, |_| Ok(0)) }
    });
    let options = ProducerOptions {
        buffer_bytes: 2000,
        max_request_bytes: 1000,
        batch_bytes: 1000,
        max_block: Duration::from_secs(5),
        delivery_timeout: Duration::from_secs(100),
        ..ProducerOptions::default()
    };
    let kafka = kafka(&fake, &[("request.timeout.ms", "20000")]);
    let producer = kafka.producer().options(options).build().unwrap();
    let large = || record(&"x".repeat(800));
    let first = producer.enqueue(large()).await.unwrap();
    let second = producer.enqueue(large()).await.unwrap();
    let refused = producer.try_enqueue(large()).unwrap_err();
    assert!(matches!(refused.cause, EnqueueFailure::Full));
    assert_eq!(refused.record.value.unwrap().len(), 800);
    let started = now();
    let refused = producer.enqueue(large()).await.unwrap_err();
    assert!(matches!(refused.cause, EnqueueFailure::Full));
    assert_eq!((now() - started).as_secs(), 5);
    gate.store(1, Ordering::Relaxed);
    // The first request times out, and its connection with it; then all goes through, and memory is free again.
    first.await.unwrap();
    second.await.unwrap();
    producer.try_enqueue(large()).unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn close_ends_after_its_limit_and_says_what_failed() {
    let fake = broker(1, |_| Reply::Silence);
    let producer = producer(&fake, &[]);
    let delivery = producer.enqueue(record("a")).await.unwrap();
    let started = now();
    let error = producer.close(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!((now() - started).as_secs(), 3);
    assert_eq!(error.outcome, Outcome::PossiblyWritten);
    assert!(matches!(delivery.await.unwrap_err().cause, Error::Closed));
    let refused = producer.enqueue(record("b")).await.unwrap_err();
    assert!(matches!(refused.cause, EnqueueFailure::Closed));
    producer.close(LONG).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_is_dropped_still_sends_what_it_took() {
    let (fake, log) = scribe(1);
    let producer = producer(&fake, &[("linger.ms", "1000")]);
    let delivery = producer.enqueue(record("a")).await.unwrap();
    drop(producer);
    delivery.await.unwrap();
    assert_eq!(log.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_ends_its_producers() {
    let (fake, _) = scribe(1);
    let kafka = kafka(&fake, &[]);
    let producer = kafka.producer().build().unwrap();
    producer.send(record("a")).await.unwrap();
    kafka.close().await;
    let error = producer.send(record("b")).await.unwrap_err();
    assert!(matches!(error.cause, Error::Closed), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_broker_finds_too_large_arrives_in_parts() {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let fake = broker(1, move |request| {
        respond(request, |seen| {
            if 3 < seen.values.len() {
                return Err(ErrorCode::MessageTooLarge.code());
            }
            kept.lock().push(seen.clone());
            Ok(i64::from(seen.header.base_sequence))
        })
    });
    let producer = producer(&fake, &[]);
    let values: Vec<String> = (0..10).map(|index| index.to_string()).collect();
    let mut deliveries = Vec::new();
    for value in &values {
        deliveries.push(producer.enqueue(record(value)).await.unwrap());
    }
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset.unwrap().0, offset);
    }
    assert_eq!(log.lock().iter().flat_map(|seen| seen.values.clone()).collect::<Vec<_>>(), values);
}

#[tokio::test(start_paused = true)]
async fn a_refused_producer_id_fails_what_waits_for_it() {
    use mainstem_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
    let fake = FakeBroker::new(|request| {
        if request.key() == InitProducerIdRequest::KEY {
            let error_code = ErrorCode::ClusterAuthorizationFailed.code();
            return Reply::to(request, &InitProducerIdResponse { error_code, ..Default::default() });
        }
        preamble(request, 1).unwrap_or(Reply::Close)
    });
    let error = producer(&fake, &[]).send(record("a")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ClusterAuthorizationFailed));
    assert_eq!(error.outcome, Outcome::NotWritten);
}

#[tokio::test(start_paused = true)]
async fn a_quota_holds_back_the_next_request() {
    let fake = broker(1, |request| {
        let body = request.body::<ProduceRequest>();
        let partition = PartitionProduceResponse::default();
        let response = TopicProduceResponse {
            name: body.topic_data[0].name.clone(),
            topic_id: body.topic_data[0].topic_id,
            partition_responses: vec![partition],
        };
        let responses = vec![response];
        Reply::to(request, &ProduceResponse { responses, throttle_time_ms: 700, ..Default::default() })
    });
    let producer = producer(&fake, &[("linger.ms", "0")]);
    producer.send(record("a")).await.unwrap();
    let started = now();
    producer.send(record("b")).await.unwrap();
    let took = now() - started;
    assert!((699..=702).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn other_acks_than_all_are_without_idempotence_unless_both_are_asked_for() {
    let (fake, log) = scribe(1);
    producer(&fake, &[("acks", "1")]).send(record("a")).await.unwrap();
    assert_eq!(log.lock()[0].header.producer_id.0, -1);
    let both = kafka(&fake, &[("acks", "1")]).producer().idempotent(true).build();
    assert!(both.unwrap_err().to_string().contains("acks=all"));
}
