//! What `/metrics` tells of groups: how many there are, how far they are behind, and no more series than were asked for.

use super::house::{
    SOON, batch, batch_at, client, commit, config, create_topic, produce, scrape, start, until,
};
use mainstem_broker::{
    Broker, StartOptions,
    config::{BrokerConfig, GroupMetricsLevel},
    env::{Clock, Env, Random, Tasks},
};
use mainstem_client::consumer::OffsetReset;
use mainstem_protocol::{
    error::ErrorCode,
    model::{Offset, PartitionIndex, Timestamp, TopicPartition},
};
use mainstem_storage::fs::SimFs;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

fn told_by(level: GroupMetricsLevel) -> BrokerConfig {
    let mut config = config();
    config.metrics.groups = level;
    config
}

/// Samples whose name begins like this, without that beginning.
fn of(samples: &BTreeMap<String, f64>, beginning: &str) -> BTreeMap<String, f64> {
    let rest = |(name, value): (&String, &f64)| Some((name.strip_prefix(beginning)?.to_owned(), *value));
    samples.iter().filter_map(rest).collect()
}

fn expected(samples: &[(&str, f64)]) -> BTreeMap<String, f64> {
    samples.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

/// Ten records, of which one group has four behind it and another all, and a commit beyond the end: sums are just these.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_lags_by_the_records_that_it_has_not_committed() {
    let levels = [
        (GroupMetricsLevel::Off, &[][..]),
        (
            GroupMetricsLevel::Group,
            &[("{group=\"ahead\"}", 0.0), ("{group=\"behind\"}", 9.0), ("{group=\"done\"}", 0.0)],
        ),
        (
            GroupMetricsLevel::Topic,
            &[
                ("{group=\"ahead\",topic=\"orders\"}", 0.0),
                ("{group=\"behind\",topic=\"orders\"}", 6.0),
                ("{group=\"behind\",topic=\"payments\"}", 3.0),
                ("{group=\"done\",topic=\"orders\"}", 0.0),
            ],
        ),
        (
            GroupMetricsLevel::Partition,
            &[
                ("{group=\"ahead\",topic=\"orders\",partition=\"0\"}", 0.0),
                ("{group=\"behind\",topic=\"orders\",partition=\"0\"}", 6.0),
                ("{group=\"behind\",topic=\"payments\",partition=\"0\"}", 3.0),
                ("{group=\"done\",topic=\"orders\",partition=\"0\"}", 0.0),
            ],
        ),
    ];
    for (level, lags) in levels {
        let broker = start(told_by(level), SimFs::new()).await;
        let kafka = client(&broker);
        for (topic, records) in [("orders", 10), ("payments", 3)] {
            let id = create_topic(&kafka, topic, &[]).await;
            assert_eq!(produce(&kafka, id, -1, batch(records, 10)).await, ErrorCode::None);
        }
        commit(&kafka, "behind", "orders", 4).await;
        commit(&kafka, "behind", "payments", 0).await;
        commit(&kafka, "done", "orders", 10).await;
        commit(&kafka, "ahead", "orders", 1_000).await;
        let samples = scrape(&broker).await;
        assert_eq!(of(&samples, "mainstem_group_lag_records"), expected(lags), "{level}");
        // How many groups there are is told in any case.
        let counts = expected(&[("{type=\"classic\",state=\"Empty\"}", 3.0)]);
        assert_eq!(of(&samples, "mainstem_groups"), counts, "{level}");
        drop(kafka);
        broker.shutdown().await;
    }
}

