//! Where the time of a connection's requests goes, and how many of them are in flight.
//!
//! ```text
//! last byte read -- queue --> its turn -- local --> first stage over -- remote --> answer ready -- response --> last byte sent
//! ```
//! Above: the connection, which tells of each step. Below: `request::Router`, which holds what is measured of each API. A
//! second stage is looked at when its turn comes, so `remote` reaches to there.

use crate::{
    env::{Clock, Moment},
    request::{ApiPlace, Router},
    telemetry::Stage,
};
use metrics::Gauge;
use std::{collections::VecDeque, time::Duration};

/// A request whose first stage is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    api: Option<ApiPlace>,
    /// When its last byte was read.
    arrived: Moment,
    /// When the first stage was over.
    handled: Moment,
}

/// A request whose answer is ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    asked: Asked,
    ready: Moment,
}

impl Asked {
    /// A request of no API, at the beginning of time.
    #[cfg(test)]
    pub(super) const fn for_test() -> Self {
        Self { api: None, arrived: Moment::ZERO, handled: Moment::ZERO }
    }

    /// The first stage brought the answer.
    pub(super) const fn answered_at_once(self) -> Answered {
        Answered { asked: self, ready: self.handled }
    }

    /// The second stage has brought the answer now.
    pub(super) fn answered(self, clock: &Clock) -> Answered {
        Answered { asked: self, ready: clock.now() }
    }
}

/// The requests of one connection that are in flight.
pub(super) struct Times {
    in_flight: Gauge,
    open: u32,
    /// Answers that are being sent, with how many bytes the connection will have sent when they have left.
    leaving: VecDeque<(u64, Answered)>,
}

impl Times {
    /// None yet; `in_flight` counts those of all connections.
    pub(super) const fn new(in_flight: Gauge) -> Self {
        Self { in_flight, open: 0, leaving: VecDeque::new() }
    }

    /// The first stage of a request that `arrived` at that time ran from `began` to `handled`.
    pub(super) fn handled(
        &mut self,
        router: &Router,
        api: Option<ApiPlace>,
        arrived: Moment,
        began: Moment,
        handled: Moment,
    ) -> Asked {
        self.open += 1;
        self.in_flight.increment(1.0);
        observe(router, api, &[(Stage::Queue, began.since(arrived)), (Stage::Local, handled.since(began))]);
        Asked { api, arrived, handled }
    }

    /// A request gets no answer, and is over with its first stage.
    pub(super) fn ended_silently(&mut self, router: &Router, asked: Asked) {
        self.close_one();
        observe_whole(router, asked, asked.handled);
    }

    /// An answer is on its way; it has left once the connection has sent `ends_at` bytes.
    pub(super) fn leaves(&mut self, answered: Answered, ends_at: u64) {
        self.leaving.push_back((ends_at, answered));
    }

    /// The connection has sent `total` bytes by now.
    pub(super) fn sent(&mut self, router: &Router, total: u64, now: Moment) {
        while let Some((_, answered)) = self.leaving.pop_front_if(|(ends_at, _)| *ends_at <= total) {
            self.close_one();
            let Answered { asked, ready } = answered;
            let remote = ready.since(asked.handled);
            if !remote.is_zero() {
                observe(router, asked.api, &[(Stage::Remote, remote)]);
            }
            observe(router, asked.api, &[(Stage::Response, now.since(ready))]);
            observe_whole(router, asked, now);
        }
    }

    /// Gives back memory that is not needed while nothing is being sent.
    pub(super) fn release(&mut self) {
        if self.leaving.is_empty() {
            self.leaving = VecDeque::new();
        }
    }

    fn close_one(&mut self) {
        self.open = self.open.saturating_sub(1);
        self.in_flight.decrement(1.0);
    }
}

impl Drop for Times {
    fn drop(&mut self) {
        self.in_flight.decrement(f64::from(self.open));
    }
}

fn observe(router: &Router, api: Option<ApiPlace>, stages: &[(Stage, Duration)]) {
    let Some(metrics) = api.and_then(|api| router.metrics(api)) else { return };
    for (stage, time) in stages {
        metrics.observe_stage(*stage, *time);
    }
}

fn observe_whole(router: &Router, asked: Asked, now: Moment) {
    if let Some(metrics) = asked.api.and_then(|api| router.metrics(api)) {
        metrics.observe_seconds(now.since(asked.arrived));
    }
}
