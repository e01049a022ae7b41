//! Requests to the right broker, repeated where the table of `retry` says so.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::message::Request;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::{Cluster, Lane, MissingTopic};
use crate::connection::Connection;
use crate::error::{BrokerError, Error};
use crate::retry::Action;
use crate::runtime::{Instant, now};

/// Who a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Any broker.
    Any,
    /// The broker that takes admin requests.
    Controller,
    /// This broker.
    Broker(i32),
}

/// Whether a request may be sent again although an earlier one may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It only asks, or doing it twice is doing it once.
    Always,
    /// It changes something.
    IfNotArrived,
}

/// One result for each partition.
pub type PartitionResults<T> = Vec<(TopicPartition, Result<T, Error>)>;

impl Cluster {
    /// A connection for questions to `target`.
    pub(crate) async fn connect_to(&self, target: Target, deadline: Instant) -> Result<Connection, Error> {
        match target {
            Target::Any => self.links.any(self, deadline).await,
            Target::Broker(id) => {
                self.know_brokers(deadline).await?;
                self.connection(id, Lane::Control, deadline).await
            }
            Target::Controller => {
                self.know_brokers(deadline).await?;
                match self.metadata().controller_id {
                    Some(id) => self.connection(id, Lane::Control, deadline).await,
                    // Any broker forwards, or says who the controller is.
                    None => self.links.any(self, deadline).await,
                }
            }
        }
    }

    /// Fetches the list of brokers if there is none yet.
    pub(crate) async fn know_brokers(&self, deadline: Instant) -> Result<(), Error> {
        if self.metadata().brokers.is_empty() {
            // Boxed: asking for metadata is itself a request.
            Box::pin(self.refresh(Some(&[]), MissingTopic::Fail, 0, deadline)).await?;
        }
        Ok(())
    }

    /// One request and its answer. Lost connections are replaced and the request repeated as far as `repeat` allows.
    pub(crate) async fn request<R: Request>(
        &self,
        target: Target,
        repeat: Repeat,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        let mut failures = 0;
        loop {
            let attempt = async {
                let connection = self.connect_to(target, deadline).await?;
                Ok(connection.request(request, self.request_deadline(deadline)).await?)
            };
            let error = match attempt.await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            failures += 1;
            let again = match &error {
                Error::Connection(failure) => {
                    failure.is_retriable() && (repeat == Repeat::Always || !failure.may_have_arrived())
                }
                // Whoever was reached before will come back; a cluster that was never reached may not exist.
                Error::NoBroker { .. } => !self.metadata().brokers.is_empty(),
                _ => false,
            };
            if !again {
                return Err(error);
            }
            if !self.back_off(failures, deadline).await {
                return Err(Error::Timeout { what: R::KEY.name(), last: Some(Box::new(error)) });
            }
            if target != Target::Any && R::KEY.code() != 3 {
                // The broker may have moved, or another may have taken its role.
                self.forget_roles(deadline).await?;
            }
        }
    }

    pub(super) async fn forget_roles(&self, deadline: Instant) -> Result<(), Error> {
        let seen = self.metadata().generation;
        Box::pin(self.refresh(Some(&[]), MissingTopic::Fail, seen, deadline)).await.map(|_| ())
    }

