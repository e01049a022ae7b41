//! Offsets from commit to expiry, decision by decision, without a log or a clock.

use super::{Offsets, Upkeep};
use crate::{
    coordinator::Written,
    group::{
        GroupRecord,
        membership::{Committer, ExpirySince, Membership},
        tests::{World, client},
    },
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        internal::offset_commit::{OffsetCommitKey, OffsetCommitValue},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponsePartitions},
    },
    model::{Offset, ProducerId, Timestamp, TopicId},
};
use std::{sync::Arc, time::Duration};

const DAY: Duration = Duration::from_hours(24);

/// A commit from outside any group.
fn request(topic: &str, partition: i32, offset: i64, note: Option<&str>) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        retention_time_ms: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: topic.into(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: offset,
                committed_leader_epoch: 3,
                committed_metadata: note.map(Into::into),
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

/// Offsets to which records can be applied as a log would give them back.
#[derive(Default)]
struct Log {
    offsets: Offsets,
    end: i64,
}

impl Log {
    fn apply(&mut self, records: Vec<GroupRecord>, transaction: Option<ProducerId>) {
        for record in records {
            let GroupRecord::Offset(key, value) = record else { panic!("{record:?} is no offset") };
            let written = Written { offset: Offset(self.end), transaction };
            self.offsets.apply(&key, value.as_ref(), written);
            self.end += 1;
        }
    }

    /// Commits and gives the code of the only partition.
    fn commit(&mut self, world: &World, version: i16, request: &OffsetCommitRequest) -> ErrorCode {
        let (records, response) = self.offsets.commit(None, &client(version), request, &world.around());
        self.apply(records, None);
        ErrorCode::from_code(response.topics[0].partitions[0].error_code).unwrap()
    }

    fn fetch(
        &self,
        world: &World,
        topic: &str,
        partition: i32,
        stable: bool,
    ) -> OffsetFetchResponsePartitions {
        let topics = vec![OffsetFetchRequestTopics {
            name: topic.into(),
            partition_indexes: vec![partition],
            ..OffsetFetchRequestTopics::default()
        }];
        let wanted = OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: Some(topics),
            ..OffsetFetchRequestGroup::default()
        };
        let mut group = self.offsets.fetch(None, &client(9), &wanted, stable, &world.image);
        assert_eq!(group.error_code, 0);
        group.topics.remove(0).partitions.remove(0)
    }

    fn committed(&self, world: &World, topic: &str) -> i64 {
        self.fetch(world, topic, 0, false).committed_offset
    }
}

fn record(offset: i64) -> Vec<GroupRecord> {
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 0 };
    let value = OffsetCommitValue { offset, expire_timestamp: -1, ..OffsetCommitValue::default() };
    vec![GroupRecord::Offset(key, Some(value))]
}

#[test]
fn what_was_committed_comes_back_as_it_was_sent() {
    let world = World::new(&[("t", 1, 2)]);
    let mut log = Log::default();
    assert_eq!(log.commit(&world, 8, &request("t", 1, 42, Some("note"))), ErrorCode::None);
    let found = log.fetch(&world, "t", 1, true);
    assert_eq!((found.committed_offset, found.committed_leader_epoch), (42, 3));
    assert_eq!(found.metadata.as_deref(), Some("note"));
    assert_eq!(log.commit(&world, 8, &request("t", 1, 43, None)), ErrorCode::None);
    let found = log.fetch(&world, "t", 1, true);
    assert_eq!((found.committed_offset, found.metadata.as_deref()), (43, Some("")));
}

#[test]
fn what_nobody_committed_is_minus_one_without_an_error() {
    let world = World::new(&[("t", 1, 1)]);
    let found = Log::default().fetch(&world, "nowhere", 5, false);
    assert_eq!((found.committed_offset, found.committed_leader_epoch, found.error_code), (-1, -1, 0));
    assert_eq!(found.metadata.as_deref(), Some(""));
}

