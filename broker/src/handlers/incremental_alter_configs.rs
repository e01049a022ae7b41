//! `IncrementalAlterConfigs`, key 44, versions 0-1. Above: request::router. Below: controller.
//! Sets, deletes, appends and subtracts single keys; what is not named stays (rule A1). A key twice, and a resource
//! twice, is INVALID_REQUEST. Answered after this broker's image shows the change.
//! Left out: loggers, client metrics and groups.

use super::{
    Context, Reply, Staged,
    alteration::{AskedChange, alter},
};
use crate::controller::{Alteration, ConfigChange};
use mainstem_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use std::sync::Arc;

pub(crate) fn handle(
    context: &Context<'_>,
    request: IncrementalAlterConfigsRequest,
) -> Staged<IncrementalAlterConfigsResponse> {
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
        Reply::from(IncrementalAlterConfigsResponse {
            responses: responses.collect(),
            ..IncrementalAlterConfigsResponse::default()
        })
    })
}

fn asked_change(resource: &AlterConfigsResource) -> AskedChange {
    let changes = resource.configs.iter().map(|change| ConfigChange {
        key: change.name.as_str().into(),
        operation: change.config_operation,
        value: change.value.as_deref().map(Into::into),
    });
    AskedChange {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.detached(),
        alteration: Alteration::Incremental(changes.collect()),
    }
}
