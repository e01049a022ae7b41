//! Requests that are due: look-ups of starts, fetches, metadata.
//!
//! Above: `fetch`. Below: `place`, `session` (pure), `cluster`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::fetch::FetchRequest;
use mainstem_protocol::model::{Timestamp, TopicId, TopicPartition};

use super::{ANSWERS_AHEAD, BY_ID, Done, Fetcher, LAST_EPOCH};
use crate::admin::{OffsetAt, list_offsets};
use crate::cluster::{Lane, Metadata, MissingTopic};
use crate::consumer::budget::Budget;
use crate::consumer::options::ConsumerOptions;
use crate::consumer::place::{Moment, Place};
use crate::consumer::record::{PartitionProblem, Start};
use crate::consumer::session::{Naming, Want};
use crate::error::{BrokerError, Error};
use crate::runtime::{Instant, now, wall_clock};

impl Fetcher {
    /// Makes every request that is due.
    pub(super) fn start(&mut self) {
        let moment = self.moment();
        let metadata = self.cluster.metadata();
        let mut wants: HashMap<i32, BTreeMap<TopicPartition, Want>> = HashMap::new();
        let mut look_ups: HashMap<i32, Vec<(TopicPartition, u64, OffsetAt)>> = HashMap::new();
        let mut recreated = false;
        for (partition, place) in &mut self.places {
            let problem = match leader(&metadata, partition) {
                Err(error) => {
                    self.refresh.wanted = true;
                    place.lost(&moment, error)
                }
                Ok((topic_id, leader, epoch, heard)) => {
                    self.refresh.wanted |= self.cluster.options().metadata_max_age <= moment.now - heard;
                    self.last_turn += 1;
                    let anew = place.found(topic_id, self.last_turn, &self.options);
                    recreated |= anew.is_some();
                    if let Some(start) = place.look_up(moment.now) {
                        place.looking = true;
                        let at = offset_at(start);
                        look_ups.entry(leader).or_default().push((partition.clone(), place.turn, at));
                    } else if let Some((node, want)) = place.want((leader, epoch), &self.options, moment.now)
                    {
                        let node = if metadata.broker(node).is_some() { node } else { leader };
                        wants.entry(node).or_default().insert(partition.clone(), want);
                    }
                    anew.or_else(|| place.nowhere(&moment))
                }
            };
            if let Some(problem) = problem {
                self.problems.push(PartitionProblem { partition: partition.clone(), problem });
            }
        }
        if recreated {
            self.drop_void_chunks();
        }
        for look_up in look_ups.into_values() {
            self.look_up(look_up);
        }
        for (node, wants) in wants {
            self.ask(node, &wants, &moment);
        }
        self.refresh(&metadata, &moment);
    }

    fn look_up(&self, wanted: Vec<(TopicPartition, u64, OffsetAt)>) {
        let cluster = Arc::clone(&self.cluster);
        let isolation = self.options.isolation;
        let turns = wanted.iter().map(|(_, turn, _)| *turn).collect();
        let wanted: Vec<_> = wanted.into_iter().map(|(partition, _, at)| (partition, at)).collect();
        self.work.push(Box::pin(async move {
            let deadline = now() + cluster.options().request_timeout;
            let results = list_offsets(&cluster, &wanted, isolation, deadline).await;
            Done::LookedUp { turns, results }
        }));
    }

