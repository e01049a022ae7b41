//! AlterConfigs and IncrementalAlterConfigs: which values change; whether they may is the room `config`'s.
//!
//! Pure; above: `decide`.

use super::{Decision, Surroundings, refuse};
use crate::{
    controller::{
        ApiError,
        request::{AlterConfigs, AlteredResource, Done},
    },
    metadata::{
        ConfigResource, ConfigResourceKind, ConfigValues, MetadataImage, MetadataRecord, record::Config,
    },
};
use mainstem_protocol::{error::ErrorCode, model::BrokerId};
use std::{collections::BTreeMap, sync::Arc};

pub(super) fn decide(surroundings: &Surroundings, image: &MetadataImage, request: &AlterConfigs) -> Decision {
    let mut named: BTreeMap<&ConfigResource, usize> = BTreeMap::new();
    for altered in &request.resources {
        *named.entry(&altered.resource).or_default() += 1;
    }
    let mut decision = Decision::default();
    for altered in &request.resources {
        let decided = if named.get(&altered.resource).is_some_and(|times| 1 < *times) {
            refuse(
                ErrorCode::InvalidRequest,
                format!("Each resource may appear once, but {} does not.", altered.resource),
            )
        } else {
            alter(surroundings, image, altered)
        };
        decision.answers.push(decided.map(|records| {
            if !request.validate_only {
                decision.records.extend(records);
            }
            Done { name: Arc::clone(&altered.resource.name), ..Done::default() }
        }));
    }
    decision
}

fn alter(
    surroundings: &Surroundings,
    image: &MetadataImage,
    altered: &AlteredResource,
) -> Result<Vec<MetadataRecord>, ApiError> {
    check_exists(image, &altered.resource)?;
    let current = image.configs.of(&altered.resource);
    let next = surroundings.rules.alter(image, &altered.resource, &current, &altered.alteration)?;
    Ok(difference(&altered.resource, &current, &next))
}

fn check_exists(image: &MetadataImage, resource: &ConfigResource) -> Result<(), ApiError> {
    match resource.kind {
        ConfigResourceKind::Topic => {
            super::topic_name::check(&resource.name)?;
            match image.topics.by_name(&resource.name) {
                Some(_) => Ok(()),
                None => refuse(
                    ErrorCode::UnknownTopicOrPartition,
                    format!("The topic '{}' does not exist.", resource.name),
                ),
            }
        }
        ConfigResourceKind::Broker if resource.name.is_empty() => Ok(()),
        ConfigResourceKind::Broker => match resource.name.parse().map(BrokerId) {
            Ok(id) if image.broker(id).is_some() => Ok(()),
            Ok(id) => refuse(ErrorCode::BrokerIdNotRegistered, format!("Broker {id} is not registered.")),
            Err(_) => refuse(
                ErrorCode::InvalidRequest,
                format!("{:?} is not the id of a broker.", resource.name.as_ref()),
            ),
        },
        ConfigResourceKind::ClientMetrics | ConfigResourceKind::Group if resource.name.is_empty() => {
            refuse(ErrorCode::InvalidRequest, "The name of the resource must not be empty.")
        }
        ConfigResourceKind::ClientMetrics | ConfigResourceKind::Group => Ok(()),
    }
}

/// The records that lead from one set of values to another.
fn difference(resource: &ConfigResource, current: &ConfigValues, next: &ConfigValues) -> Vec<MetadataRecord> {
    let record = |name: &Arc<str>, value: Option<&Arc<str>>| {
        let config = Config {
            resource_type: resource.kind.code(),
            resource_name: resource.name.as_ref().into(),
            name: name.as_ref().into(),
            value: value.map(|value| value.as_ref().into()),
        };
        MetadataRecord::from(config)
    };
    let set = next.iter().filter(|(key, value)| current.get(*key) != Some(value));
    let unset = current.keys().filter(|key| !next.contains_key(*key));
    set.map(|(key, value)| record(key, Some(value))).chain(unset.map(|key| record(key, None))).collect()
}
