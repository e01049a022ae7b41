//! Three brokers in this process, each a voter: what clients see of the cluster, and what becomes of it when a broker goes.
//!
//! Topics have one replica: what several replicas would add is not served yet, which is why the configuration of a broker refuses
//! other nodes and this test hands them over as values.

use anyhow::{Context as _, Result, ensure};
use mainstem_broker::{
    Broker, RunningBroker,
    config::{BrokerConfig, HostPort, QuorumVoter},
    env::Clock,
};
use mainstem_client::{
    Kafka,
    admin::{Apply, NewTopic},
    consumer::{Consumer, OffsetReset},
    producer::Record,
};
use mainstem_protocol::model::{BrokerId, PartitionIndex, TopicPartition};
use std::{collections::BTreeSet, net::TcpListener, path::Path, time::Duration};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, timeout_at},
};

/// Anything takes less, also on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);
const PARTITIONS: i32 = 6;

struct Cluster {
    folder: tempfile::TempDir,
    voters: Vec<QuorumVoter>,
    nodes: Vec<Option<Node>>,
    kafka: Kafka,
}

/// A broker with a runtime of its own, so that it can be ended like a process: at once, and without a word.
struct Node {
    runtime: Option<Runtime>,
    broker: Option<RunningBroker>,
}

impl Node {
    async fn start(config: BrokerConfig) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut node = Self { runtime: Some(runtime), broker: None };
        let starting = node.runtime.as_ref().context("it was just made")?.spawn(Broker::start(config));
        node.broker = Some(starting.await??);
        Ok(node)
    }

    /// Ends it in order.
    async fn stop(mut self) -> Result<()> {
        let broker = self.broker.take().context("it runs")?;
        let runtime = self.runtime.as_ref().context("it runs")?;
        Ok(runtime.spawn(broker.shutdown()).await?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Ports that are free now: every node must know those of the others before it starts.
fn voters() -> Result<Vec<QuorumVoter>> {
    let held: Vec<TcpListener> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let voter = |(socket, id): (&TcpListener, i32)| {
        let address = HostPort::new("127.0.0.1", socket.local_addr()?.port());
        anyhow::Ok(QuorumVoter { node: BrokerId(id), address })
    };
    held.iter().zip(1..).map(voter).collect()
}

fn config(folder: &Path, voters: &[QuorumVoter], place: usize) -> BrokerConfig {
    let own = &voters[place];
    let mut config = BrokerConfig::in_process(&folder.join(own.node.to_string()));
    config.node_id = own.node;
    config.cluster_id = Some("several-brokers-000000".to_owned());
    config.listeners.controllers[0].bind = own.address.clone();
    config.quorum.voters = voters.to_vec();
    config.quorum.heartbeat_interval = Duration::from_millis(250);
    config.quorum.session_timeout = Duration::from_secs(2);
    config.topics.replication_factor = Some(1);
    config.groups.offsets_topic.replication_factor = Some(1);
    config.groups.offsets_topic.partitions = 3;
    config
}

impl Cluster {
    async fn start() -> Result<Self> {
        let (folder, voters) = (tempfile::tempdir()?, voters()?);
        let starting = (0..3).map(|place| Node::start(config(folder.path(), &voters, place)));
        let mut nodes = Vec::new();
        for started in futures_util::future::join_all(starting).await {
            nodes.push(Some(started?));
        }
        let brokers = nodes.iter().flatten().filter_map(|node| node.broker.as_ref());
        let addresses: Vec<String> = brokers.map(|broker| broker.addresses()[0].to_string()).collect();
        let kafka = Kafka::builder(&addresses.join(",")).build()?;
        Ok(Self { folder, voters, nodes, kafka })
    }

    async fn start_again(&mut self, place: usize) -> Result<()> {
        let config = config(self.folder.path(), &self.voters, place);
        self.nodes[place] = Some(Node::start(config).await?);
        Ok(())
    }

    /// The brokers that the cluster lists as alive.
    async fn alive(&self) -> Result<BTreeSet<i32>> {
        let description = self.kafka.admin().describe_cluster().await?;
        Ok(description.nodes.iter().filter(|node| !node.fenced).map(|node| node.id).collect())
    }

    async fn until_alive(&self, expected: &[i32]) -> Result<()> {
        let (deadline, expected) = (Instant::now() + PATIENCE, expected.iter().copied().collect());
        while self.alive().await? != expected {
            ensure!(Instant::now() < deadline, "{:?} are alive", self.alive().await?);
            // The cluster changes by itself: it is looked at again.
            Clock::system().sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn create_topic(&self, name: &str) -> Result<()> {
        let topic = NewTopic { partitions: Some(PARTITIONS), ..NewTopic::new(name) };
        for (name, result) in self.kafka.admin().create_topics(&[topic], Apply::Change).await? {
            result.with_context(|| name.clone())?;
        }
        Ok(())
    }

    /// Leaders of a topic's partitions, in order; `None` = nobody leads.
    async fn leaders(&self, name: &str) -> Result<Vec<Option<i32>>> {
        let described = self.kafka.admin().describe_topics(&[name.to_owned()]).await?;
        let (_, topic) = described.into_iter().next().context("no topic")?;
        let topic = topic?;
        Ok(topic.partitions.iter().map(|partition| partition.leader).collect())
    }

    async fn stop(self) -> Result<()> {
        self.kafka.close().await;
        for stopped in futures_util::future::join_all(self.nodes.into_iter().flatten().map(Node::stop)).await
        {
            stopped?;
        }
        Ok(())
    }
}

/// Topics made at any broker spread over all of them; records go to and come from whoever leads; groups work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_brokers_are_one_cluster() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.until_alive(&[1, 2, 3]).await?;
    cluster.create_topic("orders").await?;
    let leaders: BTreeSet<_> = cluster.leaders("orders").await?.into_iter().collect();
    assert_eq!(leaders, [1, 2, 3].map(Some).into());

    let producer = cluster.kafka.producer().build()?;
    for partition in 0..PARTITIONS {
        let record = Record { partition: Some(partition), ..Record::new("orders", format!("v{partition}")) };
        producer.send(record).await?;
    }
    producer.close(PATIENCE).await?;
    let consumer = || cluster.kafka.consumer().offset_reset(OffsetReset::Earliest);
    let mut alone = consumer().build()?;
    let tp = |partition| TopicPartition::new("orders", PartitionIndex(partition));
    alone.assign((0..PARTITIONS).map(|partition| (tp(partition), None)));
    read_all(&mut alone).await?;
    alone.close().await;
    let mut member = consumer().group("readers").build()?;
    member.subscribe(["orders"])?;
    read_all(&mut member).await?;
    assert_eq!(member.commit().await?.len(), 6);
    member.close().await;
    cluster.stop().await
}

/// Reads the one record of each partition.
async fn read_all(consumer: &mut Consumer) -> Result<()> {
    let (mut values, deadline) = (BTreeSet::new(), Instant::now() + PATIENCE);
    while values.len() < 6 {
        let batch = timeout_at(deadline, consumer.poll(100)).await.context("records are missing")??;
        values.extend(batch.records.iter().filter_map(|record| {
            record.value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())
        }));
    }
    assert_eq!(values, (0..PARTITIONS).map(|partition| format!("v{partition}")).collect());
    Ok(())
}

/// A broker that ends without a word is fenced after its session, one that says goodbye at once; either is back when it is back,
/// with what it led. The others go on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_is_fenced_and_comes_back() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    cluster.until_alive(&[1, 2, 3]).await?;
    cluster.create_topic("orders").await?;
    let before = cluster.leaders("orders").await?;
    for (place, says_goodbye) in [(2, true), (1, false), (0, false)] {
        let gone = i32::try_from(place)? + 1;
        let node = cluster.nodes[place].take().context("it runs")?;
        if says_goodbye {
            node.stop().await?;
        } else {
            drop(node);
        }
        let others: Vec<i32> = [1, 2, 3].into_iter().filter(|id| *id != gone).collect();
        cluster.until_alive(&others).await?;
        for (before, now) in before.iter().zip(cluster.leaders("orders").await?) {
            assert_eq!(now, before.filter(|leader| *leader != gone));
        }
        let name = format!("without-{gone}");
        cluster.create_topic(&name).await?;
        assert!(!cluster.leaders(&name).await?.contains(&Some(gone)), "a fenced broker is given nothing");

        cluster.start_again(place).await?;
        cluster.until_alive(&[1, 2, 3]).await?;
        assert_eq!(cluster.leaders("orders").await?, before);
    }
    cluster.stop().await
}
