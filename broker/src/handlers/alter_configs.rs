//! `AlterConfigs`, key 33, versions 0-2. Above: request::router. Below: controller.
//! Replaces the configs of a resource as a whole: what is not named goes back to its default. Old clients and consoles
//! still send it; newer ones use IncrementalAlterConfigs. Answered after this broker's image shows the change.
//! Left out: loggers, client metrics and groups.

use super::{
    Context, Reply, Staged,
    configs::{alterable, alteration_deadline},
};
use crate::controller::{AlterConfigs, Alteration, AlteredResource, CallOptions};
use mainstem_protocol::{
    error::ErrorCode,
    messages::alter_configs::{
        AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
    },
};
use std::sync::Arc;

pub(crate) fn handle(context: &Context<'_>, request: AlterConfigsRequest) -> Staged<AlterConfigsResponse> {
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
                Ok(target) => {
                    let values = resource
                        .configs
                        .iter()
                        .map(|config| (config.name.as_str().into(), config.value.as_deref().map(Into::into)));
                    let alteration = Alteration::Replace(values.collect());
                    good.push((resource, AlteredResource { resource: target, alteration }));
                }
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
        Reply::from(AlterConfigsResponse { responses, ..AlterConfigsResponse::default() })
    })
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
