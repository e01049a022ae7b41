//! Who takes part: the null broker in its modes, Mainstem and Apache Kafka with either promise.
//!
//! Above: `round`. Below: [`contestant`](crate::contestant), [`kafka`](crate::kafka). Mainstem and Kafka are up through the whole
//! run, and a topic's config decides what a write promises. The null broker starts anew for each round: it has nothing to
//! warm up and cannot delete.

use super::Options;
use crate::{
    call::Caller,
    contestant::Contestant,
    frames::{self, TOPIC_LEN},
    kafka::Kafka,
};
use anyhow::{Context as _, ensure};
use std::{
    cell::Cell,
    fs,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Of all topics. Old files of deleted ones stay for a second; nothing goes because it is old, as the timestamps of the batches are.
const DELETE_DELAY: (&str, &str) = ("file.delete.delay.ms", "1000");
const RETENTION: (&str, &str) = ("retention.ms", "-1");

/// Somebody who gets a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contender {
    /// CRC and one write into the page cache.
    NullPageCache,
    /// The same, answered when it is on disk.
    NullDisk,
    /// Neither CRC nor write.
    NullTransport,
    /// Fetch by sendfile.
    NullFetch,
    /// `mainstem.durability=replicated`.
    MainstemPageCache,
    /// The default: on disk before the answer.
    MainstemDisk,
    /// The default: page cache.
    KafkaPageCache,
    /// `flush.messages=1`.
    KafkaDisk,
}

impl Contender {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NullPageCache => "null n",
            Self::NullDisk => "null nd",
            Self::NullTransport => "null e",
            Self::NullFetch => "null f",
            Self::MainstemPageCache => "mainstem replicated",
            Self::MainstemDisk => "mainstem fsync",
            Self::KafkaPageCache => "kafka",
            Self::KafkaDisk => "kafka flush.messages=1",
        }
    }

    /// The mode of the null broker.
    const fn null(self) -> Option<&'static str> {
        match self {
            Self::NullPageCache => Some("n"),
            Self::NullDisk => Some("nd"),
            Self::NullTransport => Some("e"),
            Self::NullFetch => Some("f"),
            _ => None,
        }
    }

    pub(super) const fn is_null(self) -> bool {
        self.null().is_some()
    }

    pub(super) const fn is_kafka(self) -> bool {
        matches!(self, Self::KafkaPageCache | Self::KafkaDisk)
    }

    /// The null broker that promises the same.
    pub(super) const fn limit(self) -> Self {
        match self {
            Self::NullDisk | Self::MainstemDisk | Self::KafkaDisk => Self::NullDisk,
            _ => Self::NullPageCache,
        }
    }

    /// Whether both make the same promise, or the other has no choice.
    pub(super) fn pairs_with(self, other: Self) -> bool {
        match self {
            Self::NullPageCache | Self::NullDisk => self == other.limit() && !other.is_null(),
            Self::NullFetch => !other.is_null(),
            Self::KafkaPageCache | Self::KafkaDisk => {
                matches!(other, Self::MainstemPageCache | Self::MainstemDisk) && self.limit() == other.limit()
            }
            Self::NullTransport | Self::MainstemPageCache | Self::MainstemDisk => false,
        }
    }

    /// The configs of its topics.
    pub(super) const fn configs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::MainstemPageCache => &[DELETE_DELAY, RETENTION, ("mainstem.durability", "replicated")],
            Self::MainstemDisk => &[DELETE_DELAY, RETENTION, ("mainstem.durability", "fsync")],
            Self::KafkaDisk => &[DELETE_DELAY, RETENTION, ("flush.messages", "1")],
            _ => &[DELETE_DELAY, RETENTION],
        }
    }
}

/// The brokers that are up through the run.
pub(super) struct Field {
    dir: PathBuf,
    mainstem: Contestant,
    kafka: Option<Contestant>,
    /// How many topics there have been.
    topics: Cell<u32>,
}

/// A broker with a fresh topic, for one round.
pub(super) struct Target<'a> {
    pub(super) topic: String,
    pub(super) partitions: i32,
    broker: Broker<'a>,
}

