//! `IncrementalAlterConfigs`, key 44, versions 0-1. Above: request::router. Below: controller.
//! Sets, deletes, appends and subtracts single keys; what is not named stays (rule A1). A key twice, and a resource
//! twice, is INVALID_REQUEST. Answered after this broker's image shows the change.
//! Left out: loggers, client metrics and groups.

use super::{
    Context, Reply, Staged,
    configs::{alterable, alteration_deadline},
};
use crate::controller::{AlterConfigs, Alteration, AlteredResource, CallOptions, ConfigChange};
use mainstem_protocol::{
    error::ErrorCode,
    messages::incremental_alter_configs::{
        AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse,
    },
};
use std::sync::Arc;

pub(crate) fn handle(
    context: &Context<'_>,
    request: IncrementalAlterConfigsRequest,
) -> Staged<IncrementalAlterConfigsResponse> {
    // authorise: everyone may until there are access rules
    let services = Arc::clone(context.services);
    let options = CallOptions { deadline: alteration_deadline(&services), request_id: None };
    Staged::later(async move {
        // validate
        let named = |one: &AlterConfigsResource| (one.resource_type, one.resource_name.clone());
        let (mut good, mut responses) = (Vec::new(), Vec::new());
        for resource in &request.resources {
            let twice = request.resources.iter().filter(|other| named(other) == named(resource)).count() != 1;
            let found = if twice {
                Err((ErrorCode::InvalidRequest, "Each resource must appear at most once.".to_owned()))
            } else {
                alterable(&services, resource.resource_type, &resource.resource_name)
            };
            match found {
                Ok(target) => good
                    .push((resource, AlteredResource { resource: target, alteration: alteration(resource) })),
                Err((code, message)) => responses.push(outcome(resource, Some((code, &message)))),
            }
        }
        // act
        let resources = good.iter().map(|(_, altered)| altered.clone()).collect();
        let wanted = AlterConfigs { resources, validate_only: request.validate_only };
        let answers = services.controller.alter_configs(wanted, options).await;
        // answer
        responses.extend(good.iter().zip(answers).map(|((resource, _), answer)| match answer {
            Ok(()) => outcome(resource, None),
            Err(error) => outcome(resource, Some((error.code, &error.message))),
        }));
        Reply::from(IncrementalAlterConfigsResponse {
            responses,
            ..IncrementalAlterConfigsResponse::default()
        })
    })
}

fn alteration(resource: &AlterConfigsResource) -> Alteration {
    let changes = resource.configs.iter().map(|change| ConfigChange {
        key: change.name.as_str().into(),
        operation: change.config_operation,
        value: change.value.as_deref().map(Into::into),
    });
    Alteration::Incremental(changes.collect())
}

fn outcome(
    resource: &AlterConfigsResource,
    error: Option<(ErrorCode, &str)>,
) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: error.map_or(0, |(code, _)| code.code()),
        error_message: error.map(|(_, message)| message.into()),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.detached(),
    }
}