/// With a clock that the test moves, ages are exact: of the oldest record that is not committed, whatever the order of times,
/// over all partitions; zero where nothing is left to read.
#[tokio::test(flavor = "multi_thread")]
async fn the_lag_in_seconds_is_the_age_of_the_first_record_that_was_not_read() {
    let now = 1_700_000_000_000;
    let (clock, hand) = Clock::manual(Timestamp(now));
    let env = Env { clock, tasks: Tasks::new("broker"), random: Random::system() };
    let options = StartOptions { fs: Arc::new(SimFs::new()), env, ..StartOptions::default() };
    let broker = Broker::start_with(told_by(GroupMetricsLevel::Group), options).await.unwrap();
    let kafka = client(&broker);
    let ago = |seconds: i64| Timestamp(now - 1_000 * seconds);
    let orders = create_topic(&kafka, "orders", &[]).await;
    let records = batch_at(&[ago(90), ago(20), ago(60)]);
    assert_eq!(produce(&kafka, orders, -1, records).await, ErrorCode::None);
    let payments = create_topic(&kafka, "payments", &[]).await;
    assert_eq!(produce(&kafka, payments, -1, batch_at(&[ago(30)])).await, ErrorCode::None);
    for (group, topic, offset) in [
        ("first", "orders", 0),
        ("second", "orders", 1),
        ("second", "payments", 0),
        ("third", "orders", 2),
        ("done", "orders", 3),
        ("done", "payments", 1),
        ("ahead", "orders", 7),
    ] {
        commit(&kafka, group, topic, offset).await;
    }
    let lags = |seconds: [f64; 5]| {
        let groups = ["ahead", "done", "first", "second", "third"];
        let names = groups.map(|group| format!("{{group=\"{group}\"}}"));
        names.into_iter().zip(seconds).collect::<BTreeMap<_, _>>()
    };
    let name = "mainstem_group_lag_seconds";
    let samples = scrape(&broker).await;
    assert_eq!(of(&samples, name), lags([0.0, 0.0, 90.0, 30.0, 60.0]));
    let sum = of(&samples, "mainstem_group_offset");
    assert_eq!(sum, lags([7.0, 4.0, 0.0, 1.0, 2.0]));

    // It is told from memory the second time, and grows with the clock; a commit ends it.
    hand.advance(Duration::from_millis(1_500));
    assert_eq!(of(&scrape(&broker).await, name), lags([0.0, 0.0, 91.5, 31.5, 61.5]));
    commit(&kafka, "first", "orders", 1).await;
    commit(&kafka, "second", "orders", 3).await;
    commit(&kafka, "second", "payments", 1).await;
    let samples = scrape(&broker).await;
    assert_eq!(of(&samples, name), lags([0.0, 0.0, 21.5, 0.0, 61.5]));
    let committed = of(&samples, "mainstem_group_last_commit_timestamp_seconds");
    let then = now as f64 / 1_000.0;
    assert_eq!(committed, lags([then, then, then + 1.5, then + 1.5, then]));
    assert_eq!(samples["mainstem_group_commits_total"], 10.0);
    drop(kafka);
    broker.shutdown().await;
}

/// A record that is no longer there is not waited for: after a trim the oldest unread record is the first of the log.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_gone_have_no_age() {
    let now = 1_700_000_000_000;
    let (clock, _hand) = Clock::manual(Timestamp(now));
    let env = Env { clock, tasks: Tasks::new("broker"), random: Random::system() };
    let options = StartOptions { fs: Arc::new(SimFs::new()), env, ..StartOptions::default() };
    let broker = Broker::start_with(config(), options).await.unwrap();
    let kafka = client(&broker);
    let orders = create_topic(&kafka, "orders", &[]).await;
    let records = batch_at(&[Timestamp(now - 90_000), Timestamp(now - 20_000)]);
    assert_eq!(produce(&kafka, orders, -1, records).await, ErrorCode::None);
    commit(&kafka, "readers", "orders", 0).await;
    let seconds = "mainstem_group_lag_seconds{group=\"readers\",topic=\"orders\"}";
    assert_eq!(scrape(&broker).await[seconds], 90.0);
    let partition = TopicPartition::new(Arc::from("orders"), PartitionIndex(0));
    for (_, trimmed) in kafka.admin().delete_records(&[(partition, Some(Offset(1)))]).await {
        trimmed.unwrap();
    }
    let samples = scrape(&broker).await;
    assert_eq!(samples[seconds], 20.0);
    let records = "mainstem_group_lag_records{group=\"readers\",topic=\"orders\"}";
    assert_eq!(samples[records], 2.0, "in records it is the distance of offsets, as everywhere");
    drop(kafka);
    broker.shutdown().await;
}

