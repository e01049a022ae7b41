//! Hot Fetch in a closed loop, one request in flight per connection, answers read and thrown away.

use super::{Moved, latencies, micros, on_one_thread, produce};
use crate::frames::{self, CORRELATION_AT, FETCH_ERROR_AT, FETCH_OFFSET_AT, FETCH_RECORDS_AT};
use anyhow::ensure;
use bytes::Buf as _;
use hdrhistogram::Histogram;
use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// One fetch load on partition 0 of a topic that was filled before.
#[derive(Debug, Clone)]
pub struct FetchLoad {
    /// The broker.
    pub address: SocketAddr,
    /// Name of the topic, of the agreed length.
    pub topic: String,
    /// Connections.
    pub connections: usize,
    /// Record bytes to receive in all.
    pub bytes: u64,
    /// Limit of each answer.
    pub max_bytes: i32,
    /// Offsets to ask for, one after the other, over and over.
    pub offsets: Vec<i64>,
}

/// Runs the load to its end.
pub fn fetch(load: &FetchLoad) -> anyhow::Result<Moved> {
    on_one_thread(async {
        let left = Rc::new(Cell::new(i64::try_from(load.bytes)?));
        let sockets = produce::connect(load.address, load.connections).await?;
        let began = Instant::now();
        let tasks: Vec<_> = sockets
            .into_iter()
            .enumerate()
            .map(|(index, socket)| {
                tokio::task::spawn_local(connection(socket, load.clone(), index, Rc::clone(&left)))
            })
            .collect();
        let mut moved = Moved::default();
        for task in tasks {
            let (bytes, latencies) = task.await??;
            moved.bytes += bytes;
            moved.requests += latencies.len();
            moved.latencies.add(latencies)?;
        }
        moved.wall = began.elapsed();
        Ok(moved)
    })
}

async fn connection(
    mut socket: TcpStream,
    load: FetchLoad,
    start: usize,
    left: Rc<Cell<i64>>,
) -> anyhow::Result<(u64, Histogram<u64>)> {
    let mut frame = frames::fetch(&load.topic, 0, 0, load.max_bytes);
    let mut head = [0; 4 + FETCH_RECORDS_AT];
    let mut sink = vec![0; 256 * 1024];
    let (mut bytes, mut latencies) = (0_u64, latencies());
    for (correlation, offset) in load.offsets.iter().cycle().skip(start * 7).enumerate() {
        if left.get() <= 0 {
            break;
        }
        frame[CORRELATION_AT..CORRELATION_AT + 4]
            .copy_from_slice(&i32::try_from(correlation & 0x7fff_ffff)?.to_be_bytes());
        frame[FETCH_OFFSET_AT..FETCH_OFFSET_AT + 8].copy_from_slice(&offset.to_be_bytes());
        let began = Instant::now();
        socket.write_all(&frame).await?;
        socket.read_exact(&mut head).await?;
        let length = usize::try_from((&head[..4]).get_i32())?;
        let error = (&head[4 + FETCH_ERROR_AT..]).get_i16();
        ensure!(error == 0, "the broker answered error {error} at offset {offset}");
        let mut rest = length - FETCH_RECORDS_AT;
        ensure!(rest > 0, "no records at offset {offset}");
        bytes += rest as u64;
        left.set(left.get() - i64::try_from(rest)?);
        while rest > 0 {
            let part = rest.min(sink.len());
            let count = socket.read(&mut sink[..part]).await?;
            ensure!(count > 0, "the broker closed the connection");
            rest -= count;
        }
        latencies.saturating_record(micros(began.elapsed()));
    }
    Ok((bytes, latencies))
}
