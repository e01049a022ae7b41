//! Whole processings against a scripted broker under virtual time: what handlers see, what is sent, what is left behind.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mainstem_protocol::error::ErrorCode;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::broker::Broker;
use super::{Note, tp};
use crate::consumer::{ConsumedRecord, OffsetAndMetadata};
use crate::process::{Processing, Report, headers};
use crate::runtime::{now, sleep_until, until};

const TICK: Duration = Duration::from_millis(100);

async fn pass(time: Duration) {
    sleep_until(now() + time).await;
}

/// A processing that must end within ten minutes of virtual time.
pub(super) async fn ends<T>(work: impl Future<Output = T>) -> T {
    until(now() + Duration::from_secs(600), work).await.expect("the processing does not end")
}

/// Waits until `holds`, for a minute of virtual time at most.
async fn wait_for(holds: impl Fn() -> bool) {
    let end = now() + Duration::from_secs(60);
    while !holds() {
        assert!(now() < end, "waited in vain");
        pass(Duration::from_millis(10)).await;
    }
}

/// Counts what is in work, and the most that ever was.
#[derive(Debug, Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(self: &Arc<Self>) -> Guard {
        let count = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(count, Ordering::Relaxed);
        Guard(Arc::clone(self))
    }
}

struct Guard(Arc<Gauge>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says when so many have been counted.
#[derive(Debug, Default)]
pub(super) struct Countdown {
    left: AtomicUsize,
    done: Notify,
}

impl Countdown {
    pub(super) fn new(left: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(left), done: Notify::new() })
    }

    pub(super) fn count(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
    }

    pub(super) fn done(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let this = Arc::clone(self);
        async move { this.done.notified().await }
    }
}

/// What is noted as finished above a committed offset.
fn finished(stored: &OffsetAndMetadata) -> String {
    format!("{:?}", Note::parse(stored.offset, &stored.metadata).unwrap().finished)
}

pub(super) type Never = std::convert::Infallible;

fn offsets(list: &Mutex<Vec<i64>>) -> Vec<i64> {
    let mut offsets = list.lock().clone();
    offsets.sort_unstable();
    offsets
}

