//! Records as the only source of state: a real Kafka's log, and what others may ask of it.

use crate::group::{
    GroupRecord, codec,
    consumer::{
        ConsumerGroup,
        describe::ConsumerGroupState::{self, Assigning, Empty, Reconciling, Stable},
        testing::{A, B, Bench, alive, join, owning, text},
    },
};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
    model::{PartitionIndex, TopicId},
    records::batches,
};
use std::{collections::BTreeMap, time::Duration};

/// `__consumer_offsets` of a Kafka 4.3.1.
const LOG: &[u8] = include_bytes!(
    "../../../../storage/tests/data/kafka-4.3.1/groups/data/__consumer_offsets-0/00000000000000000000.log"
);

/// The records of consumer groups in it, by group, with their bytes.
fn kafka_log() -> Vec<(String, GroupRecord, (Bytes, Option<Bytes>))> {
    let mut all = Vec::new();
    for batch in batches(Bytes::from_static(LOG)) {
        for record in &batch.unwrap().records(1 << 20).unwrap() {
            let record = record.unwrap();
            let key = Bytes::copy_from_slice(record.key.unwrap());
            let value = record.value.map(Bytes::copy_from_slice);
            if key.starts_with(&[0, 0]) || key.starts_with(&[0, 1]) || key.starts_with(&[0, 2]) {
                continue;
            }
            if let Ok(Some(read)) = codec::decode(key.clone(), value.clone()) {
                let group_id = match &read {
                    GroupRecord::Epoch(key, _) => &key.group_id,
                    GroupRecord::PartitionMetadata(key) => &key.group_id,
                    GroupRecord::Member(key, _) => &key.group_id,
                    GroupRecord::TargetEpoch(key, _) => &key.group_id,
                    GroupRecord::Target(key, _) => &key.group_id,
                    GroupRecord::Current(key, _) => &key.group_id,
                    GroupRecord::Regex(key, _) => &key.group_id,
                    GroupRecord::Offset(..) | GroupRecord::Classic(..) => panic!("{read:?}"),
                };
                all.push((group_id.to_string(), read, (key, value)));
            }
        }
    }
    all
}

fn kafka_records() -> BTreeMap<String, Vec<GroupRecord>> {
    let mut groups: BTreeMap<String, Vec<GroupRecord>> = BTreeMap::new();
    for (group, record, _) in kafka_log() {
        groups.entry(group).or_default().push(record);
    }
    groups
}

/// Bit for bit: Kafka could go on with a log of ours.
#[test]
fn records_that_kafka_wrote_are_written_again_as_they_were() {
    let log = kafka_log();
    assert!(40 < log.len(), "{}", log.len());
    for (_, record, bytes) in log {
        assert_eq!(codec::encode(&record).unwrap(), bytes, "{record:?}");
    }
}

/// A group of two members, by name and by expression, a deleted group, and one that emptied.
#[test]
fn a_log_that_kafka_wrote_is_understood() {
    let orders: TopicId = "hHlKyhDzSQ2Wde9kPkqTaw".parse().unwrap();
    let groups = kafka_records();
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["consumer", "deleted", "in-transaction"]);

    let mut group = ConsumerGroup::new("consumer");
    let mut states = Vec::new();
    let mut moved = Vec::new();
    for record in &groups["consumer"] {
        group.apply(record);
        if states.last() != Some(&group.state()) {
            states.push(group.state());
        }
        let holder = group.state.owner(orders, PartitionIndex(2)).map(ToString::to_string);
        if moved.last() != Some(&holder) {
            moved.push(holder);
        }
    }
    let joined = [Reconciling, Assigning, Reconciling, Stable, Reconciling, Stable];
    assert_eq!(states[..6], joined, "record by record: also what is seen only in between");
    assert_eq!(states.last(), Some(&Empty), "{states:?}");
    let (first, second) = ("04eVurbcTqip0sSxJf50tw".to_owned(), "S_DwCfMAR0WyJI-qlipfFg".to_owned());
    assert_eq!(moved[..4], [None, Some(first), None, Some(second)], "a partition is free in between");
    assert!(group.exists() && group.state.regexes().is_empty());

    let mut deleted = ConsumerGroup::new("deleted");
    groups["deleted"].iter().for_each(|record| deleted.apply(record));
    assert!(!deleted.exists());
}

/// Replaying the last record of each key gives what the whole log gives.
#[test]
fn a_compacted_log_gives_the_same_state() {
    for (id, records) in kafka_records() {
        for end in 0..=records.len() {
            let mut whole = ConsumerGroup::new(&id);
            let mut compacted = ConsumerGroup::new(&id);
            records[..end].iter().for_each(|record| whole.apply(record));
            for (nth, record) in records[..end].iter().enumerate() {
                let is_last = records[nth + 1..end].iter().all(|later| key_of(later) != key_of(record));
                if is_last {
                    compacted.apply(record);
                }
            }
            assert_eq!(compacted.state, whole.state, "{id} after {end} records");
        }
    }
}

/// Type and key of a record, from its text.
fn key_of(record: &GroupRecord) -> String {
    let text = text(record);
    let text = text.strip_prefix("no ").unwrap_or(&text);
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["epoch", ..] => "epoch".into(),
        ["target", "epoch", ..] => "target epoch".into(),
        [kind, id, ..] => format!("{kind} {id}"),
        other => format!("{other:?}"),
    }
}

