//! Consumers in groups against a real broker, in both protocols.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mainstem_client::Kafka;
use mainstem_client::admin::{Apply, NewPartitions, NewTopic};
use mainstem_client::consumer::group::assignor::{Assignor, CooperativeStickyAssignor};
use mainstem_client::consumer::{
    CommitError, Commits, Consumer, ConsumerBuilder, ConsumerError, GroupProtocol, Leaving,
    OffsetAndMetadata, OffsetReset, RebalanceListener,
};
use mainstem_client::producer::Record;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::{fresh_topic, with_kafka};

const BOTH: [GroupProtocol; 2] = [GroupProtocol::Classic, GroupProtocol::Consumer];

fn tp(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(topic, PartitionIndex(index))
}

async fn topic(kafka: &Kafka, what: &str, partitions: i32) -> String {
    let name = fresh_topic(what);
    let new = NewTopic { partitions: Some(partitions), ..NewTopic::new(&name) };
    for (_, result) in kafka.admin().create_topics(&[new], Apply::Change).await.unwrap() {
        result.unwrap();
    }
    name
}

/// `count` records in each partition; values are their offsets.
async fn fill(kafka: &Kafka, topic: &str, partitions: i32, from: i64, count: i64) {
    let producer = kafka.producer().build().unwrap();
    let mut deliveries = Vec::new();
    for partition in 0..partitions {
        for offset in from..from + count {
            let record = Record { partition: Some(partition), ..Record::new(topic, offset.to_string()) };
            deliveries.push(producer.enqueue(record).await.unwrap());
        }
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close(Duration::from_secs(30)).await.unwrap();
}

fn member(kafka: &Kafka, group: &str, protocol: GroupProtocol) -> ConsumerBuilder {
    kafka.consumer().group(group).group_protocol(protocol).offset_reset(OffsetReset::Earliest)
}

/// What members told and read.
#[derive(Debug, Default)]
struct Log {
    events: Vec<String>,
    owned: BTreeSet<TopicPartition>,
}

#[derive(Debug, Default)]
struct Listener(Mutex<Log>);

impl Listener {
    fn note(&self, what: &str, partitions: &[TopicPartition], owns: bool) {
        let mut log = self.0.lock();
        let indexes: Vec<_> = partitions.iter().map(|partition| partition.partition.to_string()).collect();
        log.events.push(format!("{what} {}", indexes.join(",")));
        for partition in partitions {
            assert_eq!(log.owned.contains(partition), !owns, "{what} {partition}");
            if owns {
                log.owned.insert(partition.clone())
            } else {
                log.owned.remove(partition)
            };
        }
    }

    fn owned(&self) -> BTreeSet<TopicPartition> {
        self.0.lock().owned.clone()
    }
}

impl RebalanceListener for Listener {
    fn assigned(&self, partitions: &[TopicPartition]) {
        self.note("assigned", partitions, true);
    }

    fn revoked(&self, partitions: &[TopicPartition]) {
        self.note("revoked", partitions, false);
    }

    fn lost(&self, partitions: &[TopicPartition]) {
        self.note("lost", partitions, false);
    }
}

struct Member {
    consumer: Consumer,
    listener: Arc<Listener>,
    /// Records read, by partition.
    read: BTreeMap<TopicPartition, Vec<i64>>,
}

impl Member {
    fn new(builder: ConsumerBuilder, topic: &str) -> Self {
        let mut consumer = builder.build().unwrap();
        let listener = Arc::new(Listener::default());
        consumer.on_rebalance(listener.clone());
        consumer.subscribe([topic]).unwrap();
        Self { consumer, listener, read: BTreeMap::new() }
    }

    async fn poll(&mut self) {
        let until = Instant::now() + Duration::from_millis(100);
        let Ok(batch) = timeout_at(until, self.consumer.poll(100)).await else { return };
        let batch = batch.unwrap();
        assert!(batch.problems.is_empty(), "{:?}", batch.problems);
        for record in batch.records {
            self.read.entry(record.partition).or_default().push(record.offset);
        }
    }

    fn records(&self) -> usize {
        self.read.values().map(Vec::len).sum()
    }
}

/// Polls all members in turn until `done` says so.
async fn pump(members: &mut [Member], mut done: impl FnMut(&[Member]) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done(members) {
        assert!(
            Instant::now() < end,
            "{:?}",
            members.iter().map(|m| m.listener.0.lock().events.clone()).collect::<Vec<_>>()
        );
        for member in &mut *members {
            member.poll().await;
        }
    }
}

fn all_owned(members: &[Member], partitions: usize, each: impl Fn(usize) -> bool) -> bool {
    let owned: Vec<_> = members.iter().map(|member| member.listener.owned()).collect();
    let union: BTreeSet<_> = owned.iter().flatten().collect();
    let total: usize = owned.iter().map(BTreeSet::len).sum();
    union.len() == partitions && total == partitions && owned.iter().all(|set| each(set.len()))
}

#[test]
fn two_members_share_a_topic_and_the_group_goes_on_where_it_was() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let topic = topic(&kafka, "share", 4).await;
            fill(&kafka, &topic, 4, 0, 50).await;
            let group = fresh_topic("group");
            let mut members = vec![Member::new(member(&kafka, &group, protocol), &topic)];
            pump(&mut members, |members| members[0].records() == 200).await;
            members.push(Member::new(member(&kafka, &group, protocol), &topic));
            pump(&mut members, |members| all_owned(members, 4, |owned| owned == 2)).await;
            assert_eq!(members[1].records(), 0, "{protocol:?}: committed before they moved");
            fill(&kafka, &topic, 4, 50, 10).await;
            pump(&mut members, |members| members.iter().map(Member::records).sum::<usize>() == 240).await;
            // One more poll says that the last batch is done with.
            for member in &mut members {
                member.poll().await;
            }
            for member in members {
                member.consumer.close().await;
            }
            let mut late = vec![Member::new(member(&kafka, &group, protocol), &topic)];
            fill(&kafka, &topic, 4, 60, 5).await;
            pump(&mut late, |members| members[0].records() == 20).await;
            for (partition, offsets) in &late[0].read {
                assert_eq!(*offsets, (60..65).collect::<Vec<_>>(), "{protocol:?} {partition}");
            }
            for member in late {
                member.consumer.close().await;
            }
        }
    });
}

