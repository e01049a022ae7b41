//! What the consumer and its driver lay before each other. A lock for lines, and a bell for each side.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::model::TopicPartition;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::book::{Book, Committed, OffsetAndMetadata};
use super::handover::Offer;
use super::listener::RebalanceListener;
use super::membership::GroupMetadata;
use super::options::Leaving;
use crate::error::{BrokerError, Error};
use crate::runtime::Instant;

/// What the user wants to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Subscription {
    /// Nothing.
    #[default]
    None,
    Topics(BTreeSet<Arc<str>>),
    /// Names that match as a whole.
    Regex(String),
}

/// Why a commit failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The consumer has no group id, so there is nowhere to commit to.
    #[error("without group.id nothing can be committed")]
    NoGroup,
    /// The consumer is not (or not yet) a member of its group, which may have given its partitions to others.
    #[error("the consumer is not a member of its group at present")]
    NotMember,
    /// The member's place in the group was taken: the partitions may be with others. Not tried again.
    #[error("the member was fenced: {0}")]
    Fenced(BrokerError),
    /// The group moves partitions at this moment; poll, then commit what is still owned.
    #[error("the group is rebalancing: poll, then commit again")]
    Rebalancing,
    /// Some partitions were refused; the others are stored.
    #[error("{}", partitions(.0))]
    Partitions(Vec<(TopicPartition, BrokerError)>),
    /// The request failed as a whole. It may have been stored nevertheless.
    #[error(transparent)]
    Failed(Error),
}

fn partitions(refused: &[(TopicPartition, BrokerError)]) -> String {
    let refused: Vec<_> = refused.iter().map(|(partition, error)| format!("{partition}: {error}")).collect();
    format!("not committed: {}", refused.join(", "))
}

impl CommitError {
    /// What the results of the partitions mean together.
    pub(super) fn check(results: Vec<(TopicPartition, Result<(), BrokerError>)>) -> Result<(), Self> {
        let refused: Vec<_> =
            results.into_iter().filter_map(|(partition, result)| Some((partition, result.err()?))).collect();
        let Some((_, first)) = refused.first() else { return Ok(()) };
        match first.known() {
            _ if is_fenced(first) => Err(Self::Fenced(first.clone())),
            Some(ErrorCode::RebalanceInProgress) => Err(Self::Rebalancing),
            _ => Err(Self::Partitions(refused)),
        }
    }
}

/// Whether the broker does not take the member for what it says it is.
pub(super) fn is_fenced(error: &BrokerError) -> bool {
    matches!(
        error.known(),
        Some(
            ErrorCode::IllegalGeneration
                | ErrorCode::UnknownMemberId
                | ErrorCode::FencedInstanceId
                | ErrorCode::FencedMemberEpoch
                | ErrorCode::StaleMemberEpoch
        )
    )
}

pub(super) type CommitResult = Result<Committed, CommitError>;

/// A commit that somebody asked for.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) offsets: Committed,
    pub(super) reply: oneshot::Sender<CommitResult>,
}

/// Partitions before the user, with the group's positions in those that come.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) offer: Offer,
    pub(super) starts: BTreeMap<TopicPartition, Option<OffsetAndMetadata>>,
}

/// What lies on the desk.
#[expect(clippy::struct_excessive_bools, reason = "each says one thing, and they change apart")]
pub(super) struct State {
    /// By the consumer.
    pub(super) subscription: Subscription,
    pub(super) polling: bool,
    pub(super) last_poll: Instant,
    pub(super) closing: Option<Leaving>,
    pub(super) orders: VecDeque<Order>,
    pub(super) taken: bool,
    pub(super) finished: bool,
    pub(super) listener: Option<Arc<dyn RebalanceListener>>,
    /// By the driver.
    pub(super) offered: Option<Offered>,
    pub(super) failure: Option<Error>,
    pub(super) overdue: bool,
    pub(super) member: Option<GroupMetadata>,
    pub(super) ended: bool,
    /// By both.
    pub(super) book: Book,
}

/// The desk.
pub(super) struct Desk {
    pub(super) state: Mutex<State>,
    pub(super) to_driver: Notify,
    pub(super) to_user: Notify,
}

impl Desk {
    pub(super) fn new(book: Book, now: Instant) -> Self {
        Self {
            state: Mutex::new(State {
                subscription: Subscription::None,
                polling: false,
                last_poll: now,
                closing: None,
                orders: VecDeque::new(),
                taken: false,
                finished: false,
                listener: None,
                offered: None,
                failure: None,
                overdue: false,
                member: None,
                ended: false,
                book,
            }),
            to_driver: Notify::new(),
            to_user: Notify::new(),
        }
    }

    /// Orders a commit. What was ordered before by calls that nobody waits for any more goes along.
    pub(super) fn order(&self, mut offsets: Committed) -> oneshot::Receiver<CommitResult> {
        let (reply, result) = oneshot::channel();
        let mut state = self.state.lock();
        let abandoned: Vec<_> = state
            .orders
            .iter()
            .filter(|order| order.reply.is_closed())
            .map(|order| order.offsets.clone())
            .collect();
        state.orders.retain(|order| !order.reply.is_closed());
        for (partition, offset) in abandoned.into_iter().rev().flatten() {
            offsets.entry(partition).or_insert(offset);
        }
        state.orders.push_back(Order { offsets, reply });
        drop(state);
        self.to_driver.notify_one();
        result
    }

    /// The offer before the user, which the user now has in hand.
    pub(super) fn take(&self) -> Option<Offered> {
        let mut state = self.state.lock();
        let offered = state.offered.take()?;
        state.taken = true;
        Some(offered)
    }

    /// The user is through with the offer.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock();
        state.taken = false;
        state.finished = true;
        drop(state);
        self.to_driver.notify_one();
    }
}
