//! Which failures mean that a record may be in the log: the table, row by row, against a scripted broker.

use mainstem_protocol::error::ErrorCode;

use super::super::record::{Outcome, SendError};
use super::{broker, producer, record, respond};
use crate::fake::Reply;

/// Sends one record to a broker that answers `code` for good.
async fn fate(code: ErrorCode) -> SendError {
    let fake = broker(1, move |request| respond(request, |_| Err(code.code())));
    let producer = producer(&fake, &[("delivery.timeout.ms", "2000"), ("enable.idempotence", "false")]);
    producer.send(record("a")).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn refusals_before_the_append_are_not_written() {
    use ErrorCode as E;
    for code in [
        E::MessageTooLarge,
        E::RecordListTooLarge,
        E::InvalidRecord,
        E::InvalidTimestamp,
        E::CorruptMessage,
        E::UnsupportedVersion,
        E::UnsupportedForMessageFormat,
        E::UnsupportedCompressionType,
        E::TopicAuthorizationFailed,
        E::ClusterAuthorizationFailed,
        E::UnknownTopicOrPartition,
        E::UnknownTopicId,
        E::NotEnoughReplicas,
        E::OutOfOrderSequenceNumber,
        E::InvalidProducerEpoch,
        E::ProducerFenced,
    ] {
        let error = fate(code).await;
        assert_eq!(error.outcome, Outcome::NotWritten, "{}", code.name());
        assert_eq!(error.record.unwrap().value.unwrap(), "a", "the record comes back");
        assert!(1 <= error.attempts, "{}", code.name());
    }
}

#[tokio::test(start_paused = true)]
async fn failures_at_or_after_the_append_are_possibly_written() {
    use ErrorCode as E;
    for code in [
        E::RequestTimedOut,
        E::NotEnoughReplicasAfterAppend,
        E::NotLeaderOrFollower,
        E::KafkaStorageError,
        E::UnknownServerError,
    ] {
        assert_eq!(fate(code).await.outcome, Outcome::PossiblyWritten, "{}", code.name());
    }
}

/// A newer broker may answer what nobody here has heard of.
#[tokio::test(start_paused = true)]
async fn an_unknown_error_is_possibly_written() {
    let fake = broker(1, |request| respond(request, |_| Err(31_000)));
    let error = producer(&fake, &[]).send(record("a")).await.unwrap_err();
    assert_eq!((error.outcome, error.attempts), (Outcome::PossiblyWritten, 1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_after_the_first_byte_is_possibly_written() {
    let fake = broker(1, |_| Reply::Close);
    let error = producer(&fake, &[("delivery.timeout.ms", "2000")]).send(record("a")).await.unwrap_err();
    assert_eq!(error.outcome, Outcome::PossiblyWritten);
    assert!(1 < error.attempts, "it was tried again");
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_possibly_written() {
    let fake = broker(1, |_| Reply::Silence);
    let error = producer(&fake, &[("delivery.timeout.ms", "2000")]).send(record("a")).await.unwrap_err();
    assert_eq!((error.outcome, error.attempts), (Outcome::PossiblyWritten, 1));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_cannot_be_reached_is_not_written() {
    let fake = broker(1, |_| Reply::Close);
    let producer = producer(&fake, &[("delivery.timeout.ms", "2000")]);
    producer.prepare("t").await.unwrap();
    fake.refusals.lock().extend([std::io::ErrorKind::ConnectionRefused; 1000]);
    let error = producer.send(record("a")).await.unwrap_err();
    assert_eq!((error.outcome, error.attempts), (Outcome::NotWritten, 0));
    assert!(error.to_string().contains("cannot connect"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_before_sending_is_not_written() {
    let fake = broker(1, |_| Reply::Close);
    let producer = producer(&fake, &[("max.request.size", "1000"), ("max.block.ms", "2000")]);
    let large = producer.send(record(&"x".repeat(1000))).await.unwrap_err();
    let mut other = record("a");
    other.partition = Some(9);
    let no_partition = producer.send(other).await.unwrap_err();
    let mut other = record("a");
    other.topic = "missing".into();
    let no_topic = producer.send(other).await.unwrap_err();
    for (error, code) in [
        (&large, Some(ErrorCode::MessageTooLarge)),
        (&no_partition, None),
        (&no_topic, Some(ErrorCode::UnknownTopicOrPartition)),
    ] {
        assert_eq!((error.outcome, error.attempts, error.code()), (Outcome::NotWritten, 0, code), "{error}");
    }
}

/// One indefinite attempt is enough, whatever is answered to later ones; only success takes it back.
#[tokio::test(start_paused = true)]
async fn the_class_belongs_to_the_whole_send() {
    for last in [Err(ErrorCode::TopicAuthorizationFailed.code()), Ok(5)] {
        let mut first = true;
        let fake =
            broker(
                1,
                move |request| {
                    if std::mem::take(&mut first) { Reply::Close } else { respond(request, |_| last) }
                },
            );
        let result = producer(&fake, &[]).send(record("a")).await;
        match last {
            Ok(_) => assert_eq!(result.unwrap().offset.unwrap().0, 5),
            Err(_) => assert_eq!(result.unwrap_err().outcome, Outcome::PossiblyWritten),
        }
    }
}
