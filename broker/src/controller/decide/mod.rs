//! What the controller decides: pure functions of an image and a request.
//!
//! A decision is a list of records and one answer for each item of the request. Nothing here reads a clock, does I/O or
//! changes anything; chance comes in as an argument. Items of one request are decided one after the other, each on the
//! image with the records of those before it.
//!
//! Reading order: [`topic_name`], [`placement`], [`create_topics`], [`delete_topics`], [`create_partitions`], [`configs`],
//! [`producer_ids`], [`leadership`] (who leads a partition), [`brokers`] (registration and fencing).
//!
//! Above: `proposer`. Below: `metadata`.

pub(super) mod brokers;
pub(super) mod configs;
pub(super) mod create_partitions;
pub(super) mod create_topics;
pub(super) mod delete_topics;
pub(super) mod leadership;
pub(super) mod placement;
pub(super) mod producer_ids;
pub(crate) mod topic_name;

#[cfg(test)]
mod tests;

use super::{
    ApiError,
    request::{ItemAnswer, Request},
};
use crate::{
    env::Random,
    metadata::{ApplyError, ConfigResource, ConfigValues, EntryPosition, MetadataImage, MetadataRecord},
};
use mainstem_protocol::error::ErrorCode;
use std::sync::Arc;

/// New partitions in one request, at most: each becomes a record of one entry.
pub(super) const NEW_PARTITIONS_MAX: usize = 10_000;

/// What a configuration may hold: the room `config` behind a seam, so that decisions need no broker configuration.
pub trait ConfigRules: Send + Sync + 'static {
    /// The values that a resource sets after a change, checked and normalised. `image` tells what holds where the
    /// resource sets nothing.
    fn alter(
        &self,
        image: &MetadataImage,
        resource: &ConfigResource,
        current: &ConfigValues,
        alteration: &super::Alteration,
    ) -> Result<ConfigValues, ApiError>;

    /// Partitions of a topic that asks for none.
    fn default_partitions(&self) -> i32;

    /// Replicas of a partition whose topic asks for none, if configured.
    fn default_replication_factor(&self) -> Option<i16>;

    /// In-sync replicas below which `acks=all` is refused, for a partition of `replicas` replicas.
    fn min_in_sync_replicas(
        &self,
        image: &MetadataImage,
        topic_configs: &ConfigValues,
        replicas: usize,
    ) -> usize;
}

/// What decisions need besides image and request.
pub(super) struct Surroundings {
    /// For topic ids and the start of a placement.
    pub(super) random: Random,
    /// What configurations may hold.
    pub(super) rules: Arc<dyn ConfigRules>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Decision {
    /// To be applied together.
    pub(super) records: Vec<MetadataRecord>,
    /// One for each item, in order.
    pub(super) answers: Vec<ItemAnswer>,
}

impl Decision {
    fn of_one(answer: Result<(super::request::Done, Vec<MetadataRecord>), ApiError>) -> Self {
        match answer {
            Ok((done, records)) => Self { records, answers: vec![Ok(done)] },
            Err(error) => Self { records: Vec::new(), answers: vec![Err(error)] },
        }
    }
}

/// Decides one request.
pub(super) fn decide(surroundings: &Surroundings, image: &Arc<MetadataImage>, request: &Request) -> Decision {
    match request {
        Request::CreateTopics(request) => create_topics::decide(surroundings, image, request),
        Request::DeleteTopics(topics) => delete_topics::decide(image, topics),
        Request::CreatePartitions(request) => create_partitions::decide(surroundings, image, request),
        Request::AlterConfigs(request) => configs::decide(surroundings, image, request),
        Request::AllocateProducerIds(request) => Decision::of_one(producer_ids::decide(image, *request)),
        Request::RegisterBroker(request) => Decision::of_one(brokers::register(surroundings, image, request)),
        Request::ChangeBroker { id, epoch, wish } => {
            Decision::of_one(brokers::change(surroundings, image, *id, *epoch, *wish))
        }
        Request::OfflineReplicas(request) => {
            Decision::of_one(brokers::replicas_offline(surroundings, image, request))
        }
        Request::RaiseFeatures(levels) => Decision::of_one(Ok(brokers::raise_features(image, levels))),
    }
}

/// The image as it will be once records that were just decided are applied. Only for deciding what comes after them: the
/// index is not yet known, so broker epochs in it are provisional.
pub(super) fn preview(
    image: &Arc<MetadataImage>,
    records: &[MetadataRecord],
) -> Result<Arc<MetadataImage>, ApplyError> {
    let position = EntryPosition {
        index: image.index.saturating_add(1),
        controller_epoch: image.controller_epoch,
        controller_id: image.controller_id,
    };
    Ok(Arc::clone(image.apply(position, records)?.after()))
}

fn refuse<T>(code: ErrorCode, message: impl Into<Arc<str>>) -> Result<T, ApiError> {
    Err(ApiError::new(code, message))
}