#[test]
fn a_cooperative_member_keeps_what_need_not_move() {
    with_kafka(|kafka| async move {
        let topic = topic(&kafka, "cooperative", 4).await;
        let group = fresh_topic("group");
        let cooperative: Arc<dyn Assignor> = Arc::new(CooperativeStickyAssignor);
        let new = || member(&kafka, &group, GroupProtocol::Classic).assignors([Arc::clone(&cooperative)]);
        let mut members = vec![Member::new(new(), &topic)];
        pump(&mut members, |members| all_owned(members, 4, |_| true)).await;
        members.push(Member::new(new(), &topic));
        pump(&mut members, |members| all_owned(members, 4, |owned| owned == 2)).await;
        let events = members[0].listener.0.lock().events.clone();
        assert_eq!(events, ["assigned 0,1,2,3", "revoked 2,3"]);
        // The second leaves: what it had comes back, nothing else moves.
        members.pop().unwrap().consumer.close().await;
        pump(&mut members, |members| all_owned(members, 4, |_| true)).await;
        assert_eq!(members[0].listener.0.lock().events.last().unwrap(), "assigned 2,3");
        members.pop().unwrap().consumer.close().await;
    });
}

#[test]
fn a_static_member_comes_back_to_its_partitions() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let topic = topic(&kafka, "static", 4).await;
            let group = fresh_topic("group");
            let new = |name: &str| member(&kafka, &group, protocol).instance_id(name);
            let mut members = vec![Member::new(new("a"), &topic), Member::new(new("b"), &topic)];
            pump(&mut members, |members| all_owned(members, 4, |owned| owned == 2)).await;
            let gone = members.pop().unwrap();
            let had = gone.listener.owned();
            gone.consumer.close().await;
            let before = members[0].listener.0.lock().events.len();
            for _ in 0..5 {
                members[0].poll().await;
            }
            members.push(Member::new(new("b"), &topic));
            pump(&mut members, |members| all_owned(members, 4, |owned| owned == 2)).await;
            assert_eq!(members[1].listener.owned(), had, "{protocol:?}");
            assert_eq!(
                members[0].listener.0.lock().events.len(),
                before,
                "{protocol:?}: the other did not notice"
            );
            for member in members {
                member.consumer.close_as(Leaving::Leave).await;
            }
        }
    });
}

