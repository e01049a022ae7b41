//! What an entry of the metadata log can say, one struct for each kind of record.
//!
//! Names, numbers and meaning are Kafka's where Kafka has the record; numbers from 20,000 on are ours. A record says
//! what *is*, never what to decide: topic ids, assignments and epochs are chosen before it is written. Texts and numbers
//! stand as on disk; [`super::apply`] checks them and turns them into the image's types.

use bytes::Bytes;
use mainstem_protocol::{
    message::Message,
    model::{TopicId, Uuid},
    wire::{DecodeError, EncodeError, Reader, WireStr, Writer},
};

/// In [`PartitionChange::leader`]: the leader stays, and so does the leader epoch.
pub const LEADER_UNCHANGED: i32 = -2;

/// A broker has registered: a new process, or the first one of a new node. Its epoch is the index of the entry.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct RegisterBroker {
    /// Node id.
    pub broker_id: i32,
    /// Id of the process.
    pub incarnation_id: Uuid,
    /// Index of the entry of the registration. Written by snapshots only; -1 = this entry.
    #[wire(default = -1)]
    pub broker_epoch: i64,
    /// Addresses.
    pub endpoints: Vec<RegisteredEndpoint>,
    /// What it can serve.
    pub features: Vec<RegisteredFeature>,
    /// Where it stands.
    #[wire(nullable)]
    pub rack: Option<WireStr>,
    /// Whether it still has to show that it is alive.
    pub fenced: bool,
    /// Whether it is being relieved.
    pub in_controlled_shutdown: bool,
    /// Its log directories.
    pub log_dirs: Vec<Uuid>,
}

/// One address in a [`RegisterBroker`].
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct RegisteredEndpoint {
    /// Name of the listener.
    pub name: WireStr,
    /// Host to connect to.
    pub host: WireStr,
    /// Port to connect to.
    pub port: u16,
    /// Kafka's number of the security protocol.
    pub security_protocol: i16,
}

/// One feature in a [`RegisterBroker`].
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct RegisteredFeature {
    /// Name of the feature.
    pub name: WireStr,
    /// First level it can serve, inclusive.
    pub min_supported_version: i16,
    /// Last level it can serve, inclusive.
    pub max_supported_version: i16,
}

/// A broker has left for good.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct UnregisterBroker {
    /// Node id.
    pub broker_id: i32,
    /// Epoch of the registration that ends.
    pub broker_epoch: i64,
}

/// Something about a registered broker has changed; what is 0 or `None` has not.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct BrokerRegistrationChange {
    /// Node id.
    pub broker_id: i32,
    /// Epoch of the registration.
    pub broker_epoch: i64,
    /// 1 = it is fenced from here on, -1 = no longer, 0 = as before.
    #[wire(tag = 0)]
    pub fenced: i8,
    /// 1 = it is being relieved from here on, 0 = as before.
    #[wire(tag = 1)]
    pub in_controlled_shutdown: i8,
    /// See [`RegisterBroker::log_dirs`].
    #[wire(tag = 2, nullable)]
    pub log_dirs: Option<Vec<Uuid>>,
}

/// A topic exists from here on; its partitions follow.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct Topic {
    /// Name; no living topic has it.
    pub name: WireStr,
    /// Id; never used before.
    pub topic_id: TopicId,
}

/// A topic is gone, with its partitions and configuration.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct RemoveTopic {
    /// Id of the topic.
    pub topic_id: TopicId,
}

/// A partition exists from here on. Partitions of a topic come in order of their index.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct Partition {
    /// Index in the topic.
    pub partition_id: i32,
    /// Topic.
    pub topic_id: TopicId,
    /// Where copies are kept, by preference.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
    /// Those that a reassignment will remove.
    pub removing_replicas: Vec<i32>,
    /// Those that a reassignment adds.
    pub adding_replicas: Vec<i32>,
    /// Who leads; -1 = nobody.
    pub leader: i32,
    /// 0 = recovered, 1 = recovering.
    pub leader_recovery_state: i8,
    /// Number of this leadership.
    pub leader_epoch: i32,
    /// Number of this state.
    pub partition_epoch: i32,
    /// Log directory of each replica.
    pub directories: Vec<Uuid>,
    /// Replicas outside the ISR that are complete.
    pub eligible_leader_replicas: Vec<i32>,
    /// Replicas that were complete before an unclean restart.
    pub last_known_elr: Vec<i32>,
}

/// Where a coordinator finds its keys does not follow the number of partitions of this topic any more: they live in the first
/// ones, as many as there were when others were added. Comes before the partitions that it leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct KeyedPartitions {
    /// Topic.
    pub topic_id: TopicId,
    /// Number of partitions that keys live in; above 0.
    pub count: i32,
}

