//! Where a consumer stands in one partition, and what answers make of it. Pure: answers and moments in, reactions out.
//!
//! ```text
//!  Start --look-up--> next ............ fetch
//!                     handed out below  asked for below; between the two lie chunks that wait to be handed out
//! ```
//!
//! `next <= fetch` always holds. A *turn* numbers each placing: answers to questions of an earlier turn are void. While
//! chunks wait, an answer that would move the position elsewhere is not believed yet: the same is asked again once they
//! have been handed out, so that no record is lost that was already here. Above: `fetch`. Below: `scan`.

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::fetch::PartitionData;
use mainstem_protocol::model::TopicId;

use super::options::{ConsumerOptions, OffsetReset};
use super::record::{Problem, Start};
use super::scan::{Scan, ScanFault, scan};
use super::session::Want;
use crate::cluster::UNKNOWN_TOPIC_GRACE;
use crate::error::{BrokerError, Error};
use crate::retry::{Action, Backoff, action};
use crate::runtime::Instant;

/// Now, and how long to wait from now on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Instant,
    pub(super) backoff: Backoff,
    pub(super) chance: f64,
}

impl Moment {
    /// When to try again after so many failures in a row.
    pub(super) fn after(&self, failures: u32) -> Instant {
        self.now + self.backoff.after(failures, self.chance)
    }
}

/// Ends of a partition's log, as of the last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// First offset still there; -1 = unknown.
    pub log_start: i64,
    /// First offset of the oldest open transaction, else the high watermark; -1 = unknown.
    pub last_stable: i64,
    /// Exclusive end of what may be read.
    pub high_watermark: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Nothing says where to start.
    Nowhere,
    /// Where to start is being found out elsewhere.
    Held,
    /// The offset of this start has to be looked up.
    Unplaced(Start),
    Placed {
        next: i64,
        fetch: i64,
        /// Leader epoch of the batch before `fetch`; -1 = unknown.
        epoch: i32,
    },
}

/// One partition.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) turn: u64,
    pub(super) paused: bool,
    /// Nothing is handed out or asked for, but what is here is kept.
    pub(super) withheld: bool,
    /// Whether a look-up is under way.
    pub(super) looking: bool,
    pub(super) watermarks: Option<Watermarks>,
    at: At,
    topic_id: TopicId,
    /// Bytes to ask for at least, since a batch is known to be so large.
    min_bytes: i32,
    not_before: Option<Instant>,
    failures: u32,
    /// Since when there is no leader to ask.
    lost_since: Option<Instant>,
    /// Replica that the leader named as nearer, and until when that holds.
    preferred: Option<(i32, Instant)>,
}

/// What is left to do after an answer.
#[derive(Debug, Default)]
pub(super) struct Reaction {
    /// Bytes are worth keeping; they reach so far.
    pub(super) data: Option<Scan>,
    /// Metadata is out of date.
    pub(super) refresh: bool,
    pub(super) problem: Option<Problem>,
}

impl Reaction {
    fn problem(problem: Problem) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }
}

impl Place {
    pub(super) const fn new(turn: u64, start: Start) -> Self {
        Self::at(turn, at(start))
    }

    /// A partition whose start is not known yet: see [`Place::start`].
    pub(super) const fn held(turn: u64) -> Self {
        Self::at(turn, At::Held)
    }

    const fn at(turn: u64, at: At) -> Self {
        Self {
            turn,
            paused: false,
            withheld: false,
            looking: false,
            watermarks: None,
            at,
            topic_id: TopicId::NONE,
            min_bytes: 0,
            not_before: None,
            failures: 0,
            lost_since: None,
            preferred: None,
        }
    }

    /// Goes to where the group is, or (`None`) where partitions without a position start; a place that is held only.
    pub(super) fn start(
        &mut self,
        turn: u64,
        committed: Option<(i64, Option<i32>)>,
        options: &ConsumerOptions,
    ) {
        if self.at != At::Held {
            return;
        }
        self.turn = turn;
        self.at = match committed {
            // The epoch before it lets the leader find out whether the log was truncated meanwhile.
            Some((next, epoch)) => At::Placed { next, fetch: next, epoch: epoch.unwrap_or(-1) },
            None => start_of(options.offset_reset).map_or(At::Nowhere, at),
        };
    }

    /// Goes to `start`; whatever waits to be handed out is void.
    pub(super) fn seek(&mut self, turn: u64, start: Start) {
        self.at = at(start);
        self.turn = turn;
        self.looking = false;
        self.min_bytes = 0;
        self.succeeded();
    }

    /// Drops what waits to be handed out; it will be asked for again.
    pub(super) fn rewind(&mut self, turn: u64) {
        self.turn = turn;
        self.looking = false;
        if let At::Placed { next, .. } = self.at {
            self.at = At::Placed { next, fetch: next, epoch: -1 };
        }
    }

