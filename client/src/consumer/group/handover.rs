//! Partitions on their way between the group and the user: offered one at a time, in order. Pure.
//!
//! An offer waits until the user polls. If the member loses its place in the group meanwhile, what the user has not taken
//! yet is withdrawn; what it has taken is finished first.

use std::collections::{BTreeSet, VecDeque};

use mainstem_protocol::model::TopicPartition;

/// Something for the user to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Offer {
    /// Read these, too.
    Assign(BTreeSet<TopicPartition>),
    /// Stop reading these; somebody else will.
    Revoke(BTreeSet<TopicPartition>),
    /// These are gone.
    Lost(BTreeSet<TopicPartition>),
}

/// The offers of one member.
#[derive(Debug, Default)]
pub(super) struct Handover {
    waiting: VecDeque<Offer>,
    /// With the user, who has not finished it yet.
    out: Option<Offer>,
    withdrawing: bool,
}

/// What to do with offers now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Put this before the user.
    Offer(Offer),
    /// Take the offer back, if the user has not taken it.
    Withdraw,
    /// Wait for the user.
    Wait,
    /// There are none.
    Idle,
}

impl Handover {
    pub(super) fn push(&mut self, offer: Offer) {
        self.waiting.push_back(offer);
    }

    /// Whether all offers are done.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.out.is_none()
    }

    pub(super) fn next(&mut self) -> Next {
        match (&self.out, self.withdrawing) {
            (Some(_), true) => {
                self.withdrawing = false;
                Next::Withdraw
            }
            (Some(_), false) => Next::Wait,
            (None, _) => match self.waiting.pop_front() {
                None => Next::Idle,
                Some(offer) => {
                    self.out = Some(offer.clone());
                    Next::Offer(offer)
                }
            },
        }
    }

    /// The user finished the offer.
    pub(super) fn done(&mut self) -> Option<Offer> {
        self.withdrawing = false;
        self.out.take()
    }

    /// The user had not taken the offer: it never was.
    pub(super) fn withdrawn(&mut self) {
        self.out = None;
    }

    /// Nothing of what is offered holds any more.
    pub(super) fn void(&mut self) {
        self.waiting.clear();
        self.withdrawing = self.out.is_some();
    }
}
