//! A client that says on the wire exactly what a test tells it to: one blocking socket, one frame at a time, any version,
//! any bytes. It negotiates nothing, repeats nothing and hides nothing.
//!
//! Above: the tests of rules. Below: the codec.

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use mainstem_protocol::{
    api::ApiKey,
    message::{Message, Request, decode_response, encode_request},
    wire::Chunk,
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// An answer that takes longer is a failure of the broker.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A longer answer is a failure of the broker too: its length was forged or misread.
const ANSWER_LEN_MAX: usize = 128 * 1024 * 1024;

/// One connection.
pub struct WireClient {
    stream: TcpStream,
    next_correlation_id: i32,
}

impl WireClient {
    /// Connects.
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self { stream, next_correlation_id: 1 })
    }

    /// Sends a request and reads its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> anyhow::Result<R::Response> {
        let correlation_id = self.send(version, request)?;
        self.receive::<R>(version, correlation_id)
    }

    /// Sends a request; gives its correlation id.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> anyhow::Result<i32> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        let encoded = encode_request(correlation_id, Some("wire-test"), version, request)?;
        for chunk in encoded.chunks {
            match chunk {
                Chunk::Bytes(bytes) => self.stream.write_all(&bytes)?,
                Chunk::Hole { .. } => bail!("a request has no holes"),
            }
        }
        Ok(correlation_id)
    }

    /// Reads the next answer, which must be the one to `correlation_id`.
    pub fn receive<R: Request>(&mut self, version: i16, correlation_id: i32) -> anyhow::Result<R::Response> {
        let frame = self.receive_frame()?.with_context(|| format!("connection closed before {}", R::KEY))?;
        let (answered, body) = decode_response::<R::Response>(frame, version)?;
        ensure!(answered == correlation_id, "answer to {answered} where {correlation_id} was expected");
        Ok(body)
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends a frame with a header of version 1 (no client id) and `body`, whatever key and version these are.
    pub fn send_frame(
        &mut self,
        key: ApiKey,
        version: i16,
        correlation_id: i32,
        body: &[u8],
    ) -> anyhow::Result<()> {
        let mut frame = Vec::new();
        frame.extend_from_slice(&i32::try_from(body.len() + 10)?.to_be_bytes());
        frame.extend_from_slice(&key.code().to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&correlation_id.to_be_bytes());
        frame.extend_from_slice(&(-1_i16).to_be_bytes());
        frame.extend_from_slice(body);
        self.send_bytes(&frame)
    }

    /// The next frame without its length; `None` when the broker ended the connection instead.
    pub fn receive_frame(&mut self) -> anyhow::Result<Option<Bytes>> {
        let mut len = [0; 4];
        match self.stream.read_exact(&mut len) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return Ok(None);
            }
            Err(error) => return Err(error).context("no answer"),
        }
        let len = usize::try_from(i32::from_be_bytes(len))?;
        ensure!(len <= ANSWER_LEN_MAX, "an answer of {len} bytes");
        let mut frame = vec![0; len];
        self.stream.read_exact(&mut frame)?;
        Ok(Some(frame.into()))
    }

    /// Whether the broker has ended the connection; waits for that, and fails if it sends something instead.
    pub fn is_closed(&mut self) -> anyhow::Result<bool> {
        Ok(self.receive_frame()?.is_none())
    }

    /// Whether the broker ends the connection within `span`, having sent nothing.
    pub fn is_closed_within(&mut self, span: Duration) -> anyhow::Result<bool> {
        self.stream.set_read_timeout(Some(span))?;
        let read = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        match read {
            Ok(0) => Ok(true),
            Ok(_) => bail!("the broker sent something"),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error).context("no answer"),
        }
    }

    /// Sends the same bytes again and again until the broker has taken none for `span`, or has ended the connection;
    /// `false` in the latter case.
    pub fn send_until_stuck(&mut self, bytes: &[u8], span: Duration) -> anyhow::Result<bool> {
        self.stream.set_write_timeout(Some(span))?;
        loop {
            match self.stream.write(bytes) {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(true);
                }
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says that nothing more will be sent; answers can still be read.
    pub fn half_close(&mut self) -> anyhow::Result<()> {
        match self.stream.shutdown(Shutdown::Write) {
            // The broker was quicker.
            Err(error) if error.kind() != ErrorKind::NotConnected => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The body of a message, for frames that are put together by hand.
pub fn body_of<M: Message>(message: &M, version: i16) -> anyhow::Result<Vec<u8>> {
    let mut writer = mainstem_protocol::wire::Writer::new();
    message.encode(&mut writer, version)?;
    let mut bytes = Vec::new();
    for chunk in writer.finish().chunks {
        if let Chunk::Bytes(chunk) = chunk {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}
