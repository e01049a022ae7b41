//! A member of a consumer group (KIP-848): one request does it all, as often as the broker wants, and at once when partitions
//! were given up or taken.

use super::{
    Member,
    board::{Phase, count},
    connection::Connection,
};
use anyhow::bail;
use mainstem_protocol::{
    messages::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, TopicPartitions},
    wire::WireStr,
};
use std::time::Duration;
use tokio::time::Instant;

const UNKNOWN_MEMBER_ID: i16 = 25;
const FENCED_MEMBER_EPOCH: i16 = 110;
const COORDINATOR: [i16; 3] = [14, 15, 16];
/// The epoch of a member that leaves.
const LEAVE: i32 = -1;

pub(super) async fn live(member: Member, mut connection: Connection) -> anyhow::Result<()> {
    let mut phase = member.board.phase();
    let id: WireStr = format!("member-{}-{}", member.group, member.index).as_str().into();
    let mut epoch = 0;
    let mut owned: Vec<TopicPartitions> = Vec::new();
    // Tells everything when it joins, what it owns when that changes, else nothing.
    let mut tells = true;
    loop {
        let mut request = ConsumerGroupHeartbeatRequest { member_epoch: epoch, ..request_of(&member, &id) };
        if epoch == 0 {
            request.rebalance_timeout_ms = 60_000;
            request.subscribed_topic_names = Some(vec![member.topic.as_str().into()]);
        }
        if tells {
            request.topic_partitions = Some(owned.clone());
        }
        let answer = connection.call(1, &request).await?;
        count(&member.board.heartbeats);
        match answer.error_code {
            0 => {}
            UNKNOWN_MEMBER_ID | FENCED_MEMBER_EPOCH => {
                count(&member.board.refusals);
                (epoch, tells) = (0, true);
                owned.clear();
                continue;
            }
            error if COORDINATOR.contains(&error) => {
                count(&member.board.refusals);
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            error => bail!("a heartbeat was answered with error {error}: {:?}", answer.error_message),
        }
        epoch = answer.member_epoch;
        tells = false;
        if let Some(assignment) = answer.assignment
            && assignment.topic_partitions != owned
        {
            owned = assignment.topic_partitions;
            tells = true;
            continue;
        }
        let partitions = owned.iter().map(|topic| topic.partitions.len()).sum();
        member.board.report(member.group, member.index, Some((epoch, partitions)));
        let next = Instant::now() + Duration::from_millis(u64::try_from(answer.heartbeat_interval_ms)?);
        loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::End => return Ok(()),
                Phase::Leave if member.leaves => {
                    let request =
                        ConsumerGroupHeartbeatRequest { member_epoch: LEAVE, ..request_of(&member, &id) };
                    let error = connection.call(1, &request).await?.error_code;
                    anyhow::ensure!(error == 0, "a member that left was answered with error {error}");
                    member.board.report(member.group, member.index, None);
                    return Ok(());
                }
                Phase::Rest | Phase::Commit | Phase::Leave => {}
            }
            tokio::select! {
                () = tokio::time::sleep_until(next) => break,
                changed = phase.changed() => changed?,
            }
        }
    }
}

fn request_of(member: &Member, id: &WireStr) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: member.name.as_str().into(),
        member_id: id.clone(),
        ..Default::default()
    }
}
