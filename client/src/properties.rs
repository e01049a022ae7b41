//! Settings by the names that Kafka's Java clients and librdkafka use.
//!
//! Each name sets one field of [`ClientConfig`]; an unknown one is an error that names the nearest. Names that have no
//! meaning in this client but do no harm (serialisers, metrics reporters) are taken and ignored.

use std::time::Duration;

use mainstem_protocol::records::Compression;

use crate::cluster::ClusterOptions;
use crate::consumer::{ConsumerOptions, GroupOptions, GroupProtocol, IsolationLevel, OffsetReset};
use crate::producer::{Acks, Partitioner, ProducerOptions};

/// A setting that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nobody knows this name.
    #[error("unknown property {name:?}{}", nearest_hint(nearest))]
    UnknownName {
        /// The name as given.
        name: String,
        /// Known names that look like it, nearest first.
        nearest: Vec<&'static str>,
    },
    /// The value does not fit.
    #[error("property {name} cannot be {value:?}: {expected}")]
    Value {
        /// The name.
        name: String,
        /// The value as given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Two settings contradict each other.
    #[error("{0}")]
    Combination(&'static str),
}

fn nearest_hint(nearest: &[&str]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {}?", nearest.join(" or ")) }
}

/// All settings of a client.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// Connections, metadata, timeouts.
    pub cluster: ClusterOptions,
    /// Defaults of producers.
    pub producer: ProducerOptions,
    /// Defaults of consumers.
    pub consumer: ConsumerOptions,
}

/// Names that set something.
const NAMES: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "batch.num.messages",
    "batch.size",
    "bootstrap.servers",
    "buffer.memory",
    "check.crcs",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.gzip.level",
    "compression.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "connections.max.idle.ms",
    "default.api.timeout.ms",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "max.block.ms",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.request.size",
    "message.max.bytes",
    "message.timeout.ms",
    "metadata.broker.list",
    "metadata.max.age.ms",
    "partition.assignment.strategy",
    "partitioner",
    "partitioner.class",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "receive.message.max.bytes",
    "request.required.acks",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "security.protocol",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.timeout.ms",
];

/// Names that are taken and do nothing here.
const IGNORED: &[&str] = &[
    "client.dns.lookup",
    "connections.max.reauth.ms",
    "enable.metrics.push",
    "interceptor.classes",
    "key.deserializer",
    "key.serializer",
    "log.connection.close",
    "log_level",
    "max.poll.records",
    "message.send.max.retries",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retries",
    "send.buffer.bytes",
    "socket.nagle.disable",
    "statistics.interval.ms",
    "value.deserializer",
    "value.serializer",
];

