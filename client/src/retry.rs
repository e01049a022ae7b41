//! The one table that decides what an error code means for whoever sent the request, and how long to wait before the
//! next attempt. Pure.

use std::time::Duration;

use mainstem_protocol::error::ErrorCode;

/// What to do about an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Wait, then send the same request to the same broker again.
    Retry,
    /// Ask for metadata, then send the request to whoever is responsible now.
    RefreshAndRetry,
    /// Give up: the same request will fail again.
    GiveUp,
}

/// What to do about `code`.
pub const fn action(code: ErrorCode) -> Action {
    match code {
        ErrorCode::NotLeaderOrFollower
        | ErrorCode::LeaderNotAvailable
        | ErrorCode::ReplicaNotAvailable
        | ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::InconsistentTopicId
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::UnknownLeaderEpoch
        | ErrorCode::NotController
        | ErrorCode::ListenerNotFound
        | ErrorCode::KafkaStorageError
        | ErrorCode::OffsetNotAvailable
        | ErrorCode::EligibleLeadersNotAvailable => Action::RefreshAndRetry,
        code if code.is_retriable() => Action::Retry,
        _ => Action::GiveUp,
    }
}

/// Whether a Produce that was answered with `code` may nevertheless have been written.
///
/// The codes below are refusals that come before the append. After any other the record may be there: a leader may lose
/// its place after it appended, and a broker that failed in an unforeseen way may have failed after the append.
pub const fn may_be_written(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::InvalidRecord
            | ErrorCode::InvalidTimestamp
            | ErrorCode::CorruptMessage
            | ErrorCode::UnsupportedVersion
            | ErrorCode::UnsupportedForMessageFormat
            | ErrorCode::UnsupportedCompressionType
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::ClusterAuthorizationFailed
            | ErrorCode::TransactionalIdAuthorizationFailed
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InvalidTopicException
            | ErrorCode::InvalidRequiredAcks
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::OutOfOrderSequenceNumber
            | ErrorCode::UnknownProducerId
            | ErrorCode::InvalidProducerEpoch
            | ErrorCode::ProducerFenced
    )
}

/// Waiting times between attempts: doubling from `first` to `most`, each taken down by up to a fifth or up by as much,
/// so that clients that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first failure.
    pub first: Duration,
    /// Bound of the doubling.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), most: Duration::from_secs(1) }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row, at least one. `chance` lies in `0.0 ..= 1.0`.
    pub fn after(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let wait = self.first.saturating_mul(1 << doublings).min(self.most);
        wait.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_with_a_fifth_of_jitter() {
        let backoff = Backoff::default();
        for (failures, chance, millis) in [
            (1, 0.5, 100),
            (2, 0.5, 200),
            (4, 0.5, 800),
            (5, 0.5, 1000),
            (1000, 0.5, 1000),
            (1, 0.0, 80),
            (1, 1.0, 120),
        ] {
            assert_eq!(backoff.after(failures, chance).as_millis(), millis);
        }
    }

    /// Rows of the table whose change would be a change of semantics.
    #[test]
    fn the_table() {
        for (code, expected) in [
            (ErrorCode::NotLeaderOrFollower, Action::RefreshAndRetry),
            (ErrorCode::UnknownTopicOrPartition, Action::RefreshAndRetry),
            (ErrorCode::NotEnoughReplicas, Action::Retry),
            (ErrorCode::RequestTimedOut, Action::Retry),
            (ErrorCode::CoordinatorLoadInProgress, Action::Retry),
            (ErrorCode::MessageTooLarge, Action::GiveUp),
            (ErrorCode::TopicAuthorizationFailed, Action::GiveUp),
            (ErrorCode::UnknownServerError, Action::GiveUp),
            (ErrorCode::OutOfOrderSequenceNumber, Action::GiveUp),
        ] {
            assert_eq!(action(code), expected, "{}", code.name());
        }
        for (code, expected) in [
            (ErrorCode::MessageTooLarge, false),
            (ErrorCode::RecordListTooLarge, false),
            (ErrorCode::InvalidRecord, false),
            (ErrorCode::InvalidTimestamp, false),
            (ErrorCode::CorruptMessage, false),
            (ErrorCode::UnsupportedVersion, false),
            (ErrorCode::UnsupportedForMessageFormat, false),
            (ErrorCode::UnsupportedCompressionType, false),
            (ErrorCode::TopicAuthorizationFailed, false),
            (ErrorCode::ClusterAuthorizationFailed, false),
            (ErrorCode::TransactionalIdAuthorizationFailed, false),
            (ErrorCode::UnknownTopicOrPartition, false),
            (ErrorCode::UnknownTopicId, false),
            (ErrorCode::NotEnoughReplicas, false),
            (ErrorCode::OutOfOrderSequenceNumber, false),
            (ErrorCode::InvalidProducerEpoch, false),
            (ErrorCode::ProducerFenced, false),
            (ErrorCode::RequestTimedOut, true),
            (ErrorCode::NotEnoughReplicasAfterAppend, true),
            (ErrorCode::NotLeaderOrFollower, true),
            (ErrorCode::KafkaStorageError, true),
            (ErrorCode::UnknownServerError, true),
        ] {
            assert_eq!(may_be_written(code), expected, "{}", code.name());
        }
    }
}
