//! What is run: the list of scenarios, each a load, who gets it, and what to look at.
//!
//! Above: `round`, `goals`, `summary`. The names of scenarios stand in published rows: a changed load gets a new name.

use super::clients::ClientLoad;
use super::field::Contender::{
    self, KafkaDisk, KafkaPageCache, MainstemDisk, MainstemPageCache, NullDisk, NullFetch, NullPageCache,
    NullTransport,
};
use crate::client::Task;
use mainstem_protocol::records::Compression;

/// A closed loop of Produce.
#[derive(Debug, Clone, Copy)]
pub(super) struct Produce {
    pub(super) batch_bytes: usize,
    pub(super) record_bytes: usize,
    pub(super) codec: Compression,
    pub(super) connections: usize,
    /// Requests in flight on each connection.
    pub(super) depth: usize,
    pub(super) partitions: i32,
    pub(super) acks: i16,
}

impl Produce {
    /// Goals 1 and 2, and everything that varies one thing of them.
    pub(super) const LARGE: Self = Self::new(100 * KIB, 4, 5, 4);
    pub(super) const MIDDLE: Self = Self::new(16 * KIB, 16, 5, 16);

    const fn new(batch_bytes: usize, connections: usize, depth: usize, partitions: i32) -> Self {
        Self {
            batch_bytes,
            record_bytes: 1024,
            codec: Compression::None,
            connections,
            depth,
            partitions,
            acks: -1,
        }
    }

    const fn records(self, record_bytes: usize) -> Self {
        Self { record_bytes, ..self }
    }

    const fn codec(self, codec: Compression) -> Self {
        Self { codec, ..self }
    }

    const fn acks(self, acks: i16) -> Self {
        Self { acks, ..self }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Produce(Produce),
    /// An open loop at half the rate that the null broker reached in the closed loop of the named scenario.
    Paced(Produce, &'static str),
    /// Fetch of what was just written.
    Fetch {
        connections: usize,
        max_bytes: i32,
    },
    /// Produce, and a consumer at the end of each partition.
    Tail(Produce),
    /// An open loop of 50 MiB/s alone, then beside a consumer that replays a log which is not in memory.
    Replay(Produce),
    /// From exec to the first answer; memory of an empty broker.
    Start,
    /// Many partitions: creation, start, memory, and a load over some of them.
    Partitions,
    /// Connections that came, asked once and stay; and what they cost a load.
    Connections(Produce),
    /// Apache Kafka's own performance tools as the client.
    JavaTools,
    /// Our client library and librdkafka, one after the other.
    Clients(ClientLoad),
}

/// A load and who gets it.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) contenders: &'static [Contender],
    /// Of a round's bytes: small requests move less in the same time.
    pub(super) share: f64,
    /// Every flush to disk takes 5 ms more.
    pub(super) slow_disk: bool,
    /// The curve that it is a point of, and where on it.
    pub(super) growth: Option<(Growth, usize)>,
    /// At most so many rounds, where one takes long and says enough.
    pub(super) rounds_at_most: usize,
}

impl Scenario {
    /// The same with few partitions and connections, for a run that only shows that everything works. Of the loads of
    /// clients one for each task is enough.
    pub(super) fn tiny(self) -> Option<Self> {
        if let Kind::Clients(load) = self.kind {
            let last = clients().into_iter().rfind(|other| other.task == load.task);
            return (last? == load).then_some(self);
        }
        let small = |load: Produce| Produce {
            partitions: load.partitions.min(20),
            connections: load.connections.min(20),
            ..load
        };
        let kind = match self.kind {
            Kind::Produce(load) => Kind::Produce(small(load)),
            Kind::Paced(load, peak) => Kind::Paced(small(load), peak),
            Kind::Tail(load) => Kind::Tail(small(load)),
            Kind::Replay(load) => Kind::Replay(small(load)),
            Kind::Connections(load) => Kind::Connections(small(load)),
            kind @ (Kind::Fetch { .. }
            | Kind::Start
            | Kind::Partitions
            | Kind::JavaTools
            | Kind::Clients(_)) => kind,
        };
        Some(Self { kind, ..self })
    }
}

/// What grows along a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    Partitions,
    Connections,
}

