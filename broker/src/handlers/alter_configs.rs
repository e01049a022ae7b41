//! `AlterConfigs`, key 33, versions 0-2. Above: request::router. Below: controller.
//! Replaces the configs of a resource as a whole: what is not named goes back to its default. Old clients and consoles
//! still send it; newer ones use IncrementalAlterConfigs. Answered after this broker's image shows the change.
//! Left out: loggers, client metrics and groups.

use super::{
    Context, Reply, Staged,
    alteration::{AskedChange, alter},
};
use crate::controller::Alteration;
use mainstem_protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use std::sync::Arc;

pub(crate) fn handle(context: &Context<'_>, request: AlterConfigsRequest) -> Staged<AlterConfigsResponse> {
    // authorise: everyone may until there are access rules
    let services = Arc::clone(context.services);
    Staged::later(async move {
        // validate, act
        let asked = request.resources.iter().map(asked_change).collect();
        let outcomes = alter(&services, asked, request.validate_only).await;
        // answer
        let responses = outcomes.into_iter().map(|(change, outcome)| {
            let error = outcome.err();
            AlterConfigsResourceResponse {
                error_code: error.as_ref().map_or(0, |error| error.code.code()),
                error_message: error.map(|error| (*error.message).into()),
                resource_type: change.resource_type,
                resource_name: change.resource_name,
            }
        });
        let responses = responses.collect();
        Reply::from(AlterConfigsResponse { responses, ..AlterConfigsResponse::default() })
    })
}

fn asked_change(resource: &AlterConfigsResource) -> AskedChange {
    let values = resource
        .configs
        .iter()
        .map(|config| (config.name.as_str().into(), config.value.as_deref().map(Into::into)));
    AskedChange {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.detached(),
        alteration: Alteration::Replace(values.collect()),
    }
}
