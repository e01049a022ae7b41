//! The router: from a frame to its handler, and from what the handler gives back to an answer.
//!
//! Above: `net`. Below: `handlers`. [`Router::new`] holds the one list of what is served; ApiVersions, the support
//! table of the docs and the test matrix follow from it.

use super::{
    answer::{Answer, ApiPlace, Chunk, CloseReason, Handled, Outcome},
    session::Session,
};
use crate::{
    handlers::{self, Context, Reply, ServedApi, Services, Staged},
    telemetry::{ApiMetrics, ListenerRequests},
};
use bytes::Bytes;
use mainstem_protocol::{
    api::ApiKey,
    header::RequestHeader,
    message::{Request, encode_response},
    wire::{Chunk as Encoded, DecodeError, Reader, Wire},
};
use std::{ops::RangeInclusive, sync::Arc};

/// Decodes a body, runs its handler, prepares the answer.
type Serve = Box<dyn Fn(&Context<'_>, i32, Reader) -> Result<Outcome, DecodeError> + Send + Sync>;

/// One API that is served.
struct Route {
    served: RangeInclusive<i16>,
    serve: Serve,
    metrics: Arc<ApiMetrics>,
}

/// Serves requests.
pub(crate) struct Router {
    /// By API key.
    routes: Vec<Option<Route>>,
    apis: Vec<ServedApi>,
    services: Arc<Services>,
}

impl Router {
    /// The list of what is served. An API appears in ApiVersions by standing here, and only then.
    pub(crate) fn new(services: Arc<Services>) -> Self {
        let mut router = Self { routes: Vec::new(), apis: Vec::new(), services };
        router.add(handlers::produce::handle);
        router.add(handlers::fetch::handle);
        router.add(handlers::list_offsets::handle);
        router.add(handlers::metadata::handle);
        router.add(handlers::offset_commit::handle);
        router.add(handlers::offset_fetch::handle);
        router.add(handlers::find_coordinator::handle);
        router.add(handlers::join_group::handle);
        router.add(handlers::heartbeat::handle);
        router.add(handlers::leave_group::handle);
        router.add(handlers::sync_group::handle);
        router.add(handlers::describe_groups::handle);
        router.add(handlers::list_groups::handle);
        router.add(handlers::api_versions::handle);
        router.add(handlers::create_topics::handle);
        router.add(handlers::delete_topics::handle);
        router.add(handlers::delete_records::handle);
        router.add(handlers::init_producer_id::handle);
        router.add(handlers::offset_for_leader_epoch::handle);
        router.add(handlers::describe_configs::handle);
        router.add(handlers::alter_configs::handle);
        router.add(handlers::describe_log_dirs::handle);
        router.add(handlers::create_partitions::handle);
        router.add(handlers::incremental_alter_configs::handle);
        router.add(handlers::describe_cluster::handle);
        router.add(handlers::delete_groups::handle);
        router.add(handlers::offset_delete::handle);
        router.add(handlers::describe_producers::handle);
        router.add(handlers::list_config_resources::handle);
        router.add(handlers::consumer_group_heartbeat::handle);
        router.add(handlers::consumer_group_describe::handle);
        router.add(handlers::describe_topic_partitions::handle);
        router.apis.sort_by_key(|api| api.key);
        router
    }

    fn add<R: Request + 'static>(&mut self, handle: fn(&Context<'_>, R) -> Staged<R::Response>)
    where
        R::Response: Send + 'static,
    {
        let served = R::VERSIONS;
        let metrics = Arc::new(self.services.telemetry.api(R::KEY.name()));
        let measured = Arc::clone(&metrics);
        let serve: Serve = Box::new(move |context, correlation_id, mut body| {
            let request = R::decode(&mut body, context.version)?;
            Ok(outcome::<R>(handle(context, request), &measured, correlation_id, context.version))
        });
        let Ok(index) = usize::try_from(R::KEY.code()) else { return };
        if self.routes.len() <= index {
            self.routes.resize_with(index + 1, || None);
        }
        self.apis.push(ServedApi { key: R::KEY, versions: handlers::advertised_versions(R::KEY, &served) });
        if let Some(place) = self.routes.get_mut(index) {
            *place = Some(Route { served, serve, metrics });
        }
    }

    /// Counters for the requests of a listener; places are those of [`ApiPlace`].
    pub(crate) fn requests_on(&self, listener: Arc<str>) -> ListenerRequests {
        let apis = self.routes.iter().zip(0..).map(|(route, key)| {
            let newest = route.as_ref().map_or(-1, |route| *route.served.end());
            (ApiKey::new(key).name(), usize::try_from(i32::from(newest) + 1).unwrap_or(0))
        });
        self.services.telemetry.requests(listener, apis)
    }

    /// What is measured of an API.
    pub(crate) fn metrics(&self, api: ApiPlace) -> Option<&ApiMetrics> {
        let route = self.routes.get(usize::from(api.0))?.as_ref()?;
        Some(&route.metrics)
    }

    /// The first stage of the request in `frame` (prefix excluded).
    pub(crate) fn handle(&self, session: &mut Session, frame: Bytes) -> Handled {
        let refused = |reason| Handled { outcome: Outcome::Close(reason), api: None };
        let mut body = Reader::request(frame);
        let Ok(header) = RequestHeader::decode(&mut body) else {
            // A key that Kafka does not know ends here as well: not even its header can be read.
            return refused(CloseReason::Malformed);
        };
        let key = ApiKey::new(header.request_api_key);
        let version = header.request_api_version;
        let place = u16::try_from(key.code()).ok();
        let route = place.and_then(|place| self.routes.get(usize::from(place))?.as_ref());
        let (Some(place), Some(route)) = (place, route.filter(|route| route.served.contains(&version)))
        else {
            return Handled { outcome: self.unsupported(key, header.correlation_id), api: None };
        };
        let context = Context {
            services: &self.services,
            apis: &self.apis,
            peer: &session.peer,
            version,
            client_id: header.client_id.as_ref(),
        };
        match (route.serve)(&context, header.correlation_id, body) {
            Ok(outcome) => {
                session.requests.count(usize::from(place), version);
                Handled { outcome, api: Some(ApiPlace(place)) }
            }
            Err(error) => {
                tracing::debug!(target: "mainstem::request", peer = %session.peer.address, api = %key, version, %error,
                    "request cannot be decoded");
                refused(CloseReason::Malformed)
            }
        }
    }

    /// Only ApiVersions has an answer to a version that it does not know (rule C2).
    fn unsupported(&self, key: ApiKey, correlation_id: i32) -> Outcome {
        if key != ApiKey::API_VERSIONS {
            return Outcome::Close(CloseReason::UnsupportedRequest);
        }
        answer::<handlers::api_versions::ApiVersionsRequest>(
            handlers::api_versions::unsupported_version(&self.apis).into(),
            correlation_id,
            0,
        )
        .map_or_else(Outcome::Close, Outcome::Now)
    }
}

