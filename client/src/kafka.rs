//! The handle that everything is made from: one cluster, shared connections and metadata.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::message::Request;

use crate::admin::Admin;
use crate::cluster::{Cluster, Metadata, MissingTopic, Repeat, Target};
use crate::connection::{Connection, Dial, TcpDialer};
use crate::consumer::ConsumerBuilder;
use crate::error::Error;
use crate::properties::{ClientConfig, ConfigError};

/// How long `close` waits for connections to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A Kafka cluster, as a cheap handle. Nothing is sent before the first call; every task ends at [`Kafka::close`].
#[derive(Debug, Clone)]
pub struct Kafka {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) config: ClientConfig,
}

impl Kafka {
    /// Starts from `bootstrap`, a list such as `host:9092,other:9092`.
    pub fn builder(bootstrap: &str) -> KafkaBuilder {
        let mut builder =
            KafkaBuilder { config: ClientConfig::default(), dial: Arc::new(TcpDialer), error: None };
        builder.set("bootstrap.servers", bootstrap);
        builder
    }

    /// Settings under the names that Kafka's Java clients and librdkafka use.
    pub fn from_properties<N: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ConfigError> {
        let config = ClientConfig::from_properties(properties)?;
        Ok(Self::with_config(config, Arc::new(TcpDialer)))
    }

    fn with_config(config: ClientConfig, dial: Arc<dyn Dial>) -> Self {
        let cluster = Arc::new(Cluster::new(config.cluster.clone(), dial));
        Self { inner: Arc::new(Inner { cluster, config }) }
    }

    /// Questions and changes to the cluster.
    pub fn admin(&self) -> Admin {
        Admin::new(self)
    }

    /// A consumer in the making; its settings start from those of this client.
    pub fn consumer(&self) -> ConsumerBuilder {
        ConsumerBuilder::new(self)
    }

    /// The settings in force.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// One request of any API, in the highest version that both sides speak. A request that changes something is not
    /// repeated once it may have arrived.
    pub async fn request<R: Request>(&self, target: Target, request: &R) -> Result<R::Response, Error> {
        let cluster = &self.inner.cluster;
        cluster.request(target, Repeat::IfNotArrived, request, cluster.call_deadline()).await
    }

    /// A connection to `target`, for requests in versions of the caller's choice.
    pub async fn connection(&self, target: Target) -> Result<Connection, Error> {
        let cluster = &self.inner.cluster;
        cluster.connect_to(target, cluster.call_deadline()).await
    }

    /// Fetches metadata of `topics` (`None` = all) and gives what is known now.
    pub async fn metadata(&self, topics: Option<&[&str]>) -> Result<Arc<Metadata>, Error> {
        let cluster = &self.inner.cluster;
        let topics: Option<Vec<Arc<str>>> =
            topics.map(|topics| topics.iter().map(|name| Arc::from(*name)).collect());
        let seen = cluster.metadata().generation;
        cluster.refresh(topics.as_deref(), MissingTopic::Fail, seen, cluster.call_deadline()).await
    }

    /// Closes all connections, after the answers that are outstanding, and joins their tasks. Producers and consumers
    /// made from this handle fail from now on: close them first.
    pub async fn close(&self) {
        self.inner.cluster.close(CLOSE_LIMIT).await;
    }
}

/// Settings of a client in the making. The first bad one is reported by [`KafkaBuilder::build`].
#[derive(Debug)]
pub struct KafkaBuilder {
    config: ClientConfig,
    dial: Arc<dyn Dial>,
    error: Option<ConfigError>,
}

impl KafkaBuilder {
    fn set(&mut self, name: &str, value: &str) {
        if self.error.is_none() {
            self.error = self.config.set(name, value).err();
        }
    }

    /// A setting under the name that Kafka's Java clients or librdkafka use.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Settings from a map; see [`KafkaBuilder::property`].
    #[must_use]
    pub fn properties(mut self, properties: &BTreeMap<String, String>) -> Self {
        for (name, value) in properties {
            self.set(name, value);
        }
        self
    }

    /// What the client calls itself.
    #[must_use]
    pub fn client_id(mut self, id: &str) -> Self {
        self.set("client.id", id);
        self
    }

    /// Longest time that a call may take with all its attempts.
    #[must_use]
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.config.cluster.call_timeout = limit;
        self
    }

    /// Opens connections by `dial` in place of plain TCP.
    #[must_use]
    pub fn dialer(mut self, dial: Arc<dyn Dial>) -> Self {
        self.dial = dial;
        self
    }

    /// The client. Nothing is sent yet.
    pub fn build(self) -> Result<Kafka, ConfigError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.config.check()?;
        Ok(Kafka::with_config(self.config, self.dial))
    }
}
