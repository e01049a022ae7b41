//! Brokers that live, and those that do not any more: signs of life on the node that leads, and the fence for whoever gives none.
//!
//! Above: `handle`, which starts it and sends our own signs; handlers, for those of other nodes. Below: `sessions`, which
//! decides; the proposals of `handle`, which carry it out.
//!
//! Only the node that leads keeps sessions. Its leadership is checked where it counts: a fence is a proposal like any other.

use super::{ApiError, BrokerWish, CallOptions, Controller, quorum::QuorumStatus, sessions::Sessions};
use crate::{
    env::{Clock, StopSignal},
    metadata::{BrokerRegistration, MetadataImage},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::quorum::keep_alive::{KeepAliveRequest, KeepAliveResponse},
    model::{BrokerEpoch, BrokerId},
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// How long a change may take that follows from a sign of life, or from its absence.
const CHANGE_WITHIN: Duration = Duration::from_secs(5);
/// Sessions are looked at so often in one of them.
const LOOKS_PER_SESSION: u32 = 8;
/// And not more often than this.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(50);

/// What a broker says with a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignOfLife {
    /// Epoch of its registration.
    pub epoch: BrokerEpoch,
    /// Index of the last entry that all of its rooms have seen.
    pub applied_index: u64,
    /// It wants to lead nothing.
    pub wants_fence: bool,
    /// It wants to stop, and to hand over what it leads.
    pub wants_shutdown: bool,
}

/// How the controller sees a broker that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenAlive {
    /// It leads nothing until it is told otherwise.
    pub is_fenced: bool,
    /// It leads nothing any more, and may stop.
    pub may_stop: bool,
}

/// The sessions of brokers, kept while this node leads. Cloning shares them.
#[derive(Clone)]
pub(super) struct Liveness(Arc<Shared>);

struct Shared {
    timeout: Duration,
    clock: Clock,
    /// Under which leadership of ours, by term. Held to look and to note, never while anything is waited for.
    sessions: Mutex<Option<(u64, Sessions)>>,
}

impl Liveness {
    pub(super) fn new(timeout: Duration, clock: Clock) -> Self {
        Self(Arc::new(Shared { timeout, clock, sessions: Mutex::new(None) }))
    }

    /// Fences who is silent for a session, whenever this node leads. Ends with the stop signal.
    pub(super) async fn watch(self, controller: Controller, mut stop: StopSignal) {
        let pause = (self.0.timeout / LOOKS_PER_SESSION).max(LOOK_EVERY_MIN);
        loop {
            tokio::select! {
                biased;
                () = stop.given() => return,
                () = self.look(&controller) => {}
            }
            tokio::select! {
                biased;
                () = stop.given() => return,
                () = self.0.clock.sleep(pause) => {}
            }
        }
    }

    async fn look(&self, controller: &Controller) {
        let overdue = {
            let image = controller.publisher().current();
            let overdue = |sessions: &mut Sessions| sessions.overdue(&image, self.0.clock.now());
            self.with_sessions(&controller.status(), overdue).unwrap_or_default()
        };
        for (id, epoch) in overdue {
            tracing::warn!(target: "mainstem::controller", code = "MS-QUORUM-005", broker = %id,
                "a broker has given no sign of life for a session, and is fenced");
            if let Err(error) = self.change(controller, id, epoch, BrokerWish::Fence).await {
                tracing::info!(target: "mainstem::controller", broker = %id, %error, "a broker is not fenced yet");
            }
        }
    }

    /// Works on the sessions of the leadership that stands; `None` if this node does not lead. What was known under another
    /// leadership is forgotten.
    fn with_sessions<T>(&self, status: &QuorumStatus, work: impl FnOnce(&mut Sessions) -> T) -> Option<T> {
        let mut kept = self.0.sessions.lock();
        if status.leader != Some(status.voter) {
            *kept = None;
            return None;
        }
        let (term, sessions) = kept.get_or_insert_with(|| (status.epoch, Sessions::new(self.0.timeout)));
        if *term != status.epoch {
            (*term, *sessions) = (status.epoch, Sessions::new(self.0.timeout));
        }
        Some(work(sessions))
    }

    /// A sign of life of broker `id`, taken if this node leads.
    pub(super) async fn take(
        &self,
        controller: &Controller,
        id: BrokerId,
        sign: SignOfLife,
    ) -> Result<SeenAlive, ApiError> {
        let image = controller.publisher().current();
        let broker = registration(&image, id, sign.epoch);
        let heard = self.with_sessions(&controller.status(), |sessions| {
            if let Ok(broker) = &broker {
                sessions.heard(broker, self.0.clock.now());
            }
        });
        if heard.is_none() {
            let message = "This node does not lead the metadata quorum.";
            return Err(ApiError::new(ErrorCode::NotController, message));
        }
        let broker = broker?;
        if let Some(wish) = wish(broker, sign) {
            self.change(controller, id, sign.epoch, wish).await?;
        }
        let image = controller.publisher().current();
        let broker = registration(&image, id, sign.epoch)?;
        Ok(SeenAlive { is_fenced: broker.fenced, may_stop: !leads_anything(&image, id) })
    }

    async fn change(
        &self,
        controller: &Controller,
        id: BrokerId,
        epoch: BrokerEpoch,
        wish: BrokerWish,
    ) -> Result<(), ApiError> {
        let deadline = self.0.clock.now().after(CHANGE_WITHIN);
        controller.change_broker(id, epoch, wish, CallOptions { deadline, request_id: None }).await
    }
}

