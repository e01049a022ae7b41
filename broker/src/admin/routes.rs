//! The paths that are served, and who may ask for them.
//!
//! Above: `server`. Below: `view`, `telemetry`. One guard stands before every path: what is not on the public list is for
//! this machine only, by the peer's address, by the name in `Host` (a web page cannot lend its own name to a loopback
//! address) and by the absence of a proxy. A new path is therefore closed until someone opens it here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::Semaphore;

use super::connections::LimitedListener;
use super::log_levels::LogLevels;
use super::view::{LoggerChange, View};
use crate::env::Tasks;
use crate::telemetry::Telemetry;

/// Bytes of the longest body.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Scrapes that are written at once; more of them wait.
const SCRAPES_MAX: usize = 2;

/// Paths that answer everybody. Nothing they say names a user, a topic's content or a secret.
const PUBLIC: &[&str] = &[
    "/health/live",
    "/livez",
    "/health/ready",
    "/readyz",
    "/v1/status/ready",
    "/health/startup",
    "/metrics",
];

#[derive(Clone)]
pub(super) struct Context {
    pub(super) view: Arc<dyn View>,
    pub(super) telemetry: Telemetry,
    pub(super) log_levels: Arc<LogLevels>,
    pub(super) tasks: Tasks,
    scrapes: Arc<Semaphore>,
}

impl Context {
    pub(super) fn new(
        view: Arc<dyn View>,
        telemetry: Telemetry,
        log_levels: Arc<LogLevels>,
        tasks: Tasks,
    ) -> Self {
        Self { view, telemetry, log_levels, tasks, scrapes: Arc::new(Semaphore::new(SCRAPES_MAX)) }
    }
}

/// Address of the peer, as the guard needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(IpAddr);

impl axum::extract::connect_info::Connected<IncomingStream<'_, LimitedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        Self(SocketAddr::ip(stream.remote_addr()))
    }
}

pub(super) fn router(context: Context) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/livez", get(live))
        .route("/health/ready", get(ready))
        .route("/readyz", get(ready))
        .route("/v1/status/ready", get(ready))
        .route("/health/startup", get(start_up))
        .route("/metrics", get(metrics))
        .route("/v1/cluster/health", get(cluster_health))
        .route("/v1/loggers", put(loggers))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "no such path") })
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "not by this method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guard))
        .with_state(context)
}

async fn guard(ConnectInfo(Peer(peer)): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    if PUBLIC.contains(&request.uri().path()) || is_this_machine(peer, request.headers()) {
        return next.run(request).await;
    }
    refuse(StatusCode::FORBIDDEN, "only from this machine")
}

fn is_this_machine(peer: IpAddr, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // Without the port: `localhost:9644`, `127.0.0.1`, `[::1]:9644`.
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let is_loopback_name = host
        .is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()));
    let through_proxy = [header::FORWARDED.as_str(), "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name));
    peer.to_canonical().is_loopback() && is_loopback_name && !through_proxy
}

fn refuse(status: StatusCode, what: &str) -> Response {
    (status, Json(json!({ "error": what }))).into_response()
}

/// 200 until the broker has failed for good. Never depends on peers, or an orchestrator would kill a whole cluster at once.
async fn live(State(context): State<Context>) -> Response {
    let liveness = context.view.liveness();
    let status = if liveness.live { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(liveness)).into_response()
}

async fn ready(State(context): State<Context>) -> Response {
    let readiness = context.view.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn start_up(State(context): State<Context>) -> Response {
    let start_up = context.view.start_up();
    let status = if start_up.started { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(start_up)).into_response()
}

async fn cluster_health(State(context): State<Context>) -> Response {
    Json(context.view.cluster_health()).into_response()
}

async fn metrics(State(context): State<Context>) -> Response {
    let Ok(_turn) = context.scrapes.acquire().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    };
    let (view, telemetry) = (context.view.clone(), context.telemetry.clone());
    match context.tasks.blocking(move || telemetry.render(&view.state())).await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], Body::from(text))
            .into_response(),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be written"),
    }
}

/// Takes JSON only: a form of a web page cannot send that type without asking first, and nobody here would allow it.
async fn loggers(
    State(context): State<Context>,
    change: Result<Json<LoggerChange>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let Json(change) = match change {
        Ok(change) => change,
        Err(rejection) => return refuse(rejection.status(), &rejection.body_text()),
    };
    match context.log_levels.change(&change) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(what) => refuse(StatusCode::BAD_REQUEST, &what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, headers: &[(&'static str, &'static str)], expected: bool) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
            })
            .collect();
        assert_eq!(is_this_machine(peer.parse().unwrap(), &headers), expected, "{peer} {headers:?}");
    }

    #[test]
    fn this_machine_is_known_by_address_host_and_absence_of_a_proxy() {
        check("127.0.0.1", &[("host", "127.0.0.1:9644")], true);
        check("::1", &[("host", "[::1]:9644")], true);
        check("::ffff:127.0.0.1", &[("host", "localhost")], true);
        check("10.0.0.1", &[("host", "127.0.0.1:9644")], false);
        check("127.0.0.1", &[("host", "evil.example:9644")], false);
        check("127.0.0.1", &[("host", "127.0.0.1.evil.example")], false);
        check("127.0.0.1", &[], false);
        check("127.0.0.1", &[("host", "localhost"), ("x-forwarded-for", "1.2.3.4")], false);
    }
}
