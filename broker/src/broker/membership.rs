//! How this broker takes part in a cluster of several: it registers, gives signs of life until it is taken in, goes on giving
//! them, and says goodbye.
//!
//! Above: the composition root. Below: the controller. A broker that is alone registers and is taken in at once: nobody could
//! miss it.
//!
//! ```text
//! registered, fenced --> alive: unfenced --> leaving: leads where nobody else can --> gone: fenced
//!       ^                   |  ^
//!       +-------------------+--+  silent for a session: fenced; the next sign of life unfences
//! ```

use super::{StartError, life::Life};
use crate::{
    config::QuorumConfig,
    controller::{ApiError, CallOptions, Controller, RegisterBroker, SeenAlive, SignOfLife},
    env::Env,
};
use mainstem_protocol::{
    error::ErrorCode,
    model::{BrokerEpoch, BrokerId},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Between two tries of what cannot be done yet: a registration whose predecessor is still alive by all that is known, a sign of
/// life without a leader, or before the broker is taken in.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long the goodbye may take. Without it the session ends by itself.
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);

/// Where this broker stands, by its own will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Will {
    /// It serves.
    Alive,
    /// It is about to stop.
    Leaving,
    /// It serves nobody any more.
    Gone,
}

/// The place of this broker in a cluster of several.
pub(super) struct Membership {
    will: watch::Sender<Will>,
    seen: watch::Receiver<Option<SeenAlive>>,
    env: Env,
}

/// Registers this broker. As long as another process holds its place, by all that the controller knows, it is tried again.
pub(super) async fn register(
    controller: &Controller,
    request: RegisterBroker,
    within: Duration,
    env: &Env,
) -> Result<BrokerEpoch, StartError> {
    let deadline = env.clock.now().after(within);
    loop {
        let options = CallOptions { deadline, request_id: None };
        match controller.register_broker(request.clone(), options).await {
            Ok(epoch) => return Ok(epoch),
            Err(error) if is_occupied(&error) && env.clock.now().after(TRY_AGAIN_AFTER) < deadline => {
                env.clock.sleep(TRY_AGAIN_AFTER).await;
            }
            Err(error) => return Err(StartError::Registration(error)),
        }
    }
}

fn is_occupied(error: &ApiError) -> bool {
    error.code == ErrorCode::DuplicateBrokerRegistration
}

impl Membership {
    /// Gives signs of life from now on, and waits until the controller has taken the broker in.
    pub(super) async fn begin(
        (id, epoch): (BrokerId, BrokerEpoch),
        controller: &Controller,
        quorum: &QuorumConfig,
        life: &Arc<Life>,
        env: &Env,
    ) -> Result<Self, StartError> {
        let (will, wills) = watch::channel(Will::Alive);
        let (seen_in, seen) = watch::channel(None);
        let heart = Heart {
            id,
            epoch,
            controller: controller.clone(),
            every: quorum.heartbeat_interval,
            life: Arc::clone(life),
            env: env.clone(),
        };
        env.tasks.spawn("heartbeat", heart.beat(wills, seen_in));
        let membership = Self { will, seen, env: env.clone() };
        if membership.wait_for(quorum.registration_timeout, |seen| !seen.is_fenced).await {
            return Ok(membership);
        }
        let message = "The controller has not taken this broker in in time: it is registered, and fenced.";
        Err(StartError::Registration(ApiError::new(ErrorCode::RequestTimedOut, message)))
    }

    /// The broker is about to stop: leaderships go elsewhere where they can.
    pub(super) fn leave(&self) {
        self.will.send_replace(Will::Leaving);
    }

    /// The broker serves nobody any more; waits until it is fenced, so that its next start need not wait for the session.
    pub(super) async fn say_goodbye(&self) {
        self.will.send_replace(Will::Gone);
        if !self.wait_for(GOODBYE_WITHIN, |seen| seen.is_fenced).await {
            tracing::info!(target: "mainstem::broker", "the controller has not heard that this broker stops");
        }
    }

    async fn wait_for(&self, within: Duration, wanted: impl Fn(&SeenAlive) -> bool) -> bool {
        let (clock, mut seen) = (&self.env.clock, self.seen.clone());
        let reached = seen.wait_for(|seen| seen.as_ref().is_some_and(&wanted));
        // An error means that the heart has stopped: it will not be seen any more.
        clock.before(clock.now().after(within), reached).await.is_some_and(|seen| seen.is_ok())
    }
}

/// The task that gives signs of life.
struct Heart {
    id: BrokerId,
    epoch: BrokerEpoch,
    controller: Controller,
    every: Duration,
    life: Arc<Life>,
    env: Env,
}

impl Heart {
    async fn beat(self, mut wills: watch::Receiver<Will>, seen: watch::Sender<Option<SeenAlive>>) {
        let mut stop = self.env.tasks.stop_signal();
        loop {
            let will = *wills.borrow_and_update();
            let sign = SignOfLife {
                epoch: self.epoch,
                applied_index: self.controller.publisher().applied_index(),
                wants_fence: will == Will::Gone,
                wants_shutdown: will == Will::Leaving,
            };
            let given = tokio::select! {
                biased;
                () = stop.given() => return,
                given = self.controller.keep_alive(self.id, sign, self.every) => given,
            };
            let pause = match given {
                Ok(now) => {
                    seen.send_replace(Some(now));
                    if now.is_fenced == (will == Will::Gone) { self.every } else { TRY_AGAIN_AFTER }
                }
                Err(error) if error.code == ErrorCode::StaleBrokerEpoch => {
                    self.life.fail(format!("another broker has registered with the id of this one: {error}"));
                    return;
                }
                Err(error) => {
                    tracing::debug!(target: "mainstem::broker", %error, "a sign of life does not count");
                    TRY_AGAIN_AFTER
                }
            };
            tokio::select! {
                biased;
                () = stop.given() => return,
                // An error means that nobody will want anything else any more.
                Ok(()) = wills.changed() => {}
                () = self.env.clock.sleep(pause.min(self.every)) => {}
            }
        }
    }
}