/// A group is counted under the state that it is in, and no more under the one that it was in; what a member commits is no
/// longer behind, and what goes takes its series along.
#[tokio::test(flavor = "multi_thread")]
async fn groups_are_counted_by_state_while_they_live() {
    let broker = start(config(), SimFs::new()).await;
    let kafka = client(&broker);
    let id = create_topic(&kafka, "orders", &[]).await;
    assert_eq!(produce(&kafka, id, -1, batch(5, 10)).await, ErrorCode::None);
    commit(&kafka, "readers", "orders", 1).await;

    let mut reader = kafka.consumer().group("readers").offset_reset(OffsetReset::Earliest).build().unwrap();
    reader.subscribe(["orders"]).unwrap();
    let read = async {
        let mut records = 0;
        while records < 4 {
            records += reader.poll(10).await.unwrap().records.len();
        }
        records
    };
    assert_eq!(tokio::time::timeout(SOON, read).await.unwrap(), 4);
    let kind = until("a stable group", async || {
        let groups = of(&scrape(&broker).await, "mainstem_groups");
        let stable = groups.keys().find(|name| name.contains("Stable")).cloned();
        assert_eq!(groups.values().sum::<f64>(), 1.0, "{groups:?}");
        stable
    })
    .await;
    let samples = scrape(&broker).await;
    let readers = expected(&[("{group=\"readers\"}", 1.0)]);
    assert_eq!(of(&samples, "mainstem_group_members"), readers);
    assert!(1.0 <= samples["mainstem_group_rebalances_total{group=\"readers\"}"], "{samples:#?}");
    reader.commit().await.unwrap();
    reader.close().await;
    let samples = scrape(&broker).await;
    assert_eq!(samples["mainstem_group_members{group=\"readers\"}"], 0.0);
    let partitions = "mainstem_coordinator_partitions{coordinator=\"group\",state=\"active\"}";
    assert_eq!(samples[partitions], 50.0);
    assert_eq!(samples["mainstem_coordinator_load_seconds_count{coordinator=\"group\"}"], 50.0);
    let empty = kind.replace("Stable", "Empty");
    assert_eq!(of(&samples, "mainstem_groups"), expected(&[(&empty, 1.0)]));
    let lag = "{group=\"readers\",topic=\"orders\"}";
    assert_eq!(of(&samples, "mainstem_group_lag_records"), expected(&[(lag, 0.0)]));

    for (group, deleted) in kafka.admin().delete_groups(&["readers".to_owned()]).await {
        deleted.unwrap_or_else(|error| panic!("{group}: {error}"));
    }
    let samples = scrape(&broker).await;
    assert!(!samples.keys().any(|name| name.contains("readers")), "{samples:#?}");
    assert_eq!(of(&samples, "mainstem_groups"), expected(&[]));
    drop(kafka);
    broker.shutdown().await;
}

/// Groups that clients invent end at the limit of all series, and what is left out is counted.
#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_group_series_is_bounded() {
    let mut config = config();
    config.metrics.series_max = 300;
    let broker = start(config, SimFs::new()).await;
    let kafka = client(&broker);
    create_topic(&kafka, "orders", &[]).await;
    for number in 0..400 {
        commit(&kafka, &format!("invented-{number}"), "orders", 0).await;
    }
    let samples = scrape(&broker).await;
    let labelled = samples.keys().filter(|name| name.contains('{')).count();
    assert!(labelled <= 300, "{labelled} series");
    assert!(100.0 < samples["mainstem_metrics_series_dropped_total"]);
    let counts = expected(&[("{type=\"classic\",state=\"Empty\"}", 400.0)]);
    assert_eq!(of(&samples, "mainstem_groups"), counts, "sums stay right");
    drop(kafka);
    broker.shutdown().await;
}
