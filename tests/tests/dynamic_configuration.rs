//! Settings that change while a broker runs, as an admin client sees them: what was set for all brokers, for one, by a
//! topic; who wins, what is told about it, and that it takes effect. The expected sources and synonyms are those that
//! Apache Kafka 4.3.1 answers to the same calls.

use mainstem_client::{
    Kafka,
    admin::{Apply, ConfigAlteration, ConfigChange, ConfigEntry, ConfigResource, NewTopic, ResourceKind},
};
use mainstem_protocol::error::ErrorCode;
use mainstem_tests::{exchange, in_process::InProcess};
use std::path::Path;

/// A broker, and a client of it.
struct Node {
    broker: InProcess,
    kafka: Kafka,
    runtime: tokio::runtime::Runtime,
}

fn all_brokers() -> ConfigResource {
    ConfigResource { kind: ResourceKind::Broker, name: String::new() }
}

fn one_broker() -> ConfigResource {
    ConfigResource { kind: ResourceKind::Broker, name: "1".to_owned() }
}

fn topic() -> ConfigResource {
    ConfigResource { kind: ResourceKind::Topic, name: "orders".to_owned() }
}

fn set(key: &str, value: &str) -> ConfigChange {
    ConfigChange { name: key.to_owned(), alteration: ConfigAlteration::Set(value.to_owned()) }
}

fn unset(key: &str) -> ConfigChange {
    ConfigChange { name: key.to_owned(), alteration: ConfigAlteration::Delete }
}

impl Node {
    /// A broker in `folder`.
    fn start(folder: &Path) -> Self {
        let broker = InProcess::start(folder).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kafka = Kafka::builder(&broker.address().to_string()).build().unwrap();
        Self { broker, kafka, runtime }
    }

    /// The same, with a topic `orders`.
    fn with_topic(folder: &Path) -> Self {
        let node = Self::start(folder);
        let admin = node.kafka.admin();
        let created = async { admin.create_topics(&[NewTopic::new("orders")], Apply::Change).await };
        node.runtime.block_on(created).unwrap().remove(0).1.unwrap();
        node
    }

    fn stop(self) {
        self.runtime.block_on(self.kafka.close());
        self.broker.stop();
    }

    /// Changes one resource; the refusal as `NAME: message`.
    fn alter(&self, resource: ConfigResource, changes: Vec<ConfigChange>) -> Result<(), String> {
        let admin = self.kafka.admin();
        let altered = async { admin.alter_configs(&[(resource, changes)], Apply::Change).await };
        let (_, outcome) = self.runtime.block_on(altered).unwrap().remove(0);
        outcome.map_err(|error| format!("{}: {}", error.name(), error.message.clone().unwrap_or_default()))
    }

    fn entry(&self, resource: ConfigResource, key: &str) -> Option<ConfigEntry> {
        let names = [key.to_owned()];
        let admin = self.kafka.admin();
        let described = async { admin.describe_configs(&[resource], Some(&names), false).await };
        let (_, configs) = self.runtime.block_on(described).unwrap().remove(0);
        configs.unwrap().into_iter().next()
    }

    /// A value of the topic and where it comes from, as `value SOURCE:key=value SOURCE:key=value`.
    fn topic_value(&self, key: &str) -> String {
        let entry = self.entry(topic(), key).unwrap();
        let mut said = entry.value.unwrap();
        for synonym in entry.synonyms {
            said.extend([format!(" {:?}:{}={}", synonym.source, synonym.name, synonym.value.unwrap())]);
        }
        said
    }
}

/// Default < all brokers < one broker < topic, and back again as each is taken away.
#[test]
fn the_nearest_setting_holds_and_every_other_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with_topic(folder.path());
    assert_eq!(node.topic_value("retention.ms"), "604800000");

    node.alter(all_brokers(), vec![set("log.retention.ms", "1111111")]).unwrap();
    let of_all = "DynamicDefaultBroker:log.retention.ms=1111111 Default:log.retention.hours=168";
    assert_eq!(node.topic_value("retention.ms"), format!("1111111 {of_all}"));

    node.alter(one_broker(), vec![set("log.retention.ms", "2222222")]).unwrap();
    let of_one = format!("DynamicBroker:log.retention.ms=2222222 {of_all}");
    assert_eq!(node.topic_value("retention.ms"), format!("2222222 {of_one}"));

    node.alter(topic(), vec![set("retention.ms", "3333333")]).unwrap();
    assert_eq!(node.topic_value("retention.ms"), format!("3333333 Topic:retention.ms=3333333 {of_one}"));

    node.alter(topic(), vec![unset("retention.ms")]).unwrap();
    node.alter(one_broker(), vec![unset("log.retention.ms")]).unwrap();
    assert_eq!(node.topic_value("retention.ms"), format!("1111111 {of_all}"));
    node.alter(all_brokers(), vec![unset("log.retention.ms")]).unwrap();
    assert_eq!(node.topic_value("retention.ms"), "604800000");
    node.stop();
}

