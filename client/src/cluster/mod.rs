//! The cluster as the client knows it: who is there, who leads what, and a connection to each.
//!
//! Metadata is fetched by one caller at a time; the others wait for its result. Per broker there is one connection for
//! data and one for everything else, so that a waiting Fetch never delays a question. Above: admin, producer, consumer.
//! Below: `connection`. Reading order: `metadata` (pure), this file (refresh and look-ups), `links` (connections),
//! `route` (requests to the right broker, repeated as the table of `retry` says).

mod coordinator;
mod links;
mod metadata;
mod route;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use parking_lot::RwLock;
use tokio::sync::Semaphore;

use crate::connection::{Connection, ConnectionOptions, Dial};
use crate::error::{BrokerError, Error};
use crate::retry::{Action, Backoff};
use crate::runtime::{Instant, Spawn, Tasks, chance, now, sleep_until, until};

pub use coordinator::GroupResults;
pub(crate) use coordinator::Versions;
pub use links::Lane;
pub(crate) use metadata::LeaderHint;
pub use metadata::{Broker, Metadata, Partition, Topic};
pub use route::{PartitionResults, Target};
pub(crate) use route::{Repeat, by_topic};

/// How long a topic that was never seen may take to appear, where nobody asked for its creation: the broker that
/// answers may not have heard of it yet.
pub(crate) const UNKNOWN_TOPIC_GRACE: Duration = Duration::from_secs(1);

/// How a client finds and treats its cluster.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Addresses to start from, host and port.
    pub bootstrap: Vec<(String, u16)>,
    /// Settings of each connection.
    pub connection: ConnectionOptions,
    /// Longest wait for one answer.
    pub request_timeout: Duration,
    /// Longest time that a call may take with all its attempts.
    pub call_timeout: Duration,
    /// Age at which metadata is asked for again.
    pub metadata_max_age: Duration,
    /// Waits between attempts.
    pub backoff: Backoff,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            bootstrap: vec![("localhost".into(), 9092)],
            connection: ConnectionOptions::default(),
            request_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60),
            metadata_max_age: Duration::from_secs(300),
            backoff: Backoff::default(),
        }
    }
}

/// What happens when a topic does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingTopic {
    /// It is an error.
    Fail,
    /// The broker is asked to create it, if its configuration allows that.
    Create,
}

/// The shared state of a client.
#[derive(Debug)]
pub(crate) struct Cluster {
    options: ClusterOptions,
    dial: Arc<dyn Dial>,
    tasks: Tasks,
    metadata: RwLock<Arc<Metadata>>,
    /// Held by whoever fetches metadata.
    refreshing: Semaphore,
    links: links::Links,
}

impl Cluster {
    pub(crate) fn new(options: ClusterOptions, dial: Arc<dyn Dial>) -> Self {
        Self {
            options,
            dial,
            tasks: Tasks::default(),
            metadata: RwLock::new(Arc::new(Metadata::default())),
            refreshing: Semaphore::new(1),
            links: links::Links::default(),
        }
    }

    pub(crate) const fn options(&self) -> &ClusterOptions {
        &self.options
    }

