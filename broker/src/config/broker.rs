//! The typed configuration of one broker: what the loader hands to `Broker::start`.
//!
//! Only settings that are honoured stand here, in the units that their readers want. `BrokerConfig::default()` is a
//! usable single node on the loopback address. Above: every room of the broker. Below: `typed` (which builds it),
//! `listener`, `topic`, `choices`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::{model::BrokerId, records::Compression};

use super::choices::{GroupMetricsLevel, GroupMigration, LogFormat, MetricsLevel};
use super::listener::{Listener, ListenerName};
use super::settings::Settings;
use super::topic::TopicConfig;
use super::typed::{self, Surroundings};
use super::voters::QuorumVoter;

/// Where partitions live if nothing is set and the user may write there.
pub const DEFAULT_DATA_DIRECTORY: &str = "/var/lib/mainstem/data";

/// Everything a broker is told before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: BrokerId,
    /// `CLUSTER_ID`, where given; otherwise the id in the data directory, or a new one for an empty directory.
    pub cluster_id: Option<String>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `log.dirs`: where partitions live; never empty.
    pub log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`; `None` = the first of `log_dirs`.
    pub metadata_log_dir: Option<PathBuf>,
    /// Where clients, peers and controllers connect.
    pub listeners: Listeners,
    /// Limits on connections and requests.
    pub network: NetworkConfig,
    /// Limits on single requests.
    pub requests: RequestConfig,
    /// What new topics are like.
    pub topics: TopicDefaults,
    /// Background work on logs.
    pub logs: LogsConfig,
    /// Producer state.
    pub producers: ProducersConfig,
    /// Consumer groups and their offsets.
    pub groups: GroupsConfig,
    /// The metadata quorum.
    pub quorum: QuorumConfig,
    /// The HTTP server of health, metrics and administration.
    pub admin: AdminConfig,
    /// What is measured, and how finely.
    pub metrics: MetricsConfig,
    /// Log lines.
    pub logging: LoggingConfig,
    /// `mainstem.shutdown.timeout`: how long a stop waits for requests that are in flight.
    pub shutdown_timeout: Duration,
    /// Everything that was set, with where it was written: for DescribeConfigs and reports.
    pub settings: Arc<Settings>,
}

/// The listeners and which of them serves whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listeners {
    /// Those for clients and other brokers, in the order of `listeners`; never empty on a broker.
    pub clients: Vec<Listener>,
    /// Those named by `controller.listener.names`.
    pub controllers: Vec<Listener>,
    /// `inter.broker.listener.name`: the one of `clients` that other brokers use.
    pub inter_broker: ListenerName,
}

/// Limits on connections, before and after a request is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// `max.connections`: connections of the whole broker.
    pub connections_max: usize,
    /// `max.connections.per.ip`: connections from one address; the loopback address is exempt.
    pub connections_per_address_max: usize,
    /// `max.connections.per.ip.overrides`: addresses with a limit of their own.
    pub connections_per_address_overrides: Vec<(IpAddr, usize)>,
    /// `max.connection.creation.rate`: new connections a second and listener.
    pub accept_rate_max: u32,
    /// `connections.max.idle.ms`.
    pub idle_max: Duration,
    /// `socket.request.max.bytes`: the longest frame of any API; single APIs have smaller limits of their own.
    pub frame_bytes_max: usize,
    /// `queued.max.request.bytes`: bytes of frames held for all connections together; `None` = a quarter of the memory.
    pub request_memory_max: Option<u64>,
    /// `socket.send.buffer.bytes`; `None` leaves it to the operating system.
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the operating system.
    pub receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub backlog: u32,
}

/// Limits on single requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestConfig {
    /// `fetch.max.bytes`: the most one Fetch answers.
    pub fetch_max_bytes: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
    /// `mainstem.batch.decompressed.max.bytes`: what one batch of a producer may become when it is decompressed.
    pub decompressed_batch_max: usize,
    /// `max.request.partition.size.limit`: partitions in one page of `DescribeTopicPartitions`.
    pub describe_partitions_max: usize,
    /// `request.timeout.ms`: how long a change of configuration may take to be committed.
    pub timeout: Duration,
}

/// What new topics are like.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicDefaults {
    /// `auto.create.topics.enable`.
    pub auto_create: bool,
    /// `delete.topic.enable`.
    pub delete_enabled: bool,
    /// `num.partitions`.
    pub partitions: i32,
    /// `default.replication.factor`; `None` = min(3, brokers).
    pub replication_factor: Option<i16>,
    /// Values of topics that do not set their own; without overrides.
    pub config: TopicConfig,
}

/// Background work on the logs of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsConfig {
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `num.recovery.threads.per.data.dir`: threads that open logs.
    pub recovery_threads: usize,
    /// `mainstem.flush.parallelism`: concurrent fsyncs of one log directory.
    pub flush_parallelism: usize,
    /// `mainstem.log.allocate.max.bytes`: the largest step in which a segment's space is reserved.
    pub allocate_max_bytes: u64,
    /// `mainstem.disk.free.min`: below this, client writes are refused; `None` = a tenth of the disk, at most 2 GiB.
    pub disk_free_min_bytes: Option<u64>,
}

/// What is remembered of producers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducersConfig {
    /// `producer.id.expiration.ms`: the state of a producer that was idle for so long is forgotten.
    pub id_expiration: Duration,
}

/// Consumer groups and their offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupsConfig {
    /// What `__consumer_offsets` is like when it is created.
    pub offsets_topic: OffsetsTopicConfig,
    /// `offsets.load.buffer.size`: bytes read at once when a partition of it is loaded.
    pub load_bytes: usize,
    /// `offsets.commit.timeout.ms`: how long an answer waits until what it rests on is committed.
    pub commit_timeout: Duration,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`.
    pub classic_session_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub classic_session_max: Duration,
    /// `group.max.size`.
    pub classic_size_max: usize,
    /// `group.consumer.max.size`.
    pub consumer_size_max: usize,
    /// `group.consumer.session.timeout.ms`.
    pub consumer_session: Duration,
    /// `group.consumer.heartbeat.interval.ms`.
    pub consumer_heartbeat: Duration,
    /// `group.consumer.assignment.interval.ms`.
    pub consumer_assignment_interval: Duration,
    /// `group.consumer.assignors`, the default first.
    pub consumer_assignors: Vec<String>,
    /// `group.consumer.migration.policy`.
    pub consumer_migration: GroupMigration,
}