#[test]
fn positions_carry_epoch_and_metadata_and_no_commit_is_none() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let topic = topic(&kafka, "positions", 2).await;
            fill(&kafka, &topic, 2, 0, 10).await;
            let group = fresh_topic("group");
            let mut one = Member::new(member(&kafka, &group, protocol).commits(Commits::OnCall), &topic);
            let both = [tp(&topic, 0), tp(&topic, 1)];
            assert!(matches!(
                one.consumer
                    .commit_offsets(BTreeMap::from([(tp(&topic, 0), OffsetAndMetadata::new(3))]))
                    .await,
                Err(CommitError::NotMember)
            ));
            pump(std::slice::from_mut(&mut one), |members| members[0].records() == 20).await;
            let none = one.consumer.committed(&both).await.unwrap();
            assert_eq!(none.into_values().collect::<Vec<_>>(), [None, None]);
            let committed = one.consumer.commit().await.unwrap();
            assert_eq!(committed[&tp(&topic, 1)].offset, 10);
            let told = OffsetAndMetadata { offset: 4, leader_epoch: Some(0), metadata: "here".into() };
            one.consumer.commit_offsets(BTreeMap::from([(tp(&topic, 0), told.clone())])).await.unwrap();
            let found = one.consumer.committed(&both).await.unwrap();
            assert_eq!(found[&tp(&topic, 0)], Some(told));
            assert_eq!(found[&tp(&topic, 1)].as_ref().unwrap().leader_epoch, Some(0));
            one.consumer.close().await;
            // Partitions that the user assigns go on where the group is, too.
            let mut alone = member(&kafka, &group, protocol).build().unwrap();
            alone.assign(both.clone().map(|partition| (partition, None)));
            let batch = alone.poll(100).await.unwrap();
            assert_eq!(batch.records[0].offset, 4);
            let last = batch.records.last().unwrap().offset;
            alone.commit().await.unwrap();
            let found = alone.committed(&both).await.unwrap();
            assert_eq!(found[&tp(&topic, 0)].as_ref().unwrap().offset, last + 1);
            alone.close().await;
        }
    });
}

#[test]
fn only_what_is_marked_is_committed() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let topic = topic(&kafka, "marks", 1).await;
            fill(&kafka, &topic, 1, 0, 10).await;
            let group = fresh_topic("group");
            let marked = Commits::Marked(Duration::from_millis(50));
            let mut consumer = member(&kafka, &group, protocol).commits(marked).build().unwrap();
            consumer.subscribe([&topic]).unwrap();
            let mut records = Vec::new();
            while records.len() < 10 {
                records.extend(consumer.poll(100).await.unwrap().records);
            }
            assert!(consumer.mark(&records[6]));
            // The interval commits without any further call.
            let end = Instant::now() + Duration::from_secs(30);
            loop {
                let found = consumer.committed(&[tp(&topic, 0)]).await.unwrap();
                match &found[&tp(&topic, 0)] {
                    Some(position) => {
                        assert_eq!(position.offset, 7);
                        break;
                    }
                    None => assert!(Instant::now() < end),
                }
            }
            assert!(consumer.mark(&records[8]));
            consumer.close().await;
            let alone = member(&kafka, &group, protocol).build().unwrap();
            let found = alone.committed(&[tp(&topic, 0)]).await.unwrap();
            assert_eq!(found[&tp(&topic, 0)].as_ref().unwrap().offset, 9, "close commits");
        }
    });
}

#[test]
fn who_does_not_poll_leaves_the_group_and_is_told() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let topic = topic(&kafka, "overdue", 2).await;
            fill(&kafka, &topic, 2, 0, 10).await;
            let group = fresh_topic("group");
            let mut options = kafka.config().consumer.clone();
            options.group.max_poll_interval = Duration::from_secs(2);
            options.group.session_timeout = Duration::from_secs(10);
            options.group.group_id.clone_from(&group);
            options.group.protocol = protocol;
            options.offset_reset = OffsetReset::Earliest;
            let mut slow = Member::new(kafka.consumer().options(options), &topic);
            pump(std::slice::from_mut(&mut slow), |members| members[0].records() == 20).await;
            // The other one gets everything, although the first has a session of ten seconds left.
            let mut other = vec![Member::new(member(&kafka, &group, protocol), &topic)];
            pump(&mut other, |members| all_owned(members, 2, |_| true)).await;
            let error = slow.consumer.poll(1).await.unwrap_err();
            assert!(matches!(error, ConsumerError::PollInterval { .. }), "{protocol:?}: {error}");
            assert!(slow.listener.0.lock().events.last().unwrap().starts_with("lost"), "{protocol:?}");
            other.push(slow);
            pump(&mut other, |members| all_owned(members, 2, |owned| owned == 1)).await;
            for member in other {
                member.consumer.close().await;
            }
        }
    });
}

