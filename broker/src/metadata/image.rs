//! The image: everything the metadata log says up to one index, as an immutable value.
//!
//! Two nodes that applied the same entries hold equal images. Cloning costs a handful of reference counts; `apply`
//! copies only what a record touches.

use super::{BrokerRegistration, ConfigsImage, TopicsImage};
use crate::metadata::record::RequestAnswer;
use mainstem_protocol::model::{BrokerId, ProducerId, Uuid};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Answers that are remembered for retries, at most.
const FINISHED_REQUESTS_MAX: usize = 1_000;

/// Items in all remembered answers together, at most: one request may have created 10,000 topics.
const FINISHED_REQUEST_ITEMS_MAX: usize = 20_000;

/// A request whose effect is in the image, kept so that a retry gets the same answer instead of a second effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinishedRequest {
    /// Chosen at random by whoever asked.
    pub id: Uuid,
    /// One answer for each item of the request, in its order.
    pub answers: Arc<[RequestAnswer]>,
}

/// All metadata of the cluster up to and including entry [`MetadataImage::index`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataImage {
    /// Index of the last entry of the log that is in here; 0 = none.
    pub index: u64,
    /// Term of the leader that wrote that entry: the controller epoch. 0 = none.
    pub controller_epoch: u64,
    /// The node that wrote that entry. [`BrokerId::NONE`] = none.
    pub controller_id: BrokerId,
    /// Id of the cluster, from the formatted directory.
    pub cluster_id: Arc<str>,
    /// Registered brokers, fenced ones too.
    pub brokers: Arc<BTreeMap<BrokerId, Arc<BrokerRegistration>>>,
    /// Topics.
    pub topics: TopicsImage,
    /// Dynamic configuration.
    pub configs: ConfigsImage,
    /// First producer id that was not handed out in a block.
    pub next_producer_id: ProducerId,
    /// Finalised level of each feature; absent = 0.
    pub features: Arc<BTreeMap<Arc<str>, i16>>,
    /// Index of the last entry that held records; a proposal is decided against it.
    pub last_record_index: u64,
    pub(super) finished_requests: Arc<VecDeque<FinishedRequest>>,
    pub(super) finished_items: usize,
}

impl MetadataImage {
    /// The image of a log without entries.
    pub fn empty(cluster_id: impl Into<Arc<str>>) -> Self {
        Self {
            index: 0,
            controller_epoch: 0,
            controller_id: BrokerId::NONE,
            cluster_id: cluster_id.into(),
            brokers: Arc::default(),
            topics: TopicsImage::default(),
            configs: ConfigsImage::default(),
            next_producer_id: ProducerId(0),
            features: Arc::default(),
            last_record_index: 0,
            finished_requests: Arc::default(),
            finished_items: 0,
        }
    }

    /// A broker by id, fenced or not.
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// Brokers that may be given leaderships, by rising id.
    pub fn active_brokers(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values().filter(|broker| broker.is_active())
    }

    /// The remembered answer of a request, if it is among the last ones.
    pub fn finished_request(&self, id: Uuid) -> Option<&FinishedRequest> {
        // Retries ask for recent requests: the newest are at the back.
        self.finished_requests.iter().rev().find(|request| request.id == id)
    }

    /// The remembered answers, oldest first.
    pub fn finished_requests(&self) -> impl Iterator<Item = &FinishedRequest> {
        self.finished_requests.iter()
    }

    pub(super) fn remember(&mut self, request: FinishedRequest) {
        let requests = Arc::make_mut(&mut self.finished_requests);
        self.finished_items += request.answers.len();
        requests.push_back(request);
        while FINISHED_REQUESTS_MAX < requests.len()
            || (1 < requests.len() && FINISHED_REQUEST_ITEMS_MAX < self.finished_items)
        {
            let Some(forgotten) = requests.pop_front() else { break };
            self.finished_items -= forgotten.answers.len();
        }
    }
}
