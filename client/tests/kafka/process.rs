//! The processing runtime against a real broker: the broker must keep the note of a commit and give it back, and the group
//! must wait while partitions are let go.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mainstem_client::Kafka;
use mainstem_client::admin::{Apply, NewTopic};
use mainstem_client::consumer::{ConsumedRecord, Consumer, GroupProtocol, OffsetReset, Start};
use mainstem_client::process::{FailingKey, Processing, headers};
use mainstem_client::producer::Record;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{fresh_topic, with_kafka};

const BOTH: [GroupProtocol; 2] = [GroupProtocol::Classic, GroupProtocol::Consumer];
const TICK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

type Never = std::convert::Infallible;

fn tp(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(topic, PartitionIndex(index))
}

async fn create(kafka: &Kafka, topic: &str, partitions: i32) {
    let new = NewTopic { partitions: Some(partitions), ..NewTopic::new(topic) };
    for (_, result) in kafka.admin().create_topics(&[new], Apply::Change).await.unwrap() {
        result.unwrap();
    }
}

/// Records with these keys in one partition; values are numbers from 0.
async fn fill(kafka: &Kafka, topic: &str, partition: i32, keys: impl IntoIterator<Item = String>) {
    let producer = kafka.producer().build().unwrap();
    let mut deliveries = Vec::new();
    for (number, key) in keys.into_iter().enumerate() {
        let record = Record::new(topic, number.to_string()).with_key(key);
        let record = Record { partition: Some(partition), ..record };
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close(Duration::from_secs(30)).await.unwrap();
}

fn consumer(kafka: &Kafka, group: &str, protocol: GroupProtocol, topic: &str) -> Consumer {
    let builder = kafka.consumer().group(group).group_protocol(protocol);
    let mut consumer = builder.offset_reset(OffsetReset::Earliest).build().unwrap();
    consumer.subscribe([topic]).unwrap();
    consumer
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout_at(Instant::now() + PATIENCE, work).await.unwrap()
}

/// Waits until `holds`.
async fn wait_for(mut holds: impl FnMut() -> bool) {
    in_time(async {
        while !holds() {
            sleep_until(Instant::now() + Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Ends when `count` records have been counted.
#[derive(Debug)]
struct Countdown {
    left: AtomicUsize,
    done: Notify,
}

impl Countdown {
    fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(count), done: Notify::new() })
    }

    fn count(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
    }

    fn done(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let this = Arc::clone(self);
        async move { this.done.notified().await }
    }
}

#[test]
fn one_partition_keeps_256_handlers_busy_and_a_key_only_one() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let topic = fresh_topic("wide");
            create(&kafka, &topic, 1).await;
            fill(&kafka, &topic, 0, (0..1000).map(|record| format!("k{}", record % 500))).await;
            let (in_work, most) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicUsize::new(0)));
            let seen: Arc<Mutex<BTreeMap<String, Vec<i64>>>> = Arc::default();
            let left = Countdown::new(1000);
            let (busy, top, order, counted) =
                (Arc::clone(&in_work), Arc::clone(&most), Arc::clone(&seen), Arc::clone(&left));
            let handler = move |record: ConsumedRecord| {
                let (busy, order, counted) = (Arc::clone(&busy), Arc::clone(&order), Arc::clone(&counted));
                let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
                let mut now = busy.lock();
                assert!(now.insert(key.clone()), "two of {key}");
                top.fetch_max(now.len(), Ordering::Relaxed);
                drop(now);
                async move {
                    sleep_until(Instant::now() + TICK).await;
                    busy.lock().remove(&key);
                    order.lock().entry(key).or_default().push(record.offset);
                    counted.count();
                    Ok::<(), Never>(())
                }
            };
            let group = fresh_topic("group");
            let processing = Processing::per_key().concurrency(256).until(left.done());
            let consumer = consumer(&kafka, &group, protocol, &topic);
            let report = in_time(consumer.process(processing, handler)).await.unwrap();
            assert_eq!((report.handled, report.retried, report.given_up), (1000, 0, 0));
            assert_eq!(most.load(Ordering::Relaxed), 256, "{protocol:?}");
            assert!(seen.lock().values().all(|offsets| offsets.is_sorted() && offsets.len() == 2));
            let positions = kafka.admin().group_offsets(&[group]).await;
            let position = positions[0].1.as_ref().unwrap()[&tp(&topic, 0)].clone().unwrap();
            assert_eq!(position.unwrap().offset, 1000);
        }
    });
}