#[test]
fn a_regular_expression_and_new_partitions_are_followed() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let first = topic(&kafka, "regex", 1).await;
            let group = fresh_topic("group");
            let own = Kafka::builder(&address()).property("metadata.max.age.ms", "300").build().unwrap();
            let mut consumer = member(&own, &group, protocol).build().unwrap();
            let listener = Arc::new(Listener::default());
            consumer.on_rebalance(listener.clone());
            consumer.subscribe_regex(&format!("{first}(-more)?")).unwrap();
            let mut one = Member { consumer, listener, read: BTreeMap::new() };
            pump(std::slice::from_mut(&mut one), |members| members[0].listener.owned().len() == 1).await;
            let more = NewTopic { partitions: Some(2), ..NewTopic::new(format!("{first}-more")) };
            kafka.admin().create_topics(&[more], Apply::Change).await.unwrap();
            pump(std::slice::from_mut(&mut one), |members| members[0].listener.owned().len() == 3).await;
            let grown = NewPartitions { topic: first.clone(), total: 3, assignments: Vec::new() };
            kafka.admin().create_partitions(&[grown], Apply::Change).await.unwrap();
            pump(std::slice::from_mut(&mut one), |members| members[0].listener.owned().len() == 5).await;
            // Another subscription in its place: the rest is given up in order.
            one.consumer.subscribe([&first]).unwrap();
            pump(std::slice::from_mut(&mut one), |members| members[0].listener.owned().len() == 3).await;
            one.consumer.unsubscribe().await;
            assert!(one.listener.owned().is_empty());
            assert!(matches!(one.consumer.poll(1).await, Err(ConsumerError::NothingAssigned)));
            one.consumer.close().await;
            own.close().await;
        }
    });
}

#[test]
fn a_group_that_does_not_fit_is_an_error() {
    with_kafka(|kafka| async move {
        let topic = topic(&kafka, "misfit", 1).await;
        let group = fresh_topic("group");
        let mut options = kafka.config().consumer.clone();
        options.group.session_timeout = Duration::from_secs(24 * 3600);
        options.group.group_id = group;
        let mut consumer = kafka.consumer().options(options).build().unwrap();
        consumer.subscribe([&topic]).unwrap();
        let error = consumer.poll(1).await.unwrap_err();
        assert!(error.to_string().contains("INVALID_SESSION_TIMEOUT"), "{error}");
        consumer.close().await;
        let mut nobody = kafka.consumer().build().unwrap();
        assert!(matches!(nobody.subscribe([&topic]), Err(ConsumerError::NoGroup)));
    });
}

#[expect(clippy::disallowed_methods, reason = "a switch for tests")]
fn address() -> String {
    std::env::var("MAINSTEM_TEST_KAFKA").unwrap()
}

