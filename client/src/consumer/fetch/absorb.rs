//! What answers bring: bytes to hand out, positions, leaders, problems.
//!
//! Above: `fetch`. Below: `place`, `session`, `chunk` (pure).

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstem_protocol::messages::fetch::FetchResponse;
use mainstem_protocol::model::{Offset, PartitionIndex, TopicPartition};

use super::{ANSWER_OVERHEAD, Done, Fetcher, THROTTLE_MAX_MS};
use crate::cluster::{Broker, LeaderHint};
use crate::connection::{CloseReason, ConnectionError};
use crate::consumer::aborted::Aborted;
use crate::consumer::chunk::{Chunk, Held, ReadRules};
use crate::consumer::options::IsolationLevel;
use crate::consumer::place::{Moment, Reaction};
use crate::consumer::record::{PartitionProblem, Problem};
use crate::consumer::session::Verdict;
use crate::error::{BrokerError, Error};

impl Fetcher {
    pub(super) fn absorb(&mut self, done: Done) {
        self.stale = true;
        let moment = self.moment();
        match done {
            Done::Connected { node: id, result } => {
                let node = self.nodes.entry(id).or_default();
                node.busy = false;
                match result {
                    Ok(connection) => node.connection = Some(connection),
                    Err(error) => {
                        self.closed |= matches!(error, Error::Closed);
                        node.failed(&moment);
                        self.refresh.wanted = true;
                        tracing::warn!(node = id, %error, "cannot connect to fetch");
                    }
                }
            }
            Done::Fetched { node: id, result } => {
                let node = self.nodes.entry(id).or_default();
                node.busy = false;
                node.reserved = None;
                let reading = std::mem::take(&mut node.reading);
                match *result {
                    Ok(response) => self.fetched(id, &reading, response, &moment),
                    Err(error) => {
                        self.fetch_failed(id, reading.into_keys().collect(), &error, &moment);
                    }
                }
            }
            Done::LookedUp { turns, results } => {
                for (turn, (partition, result)) in turns.into_iter().zip(results) {
                    let Some(place) = self.places.get_mut(&partition).filter(|place| place.turn == turn)
                    else {
                        continue;
                    };
                    let offset = result.map(|found| found.offset.map(Offset::get));
                    let reaction = place.looked_up(offset, &moment);
                    self.refresh.wanted |= reaction.refresh;
                    if let Some(problem) = reaction.problem {
                        self.problems.push(PartitionProblem { partition, problem });
                    }
                }
            }
            Done::Refreshed { result } => {
                self.refresh.running = false;
                match result {
                    Ok(()) => {
                        self.refresh.wanted = false;
                        self.refresh.failures = 0;
                    }
                    Err(error) => {
                        self.closed |= matches!(error, Error::Closed);
                        self.refresh.failures = self.refresh.failures.saturating_add(1);
                        tracing::warn!(%error, "cannot fetch metadata");
                    }
                }
                // Even a success is not repeated at once: what it told may be as old as what was known.
                self.refresh.not_before = Some(moment.after(self.refresh.failures.max(1)));
            }
        }
    }

    pub(super) fn fetch_failed(
        &mut self,
        id: i32,
        reading: Vec<TopicPartition>,
        error: &ConnectionError,
        moment: &Moment,
    ) {
        let node = self.nodes.entry(id).or_default();
        node.session.lost();
        node.failed(moment);
        self.refresh.wanted = true;
        tracing::warn!(node = id, %error, "fetch failed");
        let passes = error.is_retriable()
            && !matches!(error, ConnectionError::Closed { reason: CloseReason::FrameLength { .. }, .. });
        for partition in reading.into_iter().filter(|_| !passes) {
            let Some(place) = self.places.get_mut(&partition) else { continue };
            place.failed(moment);
            let problem = Problem::Failed(Error::Connection(error.clone()));
            self.problems.push(PartitionProblem { partition, problem });
        }
    }

