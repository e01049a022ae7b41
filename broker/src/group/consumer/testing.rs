//! Values for the tests of this room.

use super::ConsumerGroup;
use crate::{
    coordinator::{Surroundings, Ticket},
    env::Moment,
    group::{Client, GroupAnswer, GroupRecord, GroupSettings, GroupStep, GroupTimer},
    metadata::{
        EntryPosition, MetadataImage, MetadataRecord,
        record::{Partition, RegisterBroker, RemoveTopic, Topic},
    },
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        consumer_group_heartbeat::{
            ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
        },
        internal::consumer_group::CurrentTopicPartitions,
    },
    model::{BrokerId, Timestamp, TopicId, Uuid},
};
use std::{borrow::Borrow, collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

/// A cluster of brokers 1 (in no rack), 2 (`rack-a`), 3 (`rack-b`), 4 (`räck`) with these topics: name, id, and the
/// replicas of each partition.
pub(super) fn image(topics: &[(&str, &str, &[&[i32]])]) -> Arc<MetadataImage> {
    let image = Arc::new(MetadataImage::empty("test"));
    let mut records: Vec<MetadataRecord> =
        [(1, None), (2, Some("rack-a")), (3, Some("rack-b")), (4, Some("räck"))].map(broker).into();
    for (name, id, partitions) in topics {
        let id = id.parse().unwrap();
        records.push(Topic { name: (*name).into(), topic_id: id }.into());
        records.extend((0..).zip(*partitions).map(|(index, replicas)| partition(id, index, replicas)));
    }
    next(&image, &records)
}

/// The same cluster with one more topic, all of whose partitions are on broker 1.
pub(super) fn with_topic(
    image: &Arc<MetadataImage>,
    name: &str,
    id: TopicId,
    partitions: i32,
) -> Arc<MetadataImage> {
    let mut records = vec![Topic { name: name.into(), topic_id: id }.into()];
    records.extend((0..partitions).map(|index| partition(id, index, &[1])));
    next(image, &records)
}

/// The same cluster with more partitions of a topic.
pub(super) fn with_partitions(image: &Arc<MetadataImage>, name: &str, more: i32) -> Arc<MetadataImage> {
    let topic = image.topics.by_name(name).unwrap();
    let count = i32::try_from(topic.partitions.len()).unwrap();
    let records: Vec<_> = (count..count + more).map(|index| partition(topic.id, index, &[1])).collect();
    next(image, &records)
}

/// The same cluster without a topic.
pub(super) fn without_topic(image: &Arc<MetadataImage>, name: &str) -> Arc<MetadataImage> {
    let topic_id = image.topics.by_name(name).unwrap().id;
    next(image, &[RemoveTopic { topic_id }.into()])
}

fn next(image: &Arc<MetadataImage>, records: &[MetadataRecord]) -> Arc<MetadataImage> {
    let position = EntryPosition { index: image.index + 1, controller_epoch: 1, controller_id: BrokerId(1) };
    Arc::clone(image.apply(position, records).unwrap().after())
}

fn broker((id, rack): (i32, Option<&str>)) -> MetadataRecord {
    RegisterBroker { broker_id: id, broker_epoch: -1, rack: rack.map(Into::into), ..Default::default() }
        .into()
}

fn partition(topic_id: TopicId, index: i32, replicas: &[i32]) -> MetadataRecord {
    Partition {
        partition_id: index,
        topic_id,
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        leader: 1,
        ..Default::default()
    }
    .into()
}

/// A group with its clock, timers and log.
pub(super) struct Bench {
    pub(super) group: ConsumerGroup,
    pub(super) image: Arc<MetadataImage>,
    pub(super) settings: GroupSettings,
    pub(super) now: Moment,
    pub(super) timers: BTreeMap<GroupTimer, Moment>,
    /// Everything that was appended.
    pub(super) log: Vec<GroupRecord>,
    events: u64,
}

/// Wall time at the start of a bench.
const START_MS: i64 = 1_760_000_000_000;

/// Ids of the topics `a`, `b` and `c` of a bench: 4, 2 and 1 partitions.
pub(super) const A: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa]);
pub(super) const B: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb]);
pub(super) const C: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc]);

impl Bench {
    pub(super) fn new() -> Self {
        let topics = [("a", A, 4), ("b", B, 2), ("c", C, 1)];
        let image = topics
            .iter()
            .fold(image(&[]), |image, (name, id, partitions)| with_topic(&image, name, *id, *partitions));
        Self {
            group: ConsumerGroup::new("g"),
            image,
            settings: settings(),
            now: Moment::ZERO,
            timers: BTreeMap::new(),
            log: Vec::new(),
            events: 0,
        }
    }

