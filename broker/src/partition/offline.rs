//! Logs that should be here and cannot be used: a list for whoever has to tell the controller.
//!
//! Above: `partitions`, which adds; `broker`, which takes and tells. Below: nothing. Bounded by the number of partitions.

use mainstem_protocol::model::{PartitionIndex, TopicId};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    mem,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// Partitions whose log went offline.
#[derive(Debug, Default)]
pub(super) struct OfflineLogs {
    /// Whether there ever was one.
    any: AtomicBool,
    untold: Mutex<BTreeSet<(TopicId, PartitionIndex)>>,
    added: Notify,
}

impl OfflineLogs {
    /// A log went offline, and is until the next start.
    pub(super) fn add(&self, topic: TopicId, partition: PartitionIndex) {
        self.any.store(true, Ordering::Release);
        self.untold.lock().insert((topic, partition));
        self.added.notify_one();
    }

    /// Whether any log is offline.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Those that went offline since the last call, waiting for the first. Cancel-safe. For one caller.
    pub(super) async fn next(&self) -> Vec<(TopicId, PartitionIndex)> {
        loop {
            let untold = mem::take(&mut *self.untold.lock());
            if !untold.is_empty() {
                return untold.into_iter().collect();
            }
            // A permit is kept if the log was added before this is polled.
            self.added.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_log_is_told_once() {
        let logs = OfflineLogs::default();
        let topic = TopicId([1; 16]);
        assert!(!logs.any());
        for index in [1, 0, 1] {
            logs.add(topic, PartitionIndex(index));
        }
        assert!(logs.any());
        assert_eq!(logs.next().await, [(topic, PartitionIndex(0)), (topic, PartitionIndex(1))]);
        let (told, ()) = tokio::join!(logs.next(), async { logs.add(topic, PartitionIndex(7)) });
        assert_eq!(told, [(topic, PartitionIndex(7))]);
    }
}