    fn fetched(
        &mut self,
        id: i32,
        reading: &BTreeMap<TopicPartition, u64>,
        response: FetchResponse,
        moment: &Moment,
    ) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let pause = u32::try_from(response.throttle_time_ms).unwrap_or(0).min(THROTTLE_MAX_MS);
        node.not_before = (0 < pause).then(|| moment.now + std::time::Duration::from_millis(pause.into()));
        match node.session.answered(response.error_code, response.session_id) {
            Verdict::Good => node.failures = 0,
            Verdict::Renew => {
                // The first time at once; a broker that goes on like this is given a rest.
                node.failures = node.failures.saturating_add(1);
                node.not_before = (1 < node.failures).then(|| moment.after(node.failures));
                return;
            }
            verdict @ (Verdict::RenewAndRefresh | Verdict::Refused(_)) => {
                node.failed(moment);
                self.refresh.wanted = true;
                if let Verdict::Refused(code) = verdict {
                    let problem = Problem::Failed(BrokerError::new(code, None).into());
                    self.problems.extend(reading.keys().map(|partition| PartitionProblem {
                        partition: partition.clone(),
                        problem: problem.clone(),
                    }));
                }
                return;
            }
        }
        let size =
            response.responses.iter().flat_map(|topic| &topic.partitions).map(|part| part.records.len());
        let held = Arc::new(Held::new(self.budget.take(size.sum()), Arc::clone(&node.answers)));
        let rules = ReadRules {
            check_crc: self.options.check_crc,
            decompressed_bytes_max: self.options.decompressed_bytes_max,
            control_records: self.options.control_records,
        };
        let largest = self.cluster.options().connection.max_response_bytes.saturating_sub(ANSWER_OVERHEAD);
        let mut hints = Vec::new();
        for topic in response.responses {
            // What was not asked for is dropped.
            let Some(name) = node.session.topic(&topic.topic, topic.topic_id) else { continue };
            for data in topic.partitions {
                let partition = TopicPartition::new(Arc::clone(&name), PartitionIndex(data.partition_index));
                let (Some(turn), Some(want)) = (reading.get(&partition), node.session.want(&partition))
                else {
                    continue;
                };
                let place = self.places.get_mut(&partition).filter(|place| place.turn == *turn);
                let Some(place) = place else { continue };
                let Reaction { data: found, refresh, problem } =
                    place.answered(&data, want, &self.options, largest, moment);
                self.refresh.wanted |= refresh;
                if 0 <= data.current_leader.leader_id {
                    hints.push(LeaderHint {
                        partition: partition.clone(),
                        leader: data.current_leader.leader_id,
                        leader_epoch: data.current_leader.leader_epoch,
                    });
                }
                if let Some(problem) = problem {
                    self.problems.push(PartitionProblem { partition: partition.clone(), problem });
                }
                if let (Some(found), Some(bytes)) = (found, data.records.bytes()) {
                    let committed = self.options.isolation == IsolationLevel::ReadCommitted;
                    let aborted = committed.then(|| Aborted::new(data.aborted_transactions));
                    let bytes = bytes.slice(..found.whole_bytes);
                    let origin = (partition, *turn);
                    self.ready.push_back(Chunk::new(
                        origin,
                        rules,
                        bytes,
                        want.offset,
                        aborted,
                        Arc::clone(&held),
                    ));
                }
            }
        }
        let addresses: Vec<Broker> = response
            .node_endpoints
            .into_iter()
            .filter_map(|node| {
                let port = u16::try_from(node.port).ok().filter(|port| *port != 0)?;
                let rack = node.rack.map(|rack| rack.as_str().to_owned());
                Some(Broker { id: node.node_id, host: Arc::from(node.host.as_str()), port, rack })
            })
            .collect();
        if self.cluster.learn(&hints, &addresses) {
            for hint in &hints {
                if let Some(place) = self.places.get_mut(&hint.partition) {
                    place.retry_now();
                }
            }
        }
    }
}
