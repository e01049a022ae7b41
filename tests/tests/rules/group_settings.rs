//! Settings of groups that change while the brokers run take effect at once, and only within their bounds. Codes and messages
//! are those of Apache Kafka 4.3.1.

use crate::{
    groups::{await_coordinator, commit_as, commit_request, fetch},
    groups_consumer::Member,
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::incremental_alter_configs::{
        AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
    },
};
use mainstem_tests::{
    exchange::{create_topic, eventually},
    in_process::InProcess,
    wire::WireClient,
};
use std::time::Duration;

const INTERVAL: &str = "group.consumer.assignment.interval.ms";

/// Sets a value of a topic, or with no name of all brokers (`None` = back to what held before); code and message.
pub(crate) fn set(
    client: &mut WireClient,
    topic: &str,
    key: &str,
    value: Option<&str>,
) -> (ErrorCode, String) {
    let config = AlterableConfig {
        name: key.into(),
        config_operation: i8::from(value.is_none()),
        value: value.map(Into::into),
    };
    let resource = AlterConfigsResource {
        resource_type: if topic.is_empty() { 4 } else { 2 },
        resource_name: topic.into(),
        configs: vec![config],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let mut response = client.call(1, &request).unwrap();
    let answer = response.responses.remove(0);
    let message = answer.error_message.map(|message| message.to_string()).unwrap_or_default();
    (ErrorCode::from_code(answer.error_code).unwrap(), message)
}

/// A group that may be assigned anew only once an hour does so at its next heartbeat when the interval is set to nothing, and
/// waits again once that is taken back.
#[test]
fn g6_the_assignment_interval_changes_while_the_broker_runs() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start_with(folder.path(), |config| {
        config.groups.consumer_assignment_interval = Duration::from_hours(1);
    });
    let broker = broker.unwrap();
    let (mut one, mut two) = (Member::new(&broker, "one"), Member::new(&broker, "two"));
    create_topic(&mut one.client, "t", 2, &[]).unwrap();
    await_coordinator(&mut one.client, "g");
    one.join(&["t"], "");
    two.join(&["t"], "");
    for _ in 0..3 {
        one.beat();
        two.beat();
    }
    assert_eq!((one.partitions(), two.partitions()), (2, 0), "the hour is not over");

    assert_eq!(set(&mut one.client, "", INTERVAL, Some("0")).0, ErrorCode::None);
    assert!(eventually(|| {
        one.beat();
        two.beat();
        one.partitions() == 1
    }));
    one.follow();
    one.beat();
    assert!(eventually(|| {
        two.beat();
        two.partitions() == 1
    }));

    assert_eq!(set(&mut one.client, "", INTERVAL, None).0, ErrorCode::None);
    let mut three = Member::new(&broker, "three");
    two.follow();
    three.join(&["t"], "");
    for member in [&mut one, &mut two, &mut three] {
        member.beat();
    }
    assert_eq!((one.partitions(), two.partitions(), three.partitions()), (1, 1, 0), "an hour again");
    broker.stop();
}

#[test]
fn g6_the_assignment_interval_stays_within_the_bounds_of_the_brokers() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let above = "group.consumer.assignment.interval.ms must be less than or equal to \
                 group.consumer.max.assignment.interval.ms";
    assert_eq!(set(&mut client, "", INTERVAL, Some("20000")), (ErrorCode::InvalidRequest, above.to_owned()));
    let (code, message) = set(&mut client, "", INTERVAL, Some("-1"));
    assert_eq!(code, ErrorCode::InvalidRequest, "{message}");
    assert!(message.contains("Value must be at least 0"), "{message}");
    assert_eq!(set(&mut client, "", INTERVAL, Some("15000")).0, ErrorCode::None);
    broker.stop();
}

/// What a commit may hold follows the largest batch of the internal topic as it is now. One that is too large is refused and
/// changes nothing; a shard that had decided first and could not write afterwards would have to be loaded again.
#[test]
fn g1_a_commit_follows_the_largest_batch_of_the_internal_topic() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    await_coordinator(&mut client, "g");
    let mut large = commit_request("g", "t", 0, 7);
    large.topics[0].partitions[0].committed_metadata = Some("x".repeat(1_000).into());
    assert_eq!(commit_as(&mut client, 8, &large), ErrorCode::None);

    let max = "max.message.bytes";
    assert_eq!(set(&mut client, "__consumer_offsets", max, Some("600")).0, ErrorCode::None);
    assert!(eventually(|| commit_as(&mut client, 8, &large) == ErrorCode::UnknownServerError));
    for offset in 8..20 {
        assert_eq!(commit_as(&mut client, 8, &large), ErrorCode::UnknownServerError);
        assert_eq!(commit_as(&mut client, 8, &commit_request("g", "t", 0, offset)), ErrorCode::None);
        assert_eq!(fetch(&mut client, "g", "t", 0), (offset, ErrorCode::None), "it was never loaded again");
    }
    assert_eq!(set(&mut client, "__consumer_offsets", max, None).0, ErrorCode::None);
    assert!(eventually(|| commit_as(&mut client, 8, &large) == ErrorCode::None));
    broker.stop();
}
