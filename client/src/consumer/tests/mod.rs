//! The consumer against a scripted cluster under virtual time.

mod log;
mod moves;
mod reading;
mod sessions;

use std::time::Duration;

use super::{Batch, Consumer};
use crate::runtime::{now, until};

/// Polls until the partition's position is `end`; offsets and values of all records, and what went wrong.
async fn read_to(consumer: &mut Consumer, index: i32, end: i64) -> (Vec<(i32, i64, String)>, Vec<String>) {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    while consumer.position(&log::tp(index)) != Some(end) {
        let batch = poll(consumer, 3).await;
        for record in batch.records {
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            records.push((record.partition.partition.get(), record.offset, value));
        }
        problems.extend(batch.problems.iter().map(ToString::to_string));
    }
    (records, problems)
}

/// One poll that must end within a minute of virtual time.
async fn poll(consumer: &mut Consumer, max: usize) -> Batch {
    until(now() + Duration::from_secs(60), consumer.poll(max)).await.expect("poll hangs").unwrap()
}

/// Offsets read from partition 0, and the problems.
async fn offsets_to(consumer: &mut Consumer, end: i64) -> (Vec<i64>, Vec<String>) {
    let (records, problems) = read_to(consumer, 0, end).await;
    for (_, offset, value) in &records {
        assert_eq!(*value, format!("r{offset}"));
    }
    (records.into_iter().map(|(_, offset, _)| offset).collect(), problems)
}
