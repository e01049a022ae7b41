//! Decisions as transcripts (`testdata/controller/*.txt`), and what must hold after any sequence of them.
//!
//! A transcript is a list of commands, each behind `>`; below each stands what was decided: one line for each answer, or
//! the state that was asked for. `MAINSTEM_REWRITE=1` writes the files anew; the difference is then reviewed as behaviour.

use super::*;
use crate::{
    controller::{
        AllocateProducerIds, AlterConfigs, Alteration, AlteredResource, BrokerWish, ConfigChange,
        CreatePartitions, CreateTopics, MorePartitions, NewAssignment, NewTopic, OfflineReplicas,
        RegisterBroker, TopicSelector, tests::AnyConfig,
    },
    metadata::{MetadataDelta, record},
};
use mainstem_protocol::model::{BrokerId, Uuid};
use proptest::prelude::*;
use std::{collections::BTreeMap, fmt::Write, path::Path};

/// A controller without a log: every decision is applied at once.
struct Table {
    surroundings: Surroundings,
    image: Arc<MetadataImage>,
    /// Every entry since the start.
    log: Vec<Vec<MetadataRecord>>,
}

fn position(index: u64) -> EntryPosition {
    EntryPosition { index, controller_epoch: 1, controller_id: BrokerId(1) }
}

impl Table {
    fn new() -> Self {
        let surroundings = Surroundings { random: Random::seeded(7), rules: Arc::new(AnyConfig) };
        Self { surroundings, image: Arc::new(MetadataImage::empty("c")), log: Vec::new() }
    }

    fn apply(&mut self, records: Vec<MetadataRecord>) {
        if records.is_empty() {
            return;
        }
        let delta = self.image.apply(position(self.image.index + 1), &records).unwrap();
        self.image = Arc::clone(delta.after());
        self.log.push(records);
    }

    fn ask(&mut self, request: &Request) -> Vec<ItemAnswer> {
        let decision = decide(&self.surroundings, &self.image, request);
        assert_eq!(decision.answers.len(), request.items());
        self.apply(decision.records);
        decision.answers
    }

    fn register(&mut self, id: i32, incarnation: u8, rack: Option<&str>, ready: bool) -> Vec<ItemAnswer> {
        self.ask(&Request::RegisterBroker(RegisterBroker {
            id: BrokerId(id),
            incarnation_id: Uuid([incarnation; 16]),
            endpoints: Vec::new(),
            features: BTreeMap::new(),
            rack: rack.map(Into::into),
            directories: vec![Uuid([u8::try_from(id).unwrap_or(255); 16])],
            ready,
        }))
    }

    fn wish(&mut self, id: i32, wish: BrokerWish) -> Vec<ItemAnswer> {
        let id = BrokerId(id);
        let epoch =
            self.image.broker(id).map_or(mainstem_protocol::model::BrokerEpoch(-1), |broker| broker.epoch);
        self.ask(&Request::ChangeBroker { id, epoch, wish })
    }

    /// Broker `id` tells that its replicas of all partitions of a topic are offline.
    fn lose(&mut self, id: i32, topic: &str) -> Vec<ItemAnswer> {
        let broker = BrokerId(id);
        let partitions = self.image.topics.by_name(topic).map_or_else(Vec::new, |topic| {
            topic.indexed_partitions().map(|(index, _)| (topic.id, index)).collect()
        });
        let broker_epoch = self
            .image
            .broker(broker)
            .map_or(mainstem_protocol::model::BrokerEpoch(-1), |broker| broker.epoch);
        self.ask(&Request::OfflineReplicas(OfflineReplicas { broker, broker_epoch, partitions }))
    }

