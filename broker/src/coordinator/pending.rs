//! A request on its way through a coordinator: answered by now, or by a later step, or once what was decided is committed.
//!
//! Above: handlers, in both stages. Below: the shard.

use super::{
    refusal::Refusal,
    serving::{Called, Settled},
};
use crate::env::Clock;
use std::time::Duration;

/// What the first stage of a request led to.
#[derive(Debug)]
pub(crate) struct Pending<A>(State<A>);

#[derive(Debug)]
enum State<A> {
    Refused(Refusal),
    Called(Called<A>),
}

impl<A> Pending<A> {
    pub(super) const fn called(called: Called<A>) -> Self {
        Self(State::Called(called))
    }

    /// A request that nobody decided about.
    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Self(State::Refused(refusal))
    }

    /// The outcome if there is nothing to wait for, else what waits.
    pub(crate) fn now(self) -> Result<Result<A, Refusal>, Self> {
        match self.0 {
            State::Refused(refusal) => Ok(Err(refusal)),
            State::Called(Called::Settled(Settled { answer, committed: None })) => Ok(Ok(answer)),
            State::Called(called) => Err(Self::called(called)),
        }
    }

    /// Waits for the answer as long as the machine wants, then for its commit at most `within`.
    pub(crate) async fn outcome(self, clock: &Clock, within: Duration) -> Result<A, Refusal> {
        let settled = match self.0 {
            State::Refused(refusal) => return Err(refusal),
            State::Called(Called::Settled(settled)) => settled,
            State::Called(Called::Waiting(answer)) => answer.await.map_err(|_| Refusal::NotHere)?,
        };
        let Some(committed) = settled.committed else { return Ok(settled.answer) };
        match clock.before(clock.now().after(within), committed).await {
            Some(Ok(())) => Ok(settled.answer),
            Some(Err(_)) => Err(Refusal::NotHere),
            None => Err(Refusal::TimedOut),
        }
    }
}
