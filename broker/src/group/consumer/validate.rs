//! Whether a heartbeat makes sense by itself, before the group is looked at. Above: heartbeats. Below: nothing.

use super::{Epoch, Refused};
use crate::group::GroupSettings;
use mainstem_protocol::{
    error::ErrorCode, messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
};

/// From this version on the client makes the id of its member (KIP-1082).
const CLIENT_MEMBER_ID_VERSION: i16 = 1;

/// Names that become part of what is kept, at most; Kafka has no such limit.
const NAME_BYTES_MAX: usize = 1024;

pub(super) fn validate(
    request: &ConsumerGroupHeartbeatRequest,
    version: i16,
    settings: &GroupSettings,
) -> Result<(), Refused> {
    let epoch = Epoch(request.member_epoch);
    if CLIENT_MEMBER_ID_VERSION <= version || Epoch::JOIN < epoch || epoch == Epoch::LEAVE {
        not_blank(Some(&request.member_id), "MemberId can't be empty.")?;
    }
    not_blank(Some(&request.group_id), "GroupId can't be empty.")?;
    not_blank(request.instance_id.as_deref(), "InstanceId can't be empty.")?;
    not_blank(request.rack_id.as_deref(), "RackId can't be empty.")?;
    if NAME_BYTES_MAX < request.group_id.len() {
        return Err(Refused::new(ErrorCode::InvalidGroupId, "GroupId is too long."));
    }
    let names = [Some(&request.member_id), request.instance_id.as_ref(), request.rack_id.as_ref()];
    if names.into_iter().flatten().any(|name| NAME_BYTES_MAX < name.len()) {
        return Err(invalid("MemberId, InstanceId and RackId must not be longer than 1024 bytes."));
    }

    match epoch {
        Epoch::JOIN => {
            if request.rebalance_timeout_ms == -1 {
                return Err(invalid("RebalanceTimeoutMs must be provided in first request."));
            }
            if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
                return Err(invalid("TopicPartitions must be empty when (re-)joining."));
            }
            // Both may be empty: then the member is in the group and subscribes to nothing.
            if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
                return Err(invalid(
                    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
                ));
            }
        }
        Epoch::STATIC_LEAVE if request.instance_id.is_none() => {
            return Err(invalid("InstanceId can't be null."));
        }
        epoch if epoch < Epoch::STATIC_LEAVE => return Err(invalid("MemberEpoch is invalid.")),
        _ => {}
    }

    match &request.server_assignor {
        Some(assignor) if settings.assignors.iter().all(|known| **known != **assignor) => {
            let known: Vec<&str> = settings.assignors.iter().map(|name| &**name).collect();
            Err(Refused::new(
                ErrorCode::UnsupportedAssignor,
                format!(
                    "ServerAssignor {assignor} is not supported. Supported assignors: {}.",
                    known.join(", ")
                ),
            ))
        }
        _ => Ok(()),
    }
}

fn not_blank(value: Option<&str>, message: &str) -> Result<(), Refused> {
    if value.is_some_and(|value| value.trim().is_empty()) { Err(invalid(message)) } else { Ok(()) }
}

fn invalid(message: &str) -> Refused {
    Refused::new(ErrorCode::InvalidRequest, message)
}
