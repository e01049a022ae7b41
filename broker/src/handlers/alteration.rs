//! Changes of configurations, however a client words them: which resources may change, and what became of each.
//!
//! Above: AlterConfigs, IncrementalAlterConfigs. Below: the controller.

use super::Services;
use crate::{
    controller::{AlterConfigs, Alteration, AlteredResource, ApiError, CallOptions},
    metadata::ConfigResource,
};
use mainstem_protocol::{error::ErrorCode, wire::WireStr};

/// A change that a client asks for.
pub(super) struct AskedChange {
    /// Kafka's number of the kind of resource.
    pub(super) resource_type: i8,
    /// Its name.
    pub(super) resource_name: WireStr,
    /// What shall change.
    pub(super) alteration: Alteration,
}

/// Does what can be done, or with `validate_only` only looks whether it could be done. Answers every item, in order,
/// after this broker's image shows the change (rule A2).
pub(super) async fn alter(
    services: &Services,
    asked: Vec<AskedChange>,
    validate_only: bool,
) -> Vec<(AskedChange, Result<(), ApiError>)> {
    let mut resources = Vec::new();
    let checked = asked.into_iter().map(|change| {
        let resource = alterable(services, change.resource_type, &change.resource_name);
        let outcome = resource.map(|resource| {
            resources.push(AlteredResource { resource, alteration: change.alteration.clone() });
        });
        (change, outcome)
    });
    let mut outcomes: Vec<_> = checked.collect();

    // The requests carry no timeout of their own.
    let deadline = services.env.clock.now().after(services.config.requests.timeout);
    let options = CallOptions { deadline, request_id: None };
    let answers = services.controller.alter_configs(AlterConfigs { resources, validate_only }, options).await;
    let accepted = outcomes.iter_mut().filter(|(_, outcome)| outcome.is_ok());
    for ((_, outcome), answer) in accepted.zip(answers) {
        *outcome = answer;
    }
    outcomes
}

/// The resource whose configs shall change, if this broker can change them.
fn alterable(services: &Services, resource_type: i8, name: &str) -> Result<ConfigResource, ApiError> {
    let refuse = |code, message: String| Err(ApiError::new(code, message));
    match resource_type {
        2 if services.metadata.current().topics.by_name(name).is_none() => {
            refuse(ErrorCode::UnknownTopicOrPartition, format!("The topic '{name}' does not exist."))
        }
        2 => Ok(ConfigResource::topic(name)),
        4 if name.is_empty() => Ok(ConfigResource::all_brokers()),
        4 if name == services.config.node_id.to_string() => {
            Ok(ConfigResource::broker(services.config.node_id))
        }
        4 => refuse(ErrorCode::InvalidRequest, format!("Unexpected broker id {name}")),
        32 if name.is_empty() => {
            refuse(ErrorCode::InvalidRequest, "Default group resources are not allowed.".to_owned())
        }
        // A group need not be there yet.
        32 => Ok(ConfigResource::group(name)),
        other => {
            refuse(ErrorCode::InvalidRequest, format!("Resource type {other} has no configs on this broker"))
        }
    }
}
