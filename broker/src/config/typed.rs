//! From checked settings to the typed [`BrokerConfig`], with the checks that no single value shows.
//!
//! Pure. Above: the loader. Below: the key table (each value was read by its type and bounds before), `listener_list`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::{model::BrokerId, records::Compression};

use super::broker::{
    AdminConfig, BrokerConfig, GroupsConfig, LoggingConfig, LogsConfig, MetricsConfig, NetworkConfig,
    OffsetsTopicConfig, ProducersConfig, QuorumConfig, RequestConfig, TopicDefaults,
};
use super::listener_list;
use super::problem::Problem;
use super::settings::{Settings, shown};
use super::topic::TopicConfig;
use super::voters::{self, QuorumVoter};
use super::{keys, names};

/// What defaults depend on besides the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// What a listener on every interface tells clients to connect to.
    pub host_name: String,
    /// Where partitions live if neither `log.dirs` nor `log.dir` says so.
    pub data_directory: PathBuf,
    /// `CLUSTER_ID` of the environment.
    pub cluster_id: Option<String>,
}

/// Builds the configuration, or tells everything that keeps it from being built.
pub(super) fn read(settings: Settings, surroundings: &Surroundings) -> Result<BrokerConfig, Vec<Problem>> {
    let listeners = listener_list::read(&settings, &surroundings.host_name);
    let mut reader = Reader { settings: &settings, problems: Vec::new() };
    let node_id = node_id(&mut reader);
    let voters = quorum_voters(&mut reader, node_id);
    one_node(&mut reader, &voters);
    if !voters.is_empty() && listeners.as_ref().is_ok_and(|listeners| listeners.controllers.is_empty()) {
        let what =
            "several voters are named, and there is no listener on which they reach this one".to_owned();
        reader.refuse(
            "listeners",
            what,
            "add one that controller.listener.names names, such as CONTROLLER://:9093",
        );
    }
    let log_dirs = log_dirs(&mut reader, surroundings);
    let roles: Vec<&str> = reader.words("process.roles");
    let config = BrokerConfig {
        node_id: BrokerId(node_id),
        cluster_id: surroundings.cluster_id.clone(),
        rack: reader.text("broker.rack"),
        log_dirs,
        metadata_log_dir: reader.text("metadata.log.dir").map(PathBuf::from),
        listeners: match listeners {
            Ok(listeners) => listeners,
            Err(problems) => {
                return Err(problems.into_iter().chain(reader.problems).collect());
            }
        },
        network: NetworkConfig {
            connections_max: reader.count("max.connections"),
            connections_per_address_max: reader.count("max.connections.per.ip"),
            connections_per_address_overrides: address_overrides(&mut reader),
            accept_rate_max: reader.number("max.connection.creation.rate"),
            idle_max: reader.millis("connections.max.idle.ms"),
            frame_bytes_max: reader.count("socket.request.max.bytes"),
            request_memory_max: reader.limit("queued.max.request.bytes"),
            send_buffer_bytes: reader.limit("socket.send.buffer.bytes"),
            receive_buffer_bytes: reader.limit("socket.receive.buffer.bytes"),
            backlog: reader.number("socket.listen.backlog.size"),
        },
        requests: RequestConfig {
            fetch_max_bytes: reader.count("fetch.max.bytes"),
            fetch_sessions_max: reader.count("max.incremental.fetch.session.cache.slots"),
            decompressed_batch_max: reader.count("mainstem.batch.decompressed.max.bytes"),
            describe_partitions_max: reader.count("max.request.partition.size.limit"),
            timeout: reader.millis("request.timeout.ms"),
        },
        topics: TopicDefaults {
            auto_create: reader.is("auto.create.topics.enable"),
            delete_enabled: reader.is("delete.topic.enable"),
            partitions: reader.number("num.partitions"),
            replication_factor: reader.replicas("default.replication.factor"),
            config: TopicConfig::of_settings(&settings),
        },
        logs: LogsConfig {
            retention_check_interval: reader.millis("log.retention.check.interval.ms"),
            recovery_threads: reader.count("num.recovery.threads.per.data.dir"),
            flush_parallelism: reader.count("mainstem.flush.parallelism"),
            allocate_max_bytes: reader.number("mainstem.log.allocate.max.bytes"),
            disk_free_min_bytes: reader.limit("mainstem.disk.free.min"),
        },
        producers: ProducersConfig { id_expiration: reader.millis("producer.id.expiration.ms") },
        groups: groups(&mut reader),
        quorum: QuorumConfig {
            is_controller: roles.contains(&"controller"),
            is_broker: roles.contains(&"broker"),
            voters,
            election_timeout: reader.millis("controller.quorum.election.timeout.ms"),
            heartbeat_interval: reader.millis("broker.heartbeat.interval.ms"),
            session_timeout: reader.millis("broker.session.timeout.ms"),
            registration_timeout: reader.millis("initial.broker.registration.timeout.ms"),
        },
        admin: AdminConfig {
            listen: reader.text("mainstem.admin.listen").and_then(|address| address.parse().ok()),
        },
        metrics: MetricsConfig {
            level: reader.choice("mainstem.metrics.level"),
            groups: reader.choice("mainstem.metrics.groups"),
            series_max: reader.count("mainstem.metrics.series.max"),
        },
        logging: LoggingConfig {
            filter: reader.text("mainstem.logging.filter").unwrap_or_else(|| "info".to_owned()),
            format: reader.choice("mainstem.logging.format"),
            file: reader.text("mainstem.logging.file").map(PathBuf::from),
        },
        shutdown_timeout: reader.millis("mainstem.shutdown.timeout"),
        settings: Arc::new(Settings::default()),
    };
    let problems = reader.problems;
    if problems.is_empty() {
        Ok(BrokerConfig { settings: Arc::new(settings), ..config })
    } else {
        Err(problems)
    }
}