impl ClientConfig {
    /// Settings from pairs of name and value.
    pub fn from_properties<N: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (name, value) in properties {
            config.set(name.as_ref(), value.as_ref())?;
        }
        config.check()?;
        Ok(config)
    }

    /// Sets one property.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let given = Given { name, value: value.trim() };
        let (cluster, producer, consumer) = (&mut self.cluster, &mut self.producer, &mut self.consumer);
        match name {
            "bootstrap.servers" | "metadata.broker.list" => cluster.bootstrap = given.addresses()?,
            "client.id" => given.value.clone_into(&mut cluster.connection.client_id),
            "connections.max.idle.ms" => cluster.connection.idle_timeout = given.idle()?,
            "socket.connection.setup.timeout.ms" => cluster.connection.connect_timeout = given.millis()?,
            "receive.message.max.bytes" => cluster.connection.max_response_bytes = given.bytes()?,
            "request.timeout.ms" | "socket.timeout.ms" => cluster.request_timeout = given.millis()?,
            "default.api.timeout.ms" => cluster.call_timeout = given.millis()?,
            "metadata.max.age.ms" => cluster.metadata_max_age = given.millis()?,
            "retry.backoff.ms" => cluster.backoff.first = given.millis()?,
            "retry.backoff.max.ms" => cluster.backoff.most = given.millis()?,
            "security.protocol" => given.plaintext()?,
            "acks" | "request.required.acks" => producer.acks = given.acks()?,
            "enable.idempotence" => producer.idempotent = Some(given.boolean()?),
            "linger.ms" | "queue.buffering.max.ms" => producer.linger = given.fractional_millis()?,
            "batch.size" => producer.batch_bytes = given.bytes()?,
            "batch.num.messages" => producer.batch_records = given.count()?,
            "buffer.memory" => producer.buffer_bytes = given.bytes()?,
            "queue.buffering.max.kbytes" => producer.buffer_bytes = given.bytes()?.saturating_mul(1024),
            "max.request.size" | "message.max.bytes" => producer.max_request_bytes = given.bytes()?,
            "max.block.ms" => producer.max_block = given.millis()?,
            "delivery.timeout.ms" | "message.timeout.ms" => producer.delivery_timeout = given.millis()?,
            "max.in.flight.requests.per.connection" | "max.in.flight" => {
                producer.max_in_flight = given.count()?;
                // The names promise that many; without idempotence that means that retries may reorder.
                producer.allow_reordering = 1 < producer.max_in_flight;
            }
            "compression.type" | "compression.codec" => producer.compression = given.compression()?,
            "compression.level"
            | "compression.gzip.level"
            | "compression.lz4.level"
            | "compression.zstd.level" => {
                producer.compression_level = Some(given.number()?).filter(|level| *level != -1);
            }
            "partitioner" | "partitioner.class" => producer.partitioner = given.partitioner()?,
            "allow.auto.create.topics" => consumer.create_topics = given.boolean()?,
            "auto.offset.reset" => {
                consumer.offset_reset = given.offset_reset()?;
                consumer.out_of_range = consumer.offset_reset;
            }
            "check.crcs" => consumer.check_crc = given.boolean()?,
            "client.rack" => given.value.clone_into(&mut consumer.rack),
            "fetch.max.bytes" => consumer.fetch_max_bytes = given.number()?,
            "fetch.min.bytes" => consumer.fetch_min_bytes = given.number()?,
            "fetch.max.wait.ms" | "fetch.wait.max.ms" => consumer.fetch_max_wait = given.millis()?,
            "max.partition.fetch.bytes" | "fetch.message.max.bytes" => {
                consumer.partition_max_bytes = given.number()?;
            }
            "queued.max.messages.kbytes" => consumer.buffer_bytes = given.bytes()?.saturating_mul(1024),
            "isolation.level" => consumer.isolation = given.isolation()?,
            "group.id" => given.value.clone_into(&mut consumer.group.group_id),
            "group.instance.id" => consumer.group.instance_id = Some(given.value.to_owned()),
            "group.protocol" => consumer.group.protocol = given.group_protocol()?,
            "group.remote.assignor" => consumer.group.remote_assignor = Some(given.value.to_owned()),
            "session.timeout.ms" => consumer.group.session_timeout = given.millis()?,
            "heartbeat.interval.ms" => consumer.group.heartbeat_interval = given.millis()?,
            "max.poll.interval.ms" => consumer.group.max_poll_interval = given.millis()?,
            "partition.assignment.strategy" => consumer.group.assignors = given.assignors()?,
            "auto.commit.interval.ms" => consumer.group.commits.set_interval(given.millis()?),
            "enable.auto.commit" => consumer.group.commits.set_automatic(given.boolean()?),
            "enable.auto.offset.store" => consumer.group.commits.set_by_marks(!given.boolean()?),
            name if IGNORED.contains(&name) => {}
            name => return Err(unknown(name)),
        }
        Ok(())
    }

    /// Whether the settings fit together.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.producer.check()?;
        self.consumer.check()?;
        if self.cluster.bootstrap.is_empty() {
            return Err(ConfigError::Combination("bootstrap.servers names no address"));
        }
        Ok(())
    }
}

fn unknown(name: &str) -> ConfigError {
    let mut scored: Vec<(usize, &'static str)> = NAMES
        .iter()
        .chain(IGNORED)
        .map(|known| (strsim::damerau_levenshtein(name, known), *known))
        .filter(|(distance, known)| *distance <= known.len().max(name.len()) / 3)
        .collect();
    scored.sort_unstable();
    let nearest = scored.into_iter().take(3).map(|(_, known)| known).collect();
    ConfigError::UnknownName { name: name.into(), nearest }
}

/// A value under its name.
struct Given<'a> {
    name: &'a str,
    value: &'a str,
}

