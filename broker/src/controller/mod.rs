//! The controller: the one place where the cluster's metadata is changed.
//!
//! A request is decided purely on the newest image ([`decide`]), proposed as one entry of a replicated log
//! ([`quorum`]), applied by everyone, and answered once the rooms of this node have seen it. One node is a quorum of one:
//! there is no second path. Of several voters one leads, and the others pass on to it what they are asked.
//!
//! Reading order: [`request`] and [`error`] (what is asked and answered), [`decide`], [`proposer`] (decide, propose,
//! apply), [`quorum`], [`request_layout`] and [`forward`] (from one node to the one that leads), [`sessions`] and [`liveness`]
//! (which brokers live), [`handle`] (how others call).
//!
//! Above: handlers, composition root. Below: `peers`, `metadata`, `env`, storage's `Fs`.

mod decide;
mod error;
mod forward;
mod handle;
mod liveness;
mod proposer;
mod quorum;
mod request;
mod request_layout;
mod sessions;

#[cfg(test)]
mod tests;

pub use decide::ConfigRules;
pub(crate) use decide::topic_name;
pub use error::ApiError;
pub use forward::RequestDoor;
pub use handle::{CallOptions, Controller, ControllerOptions};
pub use liveness::{SeenAlive, SignOfLife};
pub use quorum::{JoinError, LogFileError, QuorumDoor, QuorumStatus, StartError, VoterId};
pub(crate) use quorum::{QuorumRequest, refuse_foreign};
pub use request::{
    AllocateProducerIds, AlterConfigs, Alteration, AlteredResource, BrokerWish, ConfigChange,
    CreatePartitions, CreateTopics, CreatedTopic, DeletedTopic, MorePartitions, NewAssignment, NewTopic,
    OfflineReplicas, ProducerIdBlock, RegisterBroker, TopicSelector,
};