/// What `__consumer_offsets` is like when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetsTopicConfig {
    /// `offsets.topic.num.partitions`.
    pub partitions: i32,
    /// `offsets.topic.replication.factor`; `None` = min(3, brokers).
    pub replication_factor: Option<i16>,
    /// `offsets.topic.segment.bytes`.
    pub segment_bytes: i32,
    /// `offsets.topic.compression.codec`: codec of what the coordinator writes.
    pub compression: Compression,
}

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumConfig {
    /// `process.roles` contains `controller`.
    pub is_controller: bool,
    /// `process.roles` contains `broker`.
    pub is_broker: bool,
    /// `controller.quorum.voters`, this node among them; empty = this node is the quorum.
    pub voters: Vec<QuorumVoter>,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout: Duration,
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `broker.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `initial.broker.registration.timeout.ms`.
    pub registration_timeout: Duration,
}

/// The HTTP server of health, metrics and administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// `mainstem.admin.listen`; `None` = no server. Port 0 = the operating system chooses.
    pub listen: Option<SocketAddr>,
}

/// What is measured, and how finely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `mainstem.metrics.level`.
    pub level: MetricsLevel,
    /// `mainstem.metrics.groups`.
    pub groups: GroupMetricsLevel,
    /// `mainstem.metrics.series.max`: series beyond are left out and counted.
    pub series_max: usize,
}

/// Log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggingConfig {
    /// `mainstem.logging.filter`, in the words of tracing's `EnvFilter`.
    pub filter: String,
    /// `mainstem.logging.format`.
    pub format: LogFormat,
    /// `mainstem.logging.file`; `None` = standard error.
    pub file: Option<PathBuf>,
}

impl BrokerConfig {
    /// A single node for tests and `dev`: listens on free loopback ports, keeps its data in `log_dir`, serves no HTTP.
    pub fn in_process(log_dir: &Path) -> Self {
        let mut config = Self { log_dirs: vec![log_dir.to_owned()], ..Self::default() };
        config.listeners = Listeners {
            clients: vec![Listener::plaintext("PLAINTEXT", "127.0.0.1", 0)],
            controllers: vec![Listener {
                advertised: None,
                ..Listener::plaintext("CONTROLLER", "127.0.0.1", 0)
            }],
            inter_broker: ListenerName::new("PLAINTEXT"),
        };
        config.admin.listen = None;
        config
    }
}

impl Default for BrokerConfig {
    /// What holds where nothing is set: one node on the loopback address, data below `/var/lib/mainstem`.
    #[expect(
        clippy::expect_used,
        reason = "the defaults of the key table are tested to be a valid configuration"
    )]
    fn default() -> Self {
        let surroundings = Surroundings {
            host_name: "localhost".to_owned(),
            data_directory: PathBuf::from(DEFAULT_DATA_DIRECTORY),
            cluster_id: None,
        };
        typed::read(Settings::default(), &surroundings).expect("defaults are valid")
    }
}
