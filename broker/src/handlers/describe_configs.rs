//! `DescribeConfigs`, key 32, versions 1-4. Above: request::router. Below: `config`, `metadata`.
//! Every key of topics, brokers and groups with value, source, synonyms, type and documentation (rule A1); secrets have no
//! value. A resource that cannot be described fails alone.
//! Left out: loggers and client metrics, which have nothing to describe yet. v3 type and documentation.

use super::{Context, Staged, configs::DynamicLayers};
use crate::{
    config::{
        ConfigValues,
        describe::{self, DescribedConfig},
    },
    metadata::ConfigResource,
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::describe_configs::{
        DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
        DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
    },
};

/// Kafka's number of a topic as resource.
const TOPIC: i8 = 2;
/// Kafka's number of a broker as resource.
const BROKER: i8 = 4;
/// Kafka's number of a group as resource.
const GROUP: i8 = 32;

pub(crate) fn handle(
    context: &Context<'_>,
    request: DescribeConfigsRequest,
) -> Staged<DescribeConfigsResponse> {
    // authorise: everyone may until there are access rules
    let results = request
        .resources
        .iter()
        .map(|resource| {
            // validate, act
            let described = describe(context, resource);
            // answer
            let (resource_type, resource_name) = (resource.resource_type, resource.resource_name.detached());
            match described {
                Ok(configs) => DescribeConfigsResult {
                    resource_type,
                    resource_name,
                    configs: configs
                        .into_iter()
                        .filter(|config| {
                            let keys = resource.configuration_keys.as_ref();
                            keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == config.name))
                        })
                        .map(|config| result(config, &request))
                        .collect(),
                    ..DescribeConfigsResult::default()
                },
                Err((code, message)) => DescribeConfigsResult {
                    error_code: code.code(),
                    error_message: Some(message.into()),
                    resource_type,
                    resource_name,
                    configs: Vec::new(),
                },
            }
        })
        .collect();
    Staged::ready(DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() })
}

fn describe(
    context: &Context<'_>,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribedConfig>, (ErrorCode, String)> {
    let services = context.services;
    let image = services.metadata.current();
    let dynamic = DynamicLayers::of(services, &image);
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => {
            let Some(topic) = image.topics.by_name(name) else {
                return Err((
                    ErrorCode::UnknownTopicOrPartition,
                    ErrorCode::UnknownTopicOrPartition.text().to_owned(),
                ));
            };
            let replicas = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
            let overrides = image.configs.of(&ConfigResource::topic(name));
            Ok(describe::topic(&dynamic.layers(services), &overrides, replicas))
        }
        BROKER if name.is_empty() => {
            let values: std::sync::Arc<ConfigValues> = image.configs.of(&ConfigResource::all_brokers());
            Ok(describe::cluster(&values))
        }
        BROKER if name == services.config.node_id.to_string() => {
            Ok(describe::broker(&dynamic.layers(services)))
        }
        BROKER => {
            let expected = services.config.node_id;
            Err((
                ErrorCode::InvalidRequest,
                format!("Unexpected broker id, expected {expected} but received {name}"),
            ))
        }
        GROUP if name.is_empty() => {
            Err((ErrorCode::InvalidRequest, "Group name must not be empty".to_owned()))
        }
        GROUP => {
            let overrides = image.configs.of(&ConfigResource::group(name));
            Ok(describe::group(&dynamic.layers(services), &overrides))
        }
        other => {
            Err((ErrorCode::InvalidRequest, format!("Resource type {other} has no configs on this broker")))
        }
    }
}

fn result(config: DescribedConfig, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    let synonyms = if request.include_synonyms { config.synonyms } else { Vec::new() };
    DescribeConfigsResourceResult {
        name: config.name.into(),
        value: config.value.map(Into::into),
        read_only: config.read_only,
        config_source: config.source.code(),
        is_sensitive: config.sensitive,
        synonyms: synonyms
            .into_iter()
            .map(|one| DescribeConfigsSynonym {
                name: one.name.into(),
                value: one.value.map(Into::into),
                source: one.source.code(),
            })
            .collect(),
        config_type: config.value_type.code(),
        documentation: request.include_documentation.then(|| config.doc.into()),
    }
}
