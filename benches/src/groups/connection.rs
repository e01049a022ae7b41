//! A member's connection: one request in flight, versions given by the caller.

use crate::frames;
use anyhow::Context as _;
use mainstem_protocol::message::{Request, decode_response, encode_request};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[derive(Debug)]
pub(super) struct Connection(TcpStream);

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting a member")?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    pub(super) async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> anyhow::Result<R::Response> {
        let frame = encode_request(1, Some(frames::CLIENT), version, request)?.into_contiguous();
        self.0.write_all(&frame.context("no holes in a request")?).await?;
        let len = self.0.read_i32().await?;
        let mut answer = vec![0; usize::try_from(len)?];
        self.0.read_exact(&mut answer).await?;
        Ok(decode_response::<R::Response>(answer.into(), version)?.1)
    }
}