    pub(super) fn wall(&self) -> i64 {
        START_MS + i64::try_from(self.now.since(Moment::ZERO).as_millis()).unwrap()
    }

    /// Decides, appends, applies. Returns the records of the step as text, and its answers.
    pub(super) fn event(
        &mut self,
        decide: impl FnOnce(&mut ConsumerGroup, Ticket, &Surroundings<'_, GroupSettings>) -> GroupStep,
    ) -> (Vec<String>, Vec<GroupAnswer>) {
        self.events += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.events.to_be_bytes());
        let around = Surroundings {
            wall: Timestamp(self.wall()),
            now: self.now,
            metadata: &self.image,
            settings: &self.settings,
            fresh_id: Uuid(id),
        };
        let step = decide(&mut self.group, Ticket(self.events), &around);
        for record in &step.records {
            self.group.apply(record);
        }
        for (timer, deadline) in step.timers {
            match deadline {
                Some(deadline) => self.timers.insert(timer, deadline),
                None => self.timers.remove(&timer),
            };
        }
        let texts = step.records.iter().map(text).collect();
        self.log.extend(step.records);
        (texts, step.answers.into_iter().map(|(_, answer)| answer).collect())
    }

    pub(super) fn heartbeat(
        &mut self,
        version: i16,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> (Vec<String>, ConsumerGroupHeartbeatResponse) {
        let client = Client { id: "app".into(), host: "/127.0.0.1".into(), version };
        let (records, answers) =
            self.event(|group, ticket, around| group.heartbeat(&client, request, ticket, around));
        match <[GroupAnswer; 1]>::try_from(answers) {
            Ok([GroupAnswer::ConsumerHeartbeat(answer)]) => (records, answer),
            other => panic!("one answer, not {other:?}"),
        }
    }

    /// A heartbeat of version 1 that is not refused, as text: records, then the answer.
    pub(super) fn beat(&mut self, request: impl Borrow<ConsumerGroupHeartbeatRequest>) -> Vec<String> {
        let (mut records, answer) = self.heartbeat(1, request.borrow());
        records.push(match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::None) => match &answer.assignment {
                Some(assignment) => {
                    format!("-> {} [{}]", answer.member_epoch, topics_text(&assignment.topic_partitions))
                }
                None => format!("-> {}", answer.member_epoch),
            },
            _ => format!("-> {:?}", ErrorCode::from_code(answer.error_code).unwrap()),
        });
        records
    }

    /// Time passes; timers fire in their order. Returns the records that this led to.
    pub(super) fn pass(&mut self, span: Duration) -> Vec<String> {
        let end = self.now.after(span);
        let mut records = Vec::new();
        while let Some((timer, deadline)) =
            self.timers.iter().min_by_key(|(_, deadline)| **deadline).map(|(t, d)| (t.clone(), *d))
            && deadline <= end
        {
            self.now = self.now.max(deadline);
            self.timers.remove(&timer);
            records.extend(self.event(|group, _, around| group.fire(&timer, around)).0);
        }
        self.now = end;
        records
    }

    /// The shard moves: what is soft is lost. The state has to be what it was.
    pub(super) fn reload(&mut self) {
        let mut loaded = ConsumerGroup::new("g");
        self.log.iter().for_each(|record| loaded.apply(record));
        assert_eq!(loaded.state, self.group.state, "replay gives the same state");
        self.group = loaded;
        self.timers.clear();
        self.event(|group, _, around| group.loaded(around));
    }
}

pub(super) fn settings() -> GroupSettings {
    let seconds = Duration::from_secs;
    GroupSettings {
        initial_rebalance_delay: seconds(3),
        classic_session_min: seconds(6),
        classic_session_max: seconds(1800),
        classic_size_max: 10,
        consumer_size_max: 10,
        consumer_session: seconds(45),
        consumer_heartbeat: seconds(5),
        assignment_interval: Duration::ZERO,
        assignors: vec!["uniform".into(), "range".into()],
        may_upgrade: true,
        may_downgrade: true,
        regex_refresh: seconds(600),
        offset_metadata_max: 4096,
        offsets_retention: seconds(604_800),
        offsets_retention_check: seconds(600),
        record_max: 1 << 20,
    }
}

