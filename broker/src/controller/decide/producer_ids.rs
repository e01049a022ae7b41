//! Blocks of producer ids, each handed out once. Pure; above: `decide`.

use super::refuse;
use crate::{
    controller::{
        ApiError,
        request::{AllocateProducerIds, Done},
    },
    metadata::{MetadataImage, MetadataRecord, record::ProducerIds},
};
use mainstem_protocol::error::ErrorCode;

/// Ids in one block: large enough that a broker asks rarely, small enough that a restart wastes few.
pub(in crate::controller) const BLOCK_LEN: i32 = 1_000;

pub(super) fn decide(
    image: &MetadataImage,
    request: AllocateProducerIds,
) -> Result<(Done, Vec<MetadataRecord>), ApiError> {
    super::brokers::check_epoch(image, request.broker, request.broker_epoch)?;
    let first = image.next_producer_id.get();
    let Some(next) = first.checked_add(BLOCK_LEN.into()) else {
        return refuse(ErrorCode::UnknownServerError, "All producer ids have been handed out.");
    };
    let record = ProducerIds {
        broker_id: request.broker.get(),
        broker_epoch: request.broker_epoch.get(),
        next_producer_id: next,
    };
    Ok((Done { value: first, ..Done::default() }, vec![record.into()]))
}