fn groups(reader: &mut Reader<'_>) -> GroupsConfig {
    GroupsConfig {
        offsets_topic: OffsetsTopicConfig {
            partitions: reader.number("offsets.topic.num.partitions"),
            replication_factor: reader.replicas("offsets.topic.replication.factor"),
            segment_bytes: reader.number("offsets.topic.segment.bytes"),
            compression: compression(reader, "offsets.topic.compression.codec"),
        },
        load_bytes: reader.count("offsets.load.buffer.size"),
        commit_timeout: reader.millis("offsets.commit.timeout.ms"),
        offset_metadata_max: reader.count("offset.metadata.max.bytes"),
        offsets_retention: Duration::from_mins(reader.number("offsets.retention.minutes")),
        offsets_retention_check: reader.millis("offsets.retention.check.interval.ms"),
        initial_rebalance_delay: reader.millis("group.initial.rebalance.delay.ms"),
        classic_session_min: reader.millis("group.min.session.timeout.ms"),
        classic_session_max: reader.millis("group.max.session.timeout.ms"),
        classic_size_max: reader.count("group.max.size"),
        consumer_size_max: reader.count("group.consumer.max.size"),
        consumer_session: reader.millis("group.consumer.session.timeout.ms"),
        consumer_heartbeat: reader.millis("group.consumer.heartbeat.interval.ms"),
        consumer_assignment_interval: reader.millis("group.consumer.assignment.interval.ms"),
        consumer_assignors: reader.words("group.consumer.assignors").into_iter().map(str::to_owned).collect(),
        consumer_migration: reader.choice("group.consumer.migration.policy"),
    }
}

/// A codec by its number.
fn compression(reader: &mut Reader<'_>, name: &str) -> Compression {
    let number: i16 = reader.number(name);
    let codec = Compression::ALL.into_iter().find(|codec| codec.id() == number);
    codec.unwrap_or_else(|| {
        reader.refuse(
            name,
            format!("there is no codec {number}"),
            "write 0 none, 1 gzip, 2 snappy, 3 lz4 or 4 zstd",
        );
        Compression::None
    })
}

/// `node.id`, or its older name; both only if they agree.
fn node_id(reader: &mut Reader<'_>) -> i32 {
    let node: i32 = reader.number("node.id");
    let broker: i32 = reader.number("broker.id");
    let has_node = reader.settings.get("node.id").is_some();
    if broker < 0 || broker == node {
        return node;
    }
    if has_node {
        reader.refuse("broker.id", format!("node.id says {node}"), "keep node.id alone");
    }
    broker
}

