//! The router: from a frame to its handler, and from what the handler gives back to an answer.
//!
//! Above: `net`. Below: `handlers`. [`Router::new`] holds the one list of what clients are served; ApiVersions, the support
//! table of the docs and the test matrix follow from it. [`Router::for_nodes`] holds the list of what nodes say to each other.

use super::{
    answer::{Answer, ApiPlace, Chunk, CloseReason, Handled, Outcome},
    session::Session,
};
use crate::{
    handlers::{self, Context, NodeContext, NodeServices, Peer, Reply, ServedApi, Services, Staged},
    telemetry::{ApiMetrics, ListenerRequests, Telemetry},
};
use bytes::Bytes;
use mainstem_protocol::{
    api::ApiKey,
    header::{ClientId, RequestHeader},
    message::{Request, encode_response},
    messages::quorum::{
        append_entries::AppendEntriesRequest, confirm_leader::ConfirmLeaderRequest,
        describe_voter::DescribeVoterRequest, install_snapshot::InstallSnapshotRequest,
        request_vote::RequestVoteRequest,
    },
    wire::{Chunk as Encoded, DecodeError, Reader, Wire},
};
use std::{ops::RangeInclusive, sync::Arc};

/// Decodes a body, runs its handler, prepares the answer.
type Serve = Box<dyn Fn(&Asked<'_>, Reader) -> Result<Outcome, DecodeError> + Send + Sync>;

/// Places of APIs of our own begin here, behind all of Kafka's.
const OWN_PLACES: i16 = 128;

/// One request, less its body.
struct Asked<'a> {
    apis: &'a [ServedApi],
    peer: &'a Peer,
    client_id: Option<&'a ClientId>,
    version: i16,
    correlation_id: i32,
}

/// One API that is served.
struct Route {
    served: RangeInclusive<i16>,
    serve: Serve,
    metrics: Arc<ApiMetrics>,
}

/// Serves requests.
pub(crate) struct Router {
    /// By place.
    routes: Vec<Option<Route>>,
    apis: Vec<ServedApi>,
    telemetry: Telemetry,
}

/// The place of an API: its key, or for our own how far it is from the first of them. None for a key that nobody has.
fn place_of(key: ApiKey) -> Option<u16> {
    let place = match key.code().checked_sub(ApiKey::OWN_FIRST.code()).filter(|own| 0 <= *own) {
        Some(own) => own.checked_add(OWN_PLACES)?,
        None => Some(key.code()).filter(|code| *code < OWN_PLACES)?,
    };
    u16::try_from(place).ok()
}

/// The key of the API at a place.
fn key_at(place: i16) -> ApiKey {
    let own = place.checked_sub(OWN_PLACES).filter(|own| 0 <= *own);
    ApiKey::new(own.map_or(place, |own| ApiKey::OWN_FIRST.code().saturating_add(own)))
}

impl Router {
    /// The list of what is served. An API appears in ApiVersions by standing here, and only then.
    pub(crate) fn new(services: &Arc<Services>) -> Self {
        let mut router = Self::empty(services.telemetry.clone());
        router.add(services, handlers::produce::handle);
        router.add(services, handlers::fetch::handle);
        router.add(services, handlers::list_offsets::handle);
        router.add(services, handlers::metadata::handle);
        router.add(services, handlers::offset_commit::handle);
        router.add(services, handlers::offset_fetch::handle);
        router.add(services, handlers::find_coordinator::handle);
        router.add(services, handlers::join_group::handle);
        router.add(services, handlers::heartbeat::handle);
        router.add(services, handlers::leave_group::handle);
        router.add(services, handlers::sync_group::handle);
        router.add(services, handlers::describe_groups::handle);
        router.add(services, handlers::list_groups::handle);
        router.add(services, handlers::api_versions::handle);
        router.add(services, handlers::create_topics::handle);
        router.add(services, handlers::delete_topics::handle);
        router.add(services, handlers::delete_records::handle);
        router.add(services, handlers::init_producer_id::handle);
        router.add(services, handlers::offset_for_leader_epoch::handle);
        router.add(services, handlers::describe_configs::handle);
        router.add(services, handlers::alter_configs::handle);
        router.add(services, handlers::describe_log_dirs::handle);
        router.add(services, handlers::create_partitions::handle);
        router.add(services, handlers::incremental_alter_configs::handle);
        router.add(services, handlers::describe_cluster::handle);
        router.add(services, handlers::delete_groups::handle);
        router.add(services, handlers::offset_delete::handle);
        router.add(services, handlers::describe_producers::handle);
        router.add(services, handlers::list_config_resources::handle);
        router.add(services, handlers::consumer_group_heartbeat::handle);
        router.add(services, handlers::consumer_group_describe::handle);
        router.add(services, handlers::describe_topic_partitions::handle);
        router.apis.sort_by_key(|api| api.key);
        router
    }

