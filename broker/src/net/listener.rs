//! Listeners: bind, accept, admit, start a connection's task, drain at the end.
//!
//! Above: `broker`, which starts one per configured listener. Below: the connection.

use super::{
    admission::{AcceptRate, Admission, Permit, Refusal},
    buffers::BufferPool,
    connection::{Connection, End},
    limits::Limits,
};
use crate::{
    config::Listener,
    env::{Env, StopSignal},
    request::{CloseReason, Router, Session},
    telemetry::{ListenerMetrics, ListenerRequests, Telemetry},
};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// Dead peers behind a silent network are noticed after this much quiet plus a few probes.
const KEEPALIVE_AFTER: Duration = Duration::from_mins(2);
/// After a failed accept (no descriptors left) the loop waits so long before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// One log line a reason in this time; the rest is counted.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What every connection of a broker shares.
pub(crate) struct Serving {
    pub(super) env: Env,
    pub(super) limits: Limits,
    pub(super) router: Arc<Router>,
    pub(super) pool: Arc<BufferPool>,
    pub(super) telemetry: Telemetry,
    admission: Arc<Admission>,
    ended: Mutex<HashMap<&'static str, Ended>>,
}

/// Connections that the broker refused or ended, of one reason.
#[derive(Default, Clone, Copy)]
struct Ended {
    count: u64,
    logged: Option<(crate::env::Moment, u64)>,
}

impl Serving {
    /// Shared by all listeners that serve `router`.
    pub(crate) fn new(env: Env, limits: Limits, router: Arc<Router>, telemetry: Telemetry) -> Arc<Self> {
        let pool = BufferPool::new(limits.request_memory_max);
        let admission = Admission::new(&limits);
        Arc::new(Self { env, limits, router, pool, telemetry, admission, ended: Mutex::default() })
    }

    /// Bytes of requests that are held for all connections.
    pub(crate) fn request_memory(&self) -> usize {
        self.pool.used()
    }

    /// Counts, and says so now and then.
    fn count_end(&self, reason: &'static str) -> Option<u64> {
        let now = self.env.clock.now();
        let mut ended = self.ended.lock();
        let entry = ended.entry(reason).or_default();
        entry.count += 1;
        let (last, at_last) = entry.logged.unzip();
        if last.is_some_and(|last| now.since(last) < LOG_EVERY) {
            return None;
        }
        entry.logged = Some((now, entry.count));
        Some(entry.count - at_last.unwrap_or(0))
    }
}

/// A bound socket that nobody accepts from yet: a bad address is known before anything else is started.
pub(crate) struct BoundListener {
    listener: TcpListener,
    name: Arc<str>,
    address: SocketAddr,
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (listener {name}): {source}")]
pub struct BindError {
    name: String,
    address: String,
    source: io::Error,
}

impl BoundListener {
    /// Binds the address of `listener`. Needs a tokio runtime; resolves names, so call it where blocking is allowed.
    pub(crate) fn bind(listener: &Listener, limits: &Limits) -> Result<Self, BindError> {
        let failed = |source| BindError {
            name: listener.name.to_string(),
            address: listener.bind.to_string(),
            source,
        };
        let host = if listener.bind.host.is_empty() { "::" } else { &listener.bind.host };
        let mut addresses = (host, listener.bind.port).to_socket_addrs().map_err(failed)?;
        let wanted = addresses.next().ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
        let socket = bind_socket(wanted, limits).map_err(failed)?;
        let listener_socket = TcpListener::from_std(socket.into()).map_err(failed)?;
        let address = listener_socket.local_addr().map_err(failed)?;
        Ok(Self { listener: listener_socket, name: listener.name.as_str().into(), address })
    }

    /// The address with the port that was really got.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the stop signal; connections drain on their own under the same signal.
    pub(crate) fn serve(self, serving: &Arc<Serving>) {
        let stop = serving.env.tasks.stop_signal();
        let measured = Arc::new(Measured {
            metrics: serving.telemetry.listener(&self.name),
            requests: Arc::new(serving.router.requests_on(self.name.clone())),
        });
        serving.env.tasks.spawn("listener", self.accept(serving.clone(), measured, stop));
    }