enum Broker<'a> {
    Shared(&'a Contestant),
    Own(Box<Contestant>),
}

impl Field {
    /// Starts the brokers. `wrapped` puts a program and its arguments before each of them.
    pub(super) fn start(
        options: &Options,
        kafka: Option<&Kafka>,
        name: &str,
        wrapper: &[&str],
    ) -> anyhow::Result<Self> {
        let dir = options.dir.join(name);
        fs::create_dir_all(&dir)?;
        let mainstem =
            Contestant::mainstem("mainstem", wrapper, &options.binary, &dir.join("mainstem"), &[])?;
        let kafka = kafka
            .map(|kafka| kafka.start("kafka", wrapper, &dir.join("kafka"), &[]))
            .transpose()
            .context("Apache Kafka does not start; --without-kafka leaves it out")?;
        Ok(Self { dir, mainstem, kafka, topics: Cell::new(0) })
    }

    pub(super) fn has(&self, contender: Contender) -> bool {
        !contender.is_kafka() || self.kafka.is_some()
    }

    /// Those that are up: name and process.
    pub(super) fn running(&self) -> impl Iterator<Item = &Contestant> {
        [Some(&self.mainstem), self.kafka.as_ref()].into_iter().flatten()
    }

    /// A broker with a topic that nobody has used.
    pub(super) fn target(
        &self,
        contender: Contender,
        wrapper: &[&str],
        partitions: i32,
    ) -> anyhow::Result<Target<'_>> {
        self.topics.set(self.topics.get() + 1);
        let topic = format!("b{:08}", self.topics.get());
        ensure!(topic.len() == TOPIC_LEN, "the layout of frames counts on the length");
        let broker = match contender.null() {
            Some(mode) => {
                let dir = self.dir.join("null");
                let _ = fs::remove_dir_all(&dir);
                Broker::Own(Box::new(Contestant::null(contender.name(), wrapper, mode, &dir)?))
            }
            None if contender.is_kafka() => {
                Broker::Shared(self.kafka.as_ref().context("Apache Kafka is left out")?)
            }
            None => Broker::Shared(&self.mainstem),
        };
        let target = Target { topic, partitions, broker };
        if !contender.is_null() {
            target.caller()?.create_topic(&target.topic, partitions, contender.configs())?;
            target.await_leaders()?;
        }
        Ok(target)
    }
}

impl<'a> Target<'a> {
    /// A topic on a broker of the scenario's own.
    pub(super) fn on(broker: &'a Contestant, topic: String, partitions: i32) -> Self {
        Self { topic, partitions, broker: Broker::Shared(broker) }
    }
}

impl Target<'_> {
    pub(super) fn broker(&self) -> &Contestant {
        match &self.broker {
            Broker::Shared(broker) => broker,
            Broker::Own(broker) => broker,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.broker().address
    }

    pub(super) fn caller(&self) -> anyhow::Result<Caller> {
        Caller::new(self.address())
    }

    /// Where the log of a partition lies.
    pub(super) fn folder(&self, partition: i32) -> PathBuf {
        self.broker().dir().join("data").join(format!("{}-{partition}", self.topic))
    }

    /// Kafka answers the creation of a topic before its leaders serve.
    pub(super) fn await_leaders(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut caller = self.caller()?;
        loop {
            match caller.log_ends(&self.topic, self.partitions) {
                Ok(_) => return Ok(()),
                Err(error) if Duration::from_mins(3) < began.elapsed() => {
                    return Err(error.context("the topic has no leaders after three minutes"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Ends the round: the topic goes, or the null broker with its files.
    pub(super) fn end(self) -> anyhow::Result<()> {
        match &self.broker {
            Broker::Shared(broker) => Caller::new(broker.address)?.delete_topic(&self.topic),
            Broker::Own(_) => Ok(()),
        }
    }
}

/// The batch of a scenario.
pub(super) fn batch(load: &super::scenario::Produce) -> bytes::Bytes {
    frames::batch(load.batch_bytes, load.record_bytes, load.codec)
}
