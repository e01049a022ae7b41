//! `DeleteRecords`, key 21, versions 0-2. Above: request::router. Below: `partition`.
//! Moves the start of partitions up: records below the offset are gone for readers. -1 = the high watermark; above it
//! OFFSET_OUT_OF_RANGE; at or below the start nothing changes. Answered when the new start is on disk. POLICY_VIOLATION where
//! the topic is compacted and nothing else: there a record goes when its key has a later one. INVALID_TOPIC_EXCEPTION for
//! internal topics.
//! Left out: waiting for followers, since there are none yet.

use super::{
    Context, Reply, Services, Staged,
    lookup::{TopicRef, not_leader_code},
};
use crate::{metadata::is_internal, partition::Partition};
use mainstem_protocol::{
    error::ErrorCode,
    messages::delete_records::{
        DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
        DeleteRecordsTopicResult,
    },
    model::Offset,
};
use std::sync::Arc;

pub(crate) fn handle(context: &Context<'_>, request: DeleteRecordsRequest) -> Staged<DeleteRecordsResponse> {
    // authorise: everyone may until there are access rules
    let services = Arc::clone(context.services);
    Staged::later(async move {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for wanted in &topic.partitions {
                // validate, act
                let trimmed = trim(&services, &topic.name, wanted).await;
                // answer
                partitions.push(DeleteRecordsPartitionResult {
                    partition_index: wanted.partition_index,
                    low_watermark: trimmed.map_or(-1, Offset::get),
                    error_code: trimmed.err().map_or(0, ErrorCode::code),
                });
            }
            topics.push(DeleteRecordsTopicResult { name: topic.name.detached(), partitions });
        }
        Reply::from(DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() })
    })
}

async fn trim(
    services: &Arc<Services>,
    topic: &str,
    wanted: &DeleteRecordsPartition,
) -> Result<Offset, ErrorCode> {
    if is_internal(topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let partition = TopicRef::Name(topic).partition(services, wanted.partition_index)?;
    partition.check_leader(None).map_err(not_leader_code)?;
    let config = partition.config();
    if config.cleanup_compact && !config.cleanup_delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let high_watermark = partition.offsets().high_watermark;
    let before = match wanted.offset {
        -1 => high_watermark,
        offset if offset < 0 || high_watermark.get() < offset => return Err(ErrorCode::OffsetOutOfRange),
        offset => Offset(offset),
    };
    let trimmed = Arc::clone(&partition);
    let done = services.env.tasks.blocking(move || Partition::trim(&trimmed, before)).await;
    done.map_err(|_| ErrorCode::KafkaStorageError)?.map_err(|error| {
        tracing::error!(target: "mainstem::log", partition = %partition.name(), %error, "records cannot be deleted");
        ErrorCode::KafkaStorageError
    })
}
