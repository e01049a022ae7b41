//! Room for one request in the queue of a connection, so that several can be sent in a fixed order without waiting.

use std::future::Future;

use bytes::Bytes;
use mainstem_protocol::message::{Request, decode_response, encode_request};
use tokio::sync::{mpsc, oneshot};

use super::driver::{Answer, Outgoing};
use super::{CloseReason, Connection, ConnectionError};
use crate::runtime::{Instant, until};

/// Room for one request. Dropped unused, it is free again.
#[derive(Debug)]
pub(crate) struct Slot {
    connection: Connection,
    room: mpsc::OwnedPermit<Outgoing>,
}

impl Connection {
    /// Waits for room until `deadline`.
    pub(crate) async fn reserve(self, deadline: Instant) -> Result<Slot, ConnectionError> {
        let reason = match until(deadline, self.queue.clone().reserve_owned()).await {
            Some(Ok(room)) => return Ok(Slot { connection: self, room }),
            Some(Err(_)) => CloseReason::Dropped,
            None => CloseReason::RequestTimeout,
        };
        Err(ConnectionError::closed(reason, false))
    }
}

impl Slot {
    /// The connection that the room belongs to.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends a request. Requests leave in the order of these calls; the future only waits for the answer.
    pub(crate) fn send<R: Request>(
        self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> impl Future<Output = Result<R::Response, ConnectionError>> + use<R> {
        let frame = self.send_for_frame(request, version, deadline);
        async move {
            let (_, response) = decode_response::<R::Response>(frame.await?, version)
                .map_err(|error| ConnectionError::Decode { api: R::KEY.name(), version, error })?;
            Ok(response)
        }
    }

    /// Like [`Slot::send`], with the answer as it came.
    pub(super) fn send_for_frame<R: Request>(
        self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> impl Future<Output = Result<Bytes, ConnectionError>> + use<R> {
        let (answer, frame) = oneshot::channel();
        let sent = self.put(request, version, deadline, Answer::Frame(answer));
        async move {
            sent?;
            // The driver answers every request that it took, unless its runtime ended under it.
            frame.await.unwrap_or_else(|_| Err(ConnectionError::closed(CloseReason::Dropped, true)))
        }
    }

    /// Sends a request that gets no answer. The future ends once its bytes have left.
    pub(crate) fn send_unanswered<R: Request>(
        self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> impl Future<Output = Result<(), ConnectionError>> + use<R> {
        let (answer, written) = oneshot::channel();
        let sent = self.put(request, version, deadline, Answer::Written(answer));
        async move {
            sent?;
            written.await.unwrap_or_else(|_| Err(ConnectionError::closed(CloseReason::Dropped, true)))
        }
    }

    fn put<R: Request>(
        self,
        request: &R,
        version: i16,
        deadline: Instant,
        answer: Answer,
    ) -> Result<(), ConnectionError> {
        // The driver writes the correlation id, since it alone knows the order in which requests leave.
        let encoded = encode_request(0, Some(&self.connection.shared.client_id), version, request)
            .map_err(|error| ConnectionError::Encode { api: R::KEY.name(), version, error })?;
        self.room.send(Outgoing::new(encoded, deadline, answer));
        Ok(())
    }
}
