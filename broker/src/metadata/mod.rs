//! Cluster metadata as a value: what the committed metadata log says, for every room to read.
//!
//! The log holds records ([`record`]); applying them to an immutable [`MetadataImage`] gives the next image and the
//! [`MetadataDelta`] between the two; the [`MetadataPublisher`] hands both to the rooms of this node in one order.
//! Nothing here decides: whoever writes records (the room `controller`) has decided already, and the same records give
//! the same image on every node. Nothing here does I/O or knows a clock.
//!
//! Reading order: [`image`] (what is known), [`topic`], [`broker`], [`config`] (its parts), [`ordered_map`] (why a
//! change among 10,000 topics is cheap), [`record`] and [`entry`] (what may change, and how it is
//! written down), [`apply`] (how), [`delta`] (what did change),
//! [`publisher`] (who hears of it), `snapshot` (an
//! image written down).
//!
//! Above: every floor of the broker. Below: nothing but the words of `mainstem-protocol`.

mod apply;
mod broker;
mod config;
mod delta;
mod entry;
mod image;
mod internal;
mod ordered_map;
mod publisher;
pub mod record;
mod snapshot;
mod topic;

pub use apply::{ApplyError, EntryPosition};
pub use broker::{BrokerRegistration, Endpoint, FeatureRange};
pub use config::{ConfigResource, ConfigResourceKind, ConfigValues, ConfigsImage};
pub use delta::{ChangedPartition, MetadataDelta};
pub(crate) use entry::RecordLayout;
pub use entry::{Proposal, RecordCodecError};
pub use image::{FinishedRequest, MetadataImage};
pub use internal::{CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE, is_internal};
pub use ordered_map::OrderedMap;
pub use publisher::MetadataPublisher;
pub use record::MetadataRecord;
pub use topic::{LeaderRecoveryState, PartitionImage, ReplicaList, TopicImage, TopicsImage};
