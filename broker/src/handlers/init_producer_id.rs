//! `InitProducerId`, key 22, versions 0-5. Above: request::router. Below: the controller, which hands out blocks of ids.
//! Gives an idempotent producer an id of its own. Idempotence is the default of current clients, so this belongs to the
//! minimum (rule P5).
//! Left out: transactional ids, until transactions are served (INVALID_REQUEST with the reason in the log of the client).
//! v3 resumes with id and epoch, which only transactional producers do.

use super::{Context, Reply, Services, Staged};
use crate::controller::{AllocateProducerIds, ApiError, CallOptions, ProducerIdBlock};
use mainstem_protocol::{
    error::ErrorCode,
    messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
    model::ProducerId,
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// A block that does not come within this is asked for again by the client.
const WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn handle(
    context: &Context<'_>,
    request: InitProducerIdRequest,
) -> Staged<InitProducerIdResponse> {
    // authorise: everyone may until there are access rules
    // validate
    if request.transactional_id.is_some() {
        return Staged::ready(failed(ErrorCode::InvalidRequest));
    }
    // act, answer
    if let Some(id) = context.services.producer_ids.next() {
        return Staged::ready(given(id));
    }
    let services = Arc::clone(context.services);
    Staged::later(async move {
        Reply::from(match services.producer_ids.refill(&services).await {
            Ok(id) => given(id),
            Err(error) => {
                tracing::warn!(target: "mainstem::broker", %error, "no producer ids to be had");
                failed(ErrorCode::CoordinatorLoadInProgress)
            }
        })
    })
}

fn given(id: ProducerId) -> InitProducerIdResponse {
    InitProducerIdResponse { producer_id: id.get(), producer_epoch: 0, ..InitProducerIdResponse::default() }
}

fn failed(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: code.code(),
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}

/// Ids of this broker that nobody has yet.
#[derive(Default)]
pub(crate) struct ProducerIds(Mutex<Remaining>);

#[derive(Default)]
struct Remaining {
    next: i64,
    /// Exclusive.
    end: i64,
}

impl ProducerIds {
    /// The next id, unless the block is used up.
    fn next(&self) -> Option<ProducerId> {
        let mut remaining = self.0.lock();
        (remaining.next < remaining.end).then(|| {
            remaining.next += 1;
            ProducerId(remaining.next - 1)
        })
    }

    /// Asks the controller for another block and takes the first id of it. Two who ask at once get a block each; what is
    /// left of the earlier one is lost, and ids are plenty.
    async fn refill(&self, services: &Services) -> Result<ProducerId, ApiError> {
        let image = services.metadata.current();
        let broker = services.config.node_id;
        let broker_epoch = image.broker(broker).map(|registration| registration.epoch).unwrap_or_default();
        let options = CallOptions { deadline: services.env.clock.now().after(WITHIN), request_id: None };
        let request = AllocateProducerIds { broker, broker_epoch };
        let ProducerIdBlock { first, len } =
            services.controller.allocate_producer_ids(request, options).await?;
        let mut remaining = self.0.lock();
        remaining.next = first.get() + 1;
        remaining.end = first.get().saturating_add(len.into());
        Ok(first)
    }
}
