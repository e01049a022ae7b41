//! Produce in a closed loop: so many connections, so many requests in flight on each.

use super::{Moved, on_one_thread};
use crate::frames::{self, CORRELATION_AT, PRODUCE_BATCH_AT, PRODUCE_ERROR_AT};
use anyhow::{Context as _, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use std::{cell::Cell, collections::VecDeque, net::SocketAddr, rc::Rc, time::Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// One produce load.
#[derive(Debug, Clone)]
pub struct ProduceLoad {
    /// The broker.
    pub address: SocketAddr,
    /// Name of the topic, of the agreed length.
    pub topic: String,
    /// Connections; connection `c` writes to partition `c % partitions`.
    pub connections: usize,
    /// Requests in flight on each.
    pub depth: usize,
    /// Partitions of the topic.
    pub partitions: i32,
    /// Bytes to send in all.
    pub bytes: u64,
    /// acks of each request.
    pub acks: i16,
    /// The batch of every request.
    pub batch: Bytes,
}

/// Runs the load to its end.
pub fn produce(load: &ProduceLoad) -> anyhow::Result<Moved> {
    on_one_thread(async {
        let left = Rc::new(Cell::new(load.bytes.div_ceil(load.batch.len() as u64)));
        let mut sockets = Vec::new();
        for _ in 0..load.connections {
            let socket = TcpStream::connect(load.address).await.context("connecting the load client")?;
            socket.set_nodelay(true)?;
            sockets.push(socket);
        }
        let began = Instant::now();
        let mut tasks = Vec::new();
        for (index, socket) in sockets.into_iter().enumerate() {
            let partition = i32::try_from(index)? % load.partitions;
            let frame = frames::produce(&load.topic, partition, load.acks, load.batch.clone());
            tasks.push(tokio::task::spawn_local(connection(socket, frame, load.depth, Rc::clone(&left))));
        }
        let mut moved = Moved::default();
        for task in tasks {
            let micros = task.await??;
            moved.requests += micros.len() as u64;
            moved.micros.extend(micros);
        }
        moved.wall = began.elapsed();
        moved.bytes = moved.requests * load.batch.len() as u64;
        Ok(moved)
    })
}

async fn connection(
    mut socket: TcpStream,
    mut frame: BytesMut,
    depth: usize,
    left: Rc<Cell<u64>>,
) -> anyhow::Result<Vec<u32>> {
    let mut sent: VecDeque<Instant> = VecDeque::new();
    let mut micros = Vec::new();
    let mut input = BytesMut::with_capacity(64 * 1024);
    let mut correlation = 0_i32;
    loop {
        while sent.len() < depth && left.get() > 0 {
            left.set(left.get() - 1);
            frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation.to_be_bytes());
            correlation = correlation.wrapping_add(1);
            sent.push_back(Instant::now());
            socket.write_all(&frame).await?;
        }
        if sent.is_empty() {
            return Ok(micros);
        }
        ensure!(socket.read_buf(&mut input).await? > 0, "the broker closed the connection");
        while let Some(length) = input.first_chunk::<4>() {
            let total = 4 + usize::try_from(i32::from_be_bytes(*length))?;
            if input.len() < total {
                break;
            }
            let answer = input.split_to(total);
            let body = &answer[4..];
            let expected = correlation.wrapping_sub(i32::try_from(sent.len())?);
            ensure!((&body[..4]).get_i32() == expected, "answers out of order");
            let error = (&body[PRODUCE_ERROR_AT..PRODUCE_ERROR_AT + 2]).get_i16();
            ensure!(
                error == 0,
                "the broker answered error {error} to a batch of {} bytes",
                frame.len() - PRODUCE_BATCH_AT
            );
            let began = sent.pop_front().context("an answer to nothing")?;
            micros.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
}
