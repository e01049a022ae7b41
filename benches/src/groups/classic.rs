//! A member of a classic group as the usual clients behave: join, sync, a heartbeat every three seconds, join again when told.
//!
//! The first to be named leader deals the partitions out.

use super::{
    Member, SESSION_MS,
    board::{Phase, count},
    connection::Connection,
};
use anyhow::{Context as _, bail};
use bytes::{BufMut as _, Bytes, BytesMut};
use mainstem_protocol::{
    messages::{
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment},
    },
    wire::WireStr,
};
use std::time::Duration;
use tokio::time::Instant;

/// `heartbeat.interval.ms` of the usual clients.
const HEARTBEAT: Duration = Duration::from_secs(3);
const PROTOCOL: &str = "range";
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;
/// Loading, not available, not this one.
const COORDINATOR: [i16; 3] = [14, 15, 16];

pub(super) async fn live(member: Member, mut connection: Connection) -> anyhow::Result<()> {
    let mut phase = member.board.phase();
    let mut id: WireStr = "".into();
    loop {
        let (generation, partitions) = gather(&member, &mut connection, &mut id).await?;
        member.board.report(member.group, member.index, Some((generation, partitions)));
        let mut next = Instant::now() + HEARTBEAT;
        loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::End => return Ok(()),
                Phase::Leave if member.leaves => {
                    return leave(&member, &mut connection, id).await;
                }
                Phase::Commit if member.commits => {
                    commit(&member, &mut connection, &id, generation).await?;
                    continue;
                }
                Phase::Rest | Phase::Commit | Phase::Leave => {}
            }
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                changed = phase.changed() => {
                    changed?;
                    continue;
                }
            }
            next = Instant::now() + HEARTBEAT;
            let request = HeartbeatRequest {
                group_id: member.name.as_str().into(),
                generation_id: generation,
                member_id: id.clone(),
                ..Default::default()
            };
            let error = connection.call(4, &request).await?.error_code;
            count(&member.board.heartbeats);
            match error {
                0 => {}
                REBALANCE_IN_PROGRESS => break,
                ILLEGAL_GENERATION | UNKNOWN_MEMBER_ID => {
                    count(&member.board.refusals);
                    id = "".into();
                    break;
                }
                error => bail!("a heartbeat was answered with error {error}"),
            }
        }
    }
}

/// Joins and syncs until the member is part of a generation; which, and how many partitions are its.
async fn gather(
    member: &Member,
    connection: &mut Connection,
    id: &mut WireStr,
) -> anyhow::Result<(i32, usize)> {
    loop {
        let protocol =
            JoinGroupRequestProtocol { name: PROTOCOL.into(), metadata: subscription(&member.topic) };
        let request = JoinGroupRequest {
            group_id: member.name.as_str().into(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: 60_000,
            member_id: id.clone(),
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            ..Default::default()
        };
        let joined = connection.call(9, &request).await?;
        match joined.error_code {
            0 => *id = joined.member_id.clone(),
            MEMBER_ID_REQUIRED => {
                *id = joined.member_id;
                continue;
            }
            UNKNOWN_MEMBER_ID => {
                count(&member.board.refusals);
                *id = "".into();
                continue;
            }
            error if COORDINATOR.contains(&error) => {
                count(&member.board.refusals);
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            error => bail!("JoinGroup was answered with error {error}"),
        }
        let request = SyncGroupRequest {
            group_id: member.name.as_str().into(),
            generation_id: joined.generation_id,
            member_id: id.clone(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some(PROTOCOL.into()),
            assignments: deal(member, &joined),
            ..Default::default()
        };
        let synced = connection.call(5, &request).await?;
        match synced.error_code {
            0 => return Ok((joined.generation_id, partitions_in(&member.topic, &synced.assignment)?)),
            REBALANCE_IN_PROGRESS => {}
            ILLEGAL_GENERATION | UNKNOWN_MEMBER_ID => {
                count(&member.board.refusals);
                *id = "".into();
            }
            error => bail!("SyncGroup was answered with error {error}"),
        }
    }
}

/// What the leader hands in: partitions in turn.
fn deal(member: &Member, joined: &JoinGroupResponse) -> Vec<SyncGroupRequestAssignment> {
    if joined.leader != joined.member_id {
        return Vec::new();
    }
    let count = joined.members.len();
    let of = |at: usize| (0..member.partitions).filter(move |partition| *partition as usize % count == at);
    let assignment =
        |(at, to): (usize, &mainstem_protocol::messages::join_group::JoinGroupResponseMember)| {
            SyncGroupRequestAssignment {
                member_id: to.member_id.clone(),
                assignment: assignment(&member.topic, &of(at).collect::<Vec<i32>>()),
            }
        };
    joined.members.iter().enumerate().map(assignment).collect()
}

async fn leave(member: &Member, connection: &mut Connection, id: WireStr) -> anyhow::Result<()> {
    let request = LeaveGroupRequest {
        group_id: member.name.as_str().into(),
        members: vec![MemberIdentity { member_id: id, ..Default::default() }],
        ..Default::default()
    };
    let error = connection.call(5, &request).await?.error_code;
    anyhow::ensure!(error == 0, "LeaveGroup was answered with error {error}");
    member.board.report(member.group, member.index, None);
    Ok(())
}

async fn commit(
    member: &Member,
    connection: &mut Connection,
    id: &WireStr,
    generation: i32,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let partition = OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() };
    let topic = OffsetCommitRequestTopic {
        name: member.topic.as_str().into(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: member.name.as_str().into(),
        generation_id_or_member_epoch: generation,
        member_id: id.clone(),
        topics: vec![topic],
        ..Default::default()
    };
    let answer = connection.call(8, &request).await?;
    let error =
        answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
    let error = error.max().context("an answer for the partition")?;
    anyhow::ensure!(error == 0, "OffsetCommit was answered with error {error}");
    member.board.commit_micros.borrow_mut().push(u32::try_from(began.elapsed().as_micros())?);
    Ok(())
}

/// Version 0 of what a consumer tells when it joins: its topics, and nothing else.
fn subscription(topic: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    put_text(&mut bytes, topic);
    bytes.put_i32(-1);
    bytes.freeze()
}

/// Version 0 of what a consumer is told: partitions of topics, and nothing else.
fn assignment(topic: &str, partitions: &[i32]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    put_text(&mut bytes, topic);
    bytes.put_i32(partitions.len() as i32);
    for partition in partitions {
        bytes.put_i32(*partition);
    }
    bytes.put_i32(-1);
    bytes.freeze()
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    bytes.put_i16(text.len() as i16);
    bytes.put_slice(text.as_bytes());
}

/// How many partitions an assignment of [`assignment`] holds.
fn partitions_in(topic: &str, assignment: &[u8]) -> anyhow::Result<usize> {
    let at = 2 + 4 + 2 + topic.len();
    let count = assignment.get(at..at + 4).context("an assignment")?;
    Ok(usize::try_from(i32::from_be_bytes(count.try_into()?))?)
}
