//! `OffsetForLeaderEpoch`, key 23, versions 2-4. Above: request::router. Below: partition.
//! Where a leader epoch ends in the leader's log: a consumer that knows the epoch of its last record sees by it whether
//! the log was truncated below its position (KIP-320). An epoch that the log has not heard of answers -1/-1, which is no
//! sign of lost data (rule L3).
//! Left out: nothing. A replica id makes no difference: only the leader answers.

use super::{
    Context, Staged,
    lookup::{TopicRef, not_leader_code},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::offset_for_leader_epoch::{
        EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
        OffsetForLeaderTopicResult,
    },
    model::LeaderEpoch,
};
use mainstem_storage::EpochEndOffset as End;

pub(crate) fn handle(
    context: &Context<'_>,
    request: OffsetForLeaderEpochRequest,
) -> Staged<OffsetForLeaderEpochResponse> {
    // authorise: every topic is open until there are access rules
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            // validate, act
            let end = end_of_epoch(context, &topic.topic, wanted);
            // answer
            let (code, end) = match end {
                Ok(end) => (ErrorCode::None, end),
                Err(code) => (code, End::UNKNOWN),
            };
            EpochEndOffset {
                error_code: code.code(),
                partition: wanted.partition,
                leader_epoch: end.epoch.get(),
                end_offset: end.end_offset.get(),
            }
        });
        OffsetForLeaderTopicResult { topic: topic.topic.detached(), partitions: partitions.collect() }
    });
    let topics = topics.collect();
    Staged::ready(OffsetForLeaderEpochResponse { topics, ..OffsetForLeaderEpochResponse::default() })
}

fn end_of_epoch(
    context: &Context<'_>,
    topic: &str,
    wanted: &OffsetForLeaderPartition,
) -> Result<End, ErrorCode> {
    let partition = TopicRef::Name(topic).partition(context.services, wanted.partition)?;
    let fence = (0 <= wanted.current_leader_epoch).then_some(LeaderEpoch(wanted.current_leader_epoch));
    partition.check_leader(fence).map_err(not_leader_code)?;
    Ok(partition.end_offset_for_epoch(LeaderEpoch(wanted.leader_epoch)))
}
