//! What is refused before a group is looked for, and what is answered when there is none.
//!
//! Above: the machine of groups. Below: the messages. Pure: values only.

use super::answer;
use crate::group::{Client, GroupSettings};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        heartbeat::HeartbeatResponse,
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse},
        sync_group::SyncGroupResponse,
    },
};

/// Protocols that a member may offer. Consumers offer one or two.
pub(super) const PROTOCOLS_MAX: usize = 64;
/// What a member may tell the leader in one protocol, in bytes.
pub(super) const METADATA_BYTES_MAX: usize = 64 * 1024;
/// A member's part of the assignment, in bytes.
pub(super) const ASSIGNMENT_BYTES_MAX: usize = 1024 * 1024;
/// Names that become part of what is stored: group, instance id, protocol type.
pub(crate) const NAME_BYTES_MAX: usize = 1024;

/// A group id that no group of the classic protocol may have.
pub(crate) fn group_id(id: &str) -> Result<(), ErrorCode> {
    if id.is_empty() || NAME_BYTES_MAX < id.len() { Err(ErrorCode::InvalidGroupId) } else { Ok(()) }
}

/// Whether a group could take this JoinGroup at all.
pub(crate) fn join(request: &JoinGroupRequest, settings: &GroupSettings) -> Result<(), ErrorCode> {
    group_id(&request.group_id)?;
    let session = u64::try_from(request.session_timeout_ms).map(std::time::Duration::from_millis);
    let allowed = settings.classic_session_min..=settings.classic_session_max;
    if !session.is_ok_and(|session| allowed.contains(&session)) {
        return Err(ErrorCode::InvalidSessionTimeout);
    }
    let names = [request.group_instance_id.as_deref(), Some(&*request.protocol_type)];
    let has_long_names = names.into_iter().flatten().any(|name| NAME_BYTES_MAX < name.len());
    let has_long_protocols = request
        .protocols
        .iter()
        .any(|protocol| NAME_BYTES_MAX < protocol.name.len() || METADATA_BYTES_MAX < protocol.metadata.len());
    if has_long_names || has_long_protocols || PROTOCOLS_MAX < request.protocols.len() {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(())
}

/// JoinGroup that ends in an error of the whole.
pub(crate) fn join_error(client: &Client, request: &JoinGroupRequest, error: ErrorCode) -> JoinGroupResponse {
    answer::join_error(client.version, &request.member_id, error)
}

/// SyncGroup that ends in an error of the whole.
pub(crate) fn sync_error(error: ErrorCode) -> SyncGroupResponse {
    answer::sync_error(error)
}

/// Heartbeat that ends in an error.
pub(crate) fn heartbeat_error(error: ErrorCode) -> HeartbeatResponse {
    answer::heartbeat(Err(error))
}

/// LeaveGroup that ends in an error of the whole.
pub(crate) fn leave_error(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code: error.code(), ..LeaveGroupResponse::default() }
}

/// LeaveGroup to a group that is not there: nobody who wants to leave is known.
pub(crate) fn leave_unknown(client: &Client, request: &LeaveGroupRequest) -> LeaveGroupResponse {
    let members = leavers(client.version, request);
    let unknown = |member: MemberIdentity| left(member, Err(ErrorCode::UnknownMemberId));
    answer::leave(client.version, members.into_iter().map(unknown).collect())
}

/// Who wants to leave: the one of old versions, or the many of new ones.
pub(super) fn leavers(version: i16, request: &LeaveGroupRequest) -> Vec<MemberIdentity> {
    if version < 3 {
        vec![MemberIdentity { member_id: request.member_id.clone(), ..MemberIdentity::default() }]
    } else {
        request.members.clone()
    }
}

/// How it ended for one of them.
pub(super) fn left(member: MemberIdentity, result: Result<(), ErrorCode>) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: result.err().map_or(0, ErrorCode::code),
    }
}