#[tokio::test(start_paused = true)]
async fn one_partition_keeps_as_many_handlers_busy_as_allowed_and_a_key_only_one() {
    let broker = Broker::new(&[("t", 0)]);
    let keys: Vec<String> = (0..1000).map(|record| format!("k{}", record % 500)).collect();
    broker.fill(&tp("t", 0), keys.iter().map(|key| Some(key.as_str())));
    let (gauge, left) = (Arc::new(Gauge::default()), Countdown::new(1000));
    let busy = Arc::new(Mutex::new(BTreeSet::new()));
    let (in_work, counted) = (Arc::clone(&gauge), Arc::clone(&left));
    let handler = move |record: ConsumedRecord| {
        let (guard, counted, busy) = (in_work.enter(), Arc::clone(&counted), Arc::clone(&busy));
        async move {
            assert!(busy.lock().insert(record.key.clone()), "two of one key");
            pass(TICK).await;
            busy.lock().remove(&record.key);
            counted.count();
            drop(guard);
            Ok::<(), Never>(())
        }
    };
    let begin = now();
    let processing = Processing::per_key().concurrency(256).until(left.done());
    let report = ends(broker.consumer().process(processing, handler)).await.unwrap();
    assert_eq!(report, Report { handled: 1000, ..Report::default() });
    assert_eq!(gauge.most.load(Ordering::Relaxed), 256);
    assert!(now() - begin < 12 * TICK, "{:?}, and one by one would take 1000 ticks", now() - begin);
    assert_eq!(broker.stored(&tp("t", 0)).unwrap().offset, 1000);
    assert_eq!(broker.state.lock().seen.last().unwrap(), "LeaveGroup");
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_only_what_was_in_work_is_handled_again() {
    let broker = Broker::new(&[("t", 0)]);
    broker.fill(&tp("t", 0), (0..100).map(|record| if record % 10 == 4 { Some("slow") } else { None }));
    let through = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&through);
    let handler = move |record: ConsumedRecord| {
        let seen = Arc::clone(&seen);
        async move {
            if record.key.is_some() {
                std::future::pending::<()>().await;
            }
            seen.lock().push(record.offset);
            Ok::<(), Never>(())
        }
    };
    let crash = async {
        wait_for(|| through.lock().len() == 90).await;
        wait_for(|| {
            let stored = broker.stored(&tp("t", 0));
            let note = stored.and_then(|stored| Note::parse(stored.offset, &stored.metadata));
            note.is_some_and(|note| note.finished.into_iter().flatten().count() == 86)
        })
        .await;
    };
    tokio::select! {
        ended = broker.consumer().process(Processing::per_key(), handler) => panic!("{ended:?}"),
        () = crash => {}
    }
    assert_eq!(broker.stored(&tp("t", 0)).unwrap().offset, 4);

    let (left, again) = (Countdown::new(10), Arc::new(Mutex::new(Vec::new())));
    let (counted, seen) = (Arc::clone(&left), Arc::clone(&again));
    let handler = move |record: ConsumedRecord| {
        seen.lock().push(record.offset);
        counted.count();
        std::future::ready(Ok::<(), Never>(()))
    };
    let processing = Processing::per_key().until(left.done());
    let report = ends(broker.consumer().process(processing, handler)).await.unwrap();
    assert_eq!(*again.lock(), (0..10).map(|ten| 10 * ten + 4).collect::<Vec<_>>());
    assert_eq!((report.handled, report.skipped), (10, 86));
    let stored = broker.stored(&tp("t", 0)).unwrap();
    assert_eq!((stored.offset, stored.metadata.as_str()), (100, ""));
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_an_error_are_tried_again_and_become_dead_letters_that_say_why() {
    let broker = Broker::new(&[("t", 0), ("dlq", 0)]);
    broker.state.lock().assigned.remove(&tp("dlq", 0));
    broker.fill(&tp("t", 0), [Some("a"), Some("b"), Some("c"), Some("a")]);
    let (left, panics) = (Countdown::new(2), Arc::new(AtomicUsize::new(0)));
    let (counted, tried) = (Arc::clone(&left), Arc::clone(&panics));
    let handler = move |record: ConsumedRecord| {
        let (counted, tried) = (Arc::clone(&counted), Arc::clone(&tried));
        async move {
            match record.offset {
                0 => {
                    tried.fetch_add(1, Ordering::Relaxed);
                    panic!("no such shelf");
                }
                1 => Err("no disk"),
                _ => {
                    counted.count();
                    Ok(())
                }
            }
        }
    };
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let processing =
        Processing::per_key().attempts(2).dead_letters("dlq").until(async move { stopped.notified().await });
    let driver = broker.consumer().process(processing, handler);
    let watch = async {
        left.done().await;
        wait_for(|| broker.stored(&tp("t", 0)).is_some_and(|stored| stored.offset == 4)).await;
        stop.notify_one();
    };
    let (report, ()) = ends(async { tokio::join!(driver, watch) }).await;
    let report = report.unwrap();
    assert_eq!((report.handled, report.retried, report.dead_lettered), (2, 2, 2));
    assert_eq!(panics.load(Ordering::Relaxed), 2);
    let letters = broker.headers(&tp("dlq", 0));
    let mut said: Vec<_> = letters
        .iter()
        .map(|letter| {
            let place = (&*letter[headers::TOPIC], &*letter[headers::PARTITION], &*letter[headers::OFFSET]);
            (place, &*letter[headers::TIMESTAMP], &*letter[headers::ATTEMPTS], &*letter[headers::ERROR])
        })
        .collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            (("t", "0", "0"), "1000", "2", "the handler panicked: no such shelf"),
            (("t", "0", "1"), "1001", "2", "no disk"),
        ]
    );
    // Acknowledged first, committed then.
    let seen = broker.state.lock().seen.clone();
    let last_letter = seen.iter().rposition(|kind| kind == "Produce").unwrap();
    assert!(seen[last_letter..].contains(&"OffsetCommit".to_owned()), "{seen:?}");
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_a_place_to_go_is_an_error_with_its_place_after_a_commit() {
    let broker = Broker::new(&[("t", 0)]);
    broker.fill(&tp("t", 0), [None, None, None]);
    let handler =
        |record: ConsumedRecord| async move { if record.offset == 1 { Err("no disk") } else { Ok(()) } };
    let ended = ends(broker.consumer().process(Processing::unordered().attempts(2), handler)).await;
    let error = ended.unwrap_err();
    assert_eq!(error.to_string(), "t-0 at offset 1 failed after 2 attempts: no disk");
    assert_eq!(error.report().unwrap().handled, 2);
    let stored = broker.stored(&tp("t", 0)).unwrap();
    assert_eq!(stored.offset, 1);
    assert_eq!(finished(&stored), "[2..3]");
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_comes_back_from_its_retry_topic_when_it_is_due() {
    let broker = Broker::new(&[("t", 0), ("t.retry", 0)]);
    broker.fill(&tp("t", 0), [None]);
    let (left, moments) = (Countdown::new(1), Arc::new(Mutex::new(Vec::new())));
    let (counted, seen) = (Arc::clone(&left), Arc::clone(&moments));
    let handler = move |record: ConsumedRecord| {
        seen.lock().push((record.topic().to_string(), now()));
        let first = &**record.topic() == "t";
        if !first {
            counted.count();
        }
        std::future::ready(if first { Err("not yet") } else { Ok(()) })
    };
    let delay = Duration::from_secs(30);
    let processing = Processing::unordered().attempts(1).retry_topic("t.retry", delay).until(left.done());
    let report = ends(broker.consumer().process(processing, handler)).await.unwrap();
    assert_eq!((report.handled, report.sent_to_retry), (1, 1));
    let moments = moments.lock().clone();
    let topics: Vec<_> = moments.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["t", "t.retry"]);
    // Letters go by the wall clock, which runs by itself beside the virtual one.
    let waited = moments[1].1 - moments[0].1;
    assert!((25..35).contains(&waited.as_secs()), "{waited:?}");
    for partition in [tp("t", 0), tp("t.retry", 0)] {
        assert_eq!(broker.stored(&partition).unwrap().offset, 1);
    }
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_waited_in_a_retry_topic_before_anybody_read_it_is_not_passed_over() {
    let broker = Broker::new(&[("t", 0), ("t.retry", 0)]);
    broker.fill(&tp("t.retry", 0), [None]);
    let left = Countdown::new(1);
    let counted = Arc::clone(&left);
    let handler = move |_: ConsumedRecord| {
        counted.count();
        std::future::ready(Ok::<(), Never>(()))
    };
    // By default partitions without a position are read from their end.
    let mut consumer = broker.kafka.consumer().group("g").build().unwrap();
    consumer.subscribe(["t"]).unwrap();
    let processing = Processing::unordered().retry_topic("t.retry", TICK).until(left.done());
    let report = ends(consumer.process(processing, handler)).await.unwrap();
    assert_eq!(report.handled, 1);
    broker.kafka.close().await;
}

/// Partition 0 goes after a rebalance; of its two records one is finished in time and the other is not.
#[tokio::test(start_paused = true)]
async fn what_leaves_is_finished_and_committed_first_and_late_completions_are_not() {
    let broker = Broker::new(&[("t", 0), ("t", 1)]);
    broker.fill(&tp("t", 0), [None, None]);
    let stop = Arc::new(Notify::new());
    let (stopped, ended) = (Arc::clone(&stop), Arc::new(Mutex::new(Vec::new())));
    let (seen, gauge) = (Arc::clone(&ended), Arc::new(Gauge::default()));
    let in_work = Arc::clone(&gauge);
    let handler = move |record: ConsumedRecord| {
        let (guard, seen) = (in_work.enter(), Arc::clone(&seen));
        async move {
            let place = (record.partition.partition.get(), record.offset);
            // Longer than the heartbeat that tells of the rebalance takes.
            let time = match place {
                (0, 0) => Duration::from_secs(3600),
                (0, _) => Duration::from_secs(8),
                _ => Duration::ZERO,
            };
            pass(time).await;
            seen.lock().push(place);
            drop(guard);
            Ok::<(), Never>(())
        }
    };
    let processing = Processing::unordered()
        .drain_limit(Duration::from_secs(20))
        .until(async move { stopped.notified().await });
    let driver = broker.consumer().process(processing, handler);
    let watch = async {
        wait_for(|| gauge.now.load(Ordering::Relaxed) == 2).await;
        broker.state.lock().assigned = BTreeSet::from([tp("t", 1)]);
        broker.state.lock().heartbeats.push(ErrorCode::RebalanceInProgress);
        wait_for(|| broker.state.lock().seen.iter().filter(|kind| *kind == "JoinGroup").count() == 2).await;
        let stored = broker.stored(&tp("t", 0)).unwrap();
        assert_eq!((stored.offset, &*finished(&stored)), (0, "[1..2]"));
        wait_for(|| gauge.now.load(Ordering::Relaxed) == 0).await;
        broker.fill(&tp("t", 1), [None]);
        wait_for(|| ended.lock().len() == 2).await;
        stop.notify_one();
    };
    let (report, ()) = ends(async { tokio::join!(driver, watch) }).await;
    let report = report.unwrap();
    assert_eq!((report.handled, report.given_up), (2, 1));
    assert_eq!(*ended.lock(), [(0, 1), (1, 0)], "the late one was stopped");
    assert_eq!(broker.stored(&tp("t", 0)).unwrap().offset, 0);
    assert_eq!(broker.stored(&tp("t", 1)).unwrap().offset, 1);
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn lost_partitions_are_given_up_without_a_commit_and_read_anew() {
    let broker = Broker::new(&[("t", 0)]);
    broker.fill(&tp("t", 0), [Some("a"), Some("b")]);
    let (left, seen) = (Countdown::new(4), Arc::new(Mutex::new(Vec::new())));
    let (counted, list) = (Arc::clone(&left), Arc::clone(&seen));
    let handler = move |record: ConsumedRecord| {
        let (counted, list) = (Arc::clone(&counted), Arc::clone(&list));
        async move {
            let first = !list.lock().contains(&record.offset);
            list.lock().push(record.offset);
            counted.count();
            if record.offset == 0 && first {
                std::future::pending::<()>().await;
            }
            Ok::<(), Never>(())
        }
    };
    let quiet = Duration::from_secs(100);
    let processing = Processing::per_key().commit_interval(quiet).until(left.done());
    let driver = broker.consumer().process(processing, handler);
    let watch = async {
        wait_for(|| seen.lock().len() == 2).await;
        broker.state.lock().heartbeats.push(ErrorCode::UnknownMemberId);
    };
    let (report, ()) = ends(async { tokio::join!(driver, watch) }).await;
    assert_eq!(report.unwrap().given_up, 1);
    assert_eq!(offsets(&seen), [0, 0, 1, 1], "nothing was committed, so both come again");
    let kinds = broker.state.lock().seen.clone();
    let joined_again = kinds.iter().rposition(|kind| kind == "JoinGroup").unwrap();
    assert!(!kinds[..joined_again].contains(&"OffsetCommit".to_owned()), "{kinds:?}");
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_processing_stops_its_handlers_and_leaves_without_a_commit() {
    let broker = Broker::new(&[("t", 0)]);
    broker.fill(&tp("t", 0), [None; 20]);
    let gauge = Arc::new(Gauge::default());
    let in_work = Arc::clone(&gauge);
    let handler = move |_: ConsumedRecord| {
        let guard = in_work.enter();
        async move {
            let _guard = guard;
            std::future::pending::<Result<(), Never>>().await
        }
    };
    tokio::select! {
        ended = broker.consumer().process(Processing::unordered().concurrency(7), handler) => panic!("{ended:?}"),
        () = wait_for(|| gauge.now.load(Ordering::Relaxed) == 7) => {}
    }
    wait_for(|| gauge.now.load(Ordering::Relaxed) == 0).await;
    wait_for(|| broker.state.lock().seen.last().is_some_and(|kind| kind == "LeaveGroup")).await;
    assert!(!broker.state.lock().seen.contains(&"OffsetCommit".to_owned()));
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_is_in_work_and_no_longer_than_the_limit() {
    let broker = Broker::new(&[("t", 0)]);
    broker.fill(&tp("t", 0), [None; 20]);
    let ended = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ended);
    let handler = move |record: ConsumedRecord| {
        let seen = Arc::clone(&seen);
        async move {
            pass(if record.offset == 2 { Duration::from_secs(3600) } else { Duration::from_secs(5) }).await;
            seen.lock().push(record.offset);
            Ok::<(), Never>(())
        }
    };
    let processing = Processing::unordered()
        .concurrency(4)
        .drain_limit(Duration::from_secs(10))
        .until(pass(Duration::from_secs(3)));
    let report = ends(broker.consumer().process(processing, handler)).await.unwrap();
    assert_eq!((report.handled, report.given_up), (3, 1));
    assert_eq!(offsets(&ended), [0, 1, 3]);
    let stored = broker.stored(&tp("t", 0)).unwrap();
    assert_eq!((stored.offset, &*finished(&stored)), (2, "[3..4]"));
    broker.kafka.close().await;
}