#[test]
fn groups_are_listed_described_moved_and_deleted() {
    with_kafka(|kafka| async move {
        let admin = kafka.admin();
        for protocol in BOTH {
            let topic = topic(&kafka, "admin", 2).await;
            fill(&kafka, &topic, 2, 0, 10).await;
            let group = fresh_topic("group");
            let mut one = vec![Member::new(member(&kafka, &group, protocol), &topic)];
            pump(&mut one, |members| members[0].records() == 20).await;
            let listed = admin.list_groups().await.unwrap();
            let mut listed = listed.into_iter().flat_map(|(_, groups)| groups.unwrap());
            let listed = listed.find(|listed| listed.group_id == group).unwrap();
            let kind = if protocol == GroupProtocol::Classic { "classic" } else { "consumer" };
            assert_eq!((&*listed.group_type, &*listed.state), (kind, "Stable"));

            let groups = [group.clone(), "no-such-group".to_owned()];
            let described = admin.describe_groups(&groups).await;
            let found = described[0].1.as_ref().unwrap();
            assert_eq!((found.group_type, found.members.len()), (kind, 1));
            assert_eq!(found.members[0].topics, std::slice::from_ref(&topic));
            assert_eq!(found.members[0].assignment, BTreeSet::from([tp(&topic, 0), tp(&topic, 1)]));
            let missing = described[1].1.as_ref().unwrap_err();
            assert_eq!(missing.code().unwrap().name(), "GROUP_ID_NOT_FOUND");

            // While it has members, nothing can be moved, and the group cannot go.
            let to = BTreeMap::from([(tp(&topic, 0), OffsetAndMetadata::new(4))]);
            let refused = admin.alter_group_offsets(&group, &to).await.unwrap();
            assert_eq!(refused[0].1.as_ref().unwrap_err().code().unwrap().name(), "UNKNOWN_MEMBER_ID");
            let refused = admin.delete_groups(&groups).await;
            assert_eq!(refused[0].1.as_ref().unwrap_err().code().unwrap().name(), "NON_EMPTY_GROUP");
            let subscribed = admin.delete_group_offsets(&group, &[tp(&topic, 0)]).await.unwrap();
            let refused = subscribed[0].1.as_ref().unwrap_err();
            assert_eq!(refused.code().unwrap().name(), "GROUP_SUBSCRIBED_TO_TOPIC");

            one[0].consumer.commit().await.unwrap();
            one.pop().unwrap().consumer.close().await;
            for (_, result) in admin.alter_group_offsets(&group, &to).await.unwrap() {
                result.unwrap();
            }
            let lag = admin.group_lag(&group, &BTreeSet::new()).await.unwrap();
            let lags: Vec<_> = lag.iter().map(|(_, lag)| lag.as_ref().unwrap().lag()).collect();
            assert_eq!(lags, [Some(6), Some(0)], "{protocol:?}");
            for (_, result) in admin.delete_group_offsets(&group, &[tp(&topic, 0)]).await.unwrap() {
                result.unwrap();
            }
            let left = admin.group_offsets(&groups).await;
            assert_eq!(left[0].1.as_ref().unwrap().keys().collect::<Vec<_>>(), [&tp(&topic, 1)]);
            assert!(left[1].1.as_ref().unwrap().is_empty(), "an unknown group has no positions");
            let deleted = admin.delete_groups(&groups).await;
            assert!(deleted[0].1.is_ok());
            assert_eq!(deleted[1].1.as_ref().unwrap_err().code().unwrap().name(), "GROUP_ID_NOT_FOUND");
        }
    });
}

#[test]
fn more_positions_than_a_batch_of_the_broker_holds_are_set_and_deleted() {
    with_kafka(|kafka| async move {
        const PARTITIONS: i32 = 300;
        let admin = kafka.admin();
        let topic = topic(&kafka, "many", PARTITIONS).await;
        let group = fresh_topic("group");
        // 300 times 4,096 bytes do not fit into 1 MiB; 4,096 is offset.metadata.max.bytes
        let position = |index| {
            let offset = OffsetAndMetadata { metadata: "m".repeat(4096), ..OffsetAndMetadata::new(0) };
            (tp(&topic, index), offset)
        };
        let to: BTreeMap<_, _> = (0..PARTITIONS).map(position).collect();
        for (partition, result) in admin.alter_group_offsets(&group, &to).await.unwrap() {
            assert!(result.is_ok(), "{partition}: {result:?}");
        }
        let groups = [group.clone()];
        let found = admin.group_offsets(&groups).await.remove(0).1.unwrap();
        let found: BTreeMap<_, _> =
            found.into_iter().map(|(partition, position)| (partition, position.unwrap().unwrap())).collect();
        assert!(found == to, "{} positions came back", found.len());
        for (_, result) in admin.delete_groups(&groups).await {
            result.unwrap();
        }
        assert!(admin.group_offsets(&groups).await.remove(0).1.unwrap().is_empty());
    });
}

#[test]
fn a_topic_that_is_made_after_the_group_is_read_soon() {
    with_kafka(|kafka| async move {
        for protocol in BOTH {
            let name = fresh_topic("late");
            let group = fresh_topic("group");
            let mut one = vec![Member::new(member(&kafka, &group, protocol), &name)];
            for _ in 0..20 {
                one[0].poll().await;
            }
            let new = NewTopic { partitions: Some(2), ..NewTopic::new(&name) };
            kafka.admin().create_topics(&[new], Apply::Change).await.unwrap();
            pump(&mut one, |members| all_owned(members, 2, |_| true)).await;
            one.pop().unwrap().consumer.close().await;
        }
    });
}
