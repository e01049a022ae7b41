//! One connection to one broker.
//!
//! Requests are pipelined; answers come back in the order of the requests, and a correlation id that is not that of the
//! oldest outstanding request ends the connection. Each request has a deadline; since answers are in order, a request
//! that misses it ends the connection too. An error says whether the request may have reached the broker.
//!
//! Stands alone: the broker uses it to talk to its peers. Above: `cluster`. Below: a byte stream from a [`Dial`].
//! Reading order: this file (the handle), `negotiate` (versions), `driver` (the task), `dial`, `error`.

mod dial;
mod driver;
mod error;
mod negotiate;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mainstem_protocol::api::ApiKey;
use mainstem_protocol::message::{Request, decode_response, encode_request};
use mainstem_protocol::messages::api_versions::ApiVersionsResponse;
use tokio::sync::{mpsc, oneshot};

use crate::runtime::{Instant, Spawn, now};

pub use dial::{ByteStream, Dial, TcpDialer};
use driver::{Answer, Outgoing};
pub use error::{CloseReason, ConnectionError};

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
        let frame = self.exchange(request, version, deadline).await?;
        let (_, response) = decode_response::<R::Response>(frame, version)
            .map_err(|error| ConnectionError::Decode { api: R::KEY.name(), version, error })?;
        Ok(response)
    }

    /// Sends a request that gets no answer (Produce with `acks` 0). Ends once its bytes have left.
    pub async fn send_unanswered<R: Request>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<(), ConnectionError> {
        let (answer, written) = oneshot::channel();
        self.enqueue(request, version, deadline, Answer::Written(answer)).await?;
        written.await.unwrap_or_else(|_| Err(ConnectionError::closed(CloseReason::Dropped, true)))
    }

    async fn exchange<R: Request>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<Bytes, ConnectionError> {
        let (answer, frame) = oneshot::channel();
        self.enqueue(request, version, deadline, Answer::Frame(answer)).await?;
        // The driver answers every request that it took, unless its runtime ended under it.
        frame.await.unwrap_or_else(|_| Err(ConnectionError::closed(CloseReason::Dropped, true)))
    }

    async fn enqueue<R: Request>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
        answer: Answer,
    ) -> Result<(), ConnectionError> {
        // The driver writes the correlation id, since it alone knows the order in which requests leave.
        let encoded = encode_request(0, Some(&self.shared.client_id), version, request)
            .map_err(|error| ConnectionError::Encode { api: R::KEY.name(), version, error })?;
        let outgoing = Outgoing::new(encoded, deadline, answer);
        let sent = crate::runtime::until(deadline, self.queue.send(outgoing)).await;
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(ConnectionError::closed(CloseReason::Dropped, false)),
            None => Err(ConnectionError::closed(CloseReason::RequestTimeout, false)),
        }
    }
}