    async fn accept(self, serving: Arc<Serving>, measured: Arc<Measured>, mut stop: StopSignal) {
        let clock = serving.env.clock.clone();
        let mut rate = AcceptRate::new(serving.limits.network.accept_rate_max, clock.now());
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.given() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(count) = serving.count_end("accept_failed") {
                        tracing::error!(target: "mainstem::net", %error, count, "accepting connections fails");
                    }
                    clock.sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match serving.admission.admit(peer.ip()) {
                Ok(permit) => self.start(&serving, &measured, stream, peer, permit),
                Err(refusal) => {
                    measured.metrics.refused.increment(1);
                    refused(&serving, peer, refusal);
                }
            }
            let pause = rate.count(peer.ip(), clock.now());
            if !pause.is_zero() {
                clock.sleep(pause).await;
            }
        }
    }

    fn start(
        &self,
        serving: &Arc<Serving>,
        measured: &Arc<Measured>,
        stream: TcpStream,
        peer: SocketAddr,
        permit: Permit,
    ) {
        if let Err(error) = tune(&stream) {
            tracing::debug!(target: "mainstem::net", %peer, %error, "connection left before it was served");
            return;
        }
        let requests = Arc::clone(&measured.requests);
        let software = serving.telemetry.software.clone();
        let session = Session::new(self.name.clone(), peer, requests, software);
        let connection = Connection::new(stream, session, serving.clone());
        let stop = serving.env.tasks.stop_signal();
        let open = Open::begin(measured.clone());
        let serving_of_task = serving.clone();
        serving.env.tasks.spawn("connection", async move {
            let end = connection.run(stop).await;
            report(&serving_of_task, &open.0.metrics, peer, &end);
            drop((permit, open));
        });
    }
}

/// What is measured of one listener.
struct Measured {
    metrics: ListenerMetrics,
    requests: Arc<ListenerRequests>,
}

/// One connection, counted as open for as long as this lives.
struct Open(Arc<Measured>);

impl Open {
    fn begin(measured: Arc<Measured>) -> Self {
        measured.metrics.accepted.increment(1);
        measured.metrics.connections.increment(1.0);
        Self(measured)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.decrement(1.0);
    }
}

fn bind_socket(address: SocketAddr, limits: &Limits) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Without it a restart would have to wait until the connections of the last run are forgotten.
    socket.set_reuse_address(true)?;
    if let Some(bytes) = limits.network.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = limits.network.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let SocketAddr::V6(v6) = address
        && v6.ip().is_unspecified()
    {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(limits.network.backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))
}

fn refused(serving: &Serving, peer: SocketAddr, refusal: Refusal) {
    if let Some(count) = serving.count_end(refusal.name()) {
        tracing::warn!(target: "mainstem::net", %peer, limit = refusal.name(), count, "connection refused by a limit");
    }
}

fn report(serving: &Serving, metrics: &ListenerMetrics, peer: SocketAddr, end: &End) {
    match end {
        End::ByClient | End::Drained => {}
        End::Closed(reason) => report_close(serving, metrics, peer, *reason),
        End::Failed(error) => {
            if let Some(count) = serving.count_end("failed") {
                tracing::warn!(target: "mainstem::net", %peer, %error, count, "connection failed");
            }
        }
    }
}

/// Every violation moves its counter; the log hears of one in a while.
fn report_close(serving: &Serving, metrics: &ListenerMetrics, peer: SocketAddr, reason: CloseReason) {
    if reason.is_suspicious() {
        metrics.violation(reason.name());
    }
    let Some(count) = serving.count_end(reason.name()) else { return };
    if reason.is_suspicious() {
        tracing::warn!(target: "mainstem::net", %peer, reason = reason.name(), count, "connection closed: {reason}");
    } else {
        tracing::debug!(target: "mainstem::net", %peer, reason = reason.name(), count, "connection closed: {reason}");
    }
}
