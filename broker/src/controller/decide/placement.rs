//! Where the replicas of new partitions go.
//!
//! Brokers form a ring in which racks alternate. The preferred leaders of successive partitions walk around the ring, so
//! each broker leads equally often; the other replicas follow at a distance that grows with each round, so the load of a
//! lost broker spreads over all others. Within one partition racks repeat only when there are fewer racks than replicas.
//! Brokers that cannot lead now are used only when there are not enough others, and never first.
//!
//! ```text
//! brokers 0 1 2 (no racks), 2 replicas, start 0:   p0 [0 1]  p1 [1 2]  p2 [2 0]   p3 [0 2]  p4 [1 0]  p5 [2 1]
//! ```
//!
//! Pure; above: `create_topics`, `create_partitions`.

use super::refuse;
use crate::{
    controller::ApiError,
    metadata::{BrokerRegistration, MetadataImage, ReplicaList},
};
use mainstem_protocol::{error::ErrorCode, model::BrokerId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A broker on the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    id: BrokerId,
    rack: Option<Arc<str>>,
}

/// The brokers of a cluster as places for replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct Ring {
    /// Those that can lead, racks alternating.
    active: Vec<Candidate>,
    /// The others, likewise.
    inactive: Vec<Candidate>,
}

impl Ring {
    /// All registered brokers.
    pub(in crate::controller) fn new(image: &MetadataImage) -> Self {
        let ring =
            |wanted: bool| alternate(image.brokers.values().filter(|broker| broker.is_active() == wanted));
        Self { active: ring(true), inactive: ring(false) }
    }

    /// Replicas for `partitions` new partitions, the first of which is number `first` of its topic. `start` is where on
    /// the ring partition 0 begins: chance, so that small topics do not pile up on one broker.
    pub(in crate::controller) fn place(
        &self,
        start: usize,
        first: usize,
        partitions: usize,
        replicas: usize,
    ) -> Result<Vec<ReplicaList>, ApiError> {
        let registered = self.active.len() + self.inactive.len();
        if registered < replicas {
            let message = format!(
                "Unable to replicate the partition {replicas} time(s): The target replication factor of {replicas} \
                 cannot be reached because only {registered} broker(s) are registered."
            );
            return refuse(ErrorCode::InvalidReplicationFactor, message);
        }
        if self.active.is_empty() {
            let message = format!(
                "Unable to replicate the partition {replicas} time(s): All brokers are currently fenced or in \
                 controlled shutdown."
            );
            return refuse(ErrorCode::InvalidReplicationFactor, message);
        }
        let start = start % self.active.len();
        Ok((first..first + partitions).map(|partition| self.replicas(start, partition, replicas)).collect())
    }

    fn replicas(&self, start: usize, partition: usize, replicas: usize) -> ReplicaList {
        let len = self.active.len();
        let leader = (start + partition % len) % len;
        // Followers: the ring behind the leader, rotated by one more for each round of leaders.
        let others = len - 1;
        let shift = (partition / len).checked_rem(others).unwrap_or(0);
        let followers = (0..others).map(|step| (leader + 1 + (step + shift) % others.max(1)) % len);
        let order = std::iter::once(leader).chain(followers).filter_map(|index| self.active.get(index));
        let mut racks = BTreeSet::new();
        let active = fresh_racks_first(order, &mut racks);
        let inactive = fresh_racks_first(self.inactive.iter(), &mut racks);
        active.into_iter().chain(inactive).take(replicas).collect()
    }
}

/// The candidates whose rack was not seen yet, then the others; within both in the order given. A broker that does not say
/// where it stands shares its rack with nobody.
fn fresh_racks_first<'a>(
    candidates: impl Iterator<Item = &'a Candidate>,
    racks: &mut BTreeSet<&'a str>,
) -> Vec<BrokerId> {
    let (mut fresh, mut repeated) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let is_fresh = candidate.rack.as_deref().is_none_or(|rack| racks.insert(rack));
        if is_fresh { fresh.push(candidate.id) } else { repeated.push(candidate.id) }
    }
    fresh.append(&mut repeated);
    fresh
}

/// One broker of each rack in turn; within a rack by rising id.
fn alternate<'a>(brokers: impl Iterator<Item = &'a Arc<BrokerRegistration>>) -> Vec<Candidate> {
    let mut racks: BTreeMap<Option<Arc<str>>, Vec<Candidate>> = BTreeMap::new();
    for broker in brokers {
        let candidate = Candidate { id: broker.id, rack: broker.rack.clone() };
        racks.entry(broker.rack.clone()).or_default().push(candidate);
    }
    let rounds = racks.values().map(Vec::len).max().unwrap_or(0);
    (0..rounds).flat_map(|round| racks.values().filter_map(move |rack| rack.get(round)).cloned()).collect()
}

/// Checks replicas that a user chose for one partition.
pub(in crate::controller) fn check_manual(
    image: &MetadataImage,
    brokers: &[BrokerId],
    expected_len: Option<usize>,
) -> Result<ReplicaList, ApiError> {
    let invalid = |message: String| refuse(ErrorCode::InvalidReplicaAssignment, message);
    if brokers.is_empty() {
        return invalid("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = brokers.to_vec();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find_map(|pair| pair.first().filter(|id| pair.get(1) == Some(id)))
    {
        return invalid(format!(
            "The manual partition assignment includes the broker {twice} more than once."
        ));
    }
    if let Some(unknown) = brokers.iter().find(|id| image.broker(**id).is_none()) {
        return invalid(format!(
            "The manual partition assignment includes broker {unknown}, but no such broker is registered."
        ));
    }
    match expected_len {
        Some(len) if len != brokers.len() => invalid(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent \
             with previous partitions, which have {len} replica(s).",
            brokers.len()
        )),
        _ => Ok(brokers.iter().copied().collect()),
    }
}
