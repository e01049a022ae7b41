//! Dropped futures: what is not sent, and what goes on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::super::ProducerOptions;
use super::{LONG, broker, kafka, producer, record, respond};
use crate::fake::Reply;
use crate::runtime::{now, sleep_until};

type Values = Arc<Mutex<Vec<String>>>;

/// Polls `$future` exactly `$polls` times, letting everybody else run in between, then drops it.
macro_rules! drop_after {
    ($future:expr, $polls:expr) => {{
        let mut future = Box::pin($future);
        let mut ended = false;
        for _ in 0..$polls {
            ended = ended || future.as_mut().now_or_never().is_some();
            sleep_until(now() + Duration::from_micros(100)).await;
        }
        ended
    }};
}

/// At whatever await `send` is dropped, the record arrives at most once; and once it has left the enqueuing behind, it
/// arrives.
#[tokio::test(start_paused = true)]
async fn a_dropped_send_sends_once_or_not_at_all() {
    let mut arrivals = Vec::new();
    for polls in 0..40 {
        let values = Values::default();
        let kept = Arc::clone(&values);
        let fake = broker(1, move |request| {
            respond(request, |seen| {
                kept.lock().extend(seen.values.clone());
                Ok(0)
            })
        });
        let producer = producer(&fake, &[]);
        drop_after!(producer.send(record("a")), polls);
        producer.flush().await.unwrap();
        arrivals.push(values.lock().len());
        producer.close(LONG).await.unwrap();
    }
    assert!(arrivals.is_sorted(), "{arrivals:?}");
    assert_eq!((arrivals[0], arrivals[39]), (0, 1), "{arrivals:?}");
}

#[tokio::test(start_paused = true)]
async fn an_enqueue_dropped_while_it_waits_for_memory_sends_nothing_and_keeps_nothing() {
    let values = Values::default();
    let kept = Arc::clone(&values);
    let fake = broker(1, move |request| {
        if kept.lock().is_empty() {
            kept.lock().push("first".into());
            return Reply::Silence;
        }
        respond(request, |seen| {
            kept.lock().extend(seen.values.clone());
            Ok(0)
        })
    });
    let options = ProducerOptions {
        buffer_bytes: 1000,
        max_request_bytes: 1000,
        batch_bytes: 1000,
        ..ProducerOptions::default()
    };
    let producer =
        kafka(&fake, &[("request.timeout.ms", "1000")]).producer().options(options).build().unwrap();
    let first = producer.enqueue(record(&"x".repeat(800))).await.unwrap();
    assert!(!drop_after!(producer.enqueue(record(&"y".repeat(800))), 5), "no memory for it");
    first.await.unwrap();
    let third = producer.enqueue(record(&"z".repeat(800))).await.unwrap();
    third.await.unwrap();
    assert!(!values.lock().iter().any(|value| value.starts_with('y')));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_delivery_loses_only_the_answer() {
    let values = Values::default();
    let kept = Arc::clone(&values);
    let fake = broker(1, move |request| {
        respond(request, |seen| {
            kept.lock().extend(seen.values.clone());
            Ok(0)
        })
    });
    let producer = producer(&fake, &[]);
    drop(producer.enqueue(record("a")).await.unwrap());
    let delivery = producer.enqueue(record("b")).await.unwrap();
    assert!(!drop_after!(delivery, 2));
    producer.flush().await.unwrap();
    assert_eq!(*values.lock(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_flush_or_close_goes_on_in_the_background() {
    for close in [false, true] {
        let values = Values::default();
        let kept = Arc::clone(&values);
        let fake = broker(1, move |request| {
            respond(request, |seen| {
                kept.lock().extend(seen.values.clone());
                Ok(0)
            })
        });
        let producer = producer(&fake, &[("linger.ms", "60000")]);
        let delivery = producer.enqueue(record("a")).await.unwrap();
        let started = now();
        if close {
            drop_after!(producer.close(LONG), 1);
        } else {
            drop_after!(producer.flush(), 1);
        }
        delivery.await.unwrap();
        assert!(now() - started < Duration::from_secs(1), "without lingering");
        assert_eq!(*values.lock(), ["a"]);
    }
}
