//! What the user is told when partitions change hands.

use mainstem_protocol::model::TopicPartition;

/// Told when partitions come and go. All but [`RebalanceListener::waiting`] are called inside `poll`, `allow_rebalance`,
/// `unsubscribe` or `close`, on the caller's task; the first two sit between offers, so that each ends before the next.
pub trait RebalanceListener: Send + Sync {
    /// These partitions are this consumer's now; their start positions are known. Called after each assignment that adds
    /// some.
    fn assigned(&self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }

    /// These partitions go to somebody else. What the commit mode allows has been committed before.
    fn revoked(&self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }

    /// These partitions were taken away, and somebody else may be reading them already: nothing can be committed any more.
    fn lost(&self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }

    /// The group waits for the next poll of this consumer, to move partitions. Called from a task of the client: it must
    /// not block.
    fn waiting(&self) {}
}