    /// Carries out one command and says what came of it.
    fn run(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let number = |index: usize| word(index).parse().unwrap();
        let lists = |text: &str| -> Vec<Vec<BrokerId>> {
            let ids = |list: &str| list.split(',').filter_map(|id| id.parse().ok()).map(BrokerId).collect();
            text.split('/').map(ids).collect()
        };
        let validate_only = words.contains(&"check");
        let name: Arc<str> = if word(1) == "''" { "".into() } else { word(1).into() };
        let answers = match word(0) {
            "broker" => {
                let incarnation = option("incarnation").map_or(1, |text| text.parse().unwrap());
                self.register(number(1), incarnation, option("rack"), !words.contains(&"fenced"))
            }
            "fence" => self.wish(number(1), BrokerWish::Fence),
            "unfence" => self.wish(number(1), BrokerWish::Unfence),
            "lose" => self.lose(number(1), word(2)),
            "relieve" => self.wish(number(1), BrokerWish::Shutdown),
            "create" => {
                let names: Vec<&str> = word(1).split('+').collect();
                let topic = |name: &str| NewTopic {
                    name: if name == "''" { "".into() } else { name.into() },
                    num_partitions: option("partitions").map_or(-1, |text| text.parse().unwrap()),
                    replication_factor: option("factor").map_or(-1, |text| text.parse().unwrap()),
                    assignments: option("assign").map_or_else(Vec::new, |text| {
                        let first = option("from").map_or(0, |text| text.parse().unwrap());
                        let assign = |(partition, brokers)| NewAssignment { partition, brokers };
                        (first..).zip(lists(text)).map(assign).collect()
                    }),
                    configs: option("config").map_or_else(Vec::new, |text| {
                        let (key, value) = text.split_once(':').unwrap();
                        vec![(key.into(), Some(value.into()))]
                    }),
                };
                let topics = names.into_iter().map(topic).collect();
                self.ask(&Request::CreateTopics(CreateTopics { topics, validate_only }))
            }
            "delete" => {
                let topics = word(1).split('+').map(|name| TopicSelector::Name(name.into())).collect();
                self.ask(&Request::DeleteTopics(topics))
            }
            "partitions" => {
                let more =
                    MorePartitions { name, count: number(2), assignments: option("assign").map(lists) };
                self.ask(&Request::CreatePartitions(CreatePartitions { topics: vec![more], validate_only }))
            }
            "config" => {
                let resource = match word(1) {
                    "topic" => ConfigResource::topic(word(2)),
                    "broker" => ConfigResource {
                        kind: crate::metadata::ConfigResourceKind::Broker,
                        name: word(2).into(),
                    },
                    _ => ConfigResource::all_brokers(),
                };
                let change = |text: &str| {
                    let (key, value) = text.split_once('=').unwrap();
                    let value = (!value.is_empty()).then(|| value.into());
                    ConfigChange { key: key.into(), operation: i8::from(value.is_none()), value }
                };
                let alteration = Alteration::Incremental(vec![change(
                    words.iter().find(|word| word.contains('=')).unwrap(),
                )]);
                let resources = vec![AlteredResource { resource, alteration }];
                self.ask(&Request::AlterConfigs(AlterConfigs { resources, validate_only }))
            }
            "ids" => {
                let broker = BrokerId(number(1));
                let epoch =
                    self.image.broker(broker).map_or(mainstem_protocol::model::BrokerEpoch(-1), |b| b.epoch);
                self.ask(&Request::AllocateProducerIds(AllocateProducerIds { broker, broker_epoch: epoch }))
            }
            "show" => return self.show(),
            other => panic!("unknown command {other}"),
        };
        let mut text = String::new();
        for answer in answers {
            match answer {
                Ok(done) => writeln!(text, "ok {}", done.value).unwrap(),
                Err(error) => writeln!(text, "{error}").unwrap(),
            }
        }
        text
    }

