//! Limits on HTTP connections: how many, and how long one may be silent.
//!
//! Above: `server`. Below: a TCP listener and the clock. A connection holds its permit until it is dropped; while none is
//! left, nothing is accepted. Silence is bounded on reads and on writes, so neither a peer that never finishes its
//! request nor one that never takes its answer keeps a permit.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::env::{Clock, Timer};

/// Connections at once.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// How long a connection may neither read nor write.
pub(super) const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Pause after a failed accept: most often descriptors have run out, and trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections within the limits.
pub(super) struct LimitedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    clock: Clock,
}

impl LimitedListener {
    pub(super) fn new(listener: TcpListener, clock: Clock) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)), clock }
    }
}

impl axum::serve::Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (LimitedStream, SocketAddr) {
        loop {
            // The semaphore is never closed; if it were, no connection would be served.
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                std::future::pending().await
            };
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let silence = self.clock.sleep(SILENCE_MAX);
                    return (
                        LimitedStream { stream, silence, clock: self.clock.clone(), _permit: permit },
                        peer,
                    );
                }
                Err(error) => {
                    tracing::warn!(target: "mainstem::net", %error, "cannot accept an HTTP connection");
                    drop(permit);
                    self.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when it has been silent for too long.
pub(super) struct LimitedStream {
    stream: TcpStream,
    silence: Timer,
    clock: Clock,
    _permit: OwnedSemaphorePermit,
}

impl LimitedStream {
    /// Passes on what the stream says; an error once it has said "not yet" for too long.
    fn within_silence<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.silence.reset(self.clock.now().after(SILENCE_MAX));
            return poll;
        }
        ready!(Pin::new(&mut self.silence).poll(context));
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.within_silence(context, poll)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within_silence(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
