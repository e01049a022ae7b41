//! Processings that do not begin, or that the group or the broker ends: errors with names and with what was done before.

use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::error::ErrorCode;

use super::broker::Broker;
use super::tp;
use super::whole::{Countdown, Never, ends};
use crate::consumer::ConsumedRecord;
use crate::process::{ProcessError, Processing};
use crate::runtime::{now, until};

#[tokio::test(start_paused = true)]
async fn misuse_is_refused_by_name_before_anything_is_sent() {
    let broker = Broker::new(&[("t", 0)]);
    let handler = |_: ConsumedRecord| std::future::ready(Ok::<(), Never>(()));
    let subscribed = || broker.consumer();
    let mut by_regex = broker.kafka.consumer().group("g").build().unwrap();
    by_regex.subscribe_regex("t.*").unwrap();
    let second = Duration::from_secs(1);
    for (consumer, processing, option) in [
        (broker.kafka.consumer().build().unwrap(), Processing::per_key(), "group.id"),
        (broker.kafka.consumer().group("g").build().unwrap(), Processing::per_key(), "subscription"),
        (subscribed(), Processing::per_key().concurrency(0), "concurrency"),
        (subscribed(), Processing::per_key().drain_limit(300 * second), "drain_limit"),
        (subscribed(), Processing::per_key().dead_letters("t"), "dead_letters"),
        (subscribed(), Processing::unordered().retry_topic("t", second), "retry_topic"),
        (by_regex, Processing::unordered().retry_topic("r", second), "retry_topic"),
    ] {
        let error = ends(consumer.process(processing, handler)).await.unwrap_err();
        assert!(matches!(error, ProcessError::Config(_)), "{error:?}");
        assert!(error.to_string().contains(option), "{option}: {error}");
    }
    assert_eq!(broker.state.lock().seen, [""; 0]);
    let mut polled = subscribed();
    let _ = until(now() + second, polled.poll(1)).await;
    let error = ends(polled.process(Processing::per_key(), handler)).await.unwrap_err();
    assert!(error.to_string().contains("not polled"), "{error}");
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_cannot_go_on_is_an_error_with_the_report() {
    let broker = Broker::new(&[("t", 0)]);
    broker.fill(&tp("t", 0), [None]);
    let left = Countdown::new(1);
    let counted = Arc::clone(&left);
    let handler = move |_: ConsumedRecord| {
        counted.count();
        std::future::ready(Ok::<(), Never>(()))
    };
    let driver = broker.consumer().process(Processing::unordered(), handler);
    let watch = async {
        left.done().await;
        broker.state.lock().heartbeats.push(ErrorCode::GroupAuthorizationFailed);
    };
    let (ended, ()) = ends(async { tokio::join!(driver, watch) }).await;
    let error = ended.unwrap_err();
    assert!(matches!(&error, ProcessError::Consumer { report, .. } if report.handled == 1), "{error:?}");
    assert!(error.to_string().contains("GROUP_AUTHORIZATION_FAILED"), "{error}");
    broker.kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_last_commit_that_is_refused_or_not_answered_is_an_error_with_the_report() {
    for (silent, words) in [(false, "GROUP_AUTHORIZATION_FAILED"), (true, "did not end in time")] {
        let broker = Broker::new(&[("t", 0)]);
        broker.fill(&tp("t", 0), [None]);
        broker.state.lock().commits.push(ErrorCode::GroupAuthorizationFailed);
        broker.state.lock().silent = silent;
        let left = Countdown::new(1);
        let counted = Arc::clone(&left);
        let handler = move |_: ConsumedRecord| {
            counted.count();
            std::future::ready(Ok::<(), Never>(()))
        };
        let quiet = Duration::from_secs(100);
        let processing = Processing::unordered().commit_interval(quiet).until(left.done());
        let error = ends(broker.consumer().process(processing, handler)).await.unwrap_err();
        assert!(matches!(&error, ProcessError::Commit { report, .. } if report.handled == 1), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        broker.kafka.close().await;
    }
}