    /// Next offset to hand out; `None` = not known yet.
    pub(super) const fn position(&self) -> Option<i64> {
        match self.at {
            At::Placed { next, .. } => Some(next),
            At::Nowhere | At::Held | At::Unplaced(_) => None,
        }
    }

    /// Everything below `position` has been handed out.
    pub(super) fn handed_out(&mut self, position: i64) {
        if let At::Placed { next, .. } = &mut self.at {
            *next = position;
        }
    }

    /// When the partition may be asked for again.
    pub(super) const fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Somebody else is in charge: no need to wait.
    pub(super) fn retry_now(&mut self) {
        self.not_before = None;
    }

    fn waits(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|moment| now < moment)
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }

    /// Puts the next attempt off.
    pub(super) fn failed(&mut self, moment: &Moment) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(moment.after(self.failures));
        self.preferred = None;
    }

    /// There is no leader to ask, because of `error`. A partition without a leader is waited for; a topic that is missing
    /// becomes a problem when that lasts, since a broker may be the last one to hear of it.
    pub(super) fn lost(&mut self, moment: &Moment, error: Error) -> Option<Problem> {
        if self.waits(moment.now) {
            return None;
        }
        let since = *self.lost_since.get_or_insert(moment.now);
        self.failed(moment);
        let passes = error.code() == Some(ErrorCode::LeaderNotAvailable);
        (!passes && since + UNKNOWN_TOPIC_GRACE <= moment.now).then_some(Problem::Failed(error))
    }

    /// The topic has a leader for this partition, and this id. Reports a topic that is not the one we stood in.
    pub(super) fn found(&mut self, id: TopicId, turn: u64, options: &ConsumerOptions) -> Option<Problem> {
        if self.lost_since.take().is_some() {
            self.succeeded();
        }
        let before = std::mem::replace(&mut self.topic_id, id);
        if before.is_none() || id.is_none() || before == id {
            return None;
        }
        let position = self.position();
        self.turn = turn;
        self.looking = false;
        self.at = start_of(options.offset_reset).map_or(At::Nowhere, at);
        Some(Problem::Recreated { position })
    }

    /// A partition without any position is a problem, now and then.
    pub(super) fn nowhere(&mut self, moment: &Moment) -> Option<Problem> {
        if self.at != At::Nowhere || self.paused || self.waits(moment.now) {
            return None;
        }
        self.failed(moment);
        Some(Problem::NoPosition)
    }

    /// The start to look up, if it is time for that.
    pub(super) fn look_up(&self, now: Instant) -> Option<Start> {
        match self.at {
            At::Unplaced(start) if !self.looking && !self.waits(now) => Some(start),
            _ => None,
        }
    }

    /// The result of a look-up. `None` = no record is so young.
    pub(super) fn looked_up(&mut self, result: Result<Option<i64>, Error>, moment: &Moment) -> Reaction {
        self.looking = false;
        match result {
            Ok(Some(offset)) => {
                self.at = At::Placed { next: offset, fetch: offset, epoch: -1 };
                self.succeeded();
                Reaction::default()
            }
            Ok(None) => {
                self.at = At::Unplaced(Start::Latest);
                self.succeeded();
                Reaction::default()
            }
            Err(error) => {
                self.failed(moment);
                let refresh = error.is_retriable();
                Reaction { refresh, problem: (!refresh).then_some(Problem::Failed(error)), data: None }
            }
        }
    }

    /// Node to ask now and what to ask it for; `None` = nothing at present.
    pub(super) fn want(
        &self,
        (leader, leader_epoch): (i32, i32),
        options: &ConsumerOptions,
        now: Instant,
    ) -> Option<(i32, Want)> {
        let At::Placed { fetch, epoch, .. } = self.at else { return None };
        if self.paused || self.withheld || self.waits(now) {
            return None;
        }
        let node = self.preferred.filter(|(_, until)| now < *until).map_or(leader, |(node, _)| node);
        let want = Want {
            topic_id: self.topic_id,
            offset: fetch,
            leader_epoch,
            last_fetched_epoch: epoch,
            max_bytes: options.partition_max_bytes.max(self.min_bytes),
        };
        Some((node, want))
    }

    /// Takes in the answer to `want`. `largest` = bytes of the largest answer that can be read.
    pub(super) fn answered(
        &mut self,
        data: &PartitionData,
        want: &Want,
        options: &ConsumerOptions,
        largest: usize,
        moment: &Moment,
    ) -> Reaction {
        let At::Placed { next, fetch, .. } = self.at else { return Reaction::default() };
        match ErrorCode::from_code(data.error_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::OffsetOutOfRange) => {
                return self.out_of_range(fetch, next != fetch, options, moment);
            }
            Some(code) if action(code) == Action::RefreshAndRetry => {
                self.failed(moment);
                return Reaction { refresh: true, ..Reaction::default() };
            }
            Some(_) | None => {
                self.failed(moment);
                return Reaction::problem(Problem::Failed(BrokerError::new(data.error_code, None).into()));
            }
        }
        self.watermarks = Some(Watermarks {
            log_start: data.log_start_offset,
            last_stable: data.last_stable_offset,
            high_watermark: data.high_watermark,
        });
        if 0 <= data.diverging_epoch.epoch || 0 <= data.diverging_epoch.end_offset {
            let end = data.diverging_epoch.end_offset;
            return self.truncated(fetch, end, next != fetch, options, moment);
        }
        if 0 <= data.preferred_read_replica {
            self.preferred = Some((data.preferred_read_replica, moment.now + PREFERRED_FOR));
        }
        let bytes = data.records.bytes().map_or(&[][..], |bytes| bytes);
        match scan(bytes, want.offset) {
            Ok(Scan { cut_first: Some(size), .. }) => self.too_small(size, fetch, largest, moment),
            Ok(found) => {
                self.succeeded();
                if found.whole_bytes == 0 {
                    return Reaction::default();
                }
                self.min_bytes = 0;
                self.at = At::Placed {
                    next,
                    fetch: found.next_offset,
                    epoch: found.last_epoch.filter(|epoch| 0 <= *epoch).unwrap_or(-1),
                };
                Reaction { data: Some(found), ..Reaction::default() }
            }
            Err(fault) => {
                self.failed(moment);
                Reaction::problem(Problem::Failed(Error::Answer(match fault {
                    ScanFault::Falling => "offsets of its batches do not rise",
                    ScanFault::Below => "all its batches lie below the offset asked for",
                    ScanFault::Header(_) => "a batch of it has no readable header",
                })))
            }
        }
    }

    fn out_of_range(
        &mut self,
        position: i64,
        chunks_wait: bool,
        options: &ConsumerOptions,
        moment: &Moment,
    ) -> Reaction {
        // A follower may know less than its leader; and chunks that wait come first.
        if self.preferred.take().is_some() || chunks_wait {
            self.failed(moment);
            return Reaction::default();
        }
        let reset_to = start_of(options.out_of_range);
        match reset_to {
            Some(start) => self.at = at(start),
            None => self.failed(moment),
        }
        Reaction::problem(Problem::OutOfRange { position, reset_to })
    }

    fn truncated(
        &mut self,
        position: i64,
        end_offset: i64,
        chunks_wait: bool,
        options: &ConsumerOptions,
        moment: &Moment,
    ) -> Reaction {
        if chunks_wait {
            self.failed(moment);
            return Reaction::default();
        }
        // Resets on: what was truncated is read again from the first offset that may differ.
        let reset_to = start_of(options.out_of_range)
            .map(|start| if 0 <= end_offset { Start::Offset(end_offset.min(position)) } else { start });
        match reset_to {
            Some(start) => self.at = at(start),
            None => self.failed(moment),
        }
        Reaction::problem(Problem::Truncated { position, end_offset, reset_to })
    }

    /// The limits cut the first batch off, which has `size` bytes.
    fn too_small(&mut self, size: usize, offset: i64, largest: usize, moment: &Moment) -> Reaction {
        let enough = i32::try_from(size).ok().filter(|_| size <= largest);
        let Some(enough) = enough else {
            self.failed(moment);
            return Reaction::problem(Problem::BatchTooLarge { offset, size, limit: largest });
        };
        if enough <= self.min_bytes {
            // As much was asked for already, so another partition took the room: let it go first.
            self.failed(moment);
        }
        self.min_bytes = enough;
        Reaction::default()
    }

    /// Bytes of a whole answer that this partition needs; 0 = any.
    pub(super) const fn min_bytes(&self) -> i32 {
        self.min_bytes
    }
}

/// How long a nearer replica is read before the leader is asked again.
const PREFERRED_FOR: std::time::Duration = std::time::Duration::from_secs(300);

const fn start_of(reset: OffsetReset) -> Option<Start> {
    match reset {
        OffsetReset::Earliest => Some(Start::Earliest),
        OffsetReset::Latest => Some(Start::Latest),
        OffsetReset::Timestamp(moment) => Some(Start::Timestamp(moment)),
        OffsetReset::Ago(time) => Some(Start::Ago(time)),
        OffsetReset::Fail => None,
    }
}

const fn at(start: Start) -> At {
    match start {
        Start::Offset(offset) => At::Placed { next: offset, fetch: offset, epoch: -1 },
        start => At::Unplaced(start),
    }
}
