//! The cluster and its brokers: who is there, what they speak, what lies in their directories.

use futures_util::future::join_all;
use mainstem_protocol::api::ApiKey;
use mainstem_protocol::messages::api_versions::ApiVersionsResponse;
use mainstem_protocol::messages::describe_cluster::DescribeClusterRequest;
use mainstem_protocol::messages::describe_log_dirs::DescribeLogDirsRequest;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::Admin;
use crate::cluster::{MissingTopic, Repeat, Target};
use crate::error::{BrokerError, Error};

/// A broker as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    /// Node id.
    pub id: i32,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: i32,
    /// Rack, if configured.
    pub rack: Option<String>,
    /// Whether it is registered but not in service.
    pub fenced: bool,
}

/// The cluster as one of its brokers describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Id of the cluster.
    pub cluster_id: Option<String>,
    /// Broker that takes admin requests.
    pub controller_id: Option<i32>,
    /// Brokers by rising id.
    pub nodes: Vec<ClusterNode>,
}

/// What one broker speaks.
#[derive(Debug, Clone)]
pub struct BrokerVersions {
    /// Node id.
    pub node_id: i32,
    /// Versions of each API, and the features of the cluster.
    pub versions: ApiVersionsResponse,
}

/// A log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirectory {
    /// Path on the broker.
    pub path: String,
    /// Why it is out of service.
    pub error: Option<BrokerError>,
    /// Bytes of the volume, where the broker says it.
    pub total_bytes: Option<u64>,
    /// Free bytes of the volume, where the broker says it.
    pub usable_bytes: Option<u64>,
    /// Replicas in it.
    pub replicas: Vec<ReplicaSize>,
}

/// A replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSize {
    /// The partition.
    pub partition: TopicPartition,
    /// Bytes of its log.
    pub size_bytes: i64,
    /// How far it is behind the high watermark, or for a replica that moves here, behind the present one.
    pub offset_lag: i64,
    /// Whether it is moving here and does not serve yet.
    pub is_future: bool,
}

impl Admin {
    /// Brokers and controller. Falls back to metadata where a broker has no DescribeCluster.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        let deadline = self.cluster.call_deadline();
        let connection = self.cluster.connect_to(Target::Any, deadline).await?;
        if connection.broker_versions(ApiKey::DESCRIBE_CLUSTER).is_none() {
            let metadata = self.cluster.refresh(Some(&[]), MissingTopic::Fail, u64::MAX, deadline).await?;
            let nodes = metadata.brokers.iter().map(|broker| ClusterNode {
                id: broker.id,
                host: broker.host.to_string(),
                port: i32::from(broker.port),
                rack: broker.rack.clone(),
                fenced: false,
            });
            return Ok(ClusterDescription {
                cluster_id: metadata.cluster_id.clone(),
                controller_id: metadata.controller_id,
                nodes: nodes.collect(),
            });
        }
        let include_fenced_brokers = 2 <= connection.version_for::<DescribeClusterRequest>()?;
        let request = DescribeClusterRequest { include_fenced_brokers, ..DescribeClusterRequest::default() };
        let answer = self.cluster.request(Target::Any, Repeat::Always, &request, deadline).await?;
        BrokerError::check(answer.error_code, answer.error_message.as_deref())?;
        let mut nodes: Vec<_> = answer
            .brokers
            .into_iter()
            .map(|broker| ClusterNode {
                id: broker.broker_id,
                host: broker.host.as_str().to_owned(),
                port: broker.port,
                rack: broker.rack.map(|rack| rack.as_str().to_owned()),
                fenced: broker.is_fenced,
            })
            .collect();
        nodes.sort_by_key(|node| node.id);
        Ok(ClusterDescription {
            cluster_id: Some(answer.cluster_id.as_str().to_owned()),
            controller_id: Some(answer.controller_id).filter(|id| 0 <= *id),
            nodes,
        })
    }

    /// Versions and features of each live broker.
    pub async fn api_versions(&self) -> Result<Vec<(i32, Result<BrokerVersions, Error>)>, Error> {
        let deadline = self.cluster.call_deadline();
        let ids = self.live_brokers().await?;
        let asked = ids.into_iter().map(|id| async move {
            let connection = self.cluster.connect_to(Target::Broker(id), deadline).await;
            let versions = connection.map(|connection| BrokerVersions {
                node_id: id,
                versions: connection.api_versions().clone(),
            });
            (id, versions)
        });
        Ok(join_all(asked).await)
    }

    /// Log directories of each live broker, with their replicas.
    pub async fn describe_log_directories(
        &self,
    ) -> Result<Vec<(i32, Result<Vec<LogDirectory>, Error>)>, Error> {
        let ids = self.live_brokers().await?;
        let asked = ids.into_iter().map(|id| async move { (id, self.log_directories_of(id).await) });
        Ok(join_all(asked).await)
    }

    async fn log_directories_of(&self, id: i32) -> Result<Vec<LogDirectory>, Error> {
        let deadline = self.cluster.call_deadline();
        let request = DescribeLogDirsRequest { topics: None };
        let answer = self.cluster.request(Target::Broker(id), Repeat::Always, &request, deadline).await?;
        BrokerError::check(answer.error_code, None)?;
        let directories = answer.results.into_iter().map(|directory| LogDirectory {
            path: directory.log_dir.as_str().to_owned(),
            error: BrokerError::check(directory.error_code, None).err(),
            total_bytes: u64::try_from(directory.total_bytes).ok(),
            usable_bytes: u64::try_from(directory.usable_bytes).ok(),
            replicas: directory
                .topics
                .iter()
                .flat_map(|topic| {
                    topic.partitions.iter().map(|partition| ReplicaSize {
                        partition: TopicPartition::new(
                            topic.name.as_str(),
                            PartitionIndex(partition.partition_index),
                        ),
                        size_bytes: partition.partition_size,
                        offset_lag: partition.offset_lag,
                        is_future: partition.is_future_key,
                    })
                })
                .collect(),
        });
        Ok(directories.collect())
    }

    pub(super) async fn live_brokers(&self) -> Result<Vec<i32>, Error> {
        let deadline = self.cluster.call_deadline();
        let metadata = self.cluster.refresh(Some(&[]), MissingTopic::Fail, u64::MAX, deadline).await?;
        Ok(metadata.brokers.iter().map(|broker| broker.id).collect())
    }
}
