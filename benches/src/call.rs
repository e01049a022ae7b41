//! Requests of the runs themselves, one after the other: making topics, changing their configs.
//!
//! Above: runs. Below: the codec.

use crate::frames;
use anyhow::{Context as _, ensure};
use mainstem_protocol::{
    message::{Request, decode_response, encode_request},
    messages::{
        create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest},
        delete_topics::DeleteTopicsRequest,
        find_coordinator::FindCoordinatorRequest,
        incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest},
        list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
    },
};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// A connection with one request in flight.
#[derive(Debug)]
pub struct Caller(TcpStream);

impl Caller {
    /// Connects.
    pub fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> anyhow::Result<R::Response> {
        let encoded = encode_request(1, Some(frames::CLIENT), version, request)?;
        self.0.write_all(&encoded.into_contiguous().context("no holes in a request")?)?;
        let mut len = [0; 4];
        self.0.read_exact(&mut len)?;
        let mut answer = vec![0; usize::try_from(i32::from_be_bytes(len))?];
        self.0.read_exact(&mut answer)?;
        Ok(decode_response::<R::Response>(answer.into(), version)?.1)
    }

    /// Creates a topic with configs.
    pub fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
        };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let answer = self.call(
            5,
            &CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() },
        )?;
        ensure!(answer.topics.iter().all(|topic| topic.error_code == 0), "creating a topic: {answer:?}");
        Ok(())
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, name: &str) -> anyhow::Result<()> {
        let request =
            DeleteTopicsRequest { topic_names: vec![name.into()], timeout_ms: 30_000, ..Default::default() };
        let answer = self.call(5, &request)?;
        ensure!(answer.responses.iter().all(|topic| topic.error_code == 0), "deleting a topic: {answer:?}");
        Ok(())
    }

    /// Where a consumer would find the end of each partition.
    pub fn log_ends(&mut self, topic: &str, partitions: i32) -> anyhow::Result<Vec<i64>> {
        const LATEST: i64 = -1;
        let partitions = (0..partitions)
            .map(|partition_index| ListOffsetsPartition {
                partition_index,
                current_leader_epoch: -1,
                timestamp: LATEST,
            })
            .collect();
        let topics = vec![ListOffsetsTopic { name: topic.into(), partitions }];
        let answer = self.call(4, &ListOffsetsRequest { replica_id: -1, topics, ..Default::default() })?;
        let mut ends: Vec<_> = answer.topics.into_iter().flat_map(|topic| topic.partitions).collect();
        ends.sort_by_key(|partition| partition.partition_index);
        let failed = ends.iter().find(|partition| partition.error_code != 0);
        ensure!(failed.is_none(), "looking for the end of a partition: {failed:?}");
        Ok(ends.iter().map(|partition| partition.offset).collect())
    }

    /// Sets one config of a topic.
    pub fn set_config(&mut self, topic: &str, key: &str, value: &str) -> anyhow::Result<()> {
        const TOPIC: i8 = 2;
        let config = AlterableConfig { name: key.into(), config_operation: 0, value: Some(value.into()) };
        let resource =
            AlterConfigsResource { resource_type: TOPIC, resource_name: topic.into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let answer = self.call(1, &request)?;
        ensure!(answer.responses.iter().all(|response| response.error_code == 0), "a config: {answer:?}");
        Ok(())
    }

    /// Returns once a group has a coordinator, which it may have to be made for.
    pub fn await_coordinator(&mut self, group: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        let request = FindCoordinatorRequest { coordinator_keys: vec![group.into()], ..Default::default() };
        while began.elapsed() < Duration::from_mins(1) {
            let answer = self.call(4, &request)?;
            if answer.coordinators.iter().all(|coordinator| coordinator.error_code == 0) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("no coordinator within a minute")
    }
}