/// A limit that is set for all brokers holds at once for a topic that sets none, and ends as soon as it is taken away.
#[test]
fn a_limit_for_all_brokers_takes_effect_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with_topic(folder.path());
    let mut client = node.broker.connect().unwrap();
    let mut produced = || {
        let answer =
            exchange::produce(&mut client, "orders", 0, exchange::batch(&[&"x".repeat(2_000)])).unwrap();
        ErrorCode::from_code(answer.error_code).unwrap()
    };
    assert_eq!(produced(), ErrorCode::None);
    node.alter(all_brokers(), vec![set("message.max.bytes", "1000")]).unwrap();
    assert_eq!(produced(), ErrorCode::MessageTooLarge);
    node.alter(all_brokers(), vec![unset("message.max.bytes")]).unwrap();
    assert_eq!(produced(), ErrorCode::None);
    node.stop();
}

/// The resources themselves show what was set on them, and only that.
#[test]
fn brokers_show_what_was_set_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    node.alter(all_brokers(), vec![set("message.max.bytes", "2000000")]).unwrap();
    let entry = node.entry(all_brokers(), "message.max.bytes").unwrap();
    assert_eq!(entry.value.as_deref(), Some("2000000"));
    assert!(node.entry(all_brokers(), "log.retention.ms").is_none(), "nobody set it");
    let entry = node.entry(one_broker(), "message.max.bytes").unwrap();
    let sources: Vec<String> = entry.synonyms.iter().map(|synonym| format!("{:?}", synonym.source)).collect();
    assert_eq!(
        (entry.value.as_deref(), sources.join(",")),
        (Some("2000000"), "DynamicDefaultBroker,Default".to_owned())
    );
    node.stop();
}

/// What was set for all brokers outlives the process, as topics do.
#[test]
fn settings_of_all_brokers_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with_topic(folder.path());
    node.alter(all_brokers(), vec![set("log.segment.bytes", "2097152")]).unwrap();
    node.stop();
    let node = Node::start(folder.path());
    assert!(node.topic_value("segment.bytes").starts_with("2097152 DynamicDefaultBroker:log.segment.bytes"));
    node.stop();
}

/// A refused change says what is wrong in Kafka's terms, and changes nothing, not even its good part.
#[test]
fn what_cannot_be_changed_while_running_is_refused_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with_topic(folder.path());
    let retention = || set("log.retention.ms", "1000");
    for (resource, change, expected) in [
        (
            all_brokers(),
            set("num.partitions", "3"),
            "INVALID_REQUEST: Cannot update these configs dynamically: [num.partitions]",
        ),
        (
            all_brokers(),
            set("log.roll.ms", "many"),
            "INVALID_REQUEST: Invalid value many for configuration log.roll.ms: Not a number of type LONG",
        ),
        (
            all_brokers(),
            set("message.max.bytes", "-5"),
            "INVALID_REQUEST: Invalid value -5 for configuration message.max.bytes: Value must be at least 0",
        ),
        (one_broker(), set("min.insync.replicas", "2"), "INVALID_CONFIG: min.insync.replicas cannot differ"),
        (all_brokers(), set("compression.type", "zstd"), "INVALID_CONFIG: "),
        (
            all_brokers(),
            set("log.retention.mss", "1"),
            "INVALID_CONFIG: Unknown broker config name: log.retention.mss",
        ),
    ] {
        let refused = node.alter(resource, vec![retention(), change]).unwrap_err();
        assert!(refused.starts_with(expected), "{refused}");
    }
    assert_eq!(node.topic_value("retention.ms"), "604800000", "a part of a refused change was made");
    node.stop();
}