impl Given<'_> {
    fn refuse(&self, expected: &'static str) -> ConfigError {
        ConfigError::Value { name: self.name.into(), value: self.value.into(), expected }
    }

    fn number(&self) -> Result<i32, ConfigError> {
        self.value.parse().map_err(|_| self.refuse("a whole number of 32 bits"))
    }

    fn count(&self) -> Result<usize, ConfigError> {
        let count = self.value.parse().ok().filter(|count| *count != 0);
        count.ok_or_else(|| self.refuse("a number of at least 1"))
    }

    fn bytes(&self) -> Result<usize, ConfigError> {
        self.value.parse().map_err(|_| self.refuse("a number of bytes"))
    }

    fn millis(&self) -> Result<Duration, ConfigError> {
        let millis = self.value.parse().map(Duration::from_millis);
        millis.map_err(|_| self.refuse("a number of milliseconds"))
    }

    /// librdkafka allows fractions.
    fn fractional_millis(&self) -> Result<Duration, ConfigError> {
        let millis: Option<f64> = self.value.parse().ok();
        let limit = millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok());
        limit.ok_or_else(|| self.refuse("a number of milliseconds"))
    }

    /// -1 = never; librdkafka: 0 = never.
    fn idle(&self) -> Result<Duration, ConfigError> {
        const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        if matches!(self.value, "-1" | "0") { Ok(NEVER) } else { self.millis() }
    }

    fn boolean(&self) -> Result<bool, ConfigError> {
        match self.value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.refuse("true or false")),
        }
    }

    fn addresses(&self) -> Result<Vec<(String, u16)>, ConfigError> {
        const EXPECTED: &str = "a list such as host:9092,[::1]:9092";
        let parts = self.value.split(',').map(str::trim).filter(|part| !part.is_empty());
        let addresses: Option<Vec<_>> = parts.map(parse_address).collect();
        addresses.filter(|list| !list.is_empty()).ok_or_else(|| self.refuse(EXPECTED))
    }

    fn plaintext(&self) -> Result<(), ConfigError> {
        if self.value.eq_ignore_ascii_case("plaintext") {
            Ok(())
        } else {
            Err(self.refuse("this client speaks PLAINTEXT only"))
        }
    }

    fn acks(&self) -> Result<Acks, ConfigError> {
        match self.value {
            "all" | "-1" => Ok(Acks::All),
            "1" => Ok(Acks::Leader),
            "0" => Ok(Acks::None),
            _ => Err(self.refuse("all, 1 or 0")),
        }
    }

    fn compression(&self) -> Result<Compression, ConfigError> {
        let codec = Compression::ALL.into_iter().find(|codec| codec.name() == self.value);
        codec.ok_or_else(|| self.refuse("none, gzip, snappy, lz4 or zstd"))
    }

    fn partitioner(&self) -> Result<Partitioner, ConfigError> {
        match self.value {
            "murmur2" | "murmur2_random" => Ok(Partitioner::Murmur2),
            "consistent" | "consistent_random" => Ok(Partitioner::Crc32),
            "fnv1a" | "fnv1a_random" => Ok(Partitioner::Fnv1a),
            class if class.ends_with("RoundRobinPartitioner") => Ok(Partitioner::RoundRobin),
            "round_robin" | "roundrobin" => Ok(Partitioner::RoundRobin),
            _ => Err(self.refuse("murmur2, consistent, fnv1a (each also with _random) or round_robin")),
        }
    }

    fn offset_reset(&self) -> Result<OffsetReset, ConfigError> {
        match self.value {
            "earliest" | "smallest" | "beginning" => Ok(OffsetReset::Earliest),
            "latest" | "largest" | "end" => Ok(OffsetReset::Latest),
            "none" | "error" => Ok(OffsetReset::Fail),
            value => match value.strip_prefix("by_duration:").and_then(iso_duration) {
                Some(time) => Ok(OffsetReset::Ago(time)),
                None => Err(self.refuse("earliest, latest, none or by_duration:PT1H30M")),
            },
        }
    }

    fn group_protocol(&self) -> Result<GroupProtocol, ConfigError> {
        match self.value.to_ascii_lowercase().as_str() {
            "classic" => Ok(GroupProtocol::Classic),
            "consumer" => Ok(GroupProtocol::Consumer),
            _ => Err(self.refuse("classic or consumer")),
        }
    }

    fn assignors(&self) -> Result<Vec<String>, ConfigError> {
        const EXPECTED: &str =
            "a list of range, roundrobin, sticky, cooperative-sticky or their Java classes";
        GroupOptions::assignor_names(self.value).ok_or_else(|| self.refuse(EXPECTED))
    }

    fn isolation(&self) -> Result<IsolationLevel, ConfigError> {
        match self.value {
            "read_committed" => Ok(IsolationLevel::ReadCommitted),
            "read_uncommitted" => Ok(IsolationLevel::ReadUncommitted),
            _ => Err(self.refuse("read_committed or read_uncommitted")),
        }
    }
}

