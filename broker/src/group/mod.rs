//! Consumer groups: members, generations, assignments and committed offsets, kept in `__consumer_offsets` in Kafka's
//! record formats.
//!
//! Above: the group handlers. Below: `coordinator`, which runs the machine; `metadata`.
//! Reading order: [`record`] and its bytes ([`codec`]), [`event`], [`settings`], then `classic` and `consumer` (the two kinds
//! of group, behind one face in [`kind`]), [`offsets`] and what they ask of a group ([`membership`]), [`machine`], which puts
//! them together, with the requests about groups ([`members`], [`administration`]), a group's [`own_settings`], and groups in [`numbers`].

mod administration;
mod classic;
mod codec;
mod consumer;
mod event;
mod kind;
mod machine;
mod members;
mod membership;
mod numbers;
mod offsets;
mod own_settings;
mod record;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use event::{Client, GroupAnswer, GroupCall, GroupStep, GroupTimer};
pub(crate) use machine::GroupMachine;
pub(crate) use numbers::Position;
pub(crate) use record::GroupRecord;
pub(crate) use settings::GroupSettings;

/// The coordinator of groups.
pub(crate) type Groups = crate::coordinator::Coordinator<GroupMachine>;
