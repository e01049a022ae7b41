//! Who coordinates a group: look-ups, and requests that go to coordinators, repeated as the table of `retry` says.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::message::Request;
use mainstem_protocol::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};

use super::{Cluster, Lane, Target};
use crate::error::{BrokerError, Error};
use crate::retry::Action;
use crate::runtime::Instant;

/// Key type of a group, also of a share group where its own state is meant.
const GROUP: i8 = 0;
/// First version with many keys in one request.
const MANY_KEYS: i16 = 4;

/// Versions of a request to coordinators.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Versions {
    /// The newest one to use.
    pub(crate) newest: i16,
    /// First one with many groups in one request.
    pub(crate) many_groups: i16,
}

impl Versions {
    /// Whatever both sides speak, each with many groups.
    pub(crate) const ALL: Self = Self { newest: i16::MAX, many_groups: 0 };
}

/// One result for each group.
pub type GroupResults<T> = Vec<(String, Result<T, Error>)>;

impl Cluster {
    /// The coordinator of one group, as a broker knows it now. Asked once: who needs it waits and asks again.
    pub(crate) async fn find_coordinator(&self, group: &str, deadline: Instant) -> Result<i32, Error> {
        let groups = [group.to_owned()];
        let found = self.find_coordinators(&groups, deadline).await?;
        found.into_iter().next().map_or(Err(Error::Answer("the group is missing")), |(_, result)| result)
    }

    async fn find_coordinators(
        &self,
        groups: &[String],
        deadline: Instant,
    ) -> Result<GroupResults<i32>, Error> {
        let connection = self.connect_to(Target::Any, deadline).await?;
        let version = connection.version_for::<FindCoordinatorRequest>()?;
        let mut found: HashMap<String, Result<i32, Error>> = HashMap::new();
        let chunk = if MANY_KEYS <= version { groups.len().max(1) } else { 1 };
        for keys in groups.chunks(chunk) {
            let mut request = FindCoordinatorRequest { key_type: GROUP, ..FindCoordinatorRequest::default() };
            match keys {
                [key] if version < MANY_KEYS => request.key = key.as_str().into(),
                keys => request.coordinator_keys = keys.iter().map(|key| key.as_str().into()).collect(),
            }
            let limit = self.request_deadline(deadline);
            let response = connection.request_version(&request, version, limit).await?;
            found.extend(coordinators(&response, keys));
        }
        let unknown = found.values().flatten().any(|id| self.metadata().broker(*id).is_none());
        if unknown {
            self.forget_roles(deadline).await?;
        }
        let results = groups.iter().map(|group| {
            let result = found.remove(group).unwrap_or(Err(Error::Answer("a group is missing")));
            (group.clone(), result)
        });
        Ok(results.collect())
    }

    /// Asks the coordinator of each group, all coordinators at once, until every group has a result that is final or
    /// `deadline` is there. `build` makes the request for groups of one coordinator, in the highest version that is allowed
    /// and known there; `split` takes the answer to these groups apart. What the answer leaves out is an error of that
    /// group.
    pub(crate) async fn per_coordinator<R: Request, T>(
        &self,
        groups: &[String],
        versions: Versions,
        deadline: Instant,
        build: impl Fn(i16, &[String]) -> R,
        split: impl Fn(R::Response, &[String]) -> Vec<(String, Result<T, BrokerError>)>,
    ) -> GroupResults<T> {
        let mut results: HashMap<String, Result<T, Error>> = HashMap::new();
        let mut open: Vec<String> = groups.to_vec();
        open.sort_unstable();
        open.dedup();
        let mut failures = 0;
        while !open.is_empty() {
            let mut again = Vec::new();
            let mut settle = |group: String, result: Result<T, Error>| {
                let retry = match &result {
                    Err(Error::Broker(error)) => error.action() != Action::GiveUp,
                    Err(error) => error.is_retriable(),
                    Ok(_) => false,
                };
                if retry {
                    again.push(group.clone());
                }
                results.insert(group, result);
            };
            let found = match self.find_coordinators(&open, deadline).await {
                Ok(found) => found,
                Err(error) => open.iter().map(|group| (group.clone(), Err(error.clone()))).collect(),
            };
            let mut shards: BTreeMap<i32, Vec<String>> = BTreeMap::new();
            for (group, node) in found {
                match node {
                    Ok(node) => shards.entry(node).or_default().push(group),
                    Err(error) => settle(group, Err(error)),
                }
            }
            let answers = join_all(shards.into_iter().map(|(node, shard)| {
                let (build, split) = (&build, &split);
                async move {
                    let answer = async {
                        let connection = self.connection(node, Lane::Control, deadline).await?;
                        let version = connection.version_for::<R>()?.min(versions.newest);
                        let many = if versions.many_groups <= version { shard.len().max(1) } else { 1 };
                        let mut parts = HashMap::new();
                        for groups in shard.chunks(many) {
                            let request = build(version, groups);
                            let limit = self.request_deadline(deadline);
                            let answer = connection.request_version(&request, version, limit).await?;
                            parts.extend(split(answer, groups));
                        }
                        Ok::<_, Error>(parts)
                    };
                    let answer = answer.await;
                    (shard, answer)
                }
            }));
            for (shard, answer) in answers.await {
                match answer {
                    Err(error) => shard.into_iter().for_each(|group| settle(group, Err(error.clone()))),
                    Ok(mut parts) => {
                        for group in shard {
                            let part = parts.remove(&group).ok_or(Error::Answer("a group is missing"));
                            settle(group, part.and_then(|part| part.map_err(Error::from)));
                        }
                    }
                }
            }
            open = again;
            failures += 1;
            if !open.is_empty() && !self.back_off(failures, deadline).await {
                break;
            }
        }
        let results = groups.iter().map(|group| {
            let result = results.remove(group).unwrap_or(Err(Error::Answer("asked twice")));
            (group.clone(), result)
        });
        results.collect()
    }
}

/// The answer by group, whichever form it has.
fn coordinators(response: &FindCoordinatorResponse, keys: &[String]) -> GroupResults<i32> {
    let result = |code: i16, message: Option<&str>, node: i32| {
        BrokerError::check(code, message)?;
        // A coordinator without a node is none.
        if node < 0 { Err(BrokerError::from(ErrorCode::CoordinatorNotAvailable).into()) } else { Ok(node) }
    };
    if response.coordinators.is_empty() {
        let only = result(response.error_code, response.error_message.as_deref(), response.node_id);
        return keys.first().map(|key| (key.clone(), only)).into_iter().collect();
    }
    let rows = response.coordinators.iter();
    rows.map(|row| (row.key.to_string(), result(row.error_code, row.error_message.as_deref(), row.node_id)))
        .collect()
}