    /// What is known at present.
    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.metadata.read())
    }

    /// Takes in leaders that a broker named in passing; false = none of it was news.
    pub(crate) fn learn(&self, hints: &[LeaderHint], addresses: &[Broker]) -> bool {
        if hints.is_empty() {
            return false;
        }
        let mut metadata = self.metadata.write();
        let next = metadata.hinted(hints, addresses);
        let news = next.is_some();
        if let Some(next) = next {
            *metadata = Arc::new(next);
        }
        news
    }

    /// A topic as it is known at present, whatever its age.
    pub(crate) fn known_topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.metadata.read().topic(name).cloned()
    }

    /// Starts a task that is joined when the client closes.
    pub(crate) fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.tasks.spawn(name, task);
    }

    /// When a call that starts now has to end.
    pub(crate) fn call_deadline(&self) -> Instant {
        now() + self.options.call_timeout
    }

    /// When one request that leaves now must be answered, at the latest `deadline`.
    pub(crate) fn request_deadline(&self, deadline: Instant) -> Instant {
        deadline.min(now() + self.options.request_timeout)
    }

    /// Waits before attempt `failures + 1`; false if `deadline` comes first.
    pub(crate) async fn back_off(&self, failures: u32, deadline: Instant) -> bool {
        let moment = now() + self.options.backoff.after(failures, chance());
        if deadline <= moment {
            return false;
        }
        sleep_until(moment).await;
        true
    }

    /// Fetches metadata of `topics` (`None` = all), unless somebody else has done so since `seen`, which is the count of
    /// an earlier [`Metadata::generation`].
    pub(crate) async fn refresh(
        &self,
        topics: Option<&[Arc<str>]>,
        missing: MissingTopic,
        seen: u64,
        deadline: Instant,
    ) -> Result<Arc<Metadata>, Error> {
        const WHAT: &str = "fetching metadata";
        let permit = until(deadline, self.refreshing.acquire()).await;
        let Some(permit) = permit else { return Err(Error::Timeout { what: WHAT, last: None }) };
        let known = self.metadata();
        let covered = topics.is_some_and(|topics| topics.iter().all(|topic| known.topic(topic).is_some()));
        if seen < known.generation && covered {
            return Ok(known);
        }
        let request = MetadataRequest {
            topics: topics.map(|topics| topics.iter().map(by_name).collect()),
            allow_auto_topic_creation: missing == MissingTopic::Create,
            ..MetadataRequest::default()
        };
        let response: MetadataResponse =
            self.request(Target::Any, Repeat::Always, &request, deadline).await?;
        BrokerError::check(response.error_code, None)?;
        let next = Arc::new(known.merged(&response, topics.is_none(), now()));
        *self.metadata.write() = Arc::clone(&next);
        drop(permit);
        Ok(next)
    }

    /// A topic with its partitions, from the cache if it is fresh.
    pub(crate) async fn topic(
        &self,
        name: &Arc<str>,
        missing: MissingTopic,
        deadline: Instant,
    ) -> Result<Arc<Topic>, Error> {
        let started = now();
        let known = self.metadata();
        if let Some(topic) = known.topic(name) {
            if topic.error.is_none() && now() < topic.fetched + self.options.metadata_max_age {
                return Ok(Arc::clone(topic));
            }
        }
        let mut failures = 0;
        let mut seen = known.generation;
        loop {
            let metadata = self.refresh(Some(std::slice::from_ref(name)), missing, seen, deadline).await?;
            seen = metadata.generation;
            let error = match metadata.topic(name) {
                None => BrokerError::from(ErrorCode::UnknownTopicOrPartition),
                Some(topic) => match &topic.error {
                    None => return Ok(Arc::clone(topic)),
                    Some(error) => error.clone(),
                },
            };
            let patience = if error.known() == Some(ErrorCode::UnknownTopicOrPartition)
                && missing == MissingTopic::Fail
            {
                deadline.min(started + UNKNOWN_TOPIC_GRACE)
            } else {
                deadline
            };
            failures += 1;
            if error.action() == Action::GiveUp || !self.back_off(failures, patience).await {
                return Err(error.into());
            }
        }
    }

    /// A connection to a broker of the cluster.
    pub(crate) async fn connection(
        &self,
        node_id: i32,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let (host, port) = self.address(node_id)?;
        self.links.connect(self, (node_id, lane), &host, port, deadline).await
    }

    /// A connection to a broker of the cluster that nobody else uses: what waits on it holds up nobody.
    pub(crate) async fn connection_alone(
        &self,
        node_id: i32,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let (host, port) = self.address(node_id)?;
        self.links.connect_alone(self, (&host, port), deadline).await
    }

    fn address(&self, node_id: i32) -> Result<(String, u16), Error> {
        let address = self.metadata().broker(node_id).map(|broker| (broker.host.to_string(), broker.port));
        address.ok_or_else(|| BrokerError::from(ErrorCode::BrokerNotAvailable).into())
    }

    /// Lets all connections end and joins their tasks.
    pub(crate) async fn close(&self, limit: Duration) {
        self.links.close();
        self.tasks.join(limit).await;
    }
}

fn by_name(name: &Arc<str>) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some((&**name).into()), ..MetadataRequestTopic::default() }
}
