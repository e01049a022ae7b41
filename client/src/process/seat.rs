//! One partition that the consumer has: its ledger, its lanes, and whether more is read. Pure.
//!
//! A partition that leaves and comes back gets a new seat, so that what belonged to the old one is told apart. Above:
//! `core`. Below: `ledger`, `lanes`, `note`.

use mainstem_protocol::model::TopicPartition;

use super::core::Ticket;
use super::lanes::Lanes;
use super::ledger::Ledger;
use super::note::{DETOURS_CHARS_MAX, DETOURS_MAX, Detours};
use super::options::Rules;
use crate::consumer::OffsetAndMetadata;
use crate::runtime::Instant;

/// Where a record is that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// In its lane.
    Waiting,
    /// With the handler.
    InWork,
    /// Waits for its next attempt.
    BackingOff,
    /// Is to be written to another topic.
    Addressed,
    /// Is being written there.
    Writing,
}

impl Stage {
    /// Whether somebody works on it.
    pub(super) const fn is_out(self) -> bool {
        matches!(self, Self::InWork | Self::Writing)
    }
}

/// A partition.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) partition: TopicPartition,
    pub(super) ledger: Ledger,
    pub(super) lanes: Lanes<Ticket>,
    pub(super) detours: Detours,
    /// Records that somebody works on.
    pub(super) out: usize,
    /// Records that are to be written to another topic.
    pub(super) addressed: usize,
    /// The group waits for it.
    pub(super) leaving: bool,
    /// Nothing is read at present.
    pub(super) paused: bool,
    /// It stands in the row of those with something to start.
    pub(super) in_row: bool,
    /// Its next record is not due before.
    pub(super) sleeps_until: Option<Instant>,
    /// The record that it slept for: due, whatever its header says.
    pub(super) woke_for: Option<i64>,
}

impl Seat {
    pub(super) fn new(partition: TopicPartition, position: Option<OffsetAndMetadata>) -> Self {
        let (ledger, detours) = Ledger::new(position);
        Self {
            partition,
            ledger,
            lanes: Lanes::default(),
            detours,
            out: 0,
            addressed: 0,
            leaving: false,
            paused: false,
            in_row: false,
            sleeps_until: None,
            woke_for: None,
        }
    }

    /// A record of it went from one stage to another; `None` = it was not there yet, or is not any more.
    pub(super) fn moved(&mut self, from: Option<Stage>, to: Option<Stage>) {
        let out = |stage: Option<Stage>| usize::from(stage.is_some_and(Stage::is_out));
        let addressed = |stage| usize::from(stage == Some(Stage::Addressed));
        self.out = (self.out + out(to)).saturating_sub(out(from));
        self.addressed = (self.addressed + addressed(to)).saturating_sub(addressed(from));
    }

    /// Whether the note has room for what is out and for one record more, wherever they lie. What the note says of finished
    /// records never grows beyond that; the first open record may always start, since it only makes the note shorter.
    pub(super) fn has_room(&self, rules: &Rules) -> bool {
        let set_aside = if rules.takes_detours() { DETOURS_CHARS_MAX } else { 0 };
        self.ledger.note_chars(self.out + self.addressed + 1) + set_aside <= rules.note_chars
    }

    /// Whether another key may go on a detour.
    pub(super) fn has_room_for_detour(&self, hash: u64) -> bool {
        self.detours.contains_key(&hash) || self.detours.len() < DETOURS_MAX
    }

    /// Whether reading stops now, or goes on stopping. It stops before a poll could fill the window, and begins again when
    /// half of the window is free.
    pub(super) fn rests(&self, rules: &Rules) -> bool {
        let full = if self.paused {
            rules.window / 2 < self.ledger.len()
        } else {
            rules.window < self.ledger.len() + rules.take()
        };
        full || self.leaving || self.sleeps_until.is_some()
    }
}