#[test]
fn a_consumer_that_died_leaves_its_finished_records_in_the_note() {
    with_kafka(|kafka| async move {
        let topic = fresh_topic("note");
        create(&kafka, &topic, 1).await;
        let slow = |record: i64| record % 10 == 4;
        let keys = (0..200).map(|record| if slow(record) { "slow".into() } else { format!("k{record}") });
        fill(&kafka, &topic, 0, keys).await;
        let group = fresh_topic("group");
        let handler = move |record: ConsumedRecord| async move {
            if slow(record.offset) {
                std::future::pending::<()>().await;
            }
            Ok::<(), Never>(())
        };
        let first = consumer(&kafka, &group, GroupProtocol::Classic, &topic);
        let stored = async |partition: TopicPartition| {
            let positions = kafka.admin().group_offsets(std::slice::from_ref(&group)).await;
            positions[0].1.as_ref().ok()?.get(&partition)?.as_ref().ok()?.clone()
        };
        // The note says all that is above 4: 19 times 9 records behind a hole of 1, and 5 more.
        let noted = async {
            let mut found = None;
            while found.is_none_or(|note: String| note.matches("BJ").count() != 19) {
                sleep_until(Instant::now() + TICK).await;
                found = stored(tp(&topic, 0))
                    .await
                    .filter(|stored| stored.offset == 4)
                    .map(|stored| stored.metadata);
            }
        };
        tokio::select! {
            ended = first.process(Processing::per_key(), handler) => panic!("{ended:?}"),
            () = in_time(noted) => {}
        }

        let (left, again) = (Countdown::new(20), Arc::new(Mutex::new(Vec::new())));
        let (counted, seen) = (Arc::clone(&left), Arc::clone(&again));
        let handler = move |record: ConsumedRecord| {
            seen.lock().push(record.offset);
            counted.count();
            std::future::ready(Ok::<(), Never>(()))
        };
        let second = consumer(&kafka, &group, GroupProtocol::Classic, &topic);
        let processing = Processing::per_key().until(left.done());
        let report = in_time(second.process(processing, handler)).await.unwrap();
        assert_eq!(*again.lock(), (0..200).filter(|record| slow(*record)).collect::<Vec<_>>());
        assert_eq!((report.handled, report.skipped), (20, 176));
    });
}

