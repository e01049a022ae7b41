//! `DescribeCluster`, key 60, versions 0-2. Above: request::router. Below: metadata.
//! Tells the brokers that clients of this listener can reach, out of the local image; never waits.
//! Left out: the controllers as endpoints, since clients have no way to them.
//! v1 kind of endpoint, v2 fenced brokers.

use super::{
    Context, ServedOperations, Staged,
    endpoints::{address, rack},
    metadata::controller_id,
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::describe_cluster::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse},
};

/// Kafka's number of brokers as endpoints.
const BROKERS: i8 = 1;
/// Kafka's number of controllers as endpoints.
const CONTROLLERS: i8 = 2;

pub(crate) fn handle(
    context: &Context<'_>,
    request: DescribeClusterRequest,
) -> Staged<DescribeClusterResponse> {
    // authorise: everyone may until there are access rules
    // validate
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            return Staged::ready(refused(ErrorCode::MismatchedEndpointType, message.to_owned()));
        }
        other => {
            let message = format!("Unsupported endpoint type {other}");
            return Staged::ready(refused(ErrorCode::UnsupportedEndpointType, message));
        }
    }
    // act
    let image = context.services.metadata.current();
    let listed = image.brokers.values().filter(|broker| request.include_fenced_brokers || !broker.fenced);
    let brokers = listed.filter_map(|broker| {
        let (host, port) = address(broker, &context.peer.listener)?;
        Some(DescribeClusterBroker {
            broker_id: broker.id.get(),
            host,
            port,
            rack: rack(broker),
            is_fenced: broker.fenced,
        })
    });
    // answer
    Staged::ready(DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: (*image.cluster_id).into(),
        controller_id: controller_id(context.services, &image),
        brokers: brokers.collect(),
        cluster_authorized_operations: ServedOperations::CLUSTER
            .bits_if(request.include_cluster_authorized_operations),
        ..DescribeClusterResponse::default()
    })
}

fn refused(code: ErrorCode, message: String) -> DescribeClusterResponse {
    DescribeClusterResponse {
        error_code: code.code(),
        error_message: Some(message.into()),
        endpoint_type: BROKERS,
        ..DescribeClusterResponse::default()
    }
}