/// A first heartbeat of a member that subscribes to topics by name.
pub(super) fn join(member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        member_epoch: 0,
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(topics.iter().map(|topic| TopicName::from(*topic)).collect()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

/// A heartbeat that says nothing but that the member lives.
pub(super) fn alive(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        member_epoch: epoch,
        ..Default::default()
    }
}

/// A heartbeat that tells what the member owns.
pub(super) fn owning(member: &str, epoch: i32, owned: &[(TopicId, &[i32])]) -> ConsumerGroupHeartbeatRequest {
    let owned = owned
        .iter()
        .map(|(topic_id, partitions)| TopicPartitions {
            topic_id: *topic_id,
            partitions: partitions.to_vec(),
        })
        .collect();
    ConsumerGroupHeartbeatRequest { topic_partitions: Some(owned), ..alive(member, epoch) }
}

fn topics_text(topics: &[TopicPartitions]) -> String {
    let topics = topics.iter().map(|topic| partitions_text(topic.topic_id, &topic.partitions));
    topics.collect::<Vec<_>>().join(" ")
}

fn partitions_text(topic: TopicId, partitions: &[i32]) -> String {
    let name = match topic {
        A => "a".to_owned(),
        B => "b".to_owned(),
        C => "c".to_owned(),
        other => other.to_string(),
    };
    let partitions: Vec<_> = partitions.iter().map(ToString::to_string).collect();
    format!("{name}:{}", partitions.join(","))
}

/// A record as a line.
pub(super) fn text(record: &GroupRecord) -> String {
    let joined = |topics: &[TopicName]| topics.iter().map(TopicName::as_str).collect::<Vec<_>>().join(" ");
    match record {
        GroupRecord::Epoch(_, Some(value)) => format!("epoch {}", value.epoch),
        GroupRecord::Member(key, Some(value)) => {
            let mut text = format!("member {} [{}]", key.member_id, joined(&value.subscribed_topic_names));
            for (name, value) in [
                ("regex", value.subscribed_topic_regex.as_deref().filter(|regex| !regex.is_empty())),
                ("instance", value.instance_id.as_deref()),
                ("rack", value.rack_id.as_deref()),
                ("assignor", value.server_assignor.as_deref()),
                ("classic", value.classic_member_metadata.as_ref().map(|_| "yes")),
            ] {
                if let Some(value) = value {
                    let _ = write!(text, " {name}={value}");
                }
            }
            text
        }
        GroupRecord::TargetEpoch(_, Some(value)) => format!("target epoch {}", value.assignment_epoch),
        GroupRecord::Target(key, Some(value)) => {
            let topics = value.topic_partitions.iter();
            let topics = topics.map(|topic| partitions_text(topic.topic_id, &topic.partitions));
            format!("target {} [{}]", key.member_id, topics.collect::<Vec<_>>().join(" "))
        }
        GroupRecord::Current(key, Some(value)) => {
            let held = |topics: &[CurrentTopicPartitions]| {
                let topics = topics.iter().map(|topic| {
                    let epochs = topic.assignment_epochs.as_ref().unwrap();
                    let held = topic.partitions.iter().zip(epochs).map(|(p, e)| format!("{p}@{e}"));
                    let name = partitions_text(topic.topic_id, &[]);
                    format!("{name}{}", held.collect::<Vec<_>>().join(","))
                });
                topics.collect::<Vec<_>>().join(" ")
            };
            let state = ["stable", "unrevoked", "unreleased"][usize::try_from(value.state).unwrap()];
            let mut text = format!(
                "current {} {}<-{} {state} [{}]",
                key.member_id,
                value.member_epoch,
                value.previous_member_epoch,
                held(&value.assigned_partitions)
            );
            if !value.partitions_pending_revocation.is_empty() {
                let _ = write!(text, " revoke [{}]", held(&value.partitions_pending_revocation));
            }
            text
        }
        GroupRecord::Regex(key, Some(value)) => {
            format!("regex {} [{}]", key.regular_expression, joined(&value.topics))
        }
        GroupRecord::Epoch(_, None) => "no epoch".into(),
        GroupRecord::PartitionMetadata(_) => "no partition metadata".into(),
        GroupRecord::Member(key, None) => format!("no member {}", key.member_id),
        GroupRecord::TargetEpoch(_, None) => "no target epoch".into(),
        GroupRecord::Target(key, None) => format!("no target {}", key.member_id),
        GroupRecord::Current(key, None) => format!("no current {}", key.member_id),
        GroupRecord::Regex(key, None) => format!("no regex {}", key.regular_expression),
        GroupRecord::Classic(key, Some(value)) => {
            format!("classic {} generation {}", key.group, value.generation)
        }
        GroupRecord::Classic(key, None) => format!("no classic {}", key.group),
        GroupRecord::Offset(..) => panic!("an offset is not of this room"),
    }
}
