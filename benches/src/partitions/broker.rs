//! The same through a whole broker: how long it takes to create many partitions, to start again with them after an end in
//! order and after a kill, and what each of them costs while nothing happens.
//!
//! Above: `mod`. Below: [`Contestant`], the wire. What an empty broker needs is taken off the figures of memory.

use crate::{
    call::Caller,
    contestant::{Contestant, Stop, Usage},
    frames,
};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use mainstem_protocol::{
    messages::{
        create_topics::{CreatableTopic, CreateTopicsRequest},
        metadata::{MetadataRequest, MetadataRequestTopic},
        produce::{PartitionProduceData, ProduceRequest, TopicProduceData},
    },
    records::Compression,
    wire::Records,
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What to run.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) binary: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) topics: usize,
    pub(super) per_topic: i32,
    pub(super) quiet: Duration,
    pub(super) settings: Vec<(String, String)>,
}

/// Runs and prints a line for each step.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let settings: Vec<(&str, &str)> =
        options.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let broker = Contestant::mainstem("mainstem", &[], &options.binary, &options.dir, &settings)?;
    std::thread::sleep(options.quiet);
    let empty = broker.usage()?;
    println!("broker, empty: start {:.3} s; {}", broker.start.as_secs_f64(), total(empty));

    let began = Instant::now();
    create(broker.address, options)?;
    println!("broker, create: {:.3} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    fill(broker.address, options)?;
    println!("broker, a batch of 1 KiB to each: {:.3} s", began.elapsed().as_secs_f64());

    let mut broker = broker;
    for (name, stop) in
        [("clean", Stop::Clean), ("clean", Stop::Clean), ("kill", Stop::Kill), ("kill", Stop::Kill)]
    {
        let stopping = Instant::now();
        let (started, running) = broker.restarted(stop)?;
        let stopped = stopping.elapsed().saturating_sub(started);
        broker = running;
        let after_start = broker.usage()?;
        check(broker.address, options)?;
        std::thread::sleep(options.quiet);
        let usage = broker.usage()?;
        let count = options.topics as f64 * f64::from(options.per_topic);
        let each = |usage: u64, empty: u64| (usage as f64 - empty as f64) / count / 1024.0;
        println!(
            "broker, {name}: stop {:.3} s, start {:.3} s and {:.2} s of CPU; each {:.2} KiB resident, {:.2} anonymous; {}",
            stopped.as_secs_f64(),
            started.as_secs_f64(),
            after_start.cpu.as_secs_f64(),
            each(usage.resident, empty.resident),
            each(usage.anonymous, empty.anonymous),
            total(usage),
        );
    }
    Ok(())
}

fn total(usage: Usage) -> String {
    format!("{:.1} MiB resident in all", usage.resident as f64 / (1024.0 * 1024.0))
}

fn topic(number: usize) -> String {
    format!("many-{number:04}")
}

/// Creates the topics, a few in each request.
fn create(address: SocketAddr, options: &Options) -> anyhow::Result<()> {
    let mut caller = Caller::new(address)?;
    let numbers: Vec<usize> = (0..options.topics).collect();
    for some in numbers.chunks(20) {
        let creatable = |number: &usize| CreatableTopic {
            name: topic(*number).into(),
            num_partitions: options.per_topic,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: some.iter().map(creatable).collect(),
            timeout_ms: 120_000,
            ..Default::default()
        };
        let answer = caller.call(5, &request)?;
        for topic in answer.topics {
            ensure!(topic.error_code == 0, "creating {:?}: error {}", topic.name, topic.error_code);
        }
    }
    Ok(())
}

/// Writes one batch to every partition.
fn fill(address: SocketAddr, options: &Options) -> anyhow::Result<()> {
    let batch = frames::batch(1_100, 1_000, Compression::None);
    let mut caller = Caller::new(address)?;
    for number in 0..options.topics {
        let data = |index| PartitionProduceData { index, records: Records::from(Bytes::clone(&batch)) };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 120_000,
            topic_data: vec![TopicProduceData {
                name: topic(number).as_str().into(),
                partition_data: (0..options.per_topic).map(data).collect(),
                ..Default::default()
            }],
            ..Default::default()
        };
        for response in caller.call(8, &request)?.responses {
            for partition in response.partition_responses {
                ensure!(partition.error_code == 0, "writing: error {}", partition.error_code);
            }
        }
    }
    Ok(())
}

/// Every partition has a leader.
fn check(address: SocketAddr, options: &Options) -> anyhow::Result<()> {
    let mut caller = Caller::new(address)?;
    for number in 0..options.topics {
        let named = MetadataRequestTopic { name: Some(topic(number).as_str().into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![named]), ..Default::default() };
        let answer = caller.call(9, &request)?;
        let partitions = &answer.topics.first().context("a topic")?.partitions;
        ensure!(partitions.len() == usize::try_from(options.per_topic)?, "{} partitions", partitions.len());
        ensure!(partitions.iter().all(|partition| 0 <= partition.leader_id), "a partition has no leader");
    }
    Ok(())
}

/// A folder below the one of the phases without a broker.
pub(super) fn folder(dir: &Path) -> PathBuf {
    dir.join("broker")
}