/// Something about a partition has changed; what is absent has not. The partition epoch rises by one; the leader epoch
/// rises by one if a leader is named, even if it is the same one.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct PartitionChange {
    /// Index in the topic.
    pub partition_id: i32,
    /// Topic.
    pub topic_id: TopicId,
    /// See [`Partition::isr`].
    #[wire(tag = 0, nullable)]
    pub isr: Option<Vec<i32>>,
    /// See [`Partition::leader`]; -2 = as before.
    #[wire(tag = 1, default = LEADER_UNCHANGED)]
    pub leader: i32,
    /// See [`Partition::replicas`].
    #[wire(tag = 2, nullable)]
    pub replicas: Option<Vec<i32>>,
    /// See [`Partition::removing_replicas`].
    #[wire(tag = 3, nullable)]
    pub removing_replicas: Option<Vec<i32>>,
    /// See [`Partition::adding_replicas`].
    #[wire(tag = 4, nullable)]
    pub adding_replicas: Option<Vec<i32>>,
    /// See [`Partition::leader_recovery_state`]; -1 = as before.
    #[wire(tag = 5, default = -1)]
    pub leader_recovery_state: i8,
    /// See [`Partition::directories`].
    #[wire(tag = 6, nullable)]
    pub directories: Option<Vec<Uuid>>,
    /// See [`Partition::eligible_leader_replicas`].
    #[wire(tag = 7, nullable)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// See [`Partition::last_known_elr`].
    #[wire(tag = 8, nullable)]
    pub last_known_elr: Option<Vec<i32>>,
}

/// One configuration value was set, or unset if there is none.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct Config {
    /// Number of the kind of resource, see [`super::ConfigResourceKind`].
    pub resource_type: i8,
    /// Name of the resource; empty = all brokers.
    pub resource_name: WireStr,
    /// Key.
    pub name: WireStr,
    /// Value.
    #[wire(nullable)]
    pub value: Option<WireStr>,
}

/// A block of producer ids was handed to a broker; the next block starts at `next_producer_id`.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct ProducerIds {
    /// Who got the block.
    pub broker_id: i32,
    /// Under which registration.
    pub broker_epoch: i64,
    /// First id that is still free.
    pub next_producer_id: i64,
}

/// A feature has this level from here on; 0 = it is off.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct FeatureLevel {
    /// Name of the feature.
    pub name: WireStr,
    /// Level.
    pub feature_level: i16,
}

/// Nothing but a new index.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct NoOp {}

/// A request was carried out by this entry; a retry under the same id gets these answers.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct RequestDone {
    /// Chosen by whoever asked.
    pub request_id: Uuid,
    /// One for each item of the request.
    pub answers: Vec<RequestAnswer>,
}

/// The answer to one item of a request.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct RequestAnswer {
    /// Kafka's error code; 0 = done.
    pub error_code: i16,
    /// What was wrong.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// The topic concerned, where there is one.
    pub topic_id: TopicId,
    /// Its name, or that of another resource.
    pub name: WireStr,
    /// What was asked for, where it is a number: partitions of a topic, a producer id.
    pub value: i64,
    /// Replicas of each partition of a topic that was created.
    pub replication_factor: i16,
}

macro_rules! records {
    ($($name:ident = $number:literal,)*) => {
        /// Any record; each variant is described by the struct of its name.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "a variant says no more than its struct, which is documented")]
        pub enum MetadataRecord {
            $($name($name),)*
        }

        impl MetadataRecord {
            /// Number, version and body, as they stand in the log.
            pub(super) fn encode(&self) -> Result<(i16, i16, Bytes), EncodeError> {
                match self {
                    $(Self::$name(record) => {
                        let version = $name::SCHEMA.last_version;
                        let mut writer = Writer::new();
                        record.encode(&mut writer, version)?;
                        Ok(($number, version, writer.finish().into_contiguous().unwrap_or_default()))
                    })*
                }
            }

            /// The record that stands in the log, or `None` if its number is not known here.
            pub(super) fn decode(number: i16, version: i16, body: Bytes) -> Result<Option<Self>, DecodeError> {
                let mut reader = Reader::response(body);
                match number {
                    $($number => $name::decode(&mut reader, version).map(|record| Some(Self::$name(record))),)*
                    _ => Ok(None),
                }
            }
        }

        $(impl From<$name> for MetadataRecord {
            fn from(record: $name) -> Self {
                Self::$name(record)
            }
        })*
    };
}

records! {
    RegisterBroker = 0,
    UnregisterBroker = 1,
    Topic = 2,
    Partition = 3,
    Config = 4,
    PartitionChange = 5,
    RemoveTopic = 9,
    FeatureLevel = 12,
    ProducerIds = 15,
    BrokerRegistrationChange = 17,
    NoOp = 20,
    RequestDone = 20_000,
    KeyedPartitions = 20_001,
}
