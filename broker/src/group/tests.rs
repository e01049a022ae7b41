//! Worlds for tests of groups: an image with a few topics, settings, a time; and what Apache Kafka has written.

use super::{Client, GroupAnswer, GroupCall, GroupMachine, GroupSettings, GroupTimer};
use crate::{
    config::BrokerConfig,
    coordinator::{Machine, Surroundings, Ticket, replayed},
    env::Moment,
    metadata::{
        EntryPosition, MetadataImage, MetadataRecord,
        record::{Partition, Topic},
    },
};
use bytes::Bytes;
use mainstem_protocol::{
    messages::list_groups::ListGroupsRequest,
    model::{BrokerId, Timestamp, TopicId, Uuid},
    records::batches,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What decisions look at.
pub(super) struct World {
    pub(super) image: Arc<MetadataImage>,
    pub(super) settings: GroupSettings,
    pub(super) wall: i64,
}

impl World {
    /// Topics by name, id and number of partitions.
    pub(super) fn new(topics: &[(&str, u8, i32)]) -> Self {
        let mut records: Vec<MetadataRecord> = Vec::new();
        for (name, id, partitions) in topics {
            let topic_id = TopicId([*id; 16]);
            records.push(Topic { name: (*name).into(), topic_id }.into());
            let partition = |partition_id| Partition { partition_id, topic_id, ..Partition::default() };
            records.extend((0..*partitions).map(partition).map(MetadataRecord::from));
        }
        let position = EntryPosition { index: 1, controller_epoch: 1, controller_id: BrokerId(1) };
        let empty = Arc::new(MetadataImage::empty("c"));
        let image = Arc::clone(empty.apply(position, &records).unwrap().after());
        Self { image, settings: GroupSettings::new(&BrokerConfig::default()), wall: 1_000_000 }
    }

    pub(super) fn around(&self) -> Surroundings<'_, GroupSettings> {
        Surroundings {
            wall: Timestamp(self.wall),
            now: Moment::ZERO.after(Duration::from_millis(self.wall.unsigned_abs())),
            metadata: &self.image,
            settings: &self.settings,
            fresh_id: Uuid([7; 16]),
        }
    }
}

/// A client of this version.
pub(super) fn client(version: i16) -> Client {
    Client { id: "test".into(), host: "/127.0.0.1".into(), version }
}

/// A partition that Apache Kafka 4.3.1 wrote.
const LOG: &[u8] = include_bytes!(
    "../../storage/tests/data/kafka-4.3.1/groups/data/__consumer_offsets-0/00000000000000000000.log"
);

/// The machine that it gives.
pub(super) fn kafkas() -> GroupMachine {
    replayed(Bytes::from_static(LOG))
}

/// Offsets as Apache Kafka 4.3.1 told them before it stopped: plain commits, commits of transactions that were committed and
/// aborted, tombstones, groups that were deleted. Leader epoch -1 = the client gave none.
#[test]
fn a_partition_that_kafka_wrote_loads_to_the_offsets_that_kafka_told() {
    let machine = kafkas();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for group in machine.offsets.groups() {
        let committed = machine.offsets.committed_of(group).map(|(topic, partition, committed)| {
            let (offset, epoch, note) = (committed.offset, committed.leader_epoch, &committed.metadata);
            format!("{topic}-{partition} {offset} {epoch} {note}")
        });
        found.insert(group.to_string(), committed.collect());
    }
    let expected: BTreeMap<String, Vec<String>> = [
        (
            "classic",
            &[
                "orders-0 20 0 ",
                "orders-1 20 0 ",
                "orders-2 20 0 first was here",
                "orders-eu-0 0 -1 ",
                "orders-eu-1 0 -1 ",
            ][..],
        ),
        (
            "consumer",
            &[
                "orders-0 20 0 ",
                "orders-1 20 0 ",
                "orders-2 20 0 by pattern",
                "orders-eu-0 0 0 by pattern",
                "orders-eu-1 0 0 by pattern",
            ],
        ),
        ("in-transaction", &["orders-0 5 -1 committed"]),
        ("simple", &["orders-0 7 0 {\"note\": \"caf\u{e9}\"}"]),
    ]
    .map(|(group, offsets)| (group.to_owned(), offsets.iter().map(|line| (*line).to_owned()).collect()))
    .into();
    assert_eq!(found, expected);
}

/// Every record that is not a commit of an old form is written as Kafka wrote it, byte by byte.
#[test]
fn records_are_written_as_kafka_writes_them() {
    let mut compared = BTreeMap::new();
    for batch in batches(Bytes::from_static(LOG)) {
        let batch = batch.unwrap();
        if batch.header().is_control() {
            continue;
        }
        for record in &batch.records(1 << 20).unwrap() {
            let record = record.unwrap();
            let key = Bytes::copy_from_slice(record.key.unwrap());
            let value = record.value.map(Bytes::copy_from_slice);
            let Some(decoded) = GroupMachine::decode(key.clone(), value.clone()).unwrap() else { continue };
            assert_eq!(GroupMachine::encode(&decoded).unwrap(), (key.clone(), value), "{decoded:?}");
            *compared.entry(key[1]).or_insert(0) += 1;
        }
    }
    assert_eq!(compared.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 16], "{compared:?}");
}

/// The groups themselves, as the same broker listed them: a classic group in its last generation, consumer groups that
/// everyone had left, and what only holds offsets. Deleted groups are gone; share groups are none of ours.
#[test]
fn a_partition_that_kafka_wrote_loads_to_the_groups_that_kafka_listed() {
    let mut machine = kafkas();
    let world = World::new(&[("orders", 1, 3), ("orders-eu", 2, 2)]);
    let asked = GroupCall::List(ListGroupsRequest::default());
    let mut step = machine.call(asked, Ticket(1), &world.around());
    let Some((_, GroupAnswer::List(listed))) = step.answers.pop() else { panic!("no list") };
    let mut lines: Vec<String> = listed
        .groups
        .iter()
        .map(|group| format!("{} {} {}", group.group_id, group.group_type, group.group_state))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "classic classic Stable",
            "consumer consumer Empty",
            "in-transaction consumer Empty",
            "simple classic Empty"
        ]
    );
    let loaded = machine.loaded(&world.around());
    let sessions =
        loaded.timers.iter().filter(|(timer, _)| matches!(timer, GroupTimer::ClassicSession { .. }));
    // Both members of its last generation: the log says nothing of one that left after it.
    assert_eq!(sessions.count(), 2);
}
