//! What committed offsets ask of the group that they belong to.
//!
//! Above: `offsets`, and the machine, which hands the group in. Below: the two kinds of group, which answer.

use mainstem_protocol::{
    error::ErrorCode,
    model::{Timestamp, TopicId},
};

/// Who commits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committer<'a> {
    pub(crate) member_id: &'a str,
    /// Name of a static member.
    pub(crate) instance_id: Option<&'a str>,
    /// Generation of a classic group or member epoch of a consumer group; below 0 from outside any group.
    pub(crate) generation_or_epoch: i32,
    /// Version of the request.
    pub(crate) version: i16,
}

/// From when on the age of a committed offset counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpirySince {
    /// From its commit.
    Commit,
    /// From the moment in which the group became empty.
    Empty(Timestamp),
}

/// A group with members, now or before.
pub(crate) trait Membership {
    /// Whether this commit is accepted. It is, or is not, as a whole.
    fn check_commit(&self, by: &Committer<'_>, partitions: &[(TopicId, i32)]) -> Result<(), ErrorCode>;

    /// Whether a member with this epoch may read offsets; without a member nothing is checked.
    fn check_fetch(&self, member_id: Option<&str>, member_epoch: i32) -> Result<(), ErrorCode>;

    /// Whether single offsets may be deleted.
    fn check_offset_delete(&self) -> Result<(), ErrorCode>;

    /// Whether a member reads the topic, or might.
    fn is_subscribed_to(&self, topic: &str) -> bool;

    /// From when on the age of offsets counts; `None` = none expires in this state.
    fn expiry(&self) -> Option<ExpirySince>;
}
