//! How a byte stream to a broker comes to be: TCP here; TLS, proxies and in-memory pipes by other implementations.

use std::io;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Something that bytes flow through in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Opens byte streams.
pub trait Dial: Send + Sync + std::fmt::Debug {
    /// Connects to `host:port`, ready for the first Kafka frame.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>>;
}

/// Plain TCP: tries every address that the name resolves to.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDialer;

impl Dial for TcpDialer {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect((host, port)).await?;
            // Requests are written whole; waiting for more only adds delay.
            stream.set_nodelay(true)?;
            let stream: Box<dyn ByteStream> = Box::new(stream);
            Ok(stream)
        })
    }
}
