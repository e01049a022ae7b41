//! How old the records are that a group has not read: the first one of each partition is read, with its timestamp.
//!
//! Kafka's protocol has no question for that, so this works with any broker. Nothing is committed and no group is joined.
//! Above: `describe`, `explain group`. Below: the client's consumer.

use crate::position;
use mainstem_client::{
    Kafka,
    consumer::{OffsetReset, Start},
};
use mainstem_protocol::model::TopicPartition;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Bytes of each partition that are asked for; a first record in a larger batch comes all the same.
const PARTITION_BYTES: i32 = 64 << 10;
/// Records of one poll.
const RECORDS: usize = 1_000;

/// Where a group stands in a partition, and where that ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unread {
    pub(crate) from: i64,
    pub(crate) end: i64,
}

/// The age of the first record from each place on, by this machine's clock; zero where there is none up to the end. A partition
/// that could not be read in time is missing, and so is one whose record says no time.
pub(crate) async fn ages(
    kafka: &Kafka,
    unread: &BTreeMap<TopicPartition, Unread>,
    within: Duration,
) -> BTreeMap<TopicPartition, Duration> {
    let mut ages = BTreeMap::new();
    if unread.is_empty() {
        return ages;
    }
    // What was deleted meanwhile is not waited for.
    let consumer = kafka.consumer().out_of_range(OffsetReset::Earliest).partition_max_bytes(PARTITION_BYTES);
    let Ok(mut consumer) = consumer.build() else { return ages };
    consumer.assign(unread.iter().map(|(partition, at)| (partition.clone(), Start::Offset(at.from))));
    let mut open = unread.clone();
    let deadline = Instant::now() + within;
    while !open.is_empty() {
        let Ok(Ok(batch)) = timeout_at(deadline, consumer.poll(RECORDS)).await else { break };
        for record in &batch.records {
            if open.remove(&record.partition).is_some() {
                consumer.pause(&record.partition);
                if 0 <= record.timestamp {
                    ages.insert(record.partition.clone(), age(record.timestamp));
                }
            }
        }
        // Only markers of transactions were left, or what compaction took away.
        open.retain(|partition, at| {
            let passed = consumer.position(partition).is_some_and(|position| at.end <= position);
            if passed {
                ages.insert(partition.clone(), Duration::ZERO);
                consumer.pause(partition);
            }
            !passed
        });
        for problem in batch.problems {
            if matches!(problem.problem, mainstem_client::consumer::Problem::Failed(_)) {
                open.remove(&problem.partition);
                consumer.pause(&problem.partition);
            }
        }
    }
    consumer.close().await;
    ages
}

fn age(timestamp: i64) -> Duration {
    Duration::from_millis(u64::try_from(position::now().saturating_sub(timestamp)).unwrap_or(0))
}

/// As people say it: the two greatest units.
pub(crate) fn human(age: Duration) -> String {
    let (ms, seconds) = (age.as_millis(), age.as_secs());
    if seconds == 0 {
        return if ms == 0 { "0s".to_owned() } else { format!("{ms}ms") };
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, name) in units {
        let count = rest.checked_div(length).unwrap_or(0);
        rest = rest.saturating_sub(count.saturating_mul(length));
        if 0 < count || !parts.is_empty() {
            parts.push((count, name));
        }
    }
    let shown = parts.into_iter().take(2).filter(|(count, _)| 0 < *count);
    shown.map(|(count, name)| format!("{count}{name}")).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_two_greatest_units() {
        let told = |ms| human(Duration::from_millis(ms));
        assert_eq!(told(0), "0s");
        assert_eq!(told(15), "15ms");
        assert_eq!(told(9_900), "9s");
        assert_eq!(told(60_000), "1m");
        assert_eq!(told(90_000), "1m30s");
        assert_eq!(told(3_600_000 * 5 + 61_000), "5h1m");
        assert_eq!(told(86_400_000 * 3 + 59_000), "3d");
    }
}