/// Tombstones for nothing, members without metadata, epochs at the edge, states of a later broker.
#[test]
fn records_that_make_no_sense_do_no_harm() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["a"]));
    bench.beat(join("m2", &["a"]));
    let log = bench.log.clone();
    for skip in 0..log.len() {
        let mut group = ConsumerGroup::new("g");
        for (nth, record) in log.iter().enumerate().chain(log.iter().enumerate().rev()) {
            if nth != skip {
                group.apply(record);
            }
        }
        group.state();
    }
    let mut group = ConsumerGroup::new("g");
    for (_, records) in kafka_records() {
        records.iter().rev().for_each(|record| group.apply(record));
    }
    group.state();
}

/// A state that this version does not know: the member has to start over, with nothing.
#[test]
fn a_member_in_an_unknown_state_is_fenced_until_it_owns_nothing() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["c"]));
    let Some(GroupRecord::Current(key, Some(mut value))) = bench.log.pop() else { panic!("the last record") };
    value.state = 9;
    bench.log.push(GroupRecord::Current(key, Some(value)));
    let record = bench.log.last().unwrap().clone();
    bench.group.apply(&record);
    bench.beat(join("m2", &["c"]));
    assert_eq!(bench.beat(owning("m1", 2, &[(A, &[0])])), ["-> FencedMemberEpoch"]);
    let (_, answer) = bench.heartbeat(1, &alive("m1", 2));
    assert!(answer.error_message.unwrap().starts_with("The consumer group member is in a unknown state."));
    assert_eq!(bench.beat(join("m1", &["c"])).last().unwrap(), "-> 3 [c:0]");
}

/// In Kafka's order.
#[test]
fn an_empty_group_is_deleted_by_tombstones_for_all_that_it_left() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["a"]));
    assert_eq!(bench.group.delete(), Err(ErrorCode::NonEmptyGroup));
    bench.beat(alive("m1", -1));
    let records = bench.group.delete().unwrap();
    assert_eq!(
        records.iter().map(text).collect::<Vec<_>>(),
        ["no target epoch", "no partition metadata", "no epoch"]
    );
    for record in &records {
        bench.group.apply(record);
    }
    assert_eq!(bench.group.state, ConsumerGroup::new("g").state);
}

/// KIP-1251: the epoch in which a partition was handed out is what counts, not that of the member.
#[test]
fn a_commit_is_accepted_from_a_member_that_holds_the_partition() {
    let mut bench = Bench::new();
    let commit = |bench: &Bench, member: &str, epoch: i32, partition: i32| {
        bench.group.check_commit(member, epoch, 9, &[(A, PartitionIndex(partition))])
    };
    assert_eq!(commit(&bench, "", -1, 0), Ok(()), "nobody is in the group");
    bench.beat(join("m1", &["a"]));
    bench.beat(join("m2", &["a"]));
    bench.beat(owning("m1", 2, &[(A, &[0, 1, 2, 3])]));
    bench.beat(owning("m1", 2, &[(A, &[0, 1])]));
    bench.beat(alive("m2", 3));
    assert_eq!(commit(&bench, "m1", 3, 0), Ok(()));
    assert_eq!(commit(&bench, "m1", 2, 0), Ok(()), "it has not heard of epoch 3");
    assert_eq!(commit(&bench, "m1", 1, 0), Err(ErrorCode::StaleMemberEpoch), "before it was handed out");
    assert_eq!(commit(&bench, "m1", 2, 2), Err(ErrorCode::StaleMemberEpoch), "not its own any more");
    assert_eq!(commit(&bench, "m1", 4, 0), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(commit(&bench, "m3", 3, 0), Err(ErrorCode::UnknownMemberId));
    assert_eq!(commit(&bench, "", -1, 0), Err(ErrorCode::UnknownMemberId));
    assert_eq!(bench.group.check_commit("m1", 3, 8, &[]), Err(ErrorCode::UnsupportedVersion));

    assert_eq!(bench.group.check_fetch(None, -1), Ok(()));
    assert_eq!(bench.group.check_fetch(Some("m1"), 3), Ok(()));
    assert_eq!(bench.group.check_fetch(Some("m1"), 2), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(bench.group.check_fetch(Some("m3"), 3), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_group_is_described_with_what_its_members_hold_and_shall_hold() {
    let mut bench = Bench::new();
    assert_eq!(bench.group.state(), ConsumerGroupState::Empty);
    bench.settings.assignment_interval = Duration::from_secs(1);
    bench.beat(ConsumerGroupHeartbeatRequest { rack_id: Some("r".into()), ..join("m1", &["b"]) });
    bench.beat(ConsumerGroupHeartbeatRequest { server_assignor: Some("range".into()), ..join("m2", &["b"]) });
    assert_eq!(bench.group.state(), ConsumerGroupState::Assigning);
    bench.pass(Duration::from_secs(1));
    bench.beat(owning("m1", 2, &[(B, &[0, 1])]));
    assert_eq!(bench.group.state(), ConsumerGroupState::Reconciling);
    assert_eq!(&*bench.group.listed().group_state, "Reconciling");

    let mut described = None;
    bench.event(|group, _, around| {
        described = Some(group.described(around));
        crate::group::GroupStep::none()
    });
    let group = described.unwrap();
    assert_eq!((group.group_epoch, group.assignment_epoch, &*group.assignor_name), (3, 3, "range"));
    let member = &group.members[0];
    assert_eq!((&*member.member_id, member.rack_id.as_deref(), member.member_epoch), ("m1", Some("r"), 2));
    assert_eq!((&*member.client_id, &*member.client_host, member.member_type), ("app", "/127.0.0.1", 1));
    assert_eq!(member.assignment.topic_partitions[0].partitions, [0, 1], "also what it has to give up");
    assert_eq!(member.target_assignment.topic_partitions[0].partitions, [0]);
    assert_eq!(&*member.target_assignment.topic_partitions[0].topic_name, "b");
    assert!(group.members[1].assignment.topic_partitions.is_empty());
}