/// A generation says "I am a member", and there are none: the code depends on whether anything is known of the group.
#[test]
fn a_generation_without_a_group_is_refused() {
    let world = World::new(&[("t", 1, 1)]);
    let mut log = Log::default();
    let member = |offset| OffsetCommitRequest {
        generation_id_or_member_epoch: 1,
        member_id: "m".into(),
        ..request("t", 0, offset, None)
    };
    assert_eq!(log.commit(&world, 8, &member(1)), ErrorCode::IllegalGeneration);
    assert_eq!(log.commit(&world, 9, &member(1)), ErrorCode::GroupIdNotFound);
    assert_eq!(log.commit(&world, 9, &request("t", 0, 7, None)), ErrorCode::None);
    assert_eq!(log.commit(&world, 9, &member(1)), ErrorCode::UnknownMemberId);
    assert_eq!(log.committed(&world, "t"), 7);
}

#[test]
fn topics_and_partitions_must_be_there() {
    let world = World::new(&[("t", 1, 1)]);
    let mut log = Log::default();
    assert_eq!(log.commit(&world, 8, &request("u", 0, 1, None)), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(log.commit(&world, 8, &request("t", 1, 1, None)), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(log.commit(&world, 8, &request("t", -1, 1, None)), ErrorCode::UnknownTopicOrPartition);
    let by_id = |id: u8| {
        let mut request = request("", 0, 9, None);
        request.topics[0].topic_id = TopicId([id; 16]);
        request
    };
    assert_eq!(log.commit(&world, 10, &by_id(2)), ErrorCode::UnknownTopicId);
    assert_eq!(log.commit(&world, 10, &by_id(1)), ErrorCode::None);
    assert_eq!(log.committed(&world, "t"), 9);
}

/// Java counts the length of a text in UTF-16 units.
#[test]
fn a_note_may_have_as_many_characters_as_java_counts() {
    let mut world = World::new(&[("t", 1, 1)]);
    world.settings.offset_metadata_max = 4;
    let mut log = Log::default();
    assert_eq!(log.commit(&world, 8, &request("t", 0, 1, Some("\u{e9}\u{e9}\u{e9}\u{e9}"))), ErrorCode::None);
    let two_units = "\u{1F600}\u{1F600}a";
    assert_eq!(
        log.commit(&world, 8, &request("t", 0, 2, Some(two_units))),
        ErrorCode::OffsetMetadataTooLarge
    );
    assert_eq!(log.committed(&world, "t"), 1);
}

#[test]
fn a_commit_that_fits_into_no_batch_is_refused_as_a_whole() {
    let mut world = World::new(&[("t", 1, 100)]);
    world.settings.record_max = 4_000;
    let mut wide = request("t", 0, 1, Some(&"x".repeat(100)));
    let only = wide.topics[0].partitions[0].clone();
    wide.topics[0].partitions = (0..100)
        .map(|partition_index| OffsetCommitRequestPartition { partition_index, ..only.clone() })
        .collect();
    let mut log = Log::default();
    assert_eq!(log.commit(&world, 8, &wide), ErrorCode::UnknownServerError);
    assert_eq!(log.end, 0);
}

/// An open transaction hides what it will change from readers that want to be sure (rule G2), and clears at its end.
#[test]
fn an_offset_of_a_transaction_shows_once_that_is_committed() {
    let world = World::new(&[("t", 1, 1)]);
    let mut log = Log::default();
    log.apply(record(1), None);
    log.apply(record(5), Some(ProducerId(9)));
    assert_eq!(log.committed(&world, "t"), 1);
    assert_eq!(log.fetch(&world, "t", 0, true).error_code, ErrorCode::UnstableOffsetCommit.code());
    log.offsets.end_transaction(ProducerId(9), true);
    assert_eq!(log.fetch(&world, "t", 0, true).committed_offset, 5);

    log.apply(record(8), Some(ProducerId(9)));
    log.offsets.end_transaction(ProducerId(9), false);
    assert_eq!(log.fetch(&world, "t", 0, true).committed_offset, 5);
}

/// The order of the records decides, not that of the ends: replay of a compacted log must give the same.
#[test]
fn a_later_commit_outlives_the_end_of_an_earlier_transaction() {
    let world = World::new(&[("t", 1, 1)]);
    let mut log = Log::default();
    log.apply(record(5), Some(ProducerId(9)));
    log.apply(record(6), None);
    log.offsets.end_transaction(ProducerId(9), true);
    assert_eq!(log.committed(&world, "t"), 6);
}

#[test]
fn nothing_is_left_of_a_group_whose_last_offset_went() {
    let mut log = Log::default();
    log.apply(record(5), Some(ProducerId(9)));
    log.apply(record(6), Some(ProducerId(10)));
    assert!(log.offsets.has_group("g"));
    log.apply(log.offsets.delete_all("g"), None);
    assert!(!log.offsets.has_group("g"));
    assert!(log.offsets.transactions.is_empty());
    log.offsets.end_transaction(ProducerId(9), true);
    assert!(!log.offsets.has_group("g"));
}

/// A group with members, as far as offsets are concerned.
struct Reader {
    expiry: Option<ExpirySince>,
}

impl Membership for Reader {
    fn check_commit(&self, _: &Committer<'_>, _: &[(TopicId, i32)]) -> Result<(), ErrorCode> {
        Ok(())
    }

    fn check_fetch(&self, _: Option<&str>, _: i32) -> Result<(), ErrorCode> {
        Ok(())
    }

    fn check_offset_delete(&self) -> Result<(), ErrorCode> {
        Ok(())
    }

    fn is_subscribed_to(&self, topic: &str) -> bool {
        topic == "read"
    }

    fn expiry(&self) -> Option<ExpirySince> {
        self.expiry
    }
}

#[test]
fn offsets_expire_by_their_age_or_by_that_of_the_empty_group() {
    let world = World::new(&[("t", 1, 1), ("read", 2, 1)]);
    let mut log = Log::default();
    log.commit(&world, 8, &request("t", 0, 1, None));
    log.commit(&world, 8, &request("read", 0, 1, None));
    let day = i64::try_from(DAY.as_millis()).unwrap();
    // How many go `days` after the commit, and whether any is left.
    let check = |group: Option<&dyn Membership>, days: i64, expected: (usize, bool)| {
        let expired = log.offsets.expire("g", group, Timestamp(world.wall + days * day), 7 * DAY);
        assert_eq!((expired.records.len(), expired.is_empty), expected, "after {days} days");
    };
    check(None, 6, (0, false));
    check(None, 7, (2, true));
    // Of a group with members those that it reads stay.
    check(Some(&Reader { expiry: Some(ExpirySince::Commit) }), 7, (1, false));
    check(Some(&Reader { expiry: None }), 700, (0, false));
    let emptied = Reader { expiry: Some(ExpirySince::Empty(Timestamp(world.wall + 3 * day))) };
    check(Some(&emptied), 9, (0, false));
    check(Some(&emptied), 10, (1, false));
}

#[test]
fn a_client_may_say_when_its_offset_expires() {
    let world = World::new(&[("t", 1, 1)]);
    let mut log = Log::default();
    let asked = OffsetCommitRequest { retention_time_ms: 50, ..request("t", 0, 1, None) };
    log.commit(&world, 4, &asked);
    let expired = |at| log.offsets.expire("g", None, Timestamp(at), 7 * DAY).is_empty;
    assert!(!expired(world.wall + 49));
    assert!(expired(world.wall + 50));
}

#[test]
fn an_offset_that_a_transaction_is_about_to_change_does_not_expire() {
    let mut log = Log::default();
    log.apply(record(1), None);
    log.apply(record(2), Some(ProducerId(9)));
    let expired = log.offsets.expire("g", None, Timestamp(i64::MAX), DAY);
    assert_eq!((expired.records.len(), expired.is_empty), (0, false));
}

/// Records of older brokers do not say which incarnation of a topic they mean.
#[test]
fn offsets_go_with_the_incarnation_of_their_topic() {
    let world = World::new(&[("t", 1, 1)]);
    let mut log = Log::default();
    log.commit(&world, 8, &request("t", 0, 1, None));
    let again = World::new(&[("t", 2, 1)]);
    assert_eq!(log.offsets.delete_gone("g", &world.image, true), []);
    assert_eq!(log.offsets.delete_gone("g", &again.image, false).len(), 1);

    let mut old = Log::default();
    old.apply(record(1), None);
    let without = World::new(&[]);
    assert_eq!(old.offsets.delete_gone("g", &again.image, true), []);
    assert_eq!(old.offsets.delete_gone("g", &without.image, false), []);
    assert_eq!(old.offsets.delete_gone("g", &without.image, true).len(), 1);
}

/// Asked by id, the offset of an earlier topic of the same name is none.
#[test]
fn an_offset_of_another_incarnation_is_not_shown() {
    let world = World::new(&[("t", 1, 1)]);
    let mut log = Log::default();
    log.commit(&world, 8, &request("t", 0, 5, None));
    let again = World::new(&[("t", 2, 1)]);
    let fetch = |world: &World, id: u8| {
        let topics = vec![OffsetFetchRequestTopics {
            topic_id: TopicId([id; 16]),
            partition_indexes: vec![0],
            ..OffsetFetchRequestTopics::default()
        }];
        let wanted = OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: Some(topics),
            ..OffsetFetchRequestGroup::default()
        };
        let found = log.offsets.fetch(None, &client(10), &wanted, false, &world.image);
        let partition = &found.topics[0].partitions[0];
        (partition.committed_offset, ErrorCode::from_code(partition.error_code).unwrap())
    };
    assert_eq!(fetch(&world, 1), (5, ErrorCode::None));
    assert_eq!(fetch(&again, 2), (-1, ErrorCode::None));
    assert_eq!(fetch(&again, 1), (-1, ErrorCode::UnknownTopicId));
}

#[test]
fn single_offsets_are_deleted_but_for_topics_that_are_read() {
    let world = World::new(&[("t", 1, 1), ("read", 2, 1)]);
    let mut log = Log::default();
    log.commit(&world, 8, &request("t", 0, 1, None));
    log.commit(&world, 8, &request("read", 0, 1, None));
    let topic = |name: &str, partition_index| OffsetDeleteRequestTopic {
        name: name.into(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index }],
    };
    let request = OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![topic("t", 0), topic("read", 0), topic("t", 9)],
    };
    let reader = Reader { expiry: None };
    let (records, response) = log.offsets.delete(Some(&reader), &request, &world.image);
    let codes: Vec<_> = response.topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    assert_eq!(
        codes,
        [0, ErrorCode::GroupSubscribedToTopic.code(), ErrorCode::UnknownTopicOrPartition.code()]
    );
    log.apply(records, None);
    assert_eq!((log.committed(&world, "t"), log.committed(&world, "read")), (-1, 1));

    let unknown = OffsetDeleteRequest { group_id: "nobody".into(), ..request };
    let (_, response) = log.offsets.delete(None, &unknown, &world.image);
    assert_eq!(response.error_code, ErrorCode::GroupIdNotFound.code());
}

/// A pass looks at every group once, however many steps it takes.
#[test]
fn a_pass_goes_through_all_groups_in_pieces() {
    let groups: Vec<Arc<str>> = (0..2_500).map(|n| format!("{n:05}").into()).collect();
    let mut seen = Vec::new();
    let (mut pass, mut steps) = (Some(Upkeep::default()), 0);
    while let Some(now) = pass {
        let (_, rest) = now.go_on(groups.iter(), |group| {
            seen.push(group.to_owned());
            Vec::new()
        });
        (pass, steps) = (rest, steps + 1);
    }
    assert_eq!(steps, 3);
    assert_eq!(seen, groups.iter().map(ToString::to_string).collect::<Vec<_>>());
}
