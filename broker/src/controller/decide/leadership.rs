//! Who leads a partition, who is in its ISR and ELR, when a broker comes or goes.
//!
//! The rules (KIP-966): whoever leaves the ISR so that fewer than the minimum are left becomes an eligible leader replica,
//! since the high watermark stands still and the replica stays complete. A leader is the first live member of the ISR by
//! preference; if the ISR is empty, the first live ELR member, which moves to the ISR; else nobody. A partition with one
//! replica needs no comparison: every acknowledged record is on it.
//!
//! Pure; above: `brokers`, `create_topics`, `create_partitions`.

use super::refuse;
use crate::{
    controller::ApiError,
    metadata::{
        MetadataImage, PartitionImage, ReplicaList,
        record::{LEADER_UNCHANGED, Partition, PartitionChange},
    },
};
use mainstem_protocol::{
    error::ErrorCode,
    model::{BrokerId, PartitionIndex, TopicId},
};

/// The record of a partition that does not exist yet: led by the first replica that can, all that can in sync.
pub(super) fn new_partition(
    image: &MetadataImage,
    topic_id: TopicId,
    index: PartitionIndex,
    replicas: &ReplicaList,
) -> Result<Partition, ApiError> {
    let can_lead = |id: &&BrokerId| image.broker(**id).is_some_and(|broker| broker.is_active());
    let in_sync: Vec<i32> = replicas.iter().filter(can_lead).map(|id| id.get()).collect();
    let Some(leader) = in_sync.first().copied() else {
        return refuse(
            ErrorCode::InvalidReplicaAssignment,
            format!(
                "All brokers specified in the manual partition assignment for partition {index} are fenced or in controlled shutdown."
            ),
        );
    };
    Ok(Partition {
        partition_id: index.get(),
        topic_id,
        replicas: ids(replicas),
        isr: in_sync,
        leader,
        leader_epoch: 0,
        partition_epoch: 0,
        ..Partition::default()
    })
}

/// What a broker is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be given leaderships.
    Active,
    /// It is being relieved: it keeps what it leads while nobody else can, and gets nothing new.
    Leaving,
    /// It leads nothing.
    Out,
}

impl Standing {
    /// As registered.
    pub(super) fn of(image: &MetadataImage, id: BrokerId) -> Self {
        match image.broker(id) {
            Some(broker) if broker.is_active() => Self::Active,
            Some(broker) if !broker.fenced => Self::Leaving,
            Some(_) | None => Self::Out,
        }
    }
}

/// What a partition becomes when `gone` can no longer lead or be in sync (`None` = nobody leaves) and brokers stand as
/// `standing` says. `fresh` is a broker in a new incarnation: if it leads on, it does so under a new epoch. `None` = nothing
/// changes.
pub(super) fn reconsider(
    partition: &PartitionImage,
    gone: Option<BrokerId>,
    fresh: Option<BrokerId>,
    min_in_sync: usize,
    standing: impl Fn(BrokerId) -> Standing,
) -> Option<PartitionChange> {
    let mut next = partition.clone();
    if let Some(gone) = gone {
        leave(&mut next, gone, min_in_sync);
    }
    let can_lead = |id: BrokerId| standing(id) == Standing::Active;
    let is_fit = match standing(next.leader) {
        Standing::Active => true,
        Standing::Leaving => !next.in_sync_replicas.iter().any(|id| can_lead(*id)),
        Standing::Out => false,
    };
    let leads_on = is_fit && next.in_sync_replicas.contains(&next.leader);
    if !leads_on || fresh == Some(next.leader) {
        next.leader = elect(&mut next, &can_lead).unwrap_or(BrokerId::NONE);
    }
    if min_in_sync <= next.in_sync_replicas.len() {
        next.eligible_leader_replicas.clear();
        next.last_known_eligible_leader_replicas.clear();
    }
    let new_leadership = next.leader != partition.leader || (fresh.is_some() && fresh == Some(next.leader));
    change(partition, &next, new_leadership)
}

fn leave(partition: &mut PartitionImage, gone: BrokerId, min_in_sync: usize) {
    let before = partition.in_sync_replicas.len();
    partition.in_sync_replicas.retain(|id| *id != gone);
    let left = partition.in_sync_replicas.len();
    if left < before && left < min_in_sync && !partition.eligible_leader_replicas.contains(&gone) {
        partition.eligible_leader_replicas.push(gone);
    }
}

/// The new leader, moved to the ISR if need be.
fn elect(partition: &mut PartitionImage, can_lead: &impl Fn(BrokerId) -> bool) -> Option<BrokerId> {
    let first = |candidates: &ReplicaList| {
        partition.replicas.iter().copied().find(|id| candidates.contains(id) && can_lead(*id))
    };
    if let Some(leader) = first(&partition.in_sync_replicas) {
        return Some(leader);
    }
    if !partition.in_sync_replicas.is_empty() {
        return None;
    }
    let only = match partition.replicas.as_slice() {
        [only] if can_lead(*only) => Some(*only),
        _ => None,
    };
    let leader = first(&partition.eligible_leader_replicas).or(only)?;
    partition.eligible_leader_replicas.retain(|id| *id != leader);
    partition.last_known_eligible_leader_replicas.retain(|id| *id != leader);
    partition.in_sync_replicas.push(leader);
    Some(leader)
}

/// The record that leads from one state to the other; it lacks topic and index.
fn change(before: &PartitionImage, after: &PartitionImage, new_leadership: bool) -> Option<PartitionChange> {
    let differs = |before: &ReplicaList, after: &ReplicaList| (before != after).then(|| ids(after));
    let change = PartitionChange {
        leader: if new_leadership { after.leader.get() } else { LEADER_UNCHANGED },
        isr: differs(&before.in_sync_replicas, &after.in_sync_replicas),
        eligible_leader_replicas: differs(&before.eligible_leader_replicas, &after.eligible_leader_replicas),
        last_known_elr: differs(
            &before.last_known_eligible_leader_replicas,
            &after.last_known_eligible_leader_replicas,
        ),
        ..PartitionChange::default()
    };
    (change != PartitionChange::default()).then_some(change)
}

fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|id| id.get()).collect()
}