    fn show(&self) -> String {
        let mut text = String::new();
        for broker in self.image.brokers.values() {
            let fenced = if broker.fenced { " fenced" } else { "" };
            let leaving = if broker.in_controlled_shutdown { " shutting down" } else { "" };
            writeln!(text, "broker {} epoch {}{fenced}{leaving}", broker.id, broker.epoch).unwrap();
        }
        for topic in self.image.topics.iter() {
            for (index, partition) in topic.indexed_partitions() {
                let (leader, epoch) = (partition.leader, partition.leader_epoch);
                let (replicas, isr) = (&partition.replicas, &partition.in_sync_replicas);
                write!(
                    text,
                    "{}-{index} leader {leader} epoch {epoch} replicas {replicas:?} isr {isr:?}",
                    topic.name
                )
                .unwrap();
                if !partition.eligible_leader_replicas.is_empty() {
                    write!(text, " elr {:?}", partition.eligible_leader_replicas).unwrap();
                }
                text.push('\n');
            }
        }
        for (resource, values) in self.image.configs.iter() {
            writeln!(text, "{resource} {values:?}").unwrap();
        }
        text
    }
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/controller").join(format!("{name}.txt"));
    let written = std::fs::read_to_string(&path).unwrap();
    let mut table = Table::new();
    let mut told = String::new();
    for line in written.lines() {
        if line.starts_with('#') || line.is_empty() {
            writeln!(told, "{line}").unwrap();
        } else if let Some(command) = line.strip_prefix("> ") {
            writeln!(told, "{line}").unwrap();
            told.push_str(&table.run(command));
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the flag of the transcripts, not a setting of the broker")]
    if std::env::var("MAINSTEM_REWRITE").is_ok() {
        std::fs::write(&path, &told).unwrap();
    }
    assert_eq!(told, written, "{name}: MAINSTEM_REWRITE=1 writes the transcript anew");
}

#[test]
fn topics_are_created_and_refused_as_written() {
    check("create_topics");
}

#[test]
fn partitions_are_added_as_written() {
    check("create_partitions");
}

#[test]
fn replicas_are_placed_as_written() {
    check("placement");
}

#[test]
fn leadership_moves_as_written() {
    check("leadership");
}

#[test]
fn configs_and_ids_are_given_as_written() {
    check("configs_and_ids");
}

/// More than 10,000 new partitions in one request are refused, also when spread over topics; what fits is created.
#[test]
fn a_request_cannot_create_too_many_partitions() {
    let mut table = Table::new();
    table.register(1, 1, None, true);
    let answers = table.run("create a+b+c+d partitions=4000");
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(lines[..2], ["ok 4000", "ok 4000"]);
    assert!(lines[2..].iter().all(|line| line.starts_with("POLICY_VIOLATION")), "{answers}");
    assert!(table.run("create huge partitions=2147483647").starts_with("POLICY_VIOLATION"));
    assert!(table.run("partitions a 2147483647").starts_with("POLICY_VIOLATION"));
}

/// The id of a name is 249 characters at most, and a hostile one does not make an answer as long as itself.
#[test]
fn long_names_are_refused_shortly() {
    let mut table = Table::new();
    table.register(1, 1, None, true);
    assert!(table.run(&format!("create {}", "a".repeat(249))).starts_with("ok"));
    assert!(table.run(&format!("create {}", "a".repeat(250))).starts_with("INVALID_TOPIC_EXCEPTION"));
    assert!(table.run(&format!("create {}", "a".repeat(30_000))).len() < 500);
}

/// Commands that often hit each other.
fn command() -> impl Strategy<Value = String> {
    let topic = || prop::sample::select(vec!["a", "b", "a.b", "a_b", "c"]);
    let broker = || 0..4_i32;
    prop_oneof![
        (broker(), 0..3_u8, any::<bool>()).prop_map(|(id, incarnation, fenced)| {
            format!("broker {id} incarnation={incarnation} {}", if fenced { "fenced" } else { "" })
        }),
        (topic(), -1..4_i32, -2..5_i32).prop_map(|(name, partitions, factor)| {
            format!("create {name} partitions={partitions} factor={factor}")
        }),
        (topic(), broker(), broker())
            .prop_map(|(name, a, b)| format!("create {name} assign={a},{b}/{b},{a}")),
        topic().prop_map(|name| format!("delete {name}")),
        (topic(), -1..6_i32).prop_map(|(name, count)| format!("partitions {name} {count}")),
        (topic(), 0..3_u8).prop_map(|(name, value)| format!("config topic {name} k={value}")),
        (broker(), topic()).prop_map(|(id, topic)| format!("lose {id} {topic}")),
        (broker(), prop::sample::select(vec!["fence", "unfence", "relieve", "ids"]))
            .prop_map(|(id, verb)| format!("{verb} {id}")),
    ]
}

/// What holds of every image (the invariants of the cluster that the controller answers for).
fn check_invariants(image: &MetadataImage) {
    for topic in image.topics.iter() {
        for (index, partition) in topic.indexed_partitions() {
            let name = format!("{}-{index}: {partition:?}", topic.name);
            let (isr, elr) = (&partition.in_sync_replicas, &partition.eligible_leader_replicas);
            assert!(
                isr.iter().chain(elr).all(|id| partition.replicas.contains(id)),
                "ISR and ELR are replicas: {name}"
            );
            assert!(isr.iter().all(|id| !elr.contains(id)), "ISR and ELR are disjoint: {name}");
            assert!(
                partition.leader == BrokerId::NONE || isr.contains(&partition.leader),
                "leaders are in sync: {name}"
            );
            let fenced = |id: &BrokerId| image.broker(*id).is_none_or(|broker| broker.fenced);
            assert!(!isr.iter().any(fenced), "no fenced broker is in sync: {name}");
            assert!(
                elr.is_empty() || isr.len() < partition.replicas.len().min(2),
                "ELR only below the minimum: {name}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is asked: no panic, the invariants hold, epochs only rise, the same log gives the same image, and so does
    /// a snapshot of any prefix with the entries behind it.
    #[test]
    fn any_sequence_of_requests_keeps_the_invariants(commands in prop::collection::vec(command(), 1..60), cut in 0..60_usize) {
        let mut table = Table::new();
        table.register(1, 0, None, true);
        let mut at_cut = None;
        for command in &commands {
            if cut <= table.log.len() && at_cut.is_none() {
                at_cut = Some((table.log.len(), Arc::clone(&table.image)));
            }
            let before = Arc::clone(&table.image);
            table.run(command);
            check_invariants(&table.image);
            for changed in MetadataDelta::between(before, Arc::clone(&table.image)).changed_partitions() {
                if let Some(before) = changed.before {
                    prop_assert!(before.partition_epoch < changed.after.partition_epoch);
                    prop_assert!(before.leader_epoch <= changed.after.leader_epoch);
                    prop_assert!(before.leader == changed.after.leader || before.leader_epoch < changed.after.leader_epoch);
                }
            }
        }
        let replay = |image: MetadataImage, log: &[Vec<MetadataRecord>]| {
            log.iter().fold(Arc::new(image), |image, records| {
                Arc::clone(image.apply(position(image.index + 1), records).unwrap().after())
            })
        };
        prop_assert_eq!(&replay(MetadataImage::empty("c"), &table.log), &table.image);
        if let Some((taken, image)) = at_cut {
            let restored =
                MetadataImage::restore("c".into(), position(image.index), image.last_record_index, &image.to_records());
            if 0 < taken {
                prop_assert_eq!(&replay(restored.unwrap(), &table.log[taken..]), &table.image);
            }
        }
    }

    /// Bytes that anyone may have written are read or refused, never a panic.
    #[test]
    fn arbitrary_payloads_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = crate::metadata::Proposal::decode(bytes.into());
    }
}

/// Records with any numbers are applied or refused, never a panic.
#[test]
fn extreme_records_never_panic() {
    let image = Arc::new(MetadataImage::empty("c"));
    let id = mainstem_protocol::model::TopicId([1; 16]);
    for number in [i32::MIN, -1, 0, i32::MAX] {
        let records: [MetadataRecord; 3] = [
            record::Topic { name: "t".into(), topic_id: id }.into(),
            record::Partition {
                topic_id: id,
                leader_epoch: i32::MAX,
                partition_epoch: i32::MAX,
                ..record::Partition::default()
            }
            .into(),
            record::PartitionChange {
                topic_id: id,
                partition_id: number,
                leader: number,
                ..record::PartitionChange::default()
            }
            .into(),
        ];
        assert!(image.apply(position(1), &records).is_err(), "epochs cannot rise beyond {}", i32::MAX);
    }
}