const PAGE_CACHE: &[Contender] = &[NullPageCache, MainstemPageCache, KafkaPageCache];
const BOTH: &[Contender] =
    &[NullPageCache, MainstemPageCache, KafkaPageCache, NullDisk, MainstemDisk, KafkaDisk];
const DISK: &[Contender] = &[NullDisk, MainstemDisk, KafkaDisk];
const SMALL: &[Contender] = &[NullTransport, NullPageCache, MainstemPageCache, KafkaPageCache];
const BROKERS: &[Contender] = &[MainstemDisk, KafkaPageCache];
const BROKERS_ALL: &[Contender] = &[MainstemPageCache, KafkaPageCache, MainstemDisk, KafkaDisk];

const KIB: usize = 1024;
const LARGE: Produce = Produce::LARGE;
const MIDDLE: Produce = Produce::MIDDLE;

/// Names that goals refer to.
pub(super) const PRODUCE_100K: &str = "produce 100 KiB";
pub(super) const PRODUCE_16K: &str = "produce 16 KiB";
pub(super) const PRODUCE_1K_DEPTH_1: &str = "produce 1 KiB, 256 partitions, one in flight";
pub(super) const PRODUCE_1K_DEPTH_5: &str = "produce 1 KiB, 256 partitions, five in flight";
pub(super) const FETCH_HOT: &str = "fetch hot 1 MiB";
pub(super) const PACED: &str = "produce 16 KiB at half of the null broker's peak";
pub(super) const DURABLE_64: &str = "acks of 4 KiB, 64 producers";
pub(super) const DURABLE_1: &str = "acks of 4 KiB, one producer";
pub(super) const DURABLE_64_SLOW: &str = "acks of 4 KiB, 64 producers, flushes 5 ms slower";
pub(super) const DURABLE_1_SLOW: &str = "acks of 4 KiB, one producer, flushes 5 ms slower";
pub(super) const TAIL: &str = "produce 100 KiB and read it at once";
pub(super) const REPLAY: &str = "produce beside the replay of a cold log";
pub(super) const START: &str = "start";
pub(super) const PARTITIONS: &str = "10,000 partitions";
pub(super) const CONNECTIONS: &str = "5,000 idle connections";
pub(super) const JAVA_TOOLS: &str = "Apache Kafka's performance tools";