/// Refuses what only a cluster of several nodes could do: three nodes that each stand alone would lose data between them.
fn one_node(reader: &mut Reader<'_>, voters: &[QuorumVoter]) {
    let roles = reader.words("process.roles");
    if !(roles.contains(&"broker") && roles.contains(&"controller")) {
        let what = "a node is broker and controller at once; clusters of several nodes are not served";
        reader.refuse("process.roles", what.to_owned(), "set process.roles=broker,controller");
    }
    let key = "controller.quorum.bootstrap.servers";
    if 1 < reader.words(key).len() {
        let what = "several controllers are named; clusters of several nodes are not served".to_owned();
        reader.refuse(key, what, "name this node alone, or remove the line");
    }
    if !voters.is_empty() {
        let what = "several voters are named; clusters of several nodes are not served".to_owned();
        reader.refuse("controller.quorum.voters", what, "name this node alone, or remove the line");
    }
}

/// The voters of the metadata quorum; empty = this node alone.
fn quorum_voters(reader: &mut Reader<'_>, own: i32) -> Vec<QuorumVoter> {
    let key = "controller.quorum.voters";
    voters::parse(&reader.words(key), own).unwrap_or_else(|unfit| {
        reader.refuse(key, unfit.what, unfit.fix);
        Vec::new()
    })
}

fn log_dirs(reader: &mut Reader<'_>, surroundings: &Surroundings) -> Vec<PathBuf> {
    let several = reader.words("log.dirs");
    if 1 < several.len() {
        let what = "several folders are named, and one is served".to_owned();
        reader.refuse("log.dirs", what, "name one folder; a RAID or LVM volume can join disks");
    }
    if !several.is_empty() {
        return several.into_iter().map(PathBuf::from).collect();
    }
    match reader.settings.get("log.dir") {
        Some(setting) if !setting.value.is_empty() => vec![PathBuf::from(&setting.value)],
        _ => vec![surroundings.data_directory.clone()],
    }
}

fn address_overrides(reader: &mut Reader<'_>) -> Vec<(IpAddr, usize)> {
    let key = "max.connections.per.ip.overrides";
    let mut found = Vec::new();
    for word in reader.words(key) {
        let parsed = listener_list::address_and_count(word)
            .and_then(|(host, count)| Some((host.parse().ok()?, count)));
        match parsed {
            Some(one) => found.push(one),
            None => reader.refuse(
                key,
                format!("`{word}` is not address:count"),
                "write, for example, 10.0.0.1:100",
            ),
        }
    }
    found
}

