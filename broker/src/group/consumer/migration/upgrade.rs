//! From the classic protocol: the first member that joins by heartbeat takes a whole classic group along.
//!
//! Above: the machine of groups, which has the classic group and lets its waiting members go with REBALANCE_IN_PROGRESS.
//! Below: heartbeats. Nothing is changed if the group cannot come along, or if the heartbeat is refused. What every member was
//! given it keeps, in the generation that it knows: the generation becomes the epoch of all.

use super::{
    super::{
        Around, ConsumerGroup, Epoch, Refused,
        heartbeat::session_of,
        member::{Current, Member, MemberMetadata},
        metadata_hash::metadata_hash,
        partitions::{Held, Partitions},
        records::{Records, batch_size},
        subscriptions::Subscriptions,
    },
    embedded::{self, CONSUMER},
};
use crate::{
    coordinator::Ticket,
    group::{Client, GroupAnswer, GroupRecord, GroupStep},
};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        GroupId, TopicName,
        consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
        internal::{
            classic_group::GroupMetadataKey,
            consumer_group::{ClassicMemberMetadata, ClassicProtocol},
        },
    },
    model::Timestamp,
    wire::WireStr,
};
use std::sync::Arc;

/// A classic group with members, as far as it matters to others.
#[derive(Debug, Clone)]
pub(crate) struct ClassicSnapshot {
    pub(crate) protocol_type: WireStr,
    /// What the generation follows; `None` = the members have not agreed yet.
    pub(crate) protocol: Option<WireStr>,
    pub(crate) generation: i32,
    pub(crate) members: Vec<ClassicMemberSnapshot>,
}

/// One of its members.
#[derive(Debug, Clone)]
pub(crate) struct ClassicMemberSnapshot {
    pub(crate) id: Arc<str>,
    pub(crate) instance_id: Option<WireStr>,
    pub(crate) client_id: WireStr,
    pub(crate) client_host: WireStr,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// Name and metadata of each protocol, best first.
    pub(crate) protocols: Vec<(WireStr, Bytes)>,
    /// Empty = none yet.
    pub(crate) assignment: Bytes,
}

impl ConsumerGroup {
    /// A heartbeat for a group that is classic and has members. The first record of the step, if there is one, deletes the
    /// classic group.
    pub(crate) fn upgrade(
        id: &str,
        classic: &ClassicSnapshot,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        match Self::try_upgrade(id, classic, client, request, ticket, around) {
            Ok(step) => step,
            Err(refused) => GroupStep::answer(ticket, GroupAnswer::ConsumerHeartbeat(refused.into())),
        }
    }

    fn try_upgrade(
        id: &str,
        classic: &ClassicSnapshot,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> Result<GroupStep, Refused> {
        if Epoch(request.member_epoch) != Epoch::JOIN {
            return Err(not_found(format!("Group {id} is not a consumer group.")));
        }
        refuse_upgrade(id, classic, around)?;
        let members = classic
            .members
            .iter()
            .map(|member| Ok((Arc::clone(&member.id), converted(id, classic, member, around)?)))
            .collect::<Result<Vec<_>, Refused>>()?;
        let key = GroupMetadataKey { group: GroupId::from(id) };
        let mut step = GroupStep { records: vec![GroupRecord::Classic(key, None)], ..GroupStep::none() };
        step.records.extend(records_of(id, Epoch(classic.generation), &members, around));

        let mut group = Self::new(id);
        for record in &step.records {
            group.apply(record);
        }
        for (member_id, (member, _)) in &members {
            let deadline = around.now.after(session_of(member, around));
            step.timers.push((group.session_timer(member_id), Some(deadline)));
        }
        let joined = group.heartbeat(client, request, ticket, around);
        if joined.records.is_empty() {
            return Ok(joined);
        }
        step.and(joined);
        if around.settings.record_max < batch_size(&step.records) {
            return Err(Refused::new(
                ErrorCode::UnknownServerError,
                "The change of the group does not fit into one batch of __consumer_offsets.",
            ));
        }
        Ok(step)
    }
}

fn not_found(message: String) -> Refused {
    Refused::new(ErrorCode::GroupIdNotFound, message)
}

fn refuse_upgrade(id: &str, classic: &ClassicSnapshot, around: &Around<'_>) -> Result<(), Refused> {
    let because = if !around.settings.may_upgrade {
        "online upgrade is disabled"
    } else if classic.protocol_type != CONSUMER {
        "the group does not use the consumer embedded protocol"
    } else if around.settings.consumer_size_max < classic.members.len() {
        "the group size exceeds the consumer group maximum size"
    } else {
        return Ok(());
    };
    Err(not_found(format!("Cannot upgrade classic group {id} to consumer group because {because}.")))
}

fn converted(
    id: &str,
    classic: &ClassicSnapshot,
    member: &ClassicMemberSnapshot,
    around: &Around<'_>,
) -> Result<(Member, Partitions), Refused> {
    let malformed = || {
        not_found(format!(
            "Cannot upgrade classic group {id} to consumer group because the embedded consumer protocol is malformed."
        ))
    };
    let chosen = classic
        .protocol
        .as_ref()
        .and_then(|protocol| member.protocols.iter().find(|(name, _)| name == protocol));
    let (_, metadata) = chosen.or(member.protocols.first()).ok_or_else(malformed)?;
    let subscription = embedded::subscription(metadata).ok_or_else(malformed)?;
    let assignment = embedded::assignment(&member.assignment).ok_or_else(malformed)?;
    if assignment.user_data.is_some_and(|data| !data.is_empty()) {
        return Err(not_found(format!(
            "Cannot upgrade classic group {id} to consumer group because an unsupported custom assignor is in use. \
             Please refer to the documentation or switch to a default assignor before re-attempting the upgrade."
        )));
    }
    let epoch = Epoch(classic.generation);
    let partitions = embedded::partitions_of(&assignment.assigned_partitions, around.metadata);
    let mut held = Held::default();
    for (topic, partition) in partitions.iter() {
        held.insert(topic, partition, epoch);
    }
    let supported_protocols = member
        .protocols
        .iter()
        .map(|(name, metadata)| ClassicProtocol { name: name.clone(), metadata: metadata.clone() })
        .collect();
    let metadata = MemberMetadata {
        instance_id: member.instance_id.clone(),
        rack_id: subscription.rack_id.filter(|rack| !rack.is_empty()),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topics: Arc::new(subscription.topics.into_iter().collect()),
        regex: None,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: None,
        classic: Some(Arc::new(ClassicMemberMetadata {
            session_timeout_ms: member.session_timeout_ms,
            supported_protocols,
        })),
    };
    let current = Current { epoch, previous_epoch: epoch, assigned: Arc::new(held), ..Current::default() };
    Ok((Member { metadata: Arc::new(metadata), current }, partitions))
}

fn records_of(
    id: &str,
    epoch: Epoch,
    members: &[(Arc<str>, (Member, Partitions))],
    around: &Around<'_>,
) -> Vec<GroupRecord> {
    let mut records = Records::of(id);
    let mut subscriptions = Subscriptions::default();
    for (id, (member, _)) in members {
        records.member(id, &member.metadata);
        subscriptions.change_member(None, Some(&member.metadata));
    }
    records.epoch(epoch, metadata_hash(subscriptions.topics().map(TopicName::as_str), around.metadata));
    for (id, (_, target)) in members {
        records.target(id, target);
    }
    // When it was computed is not known: the next target may be computed at once.
    records.target_epoch(epoch, Timestamp(0));
    for (id, (member, _)) in members {
        records.current(id, &member.current);
    }
    records.into_list()
}