/// Members come and go while records are in work: nothing is left out, and what is handled twice was given up before.
#[test]
fn members_come_and_go_and_nothing_is_handled_twice_that_was_finished() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let topic = fresh_topic("share");
            create(&kafka, &topic, 4).await;
            for partition in 0..4 {
                fill(&kafka, &topic, partition, (0..100).map(|record| format!("k{}", record % 10))).await;
            }
            let group = fresh_topic("group");
            let counts: Arc<Mutex<BTreeMap<(i32, i64), u32>>> = Arc::default();
            let permits = Arc::new(Semaphore::new(200));
            let run = |kafka: &Kafka, stop: Arc<Notify>| {
                let (counts, permits) = (Arc::clone(&counts), Arc::clone(&permits));
                let handler = move |record: ConsumedRecord| {
                    let (counts, permits) = (Arc::clone(&counts), Arc::clone(&permits));
                    async move {
                        permits.acquire().await.unwrap().forget();
                        let place = (record.partition.partition.get(), record.offset);
                        *counts.lock().entry(place).or_default() += 1;
                        Ok::<(), Never>(())
                    }
                };
                let processing = Processing::per_key()
                    .drain_limit(Duration::from_millis(500))
                    .until(async move { stop.notified().await });
                consumer(kafka, &group, protocol, &topic).process(processing, handler)
            };
            let mut members = JoinSet::new();
            let stops: Vec<_> = (0..2).map(|_| Arc::new(Notify::new())).collect();
            members.spawn(run(&kafka, Arc::clone(&stops[0])));
            wait_for(|| counts.lock().len() == 200).await;
            // All that the first one has in work waits for a permit; the second one takes some of its partitions.
            members.spawn(run(&kafka, Arc::clone(&stops[1])));
            let admin = kafka.admin();
            in_time(async {
                loop {
                    let described = admin.describe_groups(std::slice::from_ref(&group)).await;
                    let shared = described[0].1.as_ref().is_ok_and(|found| {
                        found.members.len() == 2
                            && found.members.iter().all(|member| member.assignment.len() == 2)
                    });
                    if shared {
                        break;
                    }
                    sleep_until(Instant::now() + TICK).await;
                }
            })
            .await;
            permits.add_permits(1000);
            wait_for(|| counts.lock().len() == 400).await;
            for stop in &stops {
                stop.notify_one();
            }
            let reports = in_time(members.join_all()).await;
            let handled: u64 = reports.iter().map(|report| report.as_ref().unwrap().handled).sum();
            assert!(counts.lock().values().all(|count| *count == 1), "{protocol:?}: {:?}", counts.lock());
            assert_eq!(handled, 400, "{protocol:?}: {reports:?}");
        }
    });
}

#[test]
fn a_failing_key_takes_a_detour_in_order_and_ends_as_a_dead_letter() {
    with_kafka(|kafka| async move {
        let topic = fresh_topic("failing");
        let (retry, dead) = (format!("{topic}.retry"), format!("{topic}.dead"));
        create(&kafka, &topic, 1).await;
        create(&kafka, &retry, 2).await;
        create(&kafka, &dead, 1).await;
        let keys = (0..30).map(|record| if record % 3 == 0 { "bad".into() } else { format!("k{record}") });
        fill(&kafka, &topic, 0, keys).await;
        let (left, order) = (Countdown::new(29), Arc::new(Mutex::new(Vec::new())));
        let (counted, seen) = (Arc::clone(&left), Arc::clone(&order));
        let handler = move |record: ConsumedRecord| {
            let number: i64 = std::str::from_utf8(&record.value.unwrap()).unwrap().parse().unwrap();
            let bad = record.key.as_deref() == Some(b"bad");
            let fails = bad && number == 0;
            if !fails {
                counted.count();
            }
            if bad {
                seen.lock().push(number);
            }
            std::future::ready(if fails { Err("a bad one") } else { Ok(()) })
        };
        let processing = Processing::per_key()
            .attempts(2)
            .failing_key(FailingKey::TakesDetour)
            .retry_topic(&retry, Duration::from_secs(1))
            .dead_letters(&dead)
            .until(left.done());
        let consumer = consumer(&kafka, &fresh_topic("group"), GroupProtocol::Classic, &topic);
        let report = in_time(consumer.process(processing, handler)).await.unwrap();
        assert_eq!((report.handled, report.sent_to_retry, report.dead_lettered), (29, 10, 1), "{report}");
        assert_eq!(*order.lock(), [0, 0, 0, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);

        let mut reader = kafka.consumer().build().unwrap();
        reader.assign([(tp(&dead, 0), Start::Earliest)]);
        let letter = in_time(async {
            loop {
                if let Some(letter) = reader.poll(1).await.unwrap().records.pop() {
                    break letter;
                }
            }
        })
        .await;
        let says = |name: &str| {
            let header = letter.headers.iter().find(|header| header.key == name.as_bytes()).unwrap();
            String::from_utf8(header.value.as_ref().unwrap().to_vec()).unwrap()
        };
        assert_eq!((says(headers::TOPIC), &*says(headers::OFFSET)), (topic, "0"));
        assert_eq!((&*says(headers::ATTEMPTS), &*says(headers::ERROR)), ("4", "a bad one"));
        reader.close().await;
    });
}