/// Reads values that the key table already checked; what still does not fit its field is a problem, not a panic.
struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn value(&self, name: &str) -> &'a str {
        debug_assert!(keys::broker_key(name).is_some(), "{name} is no key");
        self.settings.value(name).unwrap_or_default()
    }

    /// Text, `None` where it is empty.
    fn text(&self, name: &str) -> Option<String> {
        Some(self.value(name).to_owned()).filter(|text| !text.is_empty())
    }

    fn words(&self, name: &str) -> Vec<&'a str> {
        self.value(name).split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
    }

    fn is(&self, name: &str) -> bool {
        self.value(name) == "true"
    }

    fn choice<T: std::str::FromStr + Default>(&self, name: &str) -> T {
        self.value(name).parse().unwrap_or_default()
    }

    fn number<T: TryFrom<i64> + Default>(&mut self, name: &str) -> T {
        let text = self.value(name);
        let number = text.parse::<i64>().ok().and_then(|number| T::try_from(number).ok());
        number.unwrap_or_else(|| {
            self.refuse(name, "the number is out of range".to_owned(), "write a number above zero");
            T::default()
        })
    }

    fn count(&mut self, name: &str) -> usize {
        self.number(name)
    }

    fn millis(&mut self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// `None` where the number is below zero.
    fn limit<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        self.value(name).parse::<i64>().ok().and_then(|number| T::try_from(number).ok())
    }

    /// `None` for -1.
    fn replicas(&self, name: &str) -> Option<i16> {
        self.value(name).parse::<i16>().ok().filter(|replicas| 1 <= *replicas)
    }

    fn refuse(&mut self, name: &str, what: String, fix: &str) {
        let problem = Problem::new(what).of(name).fix(fix);
        let problem = match (self.settings.get(name), names::find(name)) {
            (Some(setting), names::Named::Known(key)) => {
                problem.with(shown(key, &setting.value)).at(&setting.origin)
            }
            _ => problem,
        };
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Origin;

    fn config(pairs: &[(&str, &str)]) -> Result<BrokerConfig, String> {
        let mut settings = Settings::default();
        for (name, value) in pairs {
            settings.set(keys::broker_key(name).unwrap(), (*value).to_owned(), Origin::Override);
        }
        let surroundings = Surroundings {
            host_name: "machine".to_owned(),
            data_directory: PathBuf::from("/data"),
            cluster_id: None,
        };
        read(settings, &surroundings)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    fn check_refused(pairs: &[(&str, &str)], expected: &str) {
        let found = config(pairs).unwrap_err();
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn nothing_set_is_a_usable_single_node() {
        let config = config(&[]).unwrap();
        assert_eq!(config.node_id, BrokerId(1));
        assert_eq!(config.log_dirs, [PathBuf::from("/data")]);
        assert_eq!(config.topics.replication_factor, None);
        assert_eq!(config.topics.config, TopicConfig::default());
        assert_eq!(config.network.connections_max, 16_384);
        assert_eq!(config.network.request_memory_max, None);
        assert_eq!(config.shutdown_timeout, Duration::from_secs(30));
        assert!(config.admin.listen.unwrap().ip().is_loopback());
        assert!(config.quorum.is_broker && config.quorum.is_controller);
    }

    #[test]
    fn settings_reach_their_fields() {
        let config = config(&[
            ("broker.id", "7"),
            ("log.dir", "/one"),
            ("max.connections.per.ip.overrides", "10.0.0.1:100,[::2]:7"),
            ("queued.max.request.bytes", "1000"),
            ("log.retention.hours", "1"),
            ("mainstem.durability", "replicated"),
            ("mainstem.admin.listen", ""),
            ("default.replication.factor", "1"),
        ])
        .unwrap();
        assert_eq!(config.node_id, BrokerId(7));
        assert_eq!(config.log_dirs, [PathBuf::from("/one")]);
        assert_eq!(config.network.connections_per_address_overrides.len(), 2);
        assert_eq!(config.network.request_memory_max, Some(1000));
        assert_eq!(config.topics.config.retention_ms, Some(3_600_000));
        assert_eq!(config.topics.config.durability, super::super::Durability::Replicated);
        assert_eq!(config.admin.listen, None);
        assert_eq!(config.topics.replication_factor, Some(1));
    }

    #[test]
    fn a_cluster_of_several_nodes_is_refused() {
        check_refused(&[("process.roles", "broker")], "set process.roles=broker,controller");
        check_refused(&[("controller.quorum.voters", "1@a:9093,2@b:9093")], "a quorum has 1 or 3");
        check_refused(&[("controller.quorum.voters", "1@a:1,2@b:1,3@c:1")], "clusters of several nodes");
        check_refused(
            &[("controller.quorum.voters", "1@a:1,2@b:1,3@c:1"), ("listeners", "PLAINTEXT://:9092")],
            "there is no listener on which they reach this one",
        );
        check_refused(&[("controller.quorum.voters", "2@a:9093")], "the voter is 2, this node is 1");
        check_refused(
            &[("controller.quorum.bootstrap.servers", "a:9093,b:9093")],
            "clusters of several nodes",
        );
        assert!(config(&[("node.id", "2"), ("controller.quorum.voters", "2@a:9093")]).is_ok());
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        check_refused(&[("node.id", "1"), ("broker.id", "2")], "node.id says 1");
        check_refused(&[("log.dirs", "/a,/b")], "one is served");
        check_refused(&[("max.connections.per.ip.overrides", "here")], "is not address:count");
    }
}