    /// Asks the leader of each partition, all leaders at once, until every partition has a result that is final or
    /// `deadline` is there. `build` makes the request for partitions (with the leader epoch known) of one leader;
    /// `split` takes the answer apart. What the answer leaves out is an error of that partition.
    pub(crate) async fn per_leader<R: Request, T>(
        &self,
        partitions: &[TopicPartition],
        deadline: Instant,
        build: impl Fn(&[(TopicPartition, i32)]) -> R,
        split: impl Fn(R::Response) -> Vec<(TopicPartition, Result<T, BrokerError>)>,
    ) -> PartitionResults<T> {
        let mut results: HashMap<TopicPartition, Result<T, Error>> = HashMap::new();
        let mut open: Vec<TopicPartition> = partitions.to_vec();
        let mut failures = 0;
        while !open.is_empty() {
            let mut shards: HashMap<i32, Vec<(TopicPartition, i32)>> = HashMap::new();
            let mut again: Vec<TopicPartition> = Vec::new();
            for partition in open {
                match self.leader_of(&partition, deadline).await {
                    Ok(Some((leader, epoch))) => shards.entry(leader).or_default().push((partition, epoch)),
                    Ok(None) => {
                        let error = BrokerError::from(ErrorCode::LeaderNotAvailable);
                        results.insert(partition.clone(), Err(error.into()));
                        again.push(partition);
                    }
                    Err(error) => drop(results.insert(partition, Err(error))),
                }
            }
            let answers = join_all(shards.into_iter().map(|(leader, shard)| {
                let request = build(&shard);
                async move {
                    let answer = async {
                        let connection = self.connection(leader, Lane::Control, deadline).await?;
                        Ok::<_, Error>(connection.request(&request, self.request_deadline(deadline)).await?)
                    };
                    (shard, answer.await)
                }
            }));
            for (shard, answer) in answers.await {
                match answer {
                    Err(error) => {
                        for (partition, _) in shard {
                            if error.is_retriable() {
                                again.push(partition.clone());
                            }
                            results.insert(partition, Err(error.clone()));
                        }
                    }
                    Ok(answer) => {
                        let mut found: HashMap<_, _> = split(answer).into_iter().collect();
                        for (partition, _) in shard {
                            let result = found.remove(&partition);
                            let result = result.ok_or(Error::Answer("a partition is missing"));
                            let result = result.and_then(|result| result.map_err(Error::from));
                            if let Err(Error::Broker(error)) = &result {
                                if error.action() != Action::GiveUp {
                                    again.push(partition.clone());
                                }
                            }
                            results.insert(partition, result);
                        }
                    }
                }
            }
            open = again;
            if !open.is_empty() {
                failures += 1;
                if !self.back_off(failures, deadline).await {
                    break;
                }
                let mut topics: Vec<Arc<str>> = open.iter().map(|tp| Arc::clone(&tp.topic)).collect();
                topics.sort_unstable();
                topics.dedup();
                let seen = self.metadata().generation;
                // A failure shows again with the next attempt.
                let _ = self.refresh(Some(&topics), MissingTopic::Fail, seen, deadline).await;
            }
        }
        partitions
            .iter()
            .map(|partition| {
                let result = results.remove(partition).unwrap_or(Err(Error::Answer("asked twice")));
                (partition.clone(), result)
            })
            .collect()
    }

    /// Leader and epoch of a partition; `None` = it has no leader now.
    pub(crate) async fn leader_of(
        &self,
        partition: &TopicPartition,
        deadline: Instant,
    ) -> Result<Option<(i32, i32)>, Error> {
        let topic = self.topic(&partition.topic, MissingTopic::Fail, deadline).await?;
        let Some(found) = topic.partition(partition.partition.0) else {
            return Err(Error::NoPartition {
                topic: partition.topic.to_string(),
                partition: partition.partition.0,
            });
        };
        let reachable = found.leader.filter(|leader| self.metadata().broker(*leader).is_some());
        Ok(reachable.map(|leader| (leader, found.leader_epoch)))
    }

    /// Makes an admin request until it is answered by a broker that is the controller. `code` finds the first error of
    /// an answer.
    pub(crate) async fn request_controller<R: Request>(
        &self,
        repeat: Repeat,
        request: &R,
        deadline: Instant,
        code: impl Fn(&R::Response) -> Option<i16>,
    ) -> Result<R::Response, Error> {
        let mut failures = 0;
        loop {
            let response = self.request(Target::Controller, repeat, request, deadline).await?;
            let moved = code(&response) == Some(ErrorCode::NotController.code());
            failures += 1;
            if !moved || !self.back_off(failures, deadline).await || deadline <= now() {
                return Ok(response);
            }
            self.forget_roles(deadline).await?;
        }
    }
}

/// The items of one topic, each with its partition.
pub(crate) type TopicItems<T> = (Arc<str>, Vec<(PartitionIndex, T)>);

/// Groups items by topic, topics in the order of their first item.
pub(crate) fn by_topic<T>(items: impl IntoIterator<Item = (TopicPartition, T)>) -> Vec<TopicItems<T>> {
    let mut grouped: Vec<TopicItems<T>> = Vec::new();
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    for (partition, item) in items {
        let next = grouped.len();
        let place = *places.entry(Arc::clone(&partition.topic)).or_insert(next);
        if place == next {
            grouped.push((partition.topic, vec![(partition.partition, item)]));
        } else if let Some((_, list)) = grouped.get_mut(place) {
            list.push((partition.partition, item));
        }
    }
    grouped
}
