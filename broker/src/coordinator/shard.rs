//! One partition of an internal topic as a coordinator sees it: led elsewhere, being loaded, or serving.
//!
//! Above: the coordinator. Below: what serves.
//!
//! ```text
//!            leads                  replayed, committed
//!   Idle ------------> Loading ------------------------> Serving
//!    ^ ^                  | damage                          |
//!    | |                  v                                 |
//!    | +-- leads no more, Unusable        a failed write    |
//!    +------------------------------- leads no more --------+---> Loading again, if it still leads
//! ```

use super::{machine::Machine, refusal::Refusal, serving::Serving};
use mainstem_protocol::model::{LeaderEpoch, PartitionIndex};
use parking_lot::Mutex;

/// One shard. The lock is held for a decision and its append, never across a wait; it comes before the locks of the
/// partition.
pub(super) struct Shard<M: Machine> {
    pub(super) index: PartitionIndex,
    pub(super) state: Mutex<State<M>>,
}

/// How far a shard is.
pub(super) enum State<M: Machine> {
    /// Not led here, or its log is offline.
    Idle,
    /// Being loaded for this leadership.
    Loading(LeaderEpoch),
    /// Its log cannot be loaded; a human must look. Until the next leadership.
    Unusable(LeaderEpoch),
    Serving(Box<Serving<M>>, LeaderEpoch),
}

impl<M: Machine> State<M> {
    /// The leadership that this state belongs to.
    pub(super) const fn epoch(&self) -> Option<LeaderEpoch> {
        match self {
            Self::Idle => None,
            Self::Loading(epoch) | Self::Unusable(epoch) | Self::Serving(_, epoch) => Some(*epoch),
        }
    }

    /// What serves, or why nothing does.
    pub(super) fn serving(&mut self) -> Result<&mut Serving<M>, Refusal> {
        match self {
            Self::Idle => Err(Refusal::NotHere),
            Self::Loading(_) => Err(Refusal::Loading),
            Self::Unusable(_) => Err(Refusal::NotAvailable),
            Self::Serving(serving, _) => Ok(serving),
        }
    }
}

impl<M: Machine> Shard<M> {
    pub(super) const fn new(index: PartitionIndex) -> Self {
        Self { index, state: Mutex::new(State::Idle) }
    }
}