/// All of them, in the order in which they run.
pub(super) fn all() -> Vec<Scenario> {
    let scenario = |name: &str, kind, contenders| Scenario {
        name: name.to_owned(),
        kind,
        contenders,
        share: 1.0,
        slow_disk: false,
        growth: None,
        rounds_at_most: usize::MAX,
    };
    let produce = |name: &str, load, contenders| scenario(name, Kind::Produce(load), contenders);
    let mut all = vec![
        produce(PRODUCE_100K, LARGE, BOTH),
        produce(PRODUCE_16K, MIDDLE, BOTH),
        produce("produce 1 MiB", Produce::new(1000 * KIB, 4, 5, 4), BOTH),
        Scenario {
            share: 0.1,
            ..produce(PRODUCE_1K_DEPTH_1, Produce::new(KIB, 64, 1, 256).records(900), SMALL)
        },
        Scenario {
            share: 0.1,
            ..produce(PRODUCE_1K_DEPTH_5, Produce::new(KIB, 64, 5, 256).records(900), SMALL)
        },
        Scenario {
            share: 4.0,
            ..scenario(
                FETCH_HOT,
                Kind::Fetch { connections: 4, max_bytes: 1 << 20 },
                &[NullFetch, MainstemPageCache, KafkaPageCache],
            )
        },
        scenario(PACED, Kind::Paced(MIDDLE, PRODUCE_16K), BOTH),
    ];
    for (name, connections, slow_disk, share) in [
        (DURABLE_64, 64, false, 0.15),
        (DURABLE_1, 1, false, 0.03),
        (DURABLE_64_SLOW, 64, true, 0.05),
        (DURABLE_1_SLOW, 1, true, 0.005),
    ] {
        let load = Produce::new(4 * KIB, connections, 1, connections as i32);
        all.push(Scenario { share, slow_disk, ..produce(name, load, DISK) });
    }
    all.extend([
        scenario(TAIL, Kind::Tail(LARGE), &[MainstemPageCache, KafkaPageCache, MainstemDisk]),
        Scenario { rounds_at_most: 3, ..scenario(REPLAY, Kind::Replay(MIDDLE), BROKERS_ALL) },
        scenario(START, Kind::Start, BROKERS),
        Scenario { rounds_at_most: 1, ..scenario(PARTITIONS, Kind::Partitions, BROKERS) },
        Scenario { rounds_at_most: 3, ..scenario(CONNECTIONS, Kind::Connections(LARGE), BROKERS) },
        Scenario { rounds_at_most: 3, ..scenario(JAVA_TOOLS, Kind::JavaTools, BROKERS_ALL) },
    ]);
    for codec in [Compression::Lz4, Compression::Zstd, Compression::Snappy, Compression::Gzip] {
        let name = format!("produce 100 KiB, {}", codec.name());
        // the batch is this large before it is compressed: it becomes a third or less
        all.push(Scenario { share: 0.25, ..produce(&name, LARGE.codec(codec), PAGE_CACHE) });
    }
    all.extend([
        Scenario { share: 0.5, ..produce("produce 16 KiB, lz4", MIDDLE.codec(Compression::Lz4), PAGE_CACHE) },
        produce("produce 100 KiB, records of 100 bytes", LARGE.records(100), PAGE_CACHE),
        produce("produce 16 KiB, records of 100 bytes", MIDDLE.records(100), PAGE_CACHE),
        produce("produce 100 KiB, one record", LARGE.records(100 * KIB - 100), PAGE_CACHE),
        produce("produce 100 KiB, acks 1", LARGE.acks(1), PAGE_CACHE),
    ]);
    for load in clients() {
        all.push(scenario(&client_name(&load), Kind::Clients(load), &[MainstemPageCache, KafkaPageCache]));
    }
    for partitions in [1, 10, 100, 1_000, 10_000] {
        let name = format!("produce 16 KiB, partitions: {partitions}");
        let load = Produce { partitions, ..MIDDLE };
        let growth = Some((Growth::Partitions, usize::try_from(partitions).unwrap_or_default()));
        let rounds_at_most = if partitions < 10_000 { usize::MAX } else { 3 };
        all.push(Scenario { growth, rounds_at_most, ..produce(&name, load, PAGE_CACHE) });
    }
    for connections in [1, 10, 100, 1_000] {
        let name = format!("produce 16 KiB, connections: {connections}");
        let load = Produce { connections, depth: 1, ..MIDDLE };
        let growth = Some((Growth::Connections, connections));
        all.push(Scenario { share: 0.5, growth, ..produce(&name, load, PAGE_CACHE) });
    }
    all
}

/// C1 and C2: every combination for the producer, and for the consumer.
pub(super) fn clients() -> Vec<ClientLoad> {
    let mut all = Vec::new();
    for task in [Task::Produce, Task::Consume] {
        for partitions in [1, 16] {
            for record_bytes in [100, 1024] {
                for codec in [Compression::None, Compression::Lz4, Compression::Zstd] {
                    all.push(ClientLoad { task, record_bytes, partitions, codec });
                }
            }
        }
    }
    all
}

pub(super) fn client_name(load: &ClientLoad) -> String {
    let task = match load.task {
        Task::Produce => "write",
        Task::Consume => "read",
    };
    format!(
        "clients {task} records of {} bytes, partitions: {}, codec: {}",
        load.record_bytes,
        load.partitions,
        load.codec.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn a_paced_scenario_follows_the_one_that_it_takes_its_rate_from() {
        let all = all();
        for (index, scenario) in all.iter().enumerate() {
            if let Kind::Paced(_, peak) = scenario.kind {
                assert!(all[..index].iter().any(|earlier| earlier.name == peak));
            }
        }
    }
}