    /// The list of what nodes say to each other, on listeners that clients have no business with.
    pub(crate) fn for_nodes(services: NodeServices, telemetry: Telemetry) -> Self {
        let (mut router, services) = (Self::empty(telemetry), Arc::new(services));
        router.add_node(&services, handlers::api_versions::handle_node);
        router.add_node(&services, handlers::quorum::handle::<DescribeVoterRequest>);
        router.add_node(&services, handlers::quorum::handle::<RequestVoteRequest>);
        router.add_node(&services, handlers::quorum::handle::<AppendEntriesRequest>);
        router.add_node(&services, handlers::quorum::handle::<InstallSnapshotRequest>);
        router.add_node(&services, handlers::quorum::handle::<ConfirmLeaderRequest>);
        router.add_node(&services, handlers::ask_controller::handle);
        router.add_node(&services, handlers::keep_alive::handle);
        router.apis.sort_by_key(|api| api.key);
        router
    }

    const fn empty(telemetry: Telemetry) -> Self {
        Self { routes: Vec::new(), apis: Vec::new(), telemetry }
    }

    fn add<R: Request + 'static>(
        &mut self,
        services: &Arc<Services>,
        handle: fn(&Context<'_>, R) -> Staged<R::Response>,
    ) where
        R::Response: Send + 'static,
    {
        let services = Arc::clone(services);
        self.insert(move |asked, request| {
            let context = Context {
                services: &services,
                apis: asked.apis,
                peer: asked.peer,
                version: asked.version,
                client_id: asked.client_id,
            };
            handle(&context, request)
        });
    }

    fn add_node<R: Request + 'static>(
        &mut self,
        services: &Arc<NodeServices>,
        handle: fn(&NodeContext<'_>, R) -> Staged<R::Response>,
    ) where
        R::Response: Send + 'static,
    {
        let services = Arc::clone(services);
        self.insert(move |asked, request| {
            handle(&NodeContext { services: &services, apis: asked.apis }, request)
        });
    }

    fn insert<R: Request + 'static>(
        &mut self,
        handle: impl Fn(&Asked<'_>, R) -> Staged<R::Response> + Send + Sync + 'static,
    ) where
        R::Response: Send + 'static,
    {
        let served = R::VERSIONS;
        let metrics = Arc::new(self.telemetry.api(R::KEY.name()));
        let measured = Arc::clone(&metrics);
        let serve: Serve = Box::new(move |asked, mut body| {
            let request = R::decode(&mut body, asked.version)?;
            Ok(outcome::<R>(handle(asked, request), &measured, asked.correlation_id, asked.version))
        });
        let Some(place) = place_of(R::KEY).map(usize::from) else { return };
        if self.routes.len() <= place {
            self.routes.resize_with(place + 1, || None);
        }
        self.apis.push(ServedApi { key: R::KEY, versions: handlers::advertised_versions(R::KEY, &served) });
        if let Some(route) = self.routes.get_mut(place) {
            *route = Some(Route { served, serve, metrics });
        }
    }

    /// Counters for the requests of a listener; places are those of [`ApiPlace`].
    pub(crate) fn requests_on(&self, listener: Arc<str>) -> ListenerRequests {
        let apis = self.routes.iter().zip(0..).map(|(route, place)| {
            let newest = route.as_ref().map_or(-1, |route| *route.served.end());
            (key_at(place).name(), usize::try_from(i32::from(newest) + 1).unwrap_or(0))
        });
        self.telemetry.requests(listener, apis)
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
        let place = place_of(key);
        let route = place.and_then(|place| self.routes.get(usize::from(place))?.as_ref());
        let (Some(place), Some(route)) = (place, route.filter(|route| route.served.contains(&version)))
        else {
            return Handled { outcome: self.unsupported(key, header.correlation_id), api: None };
        };
        let asked = Asked {
            apis: &self.apis,
            peer: &session.peer,
            client_id: header.client_id.as_ref(),
            version,
            correlation_id: header.correlation_id,
        };
        match (route.serve)(&asked, body) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// No two APIs share a place, whoever's they are, and a key from nowhere has none that is taken.
    #[test]
    fn every_api_has_a_place_of_its_own() {
        for key in ApiKey::all() {
            let place = i16::try_from(place_of(key).unwrap()).unwrap();
            assert_eq!(key_at(place), key);
        }
        assert_eq!(place_of(ApiKey::new(-1)), None);
        assert_eq!(place_of(ApiKey::new(OWN_PLACES)), None);
        assert_eq!(place_of(ApiKey::new(19_999)), None);
        assert_eq!(place_of(ApiKey::new(i16::MIN)), None);
    }
}
