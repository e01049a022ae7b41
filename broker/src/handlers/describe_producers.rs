//! `DescribeProducers`, key 61, version 0. Above: request::router. Below: partition.
//! Which producers a log remembers and what of them, transactions that were left open included; only the leader answers.
//! Left out: a partition that is named again, which would multiply the answer: INVALID_REQUEST.

use super::{
    Context, Staged,
    lookup::{TopicRef, not_leader_code},
};
use crate::{controller::topic_name, partition::Partition};
use mainstem_protocol::{
    error::ErrorCode,
    messages::describe_producers::{
        DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
    },
    model::{Offset, ProducerId},
    wire::WireStr,
};
use mainstem_storage::ProducerEntry;
use std::{collections::HashSet, sync::Arc};

pub(crate) fn handle(
    context: &Context<'_>,
    request: DescribeProducersRequest,
) -> Staged<DescribeProducersResponse> {
    // authorise: every topic is open until there are access rules
    let mut named = HashSet::new();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|&index| {
            // validate, act
            let found = if named.insert((topic.name.as_str(), index)) {
                find(context, &topic.name, index)
            } else {
                Err((ErrorCode::InvalidRequest, "The partition is named twice.".into()))
            };
            // answer
            answered(index, found)
        });
        TopicResponse { name: topic.name.detached(), partitions: partitions.collect() }
    });
    let topics = topics.collect();
    Staged::ready(DescribeProducersResponse { topics, ..DescribeProducersResponse::default() })
}

type Found = Result<Arc<Partition>, (ErrorCode, WireStr)>;

fn find(context: &Context<'_>, topic: &str, index: i32) -> Found {
    let in_words = |code: ErrorCode| (code, WireStr::from(code.text()));
    topic_name::check(topic).map_err(|error| (error.code, (*error.message).into()))?;
    let partition = TopicRef::Name(topic).partition(context.services, index).map_err(in_words)?;
    partition.check_leader(None).map_err(|refusal| in_words(not_leader_code(refusal)))?;
    Ok(partition)
}

fn answered(partition_index: i32, found: Found) -> PartitionResponse {
    match found {
        Ok(partition) => PartitionResponse {
            partition_index,
            active_producers: partition.log().producers().into_iter().map(state).collect(),
            ..PartitionResponse::default()
        },
        Err((code, message)) => PartitionResponse {
            partition_index,
            error_code: code.code(),
            error_message: Some(message),
            ..PartitionResponse::default()
        },
    }
}

fn state((producer_id, entry): (ProducerId, ProducerEntry)) -> ProducerState {
    ProducerState {
        producer_id: producer_id.get(),
        producer_epoch: entry.epoch.get().into(),
        last_sequence: entry.last_sequence(),
        last_timestamp: entry.last_timestamp.get(),
        coordinator_epoch: entry.coordinator_epoch,
        current_txn_start_offset: entry.transaction_first_offset.unwrap_or(Offset::NONE).get(),
    }
}