fn outcome<R: Request + 'static>(
    staged: Staged<R::Response>,
    metrics: &Arc<ApiMetrics>,
    correlation_id: i32,
    version: i16,
) -> Outcome
where
    R::Response: Send + 'static,
{
    match staged {
        Staged::Ready(reply) => {
            count_errors(&reply, metrics);
            answer::<R>(reply, correlation_id, version).map_or_else(Outcome::Close, Outcome::Now)
        }
        Staged::Later(second_stage) => {
            let metrics = Arc::clone(metrics);
            Outcome::Later(Box::pin(async move {
                let reply = second_stage.await;
                count_errors(&reply, &metrics);
                answer::<R>(reply, correlation_id, version)
            }))
        }
        Staged::Silent => Outcome::Silent,
        Staged::Disconnect => Outcome::Close(CloseReason::UnacknowledgedWriteFailed),
    }
}

fn count_errors<R: Wire>(reply: &Reply<R>, metrics: &ApiMetrics) {
    reply.body.error_codes(&mut |code| metrics.observe_error(code));
}

/// Encodes a reply; its holes become file slices.
fn answer<R: Request>(
    reply: Reply<R::Response>,
    correlation_id: i32,
    version: i16,
) -> Result<Answer, CloseReason> {
    let encoded = encode_response(correlation_id, version, &reply.body).map_err(|error| {
        tracing::error!(target: "mainstem::request", api = %R::KEY, version, %error, "answer cannot be encoded");
        CloseReason::Unanswerable
    })?;
    let mut slices: Vec<_> = reply.slices.into_iter().map(Some).collect();
    let chunks = encoded.chunks.into_iter().map(|chunk| match chunk {
        Encoded::Bytes(bytes) => Some(Chunk::Memory(bytes)),
        Encoded::Hole { token, len } => {
            let slice = slices.get_mut(usize::try_from(token).ok()?)?.take()?;
            if slice.len() == len { Some(Chunk::File(slice)) } else { None }
        }
    });
    chunks.collect::<Option<Vec<_>>>().map(Answer::new).ok_or(CloseReason::Unanswerable)
}