    /// Sends a fetch to `node` if it is due and there is room for the answer; takes the connection from the pool first.
    fn ask(&mut self, id: i32, wants: &BTreeMap<TopicPartition, Want>, moment: &Moment) {
        let node = self.nodes.entry(id).or_default();
        let resting = node.not_before.is_some_and(|at| moment.now < at);
        if node.busy || resting {
            return;
        }
        if ANSWERS_AHEAD < Arc::strong_count(&node.answers) - 1 {
            return self.drop_withheld();
        }
        let least = wants.keys().filter_map(|partition| self.places.get(partition)).map(Place::min_bytes);
        let least = least.max().unwrap_or(0).max(1);
        let Some(max_bytes) = room(&self.budget, &self.options, least) else { return self.drop_withheld() };
        let cluster = Arc::clone(&self.cluster);
        let limit = cluster.options().request_timeout;
        let Some(connection) = node.connection.take() else {
            node.busy = true;
            self.work.push(Box::pin(async move {
                Done::Connected { node: id, result: cluster.connection(id, Lane::Fetch, now() + limit).await }
            }));
            return;
        };
        let version = match connection.version_for::<FetchRequest>() {
            Ok(version) => version,
            Err(error) => return self.fetch_failed(id, wants.keys().cloned().collect(), &error, moment),
        };
        let by_id = BY_ID <= version && wants.values().all(|want| !want.topic_id.is_none());
        let version = if by_id { version } else { version.min(BY_ID - 1) };
        let naming = if by_id { Naming::Ids } else { Naming::Names };
        let plan = node.session.plan(wants, naming);
        let mut request = FetchRequest {
            max_wait_ms: i32::try_from(self.options.fetch_max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: self.options.fetch_min_bytes,
            max_bytes,
            isolation_level: self.options.isolation.wire(),
            rack_id: self.options.rack.as_str().into(),
            ..FetchRequest::default()
        };
        plan.write(&mut request, LAST_EPOCH <= version);
        let turns =
            wants.keys().filter_map(|key| self.places.get(key).map(|place| (key.clone(), place.turn)));
        node.reading = turns.collect();
        node.reserved = Some(self.budget.take(usize::try_from(max_bytes).unwrap_or(0)));
        node.busy = true;
        let deadline = moment.now + self.options.fetch_max_wait + limit;
        self.work.push(Box::pin(async move {
            let result = connection.request_version(&request, version, deadline).await;
            Done::Fetched { node: id, result: Box::new(result) }
        }));
    }

    fn refresh(&mut self, metadata: &Metadata, moment: &Moment) {
        let waits = self.refresh.not_before.is_some_and(|at| moment.now < at);
        if !self.refresh.wanted || self.refresh.running || waits {
            return;
        }
        self.refresh.running = true;
        let mut topics: Vec<Arc<str>> = self.places.keys().map(|key| Arc::clone(&key.topic)).collect();
        topics.dedup();
        let missing = if self.options.create_topics { MissingTopic::Create } else { MissingTopic::Fail };
        let cluster = Arc::clone(&self.cluster);
        let seen = metadata.generation;
        self.work.push(Box::pin(async move {
            let deadline = cluster.call_deadline();
            let result = cluster.refresh(Some(&topics), missing, seen, deadline).await;
            Done::Refreshed { result: result.map(|_| ()) }
        }));
    }
}

/// Bytes that the next answer may have; `None` = wait until some are handed out.
fn room(budget: &Budget, options: &ConsumerOptions, least: i32) -> Option<i32> {
    let wanted = options.fetch_max_bytes.max(least);
    let free = i32::try_from(budget.free()).unwrap_or(i32::MAX);
    let enough = options.partition_max_bytes.max(least).min(wanted);
    if enough <= free {
        return Some(wanted.min(free));
    }
    // With nothing held there is nothing to wait for: one answer always goes.
    (budget.used() == 0).then_some(wanted.min(free.max(least)))
}

/// Id of the topic, leader, leader epoch, and when that was heard.
fn leader(metadata: &Metadata, partition: &TopicPartition) -> Result<(TopicId, i32, i32, Instant), Error> {
    let topic = metadata
        .topic(&partition.topic)
        .ok_or_else(|| Error::from(BrokerError::from(ErrorCode::UnknownTopicOrPartition)))?;
    if let Some(error) = &topic.error {
        return Err(error.clone().into());
    }
    let index = partition.partition.get();
    let found = topic
        .partition(index)
        .ok_or_else(|| Error::NoPartition { topic: partition.topic.to_string(), partition: index })?;
    let leader = found.leader.filter(|leader| metadata.broker(*leader).is_some());
    let leader = leader.ok_or_else(|| Error::from(BrokerError::from(ErrorCode::LeaderNotAvailable)))?;
    Ok((topic.id, leader, found.leader_epoch, topic.fetched))
}

fn offset_at(start: Start) -> OffsetAt {
    match start {
        Start::Earliest => OffsetAt::Earliest,
        Start::Latest | Start::Offset(_) => OffsetAt::Latest,
        Start::Timestamp(moment) => OffsetAt::Timestamp(Timestamp(moment)),
        Start::Ago(time) => {
            let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            OffsetAt::Timestamp(Timestamp(wall_clock().saturating_sub(time).max(0)))
        }
    }
}
