//! A member of a consumer group, as two of the record types tell it.
//!
//! Above: the state of the group and every decision. Below: sets of partitions, record formats.
//!
//! ```text
//! type 5  metadata   who it is and what it subscribes to: comes from its requests
//! type 8  current    where it is on its way to the target: moved by reconciliation only
//! ```

use super::{Epoch, partitions::Held};
use bytes::Bytes;
use mainstem_protocol::{
    messages::{
        TopicName,
        internal::consumer_group::{
            ClassicMemberMetadata, ClassicProtocol, ConsumerGroupCurrentMemberAssignmentValue,
            ConsumerGroupMemberMetadataValue,
        },
    },
    wire::WireStr,
};
use std::{collections::BTreeSet, sync::Arc};

/// How far a member is on its way to the target assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MemberState {
    /// It holds all that its epoch gives it.
    #[default]
    Stable,
    /// It has to give up partitions before it gets its next epoch.
    UnrevokedPartitions,
    /// It has its epoch, and waits for partitions that others have not given up yet.
    UnreleasedPartitions,
    /// Written by a later broker: the member has to start over.
    Unknown,
}

impl MemberState {
    fn from_code(code: i8) -> Self {
        match code {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }

    fn code(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }
}

/// What a member told of itself (record type 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberMetadata {
    /// Name of a static member.
    pub(super) instance_id: Option<WireStr>,
    pub(super) rack_id: Option<WireStr>,
    pub(super) client_id: WireStr,
    pub(super) client_host: WireStr,
    pub(super) topics: Arc<BTreeSet<TopicName>>,
    /// Never empty.
    pub(super) regex: Option<WireStr>,
    /// -1 = not known.
    pub(super) rebalance_timeout_ms: i32,
    pub(super) server_assignor: Option<WireStr>,
    /// Set while the member uses the classic protocol.
    pub(super) classic: Option<Arc<ClassicMemberMetadata>>,
}

impl Default for MemberMetadata {
    fn default() -> Self {
        Self {
            instance_id: None,
            rack_id: None,
            client_id: WireStr::default(),
            client_host: WireStr::default(),
            topics: Arc::default(),
            regex: None,
            rebalance_timeout_ms: -1,
            server_assignor: None,
            classic: None,
        }
    }
}

impl MemberMetadata {
    /// Every text is copied: what came in with a frame must not keep it in memory.
    pub(super) fn from_record(value: &ConsumerGroupMemberMetadataValue) -> Self {
        let own = |text: &Option<WireStr>| text.as_ref().map(WireStr::detached);
        Self {
            instance_id: own(&value.instance_id),
            rack_id: own(&value.rack_id),
            client_id: value.client_id.detached(),
            client_host: value.client_host.detached(),
            topics: Arc::new(value.subscribed_topic_names.iter().map(TopicName::detached).collect()),
            regex: own(&value.subscribed_topic_regex).filter(|regex| !regex.is_empty()),
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            server_assignor: own(&value.server_assignor),
            classic: value.classic_member_metadata.as_ref().map(|classic| Arc::new(detached(classic))),
        }
    }

    pub(super) fn to_record(&self) -> ConsumerGroupMemberMetadataValue {
        ConsumerGroupMemberMetadataValue {
            instance_id: self.instance_id.clone(),
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            subscribed_topic_names: self.topics.iter().cloned().collect(),
            subscribed_topic_regex: Some(self.regex.clone().unwrap_or_default()),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.server_assignor.clone(),
            classic_member_metadata: self.classic.as_deref().cloned(),
        }
    }
}

fn detached(classic: &ClassicMemberMetadata) -> ClassicMemberMetadata {
    ClassicMemberMetadata {
        session_timeout_ms: classic.session_timeout_ms,
        supported_protocols: classic
            .supported_protocols
            .iter()
            .map(|protocol| ClassicProtocol {
                name: protocol.name.detached(),
                metadata: Bytes::copy_from_slice(&protocol.metadata),
            })
            .collect(),
    }
}

/// Where a member is on its way to the target assignment (record type 8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Current {
    /// 0 before its first record; [`Epoch::STATIC_LEAVE`] while a static member is on leave.
    pub(super) epoch: Epoch,
    /// The epoch before that: a member whose answer got lost still comes with it.
    pub(super) previous_epoch: Epoch,
    pub(super) state: MemberState,
    /// What it may own.
    pub(super) assigned: Arc<Held>,
    /// What it has to give up, and still owns. Disjoint from `assigned`.
    pub(super) pending_revocation: Arc<Held>,
}

impl Current {
    /// Of a member that is not in the group yet.
    pub(super) fn new_member() -> Self {
        Self { previous_epoch: Epoch::LEAVE, ..Self::default() }
    }

    pub(super) fn from_record(value: &ConsumerGroupCurrentMemberAssignmentValue) -> Self {
        let epoch = Epoch(value.member_epoch);
        Self {
            epoch,
            previous_epoch: Epoch(value.previous_member_epoch),
            state: MemberState::from_code(value.state),
            assigned: Arc::new(Held::from_record(&value.assigned_partitions, epoch)),
            pending_revocation: Arc::new(Held::from_record(&value.partitions_pending_revocation, epoch)),
        }
    }

    pub(super) fn to_record(&self) -> ConsumerGroupCurrentMemberAssignmentValue {
        ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch.get(),
            previous_member_epoch: self.previous_epoch.get(),
            state: self.state.code(),
            assigned_partitions: self.assigned.to_record(),
            partitions_pending_revocation: self.pending_revocation.to_record(),
        }
    }

    /// Whether nothing is left to do for the target of that epoch.
    pub(super) fn is_reconciled_to(&self, target: Epoch) -> bool {
        self.state == MemberState::Stable && self.epoch == target
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) metadata: Arc<MemberMetadata>,
    pub(super) current: Current,
}

impl Member {
    /// One that is not in the group yet.
    pub(super) fn new() -> Self {
        Self { metadata: Arc::default(), current: Current::new_member() }
    }

    pub(super) fn uses_classic_protocol(&self) -> bool {
        self.metadata.classic.is_some()
    }
}