impl Controller {
    /// Gives a sign of life of the broker on this node to whoever leads, and hears how that sees it. An error means that it did
    /// not count: there is no leader in reach, or (STALE_BROKER_EPOCH) another broker has registered under the same id.
    pub async fn keep_alive(
        &self,
        id: BrokerId,
        sign: SignOfLife,
        within: Duration,
    ) -> Result<SeenAlive, ApiError> {
        let (Some(forward), Some(liveness)) = (&self.forward, &self.liveness) else {
            return self.seen_alone(id, sign);
        };
        let QuorumStatus { leader, voter, .. } = forward.status();
        match leader {
            Some(leader) if leader == voter => liveness.take(self, id, sign).await,
            Some(leader) => forward.keep_alive(leader, sign, within).await,
            None => Err(ApiError::new(ErrorCode::NotController, "Nobody leads the metadata quorum.")),
        }
    }

    /// A broker that is alone is alive as long as anybody can ask.
    fn seen_alone(&self, id: BrokerId, sign: SignOfLife) -> Result<SeenAlive, ApiError> {
        let image = self.publisher().current();
        let broker = registration(&image, id, sign.epoch)?;
        Ok(SeenAlive { is_fenced: broker.fenced, may_stop: !leads_anything(&image, id) })
    }

    /// A sign of life of another node's broker.
    pub(super) async fn take_sign(&self, request: &KeepAliveRequest) -> KeepAliveResponse {
        let (id, sign) = read(request);
        let seen = match &self.liveness {
            Some(liveness) => liveness.take(self, id, sign).await,
            None => self.seen_alone(id, sign),
        };
        answer(seen)
    }
}

/// What follows from a sign of life, if anything.
fn wish(broker: &BrokerRegistration, sign: SignOfLife) -> Option<BrokerWish> {
    let is_caught_up = u64::try_from(broker.epoch.get()).is_ok_and(|epoch| epoch <= sign.applied_index);
    match (broker.fenced, sign.wants_fence) {
        (true, false) if is_caught_up && !sign.wants_shutdown => Some(BrokerWish::Unfence),
        (false, true) => Some(BrokerWish::Fence),
        (false, false) if sign.wants_shutdown && !broker.in_controlled_shutdown => Some(BrokerWish::Shutdown),
        (true | false, true | false) => None,
    }
}

/// The registration that a sign of life is about. One that this node has not applied yet is not an error of the broker.
fn registration(
    image: &MetadataImage,
    id: BrokerId,
    epoch: BrokerEpoch,
) -> Result<&Arc<BrokerRegistration>, ApiError> {
    match image.broker(id) {
        Some(broker) if broker.epoch == epoch => Ok(broker),
        Some(broker) if epoch < broker.epoch => Err(ApiError::new(
            ErrorCode::StaleBrokerEpoch,
            format!("Broker {id} is registered under epoch {}, not {epoch}.", broker.epoch),
        )),
        Some(_) | None => Err(ApiError::new(
            ErrorCode::NotController,
            format!("The registration of broker {id} under epoch {epoch} is not here yet."),
        )),
    }
}

fn leads_anything(image: &MetadataImage, id: BrokerId) -> bool {
    image.topics.iter().any(|topic| topic.partitions.iter().any(|partition| partition.leader == id))
}

/// The answer to another node.
fn answer(seen: Result<SeenAlive, ApiError>) -> KeepAliveResponse {
    match seen {
        Ok(seen) => KeepAliveResponse {
            is_fenced: seen.is_fenced,
            may_stop: seen.may_stop,
            ..KeepAliveResponse::default()
        },
        Err(error) => KeepAliveResponse {
            error_code: error.code.code(),
            error_message: Some(error.message.as_ref().into()),
            ..KeepAliveResponse::default()
        },
    }
}

/// What another node says.
fn read(request: &KeepAliveRequest) -> (BrokerId, SignOfLife) {
    let sign = SignOfLife {
        epoch: BrokerEpoch(request.broker_epoch),
        applied_index: u64::try_from(request.applied_index).unwrap_or(0),
        wants_fence: request.wants_fence,
        wants_shutdown: request.wants_shutdown,
    };
    (BrokerId(request.envelope.from.node_id), sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::Uuid;
    use std::collections::BTreeMap;

    fn broker(fenced: bool, in_controlled_shutdown: bool) -> BrokerRegistration {
        BrokerRegistration {
            id: BrokerId(1),
            epoch: BrokerEpoch(7),
            incarnation_id: Uuid([1; 16]),
            endpoints: Vec::new(),
            features: BTreeMap::new(),
            rack: None,
            fenced,
            in_controlled_shutdown,
            directories: Vec::new(),
        }
    }

    #[test]
    fn a_sign_of_life_leads_to_what_it_asks_for() {
        let alive =
            SignOfLife { epoch: BrokerEpoch(7), applied_index: 7, wants_fence: false, wants_shutdown: false };
        let behind = SignOfLife { applied_index: 6, ..alive };
        let leaving = SignOfLife { wants_shutdown: true, ..alive };
        let tired = SignOfLife { wants_fence: true, ..alive };
        for (broker, sign, expected) in [
            (broker(true, false), alive, Some(BrokerWish::Unfence)),
            (broker(true, false), behind, None),
            (broker(true, false), leaving, None),
            (broker(true, false), tired, None),
            (broker(false, false), alive, None),
            (broker(false, false), behind, None),
            (broker(false, false), tired, Some(BrokerWish::Fence)),
            (broker(false, false), leaving, Some(BrokerWish::Shutdown)),
            (broker(false, true), leaving, None),
        ] {
            assert_eq!(wish(&broker, sign), expected, "{sign:?}");
        }
    }
}
