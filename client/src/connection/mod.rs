//! One connection to one broker.
//!
//! Requests are pipelined; answers come back in the order of the requests, and a correlation id that is not that of the
//! oldest outstanding request ends the connection. Each request has a deadline; since answers are in order, a request
//! that misses it ends the connection too. An error says whether the request may have reached the broker.
//!
//! Stands alone: the broker uses it to talk to its peers. Above: `cluster`. Below: a byte stream from a [`Dial`].
//! Reading order: this file (the handle), `slot` (room for a request), `negotiate` (versions), `driver` (the task), `dial`,
//! `error`.

mod dial;
mod driver;
mod error;
mod negotiate;
mod slot;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mainstem_protocol::api::ApiKey;
use mainstem_protocol::message::Request;
use mainstem_protocol::messages::api_versions::ApiVersionsResponse;
use tokio::sync::mpsc;

use crate::runtime::{Instant, Spawn, now};

pub use dial::{ByteStream, Dial, TcpDialer};
use driver::Outgoing;
pub use error::{CloseReason, ConnectionError};
pub(crate) use slot::Slot;

/// How a connection behaves.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// What the client calls itself.
    pub client_id: String,
    /// Longest wait for a connection, negotiation included.
    pub connect_timeout: Duration,
    /// Longest time without any request before the connection closes.
    pub idle_timeout: Duration,
    /// Largest answer that is read, in bytes.
    pub max_response_bytes: usize,
    /// Most requests without an answer; further ones wait.
    pub max_in_flight: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            client_id: "mainstem".into(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(9 * 60),
            max_response_bytes: 100 << 20,
            max_in_flight: 100,
        }
    }
}

/// A connection. Clones share it; it closes when the last one is dropped and the answers outstanding have arrived.
#[derive(Debug, Clone)]
pub struct Connection {
    queue: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: String,
    client_id: String,
    versions: ApiVersionsResponse,
}

impl Connection {
    /// Connects, asks for the versions that the broker speaks, and hands the driving task to `spawner`.
    pub async fn connect(
        dial: &dyn Dial,
        host: &str,
        port: u16,
        options: &ConnectionOptions,
        spawner: &dyn Spawn,
    ) -> Result<Self, ConnectionError> {
        negotiate::connect(dial, host, port, options, spawner).await
    }

    /// `host:port` of the broker, as asked for.
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Whether the connection can take requests no more.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// What the broker said of its versions and features.
    pub fn api_versions(&self) -> &ApiVersionsResponse {
        &self.shared.versions
    }

    /// Versions of an API that the broker speaks.
    pub fn broker_versions(&self, key: ApiKey) -> Option<RangeInclusive<i16>> {
        let row = self.shared.versions.api_keys.iter().find(|row| row.api_key == key.code())?;
        Some(row.min_version..=row.max_version)
    }

    /// The highest version that both sides speak.
    pub fn version_for<R: Request>(&self) -> Result<i16, ConnectionError> {
        let broker = self.broker_versions(R::KEY);
        let common = broker.clone().and_then(|broker| {
            let highest = *broker.end().min(R::VERSIONS.end());
            (*broker.start().max(R::VERSIONS.start()) <= highest).then_some(highest)
        });
        common.ok_or_else(|| ConnectionError::Unsupported {
            api: R::KEY.name(),
            broker: broker.map(RangeInclusive::into_inner),
            client: R::VERSIONS.into_inner(),
        })
    }

    /// Sends a request in the highest common version and waits for its answer until `deadline`.
    ///
    /// Dropping the future does not take the request back; only its answer is lost.
    pub async fn request<R: Request>(
        &self,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, ConnectionError> {
        self.request_version(request, self.version_for::<R>()?, deadline).await
    }

    /// Like [`Connection::request`] with the time to wait in place of a moment.
    pub async fn request_within<R: Request>(
        &self,
        request: &R,
        limit: Duration,
    ) -> Result<R::Response, ConnectionError> {
        self.request(request, now() + limit).await
    }

    /// Like [`Connection::request`] in a version that the caller chose.
    pub async fn request_version<R: Request>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<R::Response, ConnectionError> {
        self.clone().reserve(deadline).await?.send(request, version, deadline).await
    }

    /// Sends a request that gets no answer (Produce with `acks` 0). Ends once its bytes have left.
    pub async fn send_unanswered<R: Request>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<(), ConnectionError> {
        self.clone().reserve(deadline).await?.send_unanswered(request, version, deadline).await
    }

    async fn exchange<R: Request>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<Bytes, ConnectionError> {
        self.clone().reserve(deadline).await?.send_for_frame(request, version, deadline).await
    }
}