/// A length of time in the form of ISO 8601 with days, hours, minutes and seconds, as `P1DT2H30M` or `PT90S`.
fn iso_duration(text: &str) -> Option<Duration> {
    let (days, times) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, times)) if !times.is_empty() => (days, times),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    let mut seconds: u64 = 0;
    let mut found = false;
    for (part, units) in [(days, &[('D', 86_400)][..]), (times, &[('H', 3600), ('M', 60), ('S', 1)][..])] {
        let mut rest = part;
        for (unit, length) in units {
            let Some((number, behind)) = rest.split_once(*unit) else { continue };
            seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(*length)?)?;
            rest = behind;
            found = true;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    found.then(|| Duration::from_secs(seconds))
}

/// `host:port`, `[v6 address]:port`, or a host alone for port 9092.
fn parse_address(text: &str) -> Option<(String, u16)> {
    // Listener prefixes such as `PLAINTEXT://` are common in pasted addresses.
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            Some(_) | None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => 9092,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::Commits;

    #[test]
    fn every_listed_name_is_known() {
        for name in NAMES {
            let mut config = ClientConfig::default();
            let refused = config.set(name, "\u{0}");
            assert!(!matches!(refused, Err(ConfigError::UnknownName { .. })), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_nearest() {
        let error = ClientConfig::default().set("bootstrap.server", "a").unwrap_err();
        assert_eq!(
            error,
            ConfigError::UnknownName { name: "bootstrap.server".into(), nearest: vec!["bootstrap.servers"] }
        );
        let error = ClientConfig::default().set("zzz", "a").unwrap_err();
        assert_eq!(error.to_string(), "unknown property \"zzz\"");
    }

    #[test]
    fn the_three_settings_of_commits_work_in_any_order() {
        for (settings, expected) in [
            (&[][..], Commits::default()),
            (&[("enable.auto.commit", "false")][..], Commits::OnCall),
            (
                &[("enable.auto.offset.store", "false"), ("auto.commit.interval.ms", "70")][..],
                Commits::Marked(Duration::from_millis(70)),
            ),
            (
                &[("enable.auto.commit", "false"), ("enable.auto.offset.store", "false")][..],
                Commits::MarkedOnCall,
            ),
        ] {
            let config = ClientConfig::from_properties(settings.iter().copied()).unwrap();
            assert_eq!(config.consumer.group.commits, expected, "{settings:?}");
        }
    }

    #[test]
    fn a_reset_by_duration() {
        let reset = |value: &str| {
            let config = ClientConfig::from_properties([("auto.offset.reset", value)]);
            config.map(|config| config.consumer.offset_reset)
        };
        let hours = |hours: u64| OffsetReset::Ago(Duration::from_secs(hours * 3600));
        assert_eq!(reset("by_duration:PT2H"), Ok(hours(2)));
        assert_eq!(reset("by_duration:P1DT60M"), Ok(hours(25)));
        for bad in ["by_duration:", "by_duration:P", "by_duration:PT", "by_duration:2H", "by_duration:PT2H1"]
        {
            assert!(reset(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_of_all_forms() {
        let mut config = ClientConfig::default();
        config.set("bootstrap.servers", "a:1, PLAINTEXT://b:2,[::1]:3,::1,c").unwrap();
        let expected = [("a", 1), ("b", 2), ("::1", 3), ("::1", 9092), ("c", 9092)];
        assert_eq!(config.cluster.bootstrap, expected.map(|(host, port)| (host.to_owned(), port)));
        for bad in ["", ",", ":1", "a:0", "a:x", "a:70000", "[::1"] {
            assert!(config.set("bootstrap.servers", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn both_families_of_names_set_the_same() {
        let java = [("linger.ms", "7"), ("acks", "all"), ("compression.type", "zstd")];
        let native =
            [("queue.buffering.max.ms", "7"), ("request.required.acks", "-1"), ("compression.codec", "zstd")];
        for properties in [java, native] {
            let producer = ClientConfig::from_properties(properties).unwrap().producer;
            assert_eq!(producer.linger, Duration::from_millis(7));
            assert_eq!((producer.acks, producer.compression), (Acks::All, Compression::Zstd));
        }
    }

    #[test]
    fn contradictions_are_named() {
        let error = ClientConfig::from_properties([("acks", "1"), ("enable.idempotence", "true")]);
        assert!(error.unwrap_err().to_string().contains("idempoten"));
    }
}
